//! The response deadline and the handler cap.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tokio::time::sleep;
use tower_webhook::{
    RefusalKind,
    store::IdempotencyStore,
    testing::{Fault, Operation},
};

use crate::{
    endpoint::{Endpoint, event, signature, with_body},
    fixtures::{Late, SECOND, assert_state, claim_request_of_another_process, work},
};

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlasts_the_answer_runs_on_and_the_retry_finds_it_done() {
    let endpoint = Endpoint::new(work(100 * SECOND));
    let started = tokio::time::Instant::now();
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::StillRunning);
    assert!(answer.retry_after().is_some());
    assert_eq!(started.elapsed(), 8 * SECOND, "Dwolla waits 10 s");
    sleep(82 * SECOND).await; // 90 s after the start: the first lease ended at 60 s
    assert_state(endpoint.record("1").await, "claimed, 1");
    assert_eq!(endpoint.store.calls(Operation::Renew), 4);
    let theirs = claim_request_of_another_process("1");
    assert!(matches!(
        endpoint.store.claim(&theirs).await.unwrap(),
        tower_webhook::store::Claimed::InFlight { .. }
    ));
    sleep(11 * SECOND).await;
    assert_state(endpoint.record("1").await, "handled");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_call_and_covers_every_step() {
    let endpoint = Endpoint::new(work(7 * SECOND));
    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 0);
    let body = event("1");
    let started = tokio::time::Instant::now();
    // Two seconds for the body, seven for the handler: over the eight together.
    let slow = Late(2 * SECOND, Some(Bytes::from(body.clone())), None);
    let answer = endpoint.send(with_body(signature(body.as_bytes()), slow)).await;
    answer.assert_refused(503, RefusalKind::StillRunning);
    assert_eq!(started.elapsed(), 8 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_has_finished_counts_as_finished_at_the_deadline() {
    let endpoint = Endpoint::new(work(7 * SECOND));
    endpoint.store.fail(Operation::Complete, Fault::HangBeforeApplying, 1);
    let started = tokio::time::Instant::now();
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(
        started.elapsed(),
        8 * SECOND,
        "the store has two seconds, the answer only one more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_over_its_cap_is_cancelled_and_its_event_runs_again() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let endpoint = Endpoint::with(
        move |_| {
            let dropped = Dropped(Arc::clone(&flag));
            async move {
                let _dropped = dropped;
                pending().await
            }
        },
        |builder| builder.handler_timeout(5 * SECOND),
    );
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::HandlerTimeout);
    assert!(cancelled.load(Ordering::SeqCst));
    assert_state(endpoint.record("1").await, "free, 1");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_always_ready_is_capped_and_renewed_all_the_same() {
    let endpoint = Endpoint::with(
        async |_| {
            let (provider, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            for _ in 0..100 {
                // Whenever it yields it has used up the budget that tokio grants a task.
                while tokio::task::coop::has_budget_remaining() {
                    provider.send(()).unwrap();
                    receiver.recv().await.unwrap();
                }
                tokio::time::advance(SECOND).await;
            }
            Ok(())
        },
        |builder| builder.handler_timeout(30 * SECOND).lease(6 * SECOND, 2 * SECOND),
    );
    endpoint
        .deliver("1")
        .await
        .assert_refused(503, RefusalKind::StillRunning);
    while endpoint.store.calls(Operation::Release) == 0 && endpoint.store.calls(Operation::Complete) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(endpoint.store.calls(Operation::Renew) > 3);
    tokio::task::yield_now().await;
    assert_state(endpoint.record("1").await, "free, 1");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_due_with_the_cap_counts() {
    let endpoint = Endpoint::with(work(5 * SECOND), |builder| builder.handler_timeout(5 * SECOND));
    endpoint.deliver("1").await.assert_acknowledged();
}
