//! Other facts under a known id, in each state of its record.

use std::time::Duration;

use tower_webhook::{
    Delivery, HandlerError, RefusalKind,
    event::Fingerprint,
    store::{ClaimRequest, Completion, Effect, IdempotencyStore},
};

use crate::{
    endpoint::{Endpoint, Event, event, signed},
    fixtures::{Held, assert_state, claim_request_of_another_process, succeed},
    wire::Via,
};

pub(crate) async fn the_same_id_with_another_fingerprint_is_500_and_changes_nothing(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    let before = endpoint.record("1").await;
    let other = event("1").replace("6c57f372", "00000000");
    endpoint
        .send(signed(other))
        .await
        .assert_refused(500, RefusalKind::Conflict);
    assert_eq!(endpoint.record("1").await, before);
    assert_eq!(endpoint.runs(), 1);
}

fn other_facts_in_another_process(id: &str) -> ClaimRequest {
    claim_request_of_another_process(id).with_fingerprint(Fingerprint::of(["other"]))
}

pub(crate) async fn other_facts_are_503_while_another_process_runs_the_id_and_run_once_it_is_free(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let other = other_facts_in_another_process("1");
    endpoint.store.claim(&other).await.unwrap();
    let before = endpoint.record("1").await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some_and(|seconds| (1..=60).contains(&seconds)));
    assert_eq!(endpoint.record("1").await, before);
    assert_eq!(endpoint.store.release(&other).await.unwrap(), Effect::Applied);
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn other_facts_run_after_a_run_that_failed(via: Via) {
    let endpoint = Endpoint::new(async |delivery: Delivery<Event>| match delivery.claim().attempt() {
        1 => Err(HandlerError::retry("on purpose")),
        _ => Ok(()),
    });
    let endpoint = endpoint.over(via).await;
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerFailed);
    assert_state(endpoint.record("1").await, "free, 1");
    let other = event("1").replace("6c57f372", "00000000");
    endpoint.send(signed(&other)).await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
    // What is finished is the other event.
    endpoint.send(signed(&other)).await.assert_acknowledged();
    endpoint.deliver("1").await.assert_refused(500, RefusalKind::Conflict);
    assert_eq!(endpoint.runs(), 2);
}

pub(crate) async fn other_facts_run_after_a_lease_that_is_over(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let other = other_facts_in_another_process("1").with_lease(Duration::ZERO);
    endpoint.store.claim(&other).await.unwrap();
    endpoint.deliver("1").await.assert_acknowledged();
    let before = endpoint.record("1").await;
    assert_state(before.clone(), "handled");
    // That process is not dead but slow: what it has handled is its own event, and not this one.
    let late = endpoint.store.complete(&other, Completion::Handled).await.unwrap();
    assert_eq!((late, endpoint.record("1").await), (Effect::NotHeld, before));
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn another_event_under_the_id_of_a_running_one_does_not_wait_for_its_answer(via: Via) {
    let held = Held::new();
    let endpoint = Endpoint::new(held.handler()).over(via).await;
    let first = endpoint.spawn("1");
    held.started(1).await;
    let other = event("1").replace("6c57f372", "00000000");
    let answer = endpoint.send(signed(&other)).await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some());
    held.end(1);
    first.await.unwrap().assert_acknowledged();
    endpoint
        .send(signed(&other))
        .await
        .assert_refused(500, RefusalKind::Conflict);
    assert_eq!(endpoint.runs(), 1);
}
