//! Finishing an event.

use std::sync::Arc;

use super::super::{
    StoreHarness,
    case::{AFTER, Case, RETENTION, Situation, is_done},
};
use crate::store::{Claimed, Completion, Effect};

pub async fn a_handled_event_is_done_from_any_state<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::UNFINISHED {
        for by_the_holder in [true, false] {
            let holder = case.event(situation).await;
            let claim_request = if by_the_holder { holder } else { case.again(&holder) };
            assert_eq!(
                case.complete(&claim_request, Completion::Handled).await,
                Effect::Applied,
                "{situation:?}"
            );
            let record = case.get(&claim_request).await;
            assert!(
                is_done(record.as_ref(), Completion::Handled),
                "{situation:?}: {record:?}"
            );
            let claimed = case.claim(&case.again(&claim_request)).await;
            assert_eq!(claimed, Claimed::Done(Completion::Handled), "{situation:?}");
            case.forget(&claim_request).await;
        }
    }
}

pub async fn who_handled_an_event_after_losing_it_to_another_still_finishes_it<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    let second = case.again(&first);
    case.acquire(&second).await;
    assert_eq!(case.complete(&first, Completion::Handled).await, Effect::Applied);
    // and the other finds it finished
    assert_eq!(case.renew(&second).await, Effect::NotHeld);
    assert_eq!(case.release(&second).await, Effect::NotHeld);
    assert_eq!(case.complete(&second, Completion::Handled).await, Effect::Applied);
    assert_eq!(
        case.claim(&case.again(&first)).await,
        Claimed::Done(Completion::Handled)
    );
}

pub async fn only_the_holder_rejects<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::UNFINISHED {
        let claim_request = case.event(situation).await;
        let before = case.get(&claim_request).await;
        let stranger = case.again(&claim_request);
        assert_eq!(
            case.complete(&stranger, Completion::Rejected).await,
            Effect::NotHeld,
            "{situation:?}"
        );
        let is_held = matches!(situation, Situation::Claimed | Situation::LeaseOver);
        if !is_held {
            assert_eq!(
                case.complete(&claim_request, Completion::Rejected).await,
                Effect::NotHeld,
                "{situation:?}"
            );
        }
        assert_eq!(case.get(&claim_request).await, before, "{situation:?}");
        if is_held {
            assert_eq!(
                case.complete(&claim_request, Completion::Rejected).await,
                Effect::Applied,
                "{situation:?}"
            );
            let claimed = case.claim(&stranger).await;
            assert_eq!(claimed, Claimed::Done(Completion::Rejected), "{situation:?}");
        }
    }
}

pub async fn reject_after_the_claim_was_lost_to_another_changes_nothing<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    let first = case.event(Situation::LeaseOver).await;
    case.acquire(&case.again(&first)).await;
    let before = case.get(&first).await;
    assert_eq!(case.complete(&first, Completion::Rejected).await, Effect::NotHeld);
    assert_eq!(case.get(&first).await, before);
}

pub async fn a_finished_event_stays_as_it_was_finished<H: StoreHarness>(harness: Arc<H>) {
    let case = Case::new(harness);
    for situation in Situation::FINISHED {
        let claim_request = case.event(situation).await;
        let before = case.get(&claim_request).await;
        case.advance(RETENTION / 2).await;
        for claim_request in [case.again(&claim_request), claim_request.clone()] {
            case.claim(&claim_request).await;
            assert_eq!(case.renew(&claim_request).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(case.release(&claim_request).await, Effect::NotHeld, "{situation:?}");
            assert_eq!(
                case.complete(&claim_request, Completion::Handled).await,
                Effect::Applied,
                "{situation:?}"
            );
            let rejected = case.complete(&claim_request, Completion::Rejected).await;
            let expected = match situation {
                Situation::Rejected => Effect::Applied,
                _ => Effect::NotHeld,
            };
            assert_eq!(rejected, expected, "{situation:?}");
        }
        assert_eq!(case.get(&claim_request).await, before, "{situation:?}");
        // so that nothing of this has extended its retention
        case.advance(RETENTION / 2 + AFTER).await;
        assert_eq!(case.get(&claim_request).await, None, "{situation:?}");
    }
}
