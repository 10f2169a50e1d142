//! Providers without secrets, which read what was verified and stored earlier, and events that were
//! fetched from a provider's API.

#![cfg(test)] // for clippy

use std::fmt::Debug;

use serde_json::json;
use tower_webhook::{
    event::{Event, EventError, EventErrorKind, SelfIdentified},
    signature::SignatureErrorKind,
};

use super::{
    replays::{Endpoint, SECRET},
    *,
};

const BASE64_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What two readings of one request must have in common.
fn read<P: Provider>(provider: &P, headers: &HeaderMap, body: &Bytes) -> String {
    let event = provider.event(headers, body).unwrap();
    let identity = event.identity();
    format!(
        "{:?} {} {:?} {:?} {:?} {:?}",
        event.id(),
        event.topic(),
        event.time(),
        event.fingerprint(),
        identity.key(body, false).unwrap(),
        identity.key(body, true).unwrap(),
    )
}

/// A body that every provider can read, and headers for those that need some.
fn stored() -> (HeaderMap, Bytes) {
    let body = json!({
        "id": "1", "event_id": "1", "type": "a.b", "event_type": "a.b", "topic": "a.b", "event": "a.b",
        "created": 1_782_907_200, "created_at": "2026-07-01T12:00:00Z", "webhookTimestamp": 1_782_907_200_000_u64,
    });
    let mut headers = HeaderMap::new();
    for name in [
        "x-github-event",
        "x-shopify-topic",
        "linear-delivery",
        "webhook-id",
        "svix-id",
        "webhook-signature",
        "svix-signature",
    ] {
        headers.insert(name, HeaderValue::from_static("x"));
    }
    (headers, body.to_string().into())
}

