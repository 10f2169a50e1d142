//! An operator's calls.

use std::{sync::Arc, time::Duration};

use super::super::{
    StoreHarness,
    case::{AFTER, Case, RETENTION, Situation, acquired, is_apart},
};
use crate::store::{Completion, Effect, State};

pub async fn get_shows_the_record_in_every_state<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    assert_eq!(case.get(&case.claim_request("absent")).await, None);
    for situation in Situation::RECORDED {
        let claim_request = case.event(situation).await;
        let record = case.get(&claim_request).await.expect("a record");
        assert_eq!(record.fingerprint, claim_request.fingerprint, "{situation:?}");
        let as_expected = match (situation, &record.state) {
            (
                Situation::Claimed | Situation::LeaseOver,
                State::Claimed {
                    token,
                    generation: 1,
                    attempts: 1,
                    lease_until,
                },
            ) => *token == claim_request.token && is_apart(record.expires, *lease_until, RETENTION),
            (
                Situation::Free,
                State::Free {
                    generation: 1,
                    attempts: 1,
                },
            ) => true,
            (Situation::Handled, State::Done { completion, at }) => {
                *completion == Completion::Handled && is_apart(record.expires, *at, RETENTION)
            }
            (Situation::Rejected, State::Done { completion, at }) => {
                *completion == Completion::Rejected && is_apart(record.expires, *at, RETENTION)
            }
            _ => false,
        };
        assert!(as_expected, "{situation:?}: {record:?}");
    }
}

pub async fn get_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED {
        let claim_request = case.event(situation).await;
        let before = case.get(&claim_request).await;
        case.advance(Duration::from_secs(10)).await;
        assert_eq!(case.get(&claim_request).await, before, "{situation:?}");
    }
}

pub async fn forget_lets_an_event_run_again_whatever_its_state<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED {
        let claim_request = case.event(situation).await;
        assert_eq!(case.forget(&claim_request).await, Effect::Applied, "{situation:?}");
        assert_eq!(case.get(&claim_request).await, None, "{situation:?}");
        assert_eq!(case.forget(&claim_request).await, Effect::NotHeld, "{situation:?}");
        // who held it holds nothing now
        assert_eq!(case.renew(&claim_request).await, Effect::NotHeld, "{situation:?}");
        assert_eq!(case.release(&claim_request).await, Effect::NotHeld, "{situation:?}");
        assert_eq!(
            case.claim(&case.again(&claim_request)).await,
            acquired(1, 1),
            "{situation:?}"
        );
    }
}

pub async fn forget_of_what_has_expired_or_never_was_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    assert_eq!(case.forget(&case.claim_request("absent")).await, Effect::NotHeld);
    let claim_request = case.event(Situation::Handled).await;
    case.advance(RETENTION + AFTER).await;
    assert_eq!(case.forget(&claim_request).await, Effect::NotHeld);
}
