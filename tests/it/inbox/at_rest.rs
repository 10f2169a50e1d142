//! What of a request is stored, and what is never said of it.

use http::HeaderValue;
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_webhook::{
    RefusalKind, WebhookLayer,
    github::{self, GitHub},
    inbox::{Filter, InboxAdmin as _},
    signature::Secrets,
    testing::MemoryInbox,
};

use super::inbox_endpoint::InboxEndpoint;
use crate::endpoint::{SECRET, signed, with_body};

#[tokio::test(start_paused = true)]
async fn signatures_and_credentials_are_not_stored_and_the_other_headers_are() {
    let store = MemoryInbox::new();
    let service = WebhookLayer::new(GitHub::new(SECRET).unwrap(), store.clone()).inbox();
    let body = r#"{"ref":"refs/heads/main"}"#;
    let mut headers = github::scheme()
        .sign(&Secrets::new(SECRET).unwrap(), body.as_bytes())
        .unwrap();
    for (name, value) in [
        ("x-hub-signature", "sha1=7d38cdd689735b008b3c702edd92eea23791c5f6"),
        ("x-github-event", "push"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("authorization", "Basic dTpw"),
        ("proxy-authorization", "Basic dTpw"),
        ("cookie", "session=1"),
        ("x-api-key", "sk_1"),
        ("x-gitlab-token", "t"),
        ("x-shared-secret", "s"),
        ("x-forwarded-for", "192.0.2.1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let response = service.oneshot(with_body(headers, Full::from(body))).await.unwrap();
    assert_eq!(response.status(), 200);
    let page = store.list(&Filter::new("github"), None, 10).await.unwrap();
    let letter = store.letter(&page.entries[0].key).await.unwrap().unwrap();
    let mut names: Vec<_> = letter.delivery.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["x-forwarded-for", "x-github-delivery", "x-github-event"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_application_redacts_is_not_stored() {
    let endpoint = InboxEndpoint::with(
        |builder| builder,
        |service| {
            service.redact(|delivery| {
                delivery.headers.clear();
                delivery.body = String::from_utf8_lossy(&delivery.body)
                    .replace("6c57f372", "XXXXXXXX")
                    .into();
            })
        },
    );
    endpoint.store("1").await;
    let letter = endpoint.letter("1").await;
    assert!(letter.delivery.headers.is_empty());
    assert!(String::from_utf8_lossy(&letter.delivery.body).contains("XXXXXXXX"));
    // A copy of the whole is a copy.
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.backlog().await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn a_redaction_that_panics_refuses_the_delivery_and_stores_nothing() {
    let endpoint = InboxEndpoint::with(|builder| builder, |service| service.redact(|_| panic!("no")));
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::Store);
    assert_eq!(
        answer.rejection.unwrap().reason(),
        "the function of `redact` panicked: no"
    );
    assert_eq!(endpoint.backlog().await.unfinished(), 0);
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "tracing")]
async fn neither_body_nor_headers_are_in_a_log_or_in_debug_output() {
    let capture = crate::logs::Capture::start();
    let endpoint = InboxEndpoint::new();
    let mut request = signed(crate::endpoint::event("1"));
    request
        .headers_mut()
        .insert("x-private", HeaderValue::from_static("not-for-logs"));
    endpoint.send(request).await.assert_acknowledged();
    let worker = endpoint
        .worker(|_| async { Err(tower_webhook::HandlerError::retry("the bank is closed")) })
        .start();
    crate::inbox::worker::until(|| async { endpoint.letter("1").await.history.len() == 1 }).await;
    drop(worker.drain(crate::fixtures::SECOND).await);
    let said = format!(
        "{} {:?} {:?}",
        capture.text(),
        endpoint.letter("1").await,
        endpoint.service
    );
    assert!(said.contains("the bank is closed"));
    for private in ["not-for-logs", "6c57f372"] {
        assert!(!said.contains(private), "{private} in {said}");
    }
}
