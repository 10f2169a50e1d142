//! What a provider gets of an inbox behind each transport.

use http_body_util::Full;
use tower_webhook::{
    RefusalKind,
    inbox::{Inbox as _, InboxAdmin as _},
    store::{Completion, IdempotencyStore as _},
    testing::{Fault, Operation},
};

use super::inbox_endpoint::{InboxEndpoint, topics};
use crate::{
    endpoint::{event, event_of, key, signature, signed, with_body},
    fixtures::{LONG, assert_state, claim_request_of_another_process, succeed},
    wire::Via,
};

pub(crate) async fn a_delivery_is_stored_and_200(via: Via) {
    let endpoint = InboxEndpoint::new().over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "free, 0");
    assert_eq!(endpoint.letter("1").await.delivery.body, event("1"));
}

pub(crate) async fn a_copy_is_200_whatever_became_of_the_first(via: Via) {
    let endpoint = InboxEndpoint::new().over(via).await;
    endpoint.deliver("1").await.assert_acknowledged();
    endpoint.deliver("1").await.assert_acknowledged();
    let taken = endpoint.take_and_die(false, LONG).await;
    endpoint.deliver("1").await.assert_acknowledged();
    let request = &taken[0].claim_request;
    endpoint
        .store
        .inner()
        .complete(request, Completion::Handled)
        .await
        .unwrap();
    endpoint.deliver("1").await.assert_acknowledged();
    endpoint.store.inner().replay(&key("1")).await.unwrap();
    endpoint.store.inner().bury(&key("1"), "by hand").await.unwrap();
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.backlog().await.dead, 1);
}

pub(crate) async fn an_event_that_runs_before_its_response_elsewhere_is_503(via: Via) {
    let endpoint = InboxEndpoint::new().over(via).await;
    endpoint
        .store
        .claim(&claim_request_of_another_process("1"))
        .await
        .unwrap();
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert!(answer.retry_after().is_some_and(|seconds| (50..=60).contains(&seconds)));
}

pub(crate) async fn an_inbox_that_fails_is_503(via: Via) {
    let endpoint = InboxEndpoint::new().over(via).await;
    endpoint.store.fail(Operation::Deposit, Fault::BeforeApplying, 1);
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::Store);
    assert_eq!(answer.retry_after(), Some(5));
    endpoint.deliver("1").await.assert_acknowledged();
}

pub(crate) async fn what_is_forged_or_no_event_is_refused_and_not_stored(via: Via) {
    let endpoint = InboxEndpoint::new().over(via).await;
    let forged = with_body(signature(b"{}"), Full::from(event("1")));
    endpoint.send(forged).await.assert_refused(401, RefusalKind::Signature);
    endpoint
        .send(signed("{}"))
        .await
        .assert_refused(400, RefusalKind::NotAnEvent);
    assert_eq!(
        endpoint.store.inner().backlog("dwolla", 10).await.unwrap().unfinished(),
        0
    );
}

pub(crate) async fn a_topic_that_is_not_wanted_is_200_and_not_stored(via: Via) {
    let endpoint = InboxEndpoint::with(|builder| builder, |service| service.only(&topics(succeed)))
        .over(via)
        .await;
    let other = signed(event_of("1", "customer_suspended"));
    endpoint.send(other).await.assert_acknowledged();
    assert!(endpoint.record("1").await.is_none());
}

pub(crate) async fn a_draining_inbox_is_503(via: Via) {
    let endpoint = InboxEndpoint::new().over(via).await;
    drop(endpoint.drain.drain(LONG).await);
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::Draining);
    assert!(endpoint.record("1").await.is_none());
}
