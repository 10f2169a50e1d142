//! A tenant that the body alone names.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_webhook::{
    MemoryStore, RefusalKind, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::Tenant,
    provider::{Provider as _, tenant::TenantOf},
    signature::Secrets,
};

use super::{Source, secret};
use crate::{
    body::{Script, Step},
    endpoint::{Answer, BoxService, Event, TestBody, with_body},
};

fn service(source: &Source, path: &str, max_bytes: usize) -> BoxService {
    let provider = Dwolla::reader()
        .per_tenant(TenantOf::body_field(path, max_bytes), source.clone())
        .unwrap();
    let topics = TopicRouter::new().on("customer_created", async |tenant: Tenant, _: Event| {
        assert!(["acme", "42"].contains(&tenant.as_str()));
    });
    BoxService::new(WebhookLayer::new(provider, MemoryStore::new()).topics(topics))
}

fn event(id: &str, more: &str) -> String {
    format!(r#"{{"id":"{id}","topic":"customer_created","created":"2019-02-04T14:58:45.144Z",{more}}}"#)
}

fn signature(tenant: &str, body: &str) -> HeaderMap {
    let secrets = Secrets::new(secret(tenant)).unwrap();
    dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap()
}

async fn send(service: &BoxService, request: Request<TestBody>) -> Answer {
    Answer::of(service.clone().oneshot(request).await.unwrap()).await
}

async fn deliver(service: &BoxService, tenant: &str, body: &str) -> Answer {
    let request = with_body(signature(tenant, body), Full::from(body.to_owned()));
    send(service, request).await
}

#[tokio::test(start_paused = true)]
async fn a_field_of_the_body_names_the_tenant() {
    let source = Source::of(&["acme", "42"]);
    let top = service(&source, "account", 1000);
    deliver(&top, "acme", &event("1", r#""account":"acme""#))
        .await
        .assert_acknowledged();
    deliver(&top, "42", &event("2", r#""account":42"#))
        .await
        .assert_acknowledged();
    let deep = service(&source, "of.account", 1000);
    deliver(&deep, "acme", &event("3", r#""of":{"account":"acme"}"#))
        .await
        .assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_body_that_names_no_tenant_is_refused_as_a_wrong_signature() {
    let source = Source::of(&["acme"]);
    let service = service(&source, "account", 200);
    for more in [
        r#""other":"acme""#,
        r#""account":"acme","account":"acme""#,
        r#""account":{"acme":1}"#,
        r#""account":"a/b""#,
    ] {
        let answer = deliver(&service, "acme", &event("1", more)).await;
        answer.assert_refused(401, RefusalKind::Signature);
    }
    for body in ["", "no JSON", "[]", &"[".repeat(100)] {
        deliver(&service, "acme", body)
            .await
            .assert_refused(401, RefusalKind::Signature);
    }
    assert_eq!(source.asked(), 0);
    // Named, and somebody else's.
    let answer = deliver(&service, "umbrella", &event("1", r#""account":"acme""#)).await;
    answer.assert_refused(401, RefusalKind::Signature);
    assert_eq!(source.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_too_long_to_look_for_its_tenant_is_refused_for_its_length() {
    let source = Source::of(&["acme"]);
    let service = service(&source, "account", 200);
    let long = event("1", &format!(r#""account":"acme","x":"{}""#, "x".repeat(200)));
    let answer = deliver(&service, "acme", &long).await;
    answer.assert_refused(413, RefusalKind::TooLarge);
    let reason = answer.rejection.unwrap().reason().to_owned();
    let expected = format!(
        "the body has {} bytes, and the tenant is read from bodies of up to 200",
        long.len()
    );
    assert!(reason.starts_with(&expected), "{reason}");
    assert_eq!(source.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_several_frames_is_hashed_when_it_is_there() {
    let source = Source::of(&["acme"]);
    let service = service(&source, "account", 1000);
    let body = event("1", r#""account":"acme""#);
    let (first, rest) = body.split_at(40);
    let frames = |last: &str| {
        Script::new([
            Step::Data(Bytes::copy_from_slice(first.as_bytes())),
            Step::Data(Bytes::copy_from_slice(last.as_bytes())),
        ])
    };
    let forged = rest.replace("2019", "2020");
    let answer = send(&service, with_body(signature("acme", &body), frames(&forged))).await;
    answer.assert_refused(401, RefusalKind::Signature);
    let answer = send(&service, with_body(signature("acme", &body), frames(rest))).await;
    answer.assert_acknowledged();
}
