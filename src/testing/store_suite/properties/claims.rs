//! Claiming, and the token that claims.

use std::{sync::Arc, time::Duration};

use super::super::{
    StoreHarness,
    case::{BEFORE, Case, LEASE, Situation, acquired, is_in_flight},
};
use crate::store::{Claimed, Completion, Effect, Token};

pub async fn the_first_claim_of_an_event_is_its_first_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.claim_request("event");
    assert_eq!(case.claim(&claim_request).await, acquired(1, 1));
}

pub async fn a_second_claim_is_told_how_long_the_lease_still_runs<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    let claimed = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");

    case.advance(Duration::from_secs(45)).await;
    let claimed = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(claimed, Duration::from_secs(15)), "{claimed:?}");
}

pub async fn a_lease_holds_until_its_end<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    case.advance(LEASE - BEFORE).await;
    let claimed = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(claimed, BEFORE), "{claimed:?}");
}

pub async fn at_the_end_of_a_lease_another_claims_as_the_next_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Claimed).await;
    case.advance(LEASE).await;
    assert_eq!(case.claim(&case.again(&first)).await, acquired(2, 2));
    let claimed = case.claim(&case.again(&first)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
}

pub async fn the_same_token_claims_again_without_a_new_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Claimed).await;
    case.advance(Duration::from_secs(40)).await;
    assert_eq!(case.claim(&claim_request).await, acquired(1, 1));
    // and its lease starts anew
    case.advance(Duration::from_secs(40)).await;
    let claimed = case.claim(&case.again(&claim_request)).await;
    assert!(is_in_flight(claimed, Duration::from_secs(20)), "{claimed:?}");
}

pub async fn the_same_token_claims_again_after_its_lease_if_nobody_took_it<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::LeaseOver).await;
    assert_eq!(case.claim(&claim_request).await, acquired(1, 1));
    let claimed = case.claim(&case.again(&claim_request)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
}

pub async fn a_token_that_lost_its_claim_waits_like_any_other<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    case.acquire(&case.again(&first)).await;
    let claimed = case.claim(&first).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
    case.advance(LEASE).await;
    assert_eq!(case.claim(&first).await, acquired(3, 3));
}

pub async fn a_released_event_is_claimed_as_the_next_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::Free).await;
    assert_eq!(case.claim(&case.again(&first)).await, acquired(2, 2));
}

pub async fn a_token_that_released_its_claim_counts_as_a_new_attempt<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Free).await;
    assert_eq!(case.claim(&claim_request).await, acquired(2, 2));
}

pub async fn attempts_and_generations_add_up_over_releases_and_lost_leases<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.claim_request("event");
    for attempt in 1..=8 {
        let claim_request = case.again(&claim_request);
        assert_eq!(case.claim(&claim_request).await, acquired(u64::from(attempt), attempt));
        if attempt % 2 == 0 {
            case.advance(LEASE).await;
        } else {
            assert_eq!(case.release(&claim_request).await, Effect::Applied);
        }
    }
}

pub async fn a_claim_of_a_finished_event_says_how_it_was_finished<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let handled = case.event(Situation::Handled).await;
    let rejected = case.event(Situation::Rejected).await;
    for (claim_request, completion) in [(handled, Completion::Handled), (rejected, Completion::Rejected)] {
        assert_eq!(case.claim(&case.again(&claim_request)).await, Claimed::Done(completion));
        // for the token that finished it too
        assert_eq!(case.claim(&claim_request).await, Claimed::Done(completion));
    }
}

pub async fn tokens_are_told_apart_by_every_byte<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut bytes = [0xff; 16];
    let claim_request = case.claim_request("event").with_token(Token::from_bytes(bytes));
    case.acquire(&claim_request).await;
    for position in 0..bytes.len() {
        for byte in [0, 0x7f, 0xfe] {
            bytes[position] = byte;
            let other = claim_request.clone().with_token(Token::from_bytes(bytes));
            let claimed = case.claim(&other).await;
            assert!(matches!(claimed, Claimed::InFlight { .. }), "{claimed:?} for {other:?}");
            assert_eq!(case.release(&other).await, Effect::NotHeld, "{other:?}");
        }
        bytes[position] = 0xff;
    }
}

pub async fn a_claim_that_is_dropped_half_way_leaves_the_event_to_its_token<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.claim_request("event");
    case.start_to_claim(&claim_request).await;
    assert_eq!(case.claim(&claim_request).await, acquired(1, 1));
    let claimed = case.claim(&case.again(&claim_request)).await;
    assert!(is_in_flight(claimed, LEASE), "{claimed:?}");
    assert_eq!(case.release(&claim_request).await, Effect::Applied);
    assert_eq!(case.claim(&case.again(&claim_request)).await, acquired(2, 2));
}
