//! The switch `explain_refusals`, which writes explanations into the log.

#![cfg(test)] // for clippy

use http::StatusCode;
use tower_webhook::{Delivery, HandlerError, signature::SecretError};

use super::*;
use crate::{
    endpoint::{Builder, Endpoint, Event, event, secrets, signature, signed, with_body},
    logs::Capture,
};

async fn succeed(_: Delivery<Event>) -> Result<(), HandlerError> {
    Ok(())
}

fn endpoint(settings: impl FnOnce(Builder) -> Builder) -> Endpoint {
    Endpoint::with(succeed, settings)
}

/// A request whose body has a newline more than was signed.
async fn refuse(endpoint: &Endpoint) {
    let body = event("1");
    let received = http_body_util::Full::from(format!("{body}\n"));
    let answer = endpoint.send(with_body(signature(body.as_bytes()), received)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!answer.body.contains("newline"), "{}", answer.body);
    // The explanation works on a thread of its own; a paused clock waits for it.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn explained(capture: &Capture) -> usize {
    capture
        .text()
        .matches("the signature matches the body without its last newline")
        .count()
}

#[tokio::test(start_paused = true)]
async fn refusals_are_explained_in_the_log_and_at_most_at_the_rate() -> Result<(), SecretError> {
    let capture = Capture::start();
    let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
    for _ in 0..10 {
        refuse(&endpoint).await;
    }
    assert_eq!(explained(&capture), 3);
    assert!(
        capture.text().contains("a signature from dwolla was refused"),
        "{}",
        capture.text()
    );
    assert!(capture.text().contains("WARN"));

    tokio::time::advance(Duration::from_secs(58)).await;
    refuse(&endpoint).await;
    assert_eq!(explained(&capture), 3);
    tokio::time::advance(Duration::from_secs(2)).await;
    for _ in 0..10 {
        refuse(&endpoint).await;
    }
    assert_eq!(explained(&capture), 6);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn refusals_are_not_explained_unless_it_is_switched_on() {
    let capture = Capture::start();
    refuse(&endpoint(|builder| builder)).await;
    assert!(!capture.text().contains("was refused"), "{}", capture.text());
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_for_its_headers_is_explained_without_its_body() {
    let capture = Capture::start();
    let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
    let mut request = signed(event("1"));
    let value = request.headers_mut().remove("x-request-signature-sha-256").unwrap();
    request.headers_mut().insert("x-signature", value.clone());
    assert_eq!(endpoint.send(request).await.status, StatusCode::UNAUTHORIZED);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let text = capture.text();
    assert!(
        text.contains("x-signature holds what looks like a tag; the body was not read"),
        "{text}"
    );
    assert!(!text.contains(value.to_str().unwrap()), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_request_without_any_tag_is_explained_without_counts() {
    let capture = Capture::start();
    let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
    let mut request = signed(event("1"));
    request.headers_mut().remove("x-request-signature-sha-256").unwrap();
    assert_eq!(endpoint.send(request).await.status, StatusCode::UNAUTHORIZED);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let text = capture.text();
    assert!(text.contains("(known: the body was not read)"), "{text}");
}

/// Several endpoints of one provider can have the switch on.
#[tokio::test(start_paused = true)]
async fn an_explanation_says_of_which_endpoint_it_is() {
    let capture = Capture::start();
    refuse(&endpoint(|builder| {
        builder.namespace("tenant-7").explain_refusals(secrets(), 3)
    }))
    .await;
    let text = capture.text();
    let explanation = text.split_once("was refused").unwrap().1;
    assert!(explanation.contains(r#"namespace="tenant-7""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_accepted_request_is_not_explained() {
    let capture = Capture::start();
    let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(!capture.text().contains("was refused"), "{}", capture.text());
}

#[test]
fn a_rate_of_none_is_refused() {
    use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
    let error = WebhookLayer::builder(Dwolla::new(secrets()).unwrap(), MemoryStore::new())
        .explain_refusals(secrets(), 0)
        .build()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "explain_refusals may explain 0 refusals a minute, so it would explain none; expected more"
    );
}

#[test]
fn another_endpoint_to_try_is_refused_where_nothing_is_explained() {
    use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla, github};
    let builder = || {
        WebhookLayer::builder(Dwolla::new(secrets()).unwrap(), MemoryStore::new()).explain_also(
            "github",
            github::scheme(),
            secrets(),
        )
    };
    assert_eq!(
        builder().build().unwrap_err().to_string(),
        "explain_also is set without explain_refusals, so it would explain nothing; expected both"
    );
    assert!(builder().explain_refusals(secrets(), 1).build().is_ok());
}
