//! Another event under the same id: other facts.

use std::{sync::Arc, time::Duration};

use super::super::{
    StoreHarness,
    case::{AFTER, Case, LEASE, RETENTION, Situation, acquired, is_done, is_in_flight},
};
use crate::{
    event::Fingerprint,
    store::{ClaimRequest, Claimed, Completion, Effect, State},
};

/// A claim request of the same run with other facts. There is no such run: a token belongs to one.
fn same_token(claim_request: &ClaimRequest) -> ClaimRequest {
    claim_request
        .clone()
        .with_fingerprint(Fingerprint::of(["another event"]))
}

/// A claim request of another run, whose event has other facts.
fn other_facts<H: StoreHarness>(case: &Case<H>, claim_request: &ClaimRequest) -> ClaimRequest {
    case.again(&same_token(claim_request))
}

/// A claim request that does not hold the record changes nothing of it.
async fn finishes_nothing<H: StoreHarness>(case: &Case<H>, claim_request: &ClaimRequest) {
    let before = case.get(claim_request).await;
    assert_eq!(case.renew(claim_request).await, Effect::NotHeld);
    assert_eq!(case.release(claim_request).await, Effect::NotHeld);
    for completion in [Completion::Handled, Completion::Rejected] {
        assert_eq!(case.complete(claim_request, completion).await, Effect::NotHeld);
    }
    assert_eq!(case.get(claim_request).await, before);
}

pub async fn another_event_under_a_finished_id_is_a_conflict_and_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::FINISHED {
        let claim_request = case.event(situation).await;
        let before = case.get(&claim_request).await;
        for other in [other_facts(&case, &claim_request), same_token(&claim_request)] {
            assert_eq!(case.claim(&other).await, Claimed::Conflict, "{situation:?}");
            finishes_nothing(&case, &other).await;
        }
        assert_eq!(case.get(&claim_request).await, before, "{situation:?}");
    }
}

pub async fn other_facts_wait_while_a_lease_runs_and_change_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Claimed).await;
    case.advance(Duration::from_secs(45)).await;
    let before = case.get(&claim_request).await;
    for other in [other_facts(&case, &claim_request), same_token(&claim_request)] {
        let claimed = case.claim(&other).await;
        assert!(is_in_flight(claimed, Duration::from_secs(15)), "{claimed:?}");
        finishes_nothing(&case, &other).await;
    }
    assert_eq!(case.get(&claim_request).await, before);
    assert_eq!(case.renew(&claim_request).await, Effect::Applied);
}

pub async fn other_facts_take_over_what_has_handled_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in [Situation::Free, Situation::LeaseOver] {
        for by_the_same_token in [false, true] {
            let first = case.event(situation).await;
            let other = match by_the_same_token {
                false => other_facts(&case, &first),
                true => same_token(&first),
            };
            assert_eq!(case.claim(&other).await, acquired(2, 2), "{situation:?}");
            let record = case.get(&first).await.expect("a record");
            assert_eq!(record.fingerprint, other.fingerprint, "{situation:?}");
            let State::Claimed { token, .. } = record.state else {
                panic!("{situation:?}: {record:?}")
            };
            assert_eq!(token, other.token, "{situation:?}");
            // From here on it is the other's alone.
            finishes_nothing(&case, &first).await;
            let claimed = case.claim(&case.again(&first)).await;
            assert!(is_in_flight(claimed, LEASE), "{situation:?}: {claimed:?}");
            assert_eq!(case.claim(&other).await, acquired(2, 2), "{situation:?}");
            assert_eq!(case.renew(&other).await, Effect::Applied, "{situation:?}");
            assert_eq!(case.complete(&other, Completion::Handled).await, Effect::Applied);
            let claimed = case.claim(&case.again(&first)).await;
            assert_eq!(claimed, Claimed::Conflict, "{situation:?}");
            assert_eq!(case.forget(&first).await, Effect::Applied);
        }
    }
}

/// The effect of the first run is there, but that does not make the other event handled.
pub async fn who_handled_an_event_after_losing_it_to_other_facts_leaves_them_to_run<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let other = other_facts(&case, &first);
    assert_eq!(case.claim(&other).await, acquired(2, 2));
    finishes_nothing(&case, &first).await;
    // nor when the other run has failed
    assert_eq!(case.release(&other).await, Effect::Applied);
    finishes_nothing(&case, &first).await;
    let again = case.again(&other);
    assert_eq!(case.claim(&again).await, acquired(3, 3));
    assert_eq!(case.complete(&again, Completion::Rejected).await, Effect::Applied);
    finishes_nothing(&case, &first).await;
    let record = case.get(&first).await;
    assert!(is_done(record.as_ref(), Completion::Rejected), "{record:?}");
}

pub async fn attempts_and_generations_add_up_over_other_facts<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let one = case.claim_request("event");
    let other = other_facts(&case, &one);
    for attempt in 1..=8 {
        let claim_request = case.again([&one, &other][attempt as usize / 2 % 2]);
        assert_eq!(case.claim(&claim_request).await, acquired(u64::from(attempt), attempt));
        if attempt % 3 == 0 {
            case.advance(LEASE).await;
        } else {
            assert_eq!(case.release(&claim_request).await, Effect::Applied);
        }
    }
}

pub async fn fingerprints_are_told_apart_by_every_byte<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut bytes = [0xff; 16];
    let claim_request = case
        .claim_request("event")
        .with_fingerprint(Fingerprint::from_bytes(bytes));
    let mut others = Vec::new();
    for position in 0..bytes.len() {
        for byte in [0, 0x7f, 0xfe] {
            bytes[position] = byte;
            others.push(claim_request.clone().with_fingerprint(Fingerprint::from_bytes(bytes)));
        }
        bytes[position] = 0xff;
    }
    case.acquire(&claim_request).await;
    for other in &others {
        let claimed = case.claim(other).await;
        assert!(matches!(claimed, Claimed::InFlight { .. }), "{claimed:?} for {other:?}");
        assert_eq!(case.release(other).await, Effect::NotHeld, "{other:?}");
    }
    assert_eq!(
        case.complete(&claim_request, Completion::Handled).await,
        Effect::Applied
    );
    for other in &others {
        assert_eq!(case.claim(other).await, Claimed::Conflict, "{other:?}");
    }
}

pub async fn after_its_retention_an_id_is_free_for_another_event<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let claim_request = case.event(Situation::Handled).await;
    case.advance(RETENTION + AFTER).await;
    let other = other_facts(&case, &claim_request);
    assert_eq!(case.claim(&other).await, acquired(1, 1));
}
