//! An event is handled once: duplicates of what is finished, and of what another process runs.

use std::time::Duration;

use tower_webhook::{
    RefusalKind,
    store::{Effect, IdempotencyStore},
};

use crate::{
    endpoint::{Endpoint, event, signed},
    fixtures::{SECOND, assert_state, claim_request_of_another_process, succeed},
    wire::Via,
};

pub(crate) async fn a_handled_event_is_done_and_200(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn a_duplicate_of_a_finished_event_is_200_empty_and_does_not_run(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for _ in 0..3 {
        endpoint.deliver("1").await.assert_acknowledged();
    }
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn a_body_that_was_formatted_anew_is_the_same_event(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    let anew = event("1")
        .replace(',', ", ")
        .replace(':', ": ")
        .replace(": 58: 45", ":58:45");
    assert_ne!(anew, event("1"));
    endpoint.send(signed(anew)).await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

pub(crate) async fn an_event_that_another_process_runs_is_503_until_it_is_released(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let theirs = claim_request_of_another_process("1");
    endpoint.store.claim(&theirs).await.unwrap();
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some_and(|seconds| (1..=60).contains(&seconds)));
    assert_state(endpoint.record("1").await, "claimed, 1");
    assert_eq!(endpoint.store.release(&theirs).await.unwrap(), Effect::Applied);
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_remembered_for_its_whole_retention() {
    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::advance(Duration::from_secs(35 * 24 * 3600 - 2)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
    tokio::time::advance(Duration::from_secs(4)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_process_runs_is_503_with_retry_after() {
    let endpoint = Endpoint::new(succeed);
    let theirs = claim_request_of_another_process("1");
    endpoint.store.claim(&theirs).await.unwrap();
    tokio::time::advance(10 * SECOND).await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert_eq!(answer.retry_after(), Some(50));
    assert_state(endpoint.record("1").await, "claimed, 1");
    assert_eq!(endpoint.store.renew(&theirs).await.unwrap(), Effect::Applied);
    assert_eq!(endpoint.runs(), 0);
}
