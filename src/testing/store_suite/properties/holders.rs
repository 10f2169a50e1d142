//! Renewing and releasing: the holder's alone.

use std::{sync::Arc, time::Duration};

use super::super::{
    StoreHarness,
    case::{BEFORE, Case, LEASE, Situation, acquired, is_in_flight},
};
use crate::store::Effect;

pub async fn renew_starts_the_lease_anew<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Claimed).await;
    for _ in 0..5 {
        case.advance(LEASE - BEFORE).await;
        assert_eq!(case.renew(&claim_request).await, Effect::Applied);
    }
    let claimed = case.claim(&case.again(&claim_request)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
    // and counts no attempt
    case.advance(LEASE).await;
    assert_eq!(case.claim(&case.again(&claim_request)).await, acquired(2, 2));
}

pub async fn renew_after_the_lease_holds_the_claim_if_nobody_took_it<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::LeaseOver).await;
    assert_eq!(case.renew(&claim_request).await, Effect::Applied);
    let claimed = case.claim(&case.again(&claim_request)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
}

pub async fn renew_after_the_claim_was_lost_to_another_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let second = case.again(&first);
    case.acquire(&second).await;
    case.advance(Duration::from_secs(30)).await;
    let before = case.get(&first).await;
    assert_eq!(case.renew(&first).await, Effect::NotHeld);
    assert_eq!(case.get(&first).await, before);
}

pub async fn only_the_holder_renews_and_releases<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED.into_iter().chain([Situation::Absent]) {
        let claim_request = case.event(situation).await;
        let before = case.get(&claim_request).await;
        let stranger = case.again(&claim_request);
        assert_eq!(case.renew(&stranger).await, Effect::NotHeld, "{situation:?}");
        assert_eq!(case.release(&stranger).await, Effect::NotHeld, "{situation:?}");
        // nor does who holds it no longer
        if !matches!(situation, Situation::Claimed | Situation::LeaseOver) {
            assert_eq!(case.renew(&claim_request).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(case.release(&claim_request).await, Effect::NotHeld, "{situation:?}");
        }
        assert_eq!(case.get(&claim_request).await, before, "{situation:?}");
    }
}

pub async fn release_frees_the_event_at_once<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in [Situation::Claimed, Situation::LeaseOver] {
        let claim_request = case.event(situation).await;
        assert_eq!(case.release(&claim_request).await, Effect::Applied, "{situation:?}");
        assert_eq!(
            case.claim(&case.again(&claim_request)).await,
            acquired(2, 2),
            "{situation:?}"
        );
    }
}

pub async fn release_after_the_claim_was_lost_to_another_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let second = case.again(&first);
    case.acquire(&second).await;
    let before = case.get(&first).await;
    assert_eq!(case.release(&first).await, Effect::NotHeld);
    assert_eq!(case.get(&first).await, before);
    let claimed = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
}
