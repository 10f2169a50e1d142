//! What a refusal says, and the bodies that an application gives it.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tower_webhook::{Outcome, Refusal, RefusalKind, testing::refusal};

use crate::{
    endpoint::{Endpoint, event, signature, signed, with_body},
    fixtures::succeed,
};

fn own_body(refusal: &Refusal, response: &mut Response<Bytes>) {
    *response.body_mut() = format!("refused: {}", refusal.kind()).into();
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("text/plain"));
}

#[tokio::test(start_paused = true)]
async fn an_application_writes_the_bodies_of_refusals_and_nothing_else_of_them() {
    let usual = Endpoint::new(succeed);
    let own = Endpoint::with(succeed, |builder| builder.on_refusal(own_body));
    let requests = || {
        let encoded = || {
            let mut request = signed(event("1"));
            request
                .headers_mut()
                .insert("content-encoding", HeaderValue::from_static("gzip"));
            request
        };
        [
            (
                RefusalKind::Signature,
                with_body(http::HeaderMap::new(), Full::from(event("1"))),
            ),
            (
                RefusalKind::Signature,
                with_body(signature(b"{}"), Full::from(event("1"))),
            ),
            (RefusalKind::NotAnEvent, signed("{}")),
            (RefusalKind::Encoding, encoded()),
        ]
    };
    for ((kind, one), (_, other)) in requests().into_iter().zip(requests()) {
        let (usual, own) = (usual.send(one).await, own.send(other).await);
        usual.assert_refused(usual.status.as_u16(), kind);
        assert_eq!(own.body, format!("refused: {}", kind));
        assert_eq!(own.headers["content-type"], "text/plain");
        assert_eq!((own.status, &own.outcome), (usual.status, &usual.outcome));
        let but_type = |headers: &http::HeaderMap| {
            let mut headers = headers.clone();
            headers.remove("content-type");
            headers
        };
        assert_eq!(but_type(&own.headers), but_type(&usual.headers));
    }
    own.deliver("1").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_failed_handlers_refusal_has_the_applications_body_and_its_delay() {
    let fails = async |_| {
        let delay = std::time::Duration::from_secs(30);
        Err(tower_webhook::HandlerError::retry_after(
            delay,
            "the ledger is being moved",
        ))
    };
    let endpoint = Endpoint::with(fails, |builder| builder.on_refusal(own_body));
    let answer = endpoint.deliver("1").await;
    assert_eq!((answer.status.as_u16(), answer.retry_after()), (503, Some(30)));
    assert_eq!(answer.body, "refused: handler-failed");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_leaves_the_usual_one() {
    let panics = |refusal: &Refusal, response: &mut Response<Bytes>| {
        own_body(refusal, response);
        panic!("no body today")
    };
    let endpoint = Endpoint::with(succeed, |builder| builder.on_refusal(panics));
    endpoint
        .send(signed("{}"))
        .await
        .assert_refused(400, RefusalKind::NotAnEvent);
}

#[tokio::test(start_paused = true)]
async fn an_application_adds_a_header_to_the_usual_response() {
    let usual = Endpoint::new(succeed);
    let named = Endpoint::with(succeed, |builder| {
        builder.on_refusal(|_, response| {
            response
                .headers_mut()
                .insert("x-region", HeaderValue::from_static("eu-west-1"));
        })
    });
    let (usual, mut named) = (usual.send(signed("{}")).await, named.send(signed("{}")).await);
    assert_eq!(named.headers.remove("x-region").unwrap(), "eu-west-1");
    named.assert_refused(400, RefusalKind::NotAnEvent);
    assert_eq!((named.headers, named.body), (usual.headers, usual.body));
}

#[tokio::test(start_paused = true)]
async fn no_application_changes_whether_the_provider_sends_it_again() {
    let accepts = |_: &Refusal, response: &mut Response<Bytes>| *response.status_mut() = StatusCode::OK;
    let endpoint = Endpoint::with(succeed, |builder| builder.on_refusal(accepts));
    endpoint
        .send(signed("{}"))
        .await
        .assert_refused(400, RefusalKind::NotAnEvent);
}

#[test]
fn a_test_makes_a_refusal_of_any_kind() {
    let delay = std::time::Duration::from_secs(30);
    let made = refusal(RefusalKind::HandlerFailed, "the ledger is being moved", Some(delay));
    assert_eq!(
        (made.kind(), made.reason(), made.retry_delay(), made.status().as_u16()),
        (
            RefusalKind::HandlerFailed,
            "the ledger is being moved",
            Some(delay),
            503
        )
    );
    let mut response = Response::default();
    own_body(&refusal(RefusalKind::Signature, "no signature", None), &mut response);
    assert_eq!(response.body(), "refused: signature");
}

#[tokio::test(start_paused = true)]
async fn what_an_http_service_responds_is_no_refusal_of_the_layers() {
    let endpoint =
        Endpoint::http(async |_| Ok(http::Response::builder().status(422).body(Full::from("inner")).unwrap()));
    let answer = endpoint.deliver("1").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (422, "inner"));
    let refusal = answer.rejection.unwrap();
    assert_eq!(
        (refusal.kind(), refusal.status().as_u16()),
        (RefusalKind::InnerRefused, 422)
    );
    assert_eq!(answer.outcome, Some(Outcome::Refused(refusal)));
}

#[tokio::test(start_paused = true)]
async fn every_success_says_how_its_event_ended() {
    let handled = Endpoint::new(succeed);
    assert_eq!(handled.deliver("1").await.outcome, Some(Outcome::Handled));
    let again = handled.deliver("1").await.outcome.unwrap();
    assert_eq!(again.as_str(), "duplicate");
    let unhandled = signed(crate::endpoint::event_of("2", "customer_suspended"));
    assert_eq!(handled.send(unhandled).await.outcome, Some(Outcome::Unhandled));
    let rejects = Endpoint::new(async |_| Err(tower_webhook::HandlerError::permanent("never")));
    assert_eq!(
        rejects.deliver("1").await.outcome,
        Some(Outcome::Rejected("never".into()))
    );
    let inner = Endpoint::http(async |_| Ok(http::Response::default()));
    assert_eq!(inner.deliver("1").await.outcome, Some(Outcome::Handled));
}
