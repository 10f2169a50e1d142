//! How long a record lives.

use std::{sync::Arc, time::Duration};

use super::super::{
    StoreHarness,
    case::{AFTER, BEFORE, Case, LEASE, RETENTION, Situation, acquired, is_done},
};
use crate::store::{Claimed, Completion, Effect};

pub async fn a_finished_event_is_remembered_for_one_retention<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for (situation, completion) in [
        (Situation::Handled, Completion::Handled),
        (Situation::Rejected, Completion::Rejected),
    ] {
        let claim_request = case.event(situation).await;
        case.advance(RETENTION - BEFORE).await;
        assert_eq!(case.claim(&case.again(&claim_request)).await, Claimed::Done(completion));
        case.advance(BEFORE + AFTER).await;
        assert_eq!(case.claim(&case.again(&claim_request)).await, acquired(1, 1));
    }
}

pub async fn the_attempts_of_a_released_event_are_remembered_for_one_retention<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Free).await;
    case.advance(RETENTION - BEFORE).await;
    let second = case.again(&claim_request);
    assert_eq!(case.claim(&second).await, acquired(2, 2));
    assert_eq!(case.release(&second).await, Effect::Applied);
    case.advance(RETENTION + AFTER).await;
    assert_eq!(case.get(&claim_request).await, None);
    assert_eq!(case.claim(&case.again(&claim_request)).await, acquired(1, 1));
}

pub async fn the_attempts_of_a_lost_claim_are_remembered_for_one_retention_after_its_lease<H: StoreHarness>(
    harness: Arc<H>,
) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Claimed).await;
    case.advance(LEASE + RETENTION - BEFORE).await;
    assert_eq!(case.claim(&case.again(&claim_request)).await, acquired(2, 2));
    case.advance(LEASE + RETENTION + AFTER).await;
    assert_eq!(case.get(&claim_request).await, None);
    assert_eq!(case.claim(&case.again(&claim_request)).await, acquired(1, 1));
}

pub async fn after_the_retention_a_token_holds_nothing_any_more<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Claimed).await;
    case.advance(LEASE + RETENTION + AFTER).await;
    assert_eq!(case.renew(&claim_request).await, Effect::NotHeld);
    assert_eq!(case.release(&claim_request).await, Effect::NotHeld);
    assert_eq!(
        case.complete(&claim_request, Completion::Rejected).await,
        Effect::NotHeld
    );
    assert_eq!(case.forget(&claim_request).await, Effect::NotHeld);
    // but what it has done, it has done
    assert_eq!(
        case.complete(&claim_request, Completion::Handled).await,
        Effect::Applied
    );
    assert_eq!(
        case.claim(&case.again(&claim_request)).await,
        Claimed::Done(Completion::Handled)
    );
}

pub async fn durations_beyond_measure_are_as_good_as_for_ever<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let thousand_years = Duration::from_secs(1000 * 365 * 24 * 3600);
    let decade = Duration::from_secs(10 * 365 * 24 * 3600);
    for (id, long) in [
        ("longest", Duration::MAX),
        ("half", Duration::MAX / 2),
        ("signed", Duration::from_secs(i64::MAX.unsigned_abs())),
        ("milliseconds", Duration::from_millis(u64::MAX)),
        ("1000 years", thousand_years),
    ] {
        let claim_request = case
            .claim_request(id)
            .with_lease(long)
            .with_retention(long)
            .with_retry_window(long);
        assert_eq!(case.claim(&claim_request).await, acquired(1, 1), "{id}");
        assert_eq!(case.renew(&claim_request).await, Effect::Applied, "{id}");
        case.advance(decade).await;
        let claimed = case.claim(&case.again(&claim_request)).await;
        assert!(
            matches!(claimed, Claimed::InFlight { remaining } if remaining > decade),
            "{id}: {claimed:?}"
        );
        assert_eq!(case.release(&claim_request).await, Effect::Applied, "{id}");
        case.advance(decade).await;
        let second = case.again(&claim_request);
        assert_eq!(case.claim(&second).await, acquired(2, 2), "{id}");
        assert_eq!(
            case.complete(&second, Completion::Handled).await,
            Effect::Applied,
            "{id}"
        );
        case.advance(decade).await;
        assert_eq!(
            case.claim(&claim_request).await,
            Claimed::Done(Completion::Handled),
            "{id}"
        );
        let record = case.get(&claim_request).await;
        assert!(is_done(record.as_ref(), Completion::Handled), "{id}: {record:?}");
    }
}
