//! Leases: renewed, lost, and left behind by a process that died.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{sync::Notify, time::sleep};
use tower_webhook::{
    Delivery, RefusalKind,
    store::IdempotencyStore,
    testing::{Fault, Operation},
};

use crate::{
    endpoint::{Endpoint, Event},
    fixtures::{SECOND, assert_state, claim_request_of_another_process, succeed},
};

#[tokio::test(start_paused = true)]
async fn an_event_whose_process_died_is_claimed_until_its_lease_ends_and_then_runs() {
    let endpoint = Endpoint::new(succeed);
    endpoint
        .store
        .claim(&claim_request_of_another_process("1"))
        .await
        .unwrap();
    tokio::time::advance(59 * SECOND).await;
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::InFlight);
    tokio::time::advance(2 * SECOND).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_that_its_lease_was_lost_and_to_which_generation() {
    let (seen, told) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (notify, flag) = (Arc::clone(&seen), Arc::clone(&told));
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let (notify, flag) = (Arc::clone(&notify), Arc::clone(&flag));
        async move {
            assert!(!delivery.claim().is_lost());
            assert_eq!(delivery.claim().generation(), 1);
            notify.notified().await;
            flag.store(delivery.claim().is_lost(), Ordering::SeqCst);
            // Works on, for longer than a renewal takes to come round.
            for _ in 0..60 {
                sleep(SECOND).await;
            }
            Ok(())
        }
    });
    // Renewals fail until the lease is over, and another process claims.
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, 45);
    let call = endpoint.spawn("1");
    sleep(61 * SECOND).await;
    let theirs = claim_request_of_another_process("1");
    assert_eq!(
        endpoint.store.claim(&theirs).await.unwrap(),
        tower_webhook::store::Claimed::Acquired {
            generation: 2,
            attempts: 2
        }
    );
    sleep(10 * SECOND).await;
    seen.notify_one();
    sleep(SECOND).await;
    assert!(told.load(Ordering::SeqCst));
    sleep(60 * SECOND).await;
    // It succeeded, so the event is done, whoever held the claim.
    assert_state(endpoint.record("1").await, "handled");
    call.await.unwrap().assert_refused(503, RefusalKind::StillRunning);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_in_doubt_and_is_renewed_is_held_again() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let note = Arc::clone(&note);
        async move {
            for _ in 0..10 {
                sleep(10 * SECOND).await;
                note.lock().unwrap().push(delivery.claim().is_lost());
            }
            Ok(())
        }
    });
    // Renewals are due from 20 s on and fail until after 60 s.
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, 46);
    endpoint
        .deliver("1")
        .await
        .assert_refused(503, RefusalKind::StillRunning);
    sleep(100 * SECOND).await;
    let lost = [false, false, false, false, false, true, false, false, false, false];
    assert_eq!(*seen.lock().unwrap(), lost);
    assert_state(endpoint.record("1").await, "handled");
}

#[tokio::test(start_paused = true)]
async fn one_renewal_that_fails_late_in_a_run_loses_nothing() {
    let lost = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&lost);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let flag = Arc::clone(&flag);
        async move {
            for _ in 0..200 {
                sleep(SECOND).await;
                flag.fetch_or(delivery.claim().is_lost(), Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let call = endpoint.spawn("1");
    sleep(110 * SECOND).await;
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, 1);
    sleep(100 * SECOND).await;
    assert!(!lost.load(Ordering::SeqCst));
    call.await.unwrap().assert_refused(503, RefusalKind::StillRunning);
}