/// The reader reads as the provider does, and refuses what the provider accepts.
async fn check<P: Provider>(provider: P, reader: P, secret: &str, body: Option<&str>) {
    let (mut headers, mut stored) = stored();
    if let Some(body) = body {
        stored = Bytes::copy_from_slice(body.as_bytes());
    }
    let name = provider.name().to_owned();
    assert_eq!(
        read(&reader, &headers, &stored),
        read(&provider, &headers, &stored),
        "{name}"
    );
    assert_eq!((reader.name(), reader.policy()), (&*name, provider.policy()));

    let scheme = provider.verifier().scheme().unwrap();
    let secrets = Secrets::new(secret).unwrap();
    headers.remove("svix-signature");
    headers.remove("webhook-signature");
    headers.extend(scheme.sign_at(&secrets, "msg_1", at(NOW), &stored).unwrap());
    let verified = provider.verifier().verify_at(&headers, &stored, at(NOW));
    assert_eq!(verified.unwrap().secret_index(), 0);
    let error = reader.verifier().verify_at(&headers, &stored, at(NOW)).unwrap_err();
    assert_eq!(error.kind(), SignatureErrorKind::Secret, "{name}");

    let endpoint = Endpoint::new(reader);
    for headers in [headers, HeaderMap::new()] {
        endpoint.assert_unauthorized(&endpoint.send(headers, &stored).await);
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn a_reader_reads_as_its_provider_does_and_refuses_every_request() {
    let dwolla = r#"{"id":"1","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
    check(Dwolla::new(SECRET).unwrap(), Dwolla::reader(), SECRET, Some(dwolla)).await;
    check(GitHub::new(SECRET).unwrap(), GitHub::reader(), SECRET, None).await;
    check(Linear::new(SECRET).unwrap(), Linear::reader(), SECRET, None).await;
    check(Paddle::new(SECRET).unwrap(), Paddle::reader(), SECRET, None).await;
    check(Shopify::new(SECRET).unwrap(), Shopify::reader(), SECRET, None).await;
    let slack = r#"{"api_app_id":"A1","event_id":"E1","event":{"type":"message"},"event_time":1782907200}"#;
    check(Slack::new(SECRET).unwrap(), Slack::reader(), SECRET, Some(slack)).await;
    check(Square::new(SQUARE_URL, SECRET).unwrap(), Square::reader(), SECRET, None).await;
    check(Stripe::new(SECRET).unwrap(), Stripe::reader(), SECRET, None).await;
    check(Zoom::new(SECRET).unwrap(), Zoom::reader(), SECRET, None).await;
    check(Svix::new(BASE64_SECRET).unwrap(), Svix::reader(), BASE64_SECRET, None).await;
    let standard = StandardWebhooks::new(BASE64_SECRET).unwrap();
    check(standard, StandardWebhooks::reader(), BASE64_SECRET, None).await;

    let described = || {
        Custom::builder("example", example_scheme())
            .id(FieldPath::body("id"))
            .topic(FieldPath::body("type"))
            .policy(DeliveryPolicy::new(Duration::from_secs(10), Duration::ZERO))
    };
    let provider = described().secrets(SECRET).build().unwrap();
    check(provider, described().build_reader().unwrap(), SECRET, None).await;
}

/// The clone is the same provider: what rotates the secrets of one rotates those of the other.
#[test]
fn a_clone_of_a_provider_shares_its_secrets() {
    fn rotate<P: Provider + Clone + Debug>(provider: P) {
        let clone = provider.clone();
        let scheme = provider.verifier().scheme().unwrap().clone();
        let new = Secrets::new("the new secret").unwrap();
        provider.verifier().secrets_handle().rotate("the new secret").unwrap();
        let headers = scheme.sign_at(&new, "msg_1", at(NOW), b"{}").unwrap();
        assert!(
            clone.verifier().verify_at(&headers, b"{}", at(NOW)).is_ok(),
            "{clone:?}"
        );
        assert!(!format!("{clone:?}").contains("secret 001"), "{clone:?}");
    }
    let secret = "secret 001 of this provider";
    rotate(Dwolla::new(secret).unwrap());
    rotate(GitHub::new(secret).unwrap());
    rotate(Linear::new(secret).unwrap());
    rotate(Paddle::new(secret).unwrap());
    rotate(Shopify::new(secret).unwrap());
    rotate(Slack::new(secret).unwrap());
    rotate(Square::new(SQUARE_URL, secret).unwrap());
    rotate(Stripe::new(secret).unwrap());
    rotate(Zoom::new(secret).unwrap());
    rotate(example(Secrets::new(secret).unwrap()));
}

/// One event, fetched from the API and delivered, where a delivery may say more about itself.
#[test]
fn an_event_from_the_api_has_the_key_and_the_facts_of_its_delivery() {
    fn same<P: Provider<Event: SelfIdentified + Debug>>(
        provider: P,
        from_json: impl Fn(&[u8]) -> Result<P::Event, EventError>,
        fetched: &serde_json::Value,
        more: &str,
    ) {
        let mut delivered = fetched.clone();
        delivered[more] = json!("said by the delivery alone");
        let delivered = Bytes::from(delivered.to_string());
        let fetched = fetched.to_string();
        let event = from_json(fetched.as_bytes()).unwrap();
        let delivery = provider.event(&HeaderMap::new(), &delivered).unwrap();
        let facts = |event: &P::Event, body: &[u8]| {
            let key = event.identity().key(body, false).unwrap();
            (
                key,
                event.topic().to_owned(),
                event.time(),
                event.fingerprint().unwrap(),
            )
        };
        assert_eq!(facts(&event, b""), facts(&delivery, &delivered), "{}", provider.name());
        assert_eq!(event.id(), Some(&facts(&event, b"").0));

        let error = from_json(b"[]").unwrap_err();
        assert_eq!(error.kind(), EventErrorKind::NotAnObject);
        assert_eq!(from_json(b"{}").unwrap_err().kind(), EventErrorKind::Field);
    }
    let dwolla = json!({"id": "1", "topic": "customer_created", "created": "2019-02-04T14:58:45.144Z"});
    same(Dwolla::reader(), dwolla::Event::from_json, &dwolla, "timestamp");
    let stripe = json!({"id": "evt_1", "type": "invoice.paid", "created": NOW, "data": {"object": {"n": 1}}});
    same(Stripe::reader(), stripe::Event::from_json, &stripe, "pending_webhooks");
    let square = json!({"event_id": "1", "type": "payment.updated", "created_at": "2023-11-14T22:13:20Z"});
    same(Square::reader(), square::Event::from_json, &square, "merchant_id");
    let paddle = json!({"event_id": "1", "event_type": "payout.paid", "occurred_at": "2023-11-14T22:13:20Z"});
    same(Paddle::reader(), paddle::Event::from_json, &paddle, "notification_id");

    let event = stripe::Event::from_json(stripe.to_string().as_bytes()).unwrap();
    assert_eq!(event.payload::<serde_json::Value>().unwrap(), json!({"n": 1}));
}

#[test]
fn an_event_without_its_id_or_topic_is_refused_and_the_field_is_named() {
    for (json, message) in [
        (
            r#"{"type":"a"}"#,
            "the event's id is missing; expected a string of 1 to 255 bytes",
        ),
        (
            r#"{"id":7,"type":"a"}"#,
            "the event's id is a number; expected a string of 1 to 255 bytes",
        ),
        (
            r#"{"id":"1","type":null}"#,
            "the event's type is null; expected a string of 1 to 255 bytes",
        ),
        (
            r#"{"id":"","type":"a"}"#,
            "the event's id is empty; expected 1 to 255 bytes",
        ),
        (
            r#"{"id":"1","type":"a","id":"2"}"#,
            "duplicate field `id` at line 1 column 25",
        ),
    ] {
        let error = stripe::Event::from_json(json.as_bytes()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (EventErrorKind::Field, message)
        );
    }
    for (body, message) in [
        (r#"{"event":[]}"#, "the event's event is an array; expected an object"),
        (
            r#"{"event":{}}"#,
            "the event's event.type is missing; expected a string of 1 to 255 bytes",
        ),
        (
            r#"{"event":{"type":1}}"#,
            "the event's event.type is a number; expected a string of 1 to 255 bytes",
        ),
        (
            r#"{"event":{"type":"a"},"type":1}"#,
            "the event's type is a number; expected a string of 1 to 255 bytes",
        ),
    ] {
        let error = Slack::reader().event(&HeaderMap::new(), &body.into()).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}
