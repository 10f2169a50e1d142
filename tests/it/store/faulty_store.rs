//! The store and the clock of `testing`.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test]
async fn a_fault_before_applying_leaves_the_store_untouched() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    let claim_request = claim_request("event");
    let error = store.claim(&claim_request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "the store is unavailable: told to fail before it applied the operation"
    );
    assert!(store.inner().is_empty());
    assert_eq!(store.claim(&claim_request).await.unwrap(), FIRST);
}

#[tokio::test]
async fn a_fault_after_applying_changes_the_store_and_loses_the_answer() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail(Operation::Claim, Fault::AfterApplying, 1);
    let error = store.claim(&claim_request("event")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store is unavailable: told to fail after it applied the operation"
    );
    assert!(matches!(
        store.claim(&claim_request("event")).await.unwrap(),
        Claimed::InFlight { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_operation_never_answers_and_is_applied_or_not_as_told() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    store.fail(Operation::Claim, Fault::HangAfterApplying, 1);
    let claim_request = claim_request("event");
    let day = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(day, store.claim(&claim_request)).await.is_err());
    assert!(store.inner().is_empty());
    assert!(tokio::time::timeout(day, store.claim(&claim_request)).await.is_err());
    assert_eq!(store.inner().len(), 1);
}

#[tokio::test]
async fn faults_strike_in_their_order_as_often_as_told_and_only_their_operation() {
    let store = FaultyStore::new(MemoryStore::new());
    let clone = store.clone();
    let claim_request = claim_request("event");
    clone.fail(Operation::Release, Fault::BeforeApplying, 2);
    clone.fail(Operation::Release, Fault::AfterApplying, 1);
    store.claim(&claim_request).await.unwrap();
    store.renew(&claim_request).await.unwrap();
    for before_or_after in ["before", "before", "after"] {
        let error = store.release(&claim_request).await.unwrap_err().to_string();
        assert!(error.contains(before_or_after), "{error}");
    }
    assert_eq!(store.release(&claim_request).await.unwrap(), Effect::NotHeld);
    let calls = |operation| clone.calls(operation);
    assert_eq!((calls(Operation::Claim), calls(Operation::Renew)), (1, 1));
    assert_eq!((calls(Operation::Release), calls(Operation::Complete)), (4, 0));
}

#[tokio::test]
async fn a_store_that_fails_for_good_works_again_when_healed() {
    let store = FaultyStore::new(MemoryStore::new());
    let claim_request = claim_request("event");
    store.fail(Operation::Complete, Fault::BeforeApplying, usize::MAX);
    for _ in 0..100 {
        store.complete(&claim_request, Completion::Handled).await.unwrap_err();
    }
    store.heal();
    assert_eq!(
        store.complete(&claim_request, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(store.calls(Operation::Complete), 101);
}

// --- a clock that stands still

#[test]
fn a_manual_clock_moves_only_by_hand_and_for_all_its_clones() {
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
    let clone = clock.clone();
    clock.advance(Duration::from_millis(1));
    assert_eq!(clone.now(), SystemTime::UNIX_EPOCH + Duration::from_millis(1));
    clone.set(SystemTime::UNIX_EPOCH);
    assert_eq!(clock.now(), SystemTime::UNIX_EPOCH);
    assert_eq!(ManualClock::new().now(), ManualClock::default().now());
}

// --- what an operator asks for
