//! A drain waits, then cancels, releases and lists.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use tokio::time::sleep;
use tower_webhook::{
    HandlerError, RefusalKind,
    process::RemainingState,
    testing::{Fault, Operation},
};

use crate::{
    endpoint::{Endpoint, event, key, signature, with_body},
    fixtures::{Held, LONG, Late, SECOND, SHORT, assert_state, succeed},
    wire::Via,
};

pub(crate) async fn a_draining_layer_is_503_and_waits_for_its_handlers(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    let first = endpoint.spawn("1");
    held.started(1).await;
    let meanwhile = async {
        let calls = endpoint.store_calls();
        endpoint.deliver("2").await.assert_refused(503, RefusalKind::Draining);
        // Not a copy of the running one either, which would have to wait.
        endpoint.deliver("1").await.assert_refused(503, RefusalKind::Draining);
        assert_eq!(endpoint.store_calls(), calls);
        held.end(1);
    };
    let (report, ()) = tokio::join!(endpoint.handle.drain(LONG), meanwhile);
    assert!(report.remaining().is_empty(), "{report}");
    first.await.unwrap().assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
}

pub(crate) async fn a_drain_that_runs_out_of_time_cancels_releases_and_lists_what_remained(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    let first = endpoint.spawn("1");
    held.started(1).await;
    let report = endpoint.handle.drain(SHORT).await;
    let [remaining] = report.remaining() else {
        panic!("one delivery was running: {report}")
    };
    assert_eq!((remaining.key(), remaining.topic()), (&key("1"), "customer_created"));
    assert_eq!(remaining.state(), RemainingState::Cancelled);
    assert_eq!(report.to_string(), "customer_created 1: its handler was cancelled\n");
    assert_state(endpoint.record("1").await, "free, 1");
    first.await.unwrap().assert_refused(503, RefusalKind::Draining);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_settling_in_the_background() {
    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Complete, Fault::BeforeApplying, 3);
    endpoint.deliver("1").await.assert_acknowledged();
    assert!(endpoint.handle.drain(10 * SECOND).await.remaining().is_empty());
    assert_state(endpoint.record("1").await, "handled");

    let stuck = Endpoint::new(succeed);
    stuck.store.fail(Operation::Complete, Fault::BeforeApplying, usize::MAX);
    stuck.deliver("1").await.assert_acknowledged();
    let report = stuck.handle.drain(10 * SECOND).await;
    assert_eq!(report.to_string(), "customer_created 1: handled, but not recorded\n");
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_of_each_delivery_how_far_it_had_come() {
    let state = async |endpoint: Endpoint| {
        let _ = endpoint.deliver("1").await;
        let report = endpoint.handle.drain(SECOND).await;
        report
            .remaining()
            .first()
            .map(|remaining| (remaining.state(), remaining.to_string()))
    };
    let never_told = |operation| {
        let endpoint = if operation == Operation::Complete {
            Endpoint::new(succeed)
        } else {
            Endpoint::new(async |_| Err(HandlerError::retry("on purpose")))
        };
        endpoint.store.fail(operation, Fault::BeforeApplying, usize::MAX);
        endpoint
    };
    let unrecorded = (
        RemainingState::Unrecorded,
        "customer_created 1: handled, but not recorded".to_owned(),
    );
    assert_eq!(state(never_told(Operation::Complete)).await, Some(unrecorded));
    let unreleased = (
        RemainingState::Unreleased,
        "customer_created 1: not handled, and its claim may hold until the lease ends".to_owned(),
    );
    assert_eq!(state(never_told(Operation::Release)).await, Some(unreleased));
}

#[tokio::test(start_paused = true)]
async fn a_drain_leaves_a_cancelled_delivery_time_to_be_released() {
    let endpoint = Endpoint::new(async |_| pending().await);
    endpoint.store.fail(Operation::Release, Fault::BeforeApplying, 2);
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    drop(endpoint.handle.drain(3 * SECOND).await);
    assert_state(endpoint.record("1").await, "free, 1");
    first.await.unwrap().assert_refused(503, RefusalKind::Draining);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_gave_up_ends_what_settled_in_the_background() {
    let endpoint = Endpoint::new(succeed);
    endpoint
        .store
        .fail(Operation::Complete, Fault::BeforeApplying, usize::MAX);
    endpoint.deliver("1").await.assert_acknowledged();
    drop(endpoint.handle.drain(SECOND).await);
    let calls = endpoint.store.calls(Operation::Complete);
    sleep(600 * SECOND).await;
    assert_eq!(endpoint.store.calls(Operation::Complete), calls);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_granted_after_a_drain_gave_up_runs_nothing() {
    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    drop(endpoint.handle.drain(SECOND).await);
    first.await.unwrap().assert_refused(503, RefusalKind::Store);
    sleep(60 * SECOND).await;
    assert_eq!(endpoint.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_body_arrives_while_a_drain_begins_is_not_claimed() {
    let endpoint = Endpoint::new(succeed);
    let body = event("1");
    let slow = Late(SECOND, Some(Bytes::from(body.clone())), None);
    let call = {
        let endpoint = endpoint.clone();
        tokio::spawn(async move { endpoint.send(with_body(signature(body.as_bytes()), slow)).await })
    };
    tokio::task::yield_now().await;
    assert!(endpoint.handle.drain(SECOND).await.remaining().is_empty());
    call.await.unwrap().assert_refused(503, RefusalKind::Draining);
    assert_eq!((endpoint.store_calls(), endpoint.runs()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_draining_layer_reads_no_body() {
    let endpoint = Endpoint::new(succeed);
    drop(endpoint.handle.drain(SECOND).await);
    let started = tokio::time::Instant::now();
    let slow = Late(SECOND, Some(Bytes::new()), None);
    endpoint
        .send(with_body(signature(b"{}"), slow))
        .await
        .assert_refused(503, RefusalKind::Draining);
    assert_eq!(started.elapsed(), Duration::ZERO);
}
