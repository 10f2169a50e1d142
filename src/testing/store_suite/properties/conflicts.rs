//! Another event under the same id.

use std::sync::Arc;

use super::super::{
    StoreHarness,
    case::{AFTER, Case, RETENTION, Situation, acquired},
};
use crate::{
    event::Fingerprint,
    store::{Claimed, Completion, Effect, Ticket},
};

pub async fn another_event_under_a_known_id_is_a_conflict_and_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::RECORDED {
        let ticket = case.event(situation).await;
        let before = case.get(&ticket).await;
        let other = Ticket {
            fingerprint: Fingerprint::of(["another event"]),
            ..ticket.clone()
        };
        for other in [case.again(&other), other] {
            assert_eq!(case.claim(&other).await, Claimed::Conflict, "{situation:?}");
            assert_eq!(case.renew(&other).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(case.release(&other).await, Effect::NotHeld, "{situation:?}");
            for completion in [Completion::Handled, Completion::Rejected] {
                assert_eq!(
                    case.complete(&other, completion).await,
                    Effect::NotHeld,
                    "{situation:?}"
                );
            }
        }
        assert_eq!(case.get(&ticket).await, before, "{situation:?}");
    }
}

pub async fn fingerprints_are_told_apart_by_every_byte<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let mut bytes = [0xff; 16];
    let ticket = Ticket {
        fingerprint: Fingerprint::from_bytes(bytes),
        ..case.ticket("event")
    };
    case.acquire(&ticket).await;
    for position in 0..bytes.len() {
        for byte in [0, 0x7f, 0xfe] {
            bytes[position] = byte;
            let other = Ticket {
                fingerprint: Fingerprint::from_bytes(bytes),
                ..ticket.clone()
            };
            assert_eq!(case.claim(&other).await, Claimed::Conflict, "{other:?}");
        }
        bytes[position] = 0xff;
    }
}

pub async fn after_its_retention_an_id_is_free_for_another_event<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let ticket = case.event(Situation::Handled).await;
    case.advance(RETENTION + AFTER).await;
    let other = Ticket {
        fingerprint: Fingerprint::of(["another event"]),
        ..case.again(&ticket)
    };
    assert_eq!(case.claim(&other).await, acquired(1, 1));
}
