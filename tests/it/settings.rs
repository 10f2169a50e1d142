//! Builders refuse contradictions, and name them.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderMap;
use tower_webhook::{
    MemoryStore, Provider, WebhookLayer,
    dwolla::{self, Dwolla},
    event::EventError,
    layer::WebhookLayerBuilder,
    linear::Linear,
    provider::{DeliveryPolicy, KnownTopics},
    signature::{Secrets, Verifier},
    slack::Slack,
};

type Builder = WebhookLayerBuilder<Dwolla, MemoryStore>;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn build(settings: impl FnOnce(Builder) -> Builder) -> Result<(), String> {
    let builder = WebhookLayer::builder(
        Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap(),
        MemoryStore::new(),
    );
    settings(builder).build().map(drop).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_refused(settings: impl FnOnce(Builder) -> Builder, message: &str) {
    assert_eq!(build(settings), Err(message.to_owned()));
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(build(|builder| builder), Ok(()));
}

/// A provider whose retries end before a lease does.
struct Hasty(Dwolla);

impl Provider for Hasty {
    type Event = dwolla::Event;

    fn name(&self) -> &str {
        "hasty"
    }
    fn verifier(&self) -> &Verifier {
        self.0.verifier()
    }
    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<dwolla::Event, EventError> {
        self.0.event(headers, body)
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(10 * SECOND, 30 * SECOND)
    }
}

#[test]
#[should_panic(expected = "the lease (60s) is not shorter than hasty retries (30s)")]
fn a_layer_whose_defaults_contradict_each_other_is_not_made() {
    let hasty = Hasty(Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap());
    let _ = WebhookLayer::new(hasty, MemoryStore::new());
}

#[test]
fn a_shared_provider_is_the_same_provider() {
    let hasty = Arc::new(Hasty(Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap()));
    assert_eq!(Provider::name(&hasty), "hasty");
    assert_eq!(Provider::policy(&hasty), DeliveryPolicy::new(10 * SECOND, 30 * SECOND));

    // What a provider says otherwise than by default, a shared one says too.
    let slack = Slack::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
    let shared = Arc::new(slack.clone());
    assert!(slack.ids_are_unique() && Provider::ids_are_unique(&shared));
    let known = |topics: KnownTopics| topics.doubt("app_mentoin");
    assert_eq!(known(Provider::known_topics(&shared)), known(slack.known_topics()));
    assert!(known(slack.known_topics()).is_some());
    let window = Provider::signature_window(&shared);
    assert_eq!((window, slack.signature_window()), (Some(300 * SECOND), window));

    let scheme = slack.verifier().scheme().unwrap();
    let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
    let body = br#"{"type":"url_verification","challenge":"3eZbrw1aB10F"}"#;
    let headers = scheme.sign(&secrets, body).unwrap();
    let verified = Provider::verifier(&shared).verify(&headers, body).unwrap();
    let event = Provider::event(&shared, &headers, &Bytes::from_static(body)).unwrap();
    let handshake = Provider::handshake(&shared, &event, verified).unwrap();
    assert_eq!(handshake.unwrap().body().unwrap(), "3eZbrw1aB10F");

    let linear = Arc::new(Linear::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap());
    let body = br#"{"type":"Issue","action":"create","data":{},"webhookTimestamp":1600000000000}"#;
    let event = Provider::event(&linear, &HeaderMap::new(), &Bytes::from_static(body)).unwrap();
    assert!(Provider::check_time(&linear, &event, SystemTime::now()).is_err());
    let _ = WebhookLayer::new(linear, MemoryStore::new());
}

#[test]
fn a_retention_within_the_retry_horizon_is_refused() {
    assert_refused(
        |builder| builder.retention(3 * DAY),
        "the retention (259200s) is not longer than the provider's retry window (259200s) plus the handler cap (300s): a late retry would \
         run twice; expected more than 259500s",
    );
    assert_eq!(
        build(|builder| builder.retention(3 * DAY + Duration::from_secs(301))),
        Ok(())
    );
}

#[test]
fn a_lease_that_can_end_while_it_is_renewed_is_refused() {
    assert_refused(
        |builder| builder.lease(22 * SECOND, 20 * SECOND),
        "the lease (22s) is not longer than its renewal interval (20s) plus store_timeout (2s): it could be lost while it is renewed; \
         expected a longer lease or an earlier renewal",
    );
    assert_eq!(build(|builder| builder.lease(23 * SECOND, 20 * SECOND)), Ok(()));
}

#[test]
fn a_lease_that_outlasts_all_retries_is_refused() {
    assert_refused(
        |builder| builder.lease(3 * DAY, 20 * SECOND),
        "the lease (259200s) is not shorter than dwolla retries (259200s): an event whose process died would rest until nobody sends it \
         any more; expected less",
    );
}

#[test]
fn an_answer_that_nobody_waits_for_is_refused() {
    assert_refused(
        |builder| builder.response_timeout(11 * SECOND),
        "response_timeout (11s) is longer than dwolla waits for a response (10s): it would retry what was handled; expected less",
    );
}

#[test]
fn a_store_that_may_use_up_the_answer_is_refused() {
    assert_refused(
        |builder| builder.response_timeout(2 * SECOND),
        "store_timeout (2s) is not shorter than response_timeout (2s): a store that hangs would use up the whole time to respond; expected less",
    );
}

#[test]
fn an_age_that_refuses_legal_redeliveries_is_refused() {
    assert_refused(
        |builder| builder.max_event_age(30 * DAY),
        "max_event_age (2592000s) is not longer than the time after which dwolla may still send an event (2592000s): a legal redelivery \
         would be refused; expected more",
    );
    assert_eq!(build(|builder| builder.max_event_age(31 * DAY)), Ok(()));
}

#[test]
fn what_could_never_work_is_refused() {
    assert_refused(
        |builder| builder.response_timeout(Duration::ZERO),
        "response_timeout is zero, so nothing could ever succeed; expected more",
    );
    assert_refused(
        |builder| builder.store_timeout(Duration::ZERO),
        "store_timeout is zero, so nothing could ever succeed; expected more",
    );
    assert_refused(
        |builder| builder.lease(SECOND, Duration::ZERO),
        "the renewal interval is zero, so nothing could ever succeed; expected more",
    );
    assert_refused(
        |builder| builder.handler_timeout(Duration::ZERO),
        "handler_timeout is zero, so nothing could ever succeed; expected more",
    );
    assert_refused(
        |builder| builder.body_timeout(Duration::ZERO),
        "body_timeout is zero, so nothing could ever succeed; expected more",
    );
    assert_refused(
        |builder| builder.body_limit(0),
        "body_limit is 0, so every delivery would be refused; expected more",
    );
    assert_refused(
        |builder| builder.max_in_flight(0),
        "max_in_flight is 0, so every delivery would be refused; expected more",
    );
    assert_refused(
        |builder| builder.body_limit(1025).max_unauthenticated_bytes(1024),
        "max_unauthenticated_bytes (1024) is less than body_limit (1025): the largest body could never arrive; expected at least as much",
    );
}

#[test]
fn a_namespace_that_cannot_be_read_is_refused() {
    let message = "the namespace is empty, longer than 255 bytes or holds a control character; expected a short name";
    assert_refused(|builder| builder.namespace(""), message);
    assert_refused(|builder| builder.namespace("a\nb"), message);
    assert_refused(|builder| builder.namespace("x".repeat(256)), message);
    assert_eq!(build(|builder| builder.namespace("payments")), Ok(()));
}

#[test]
fn settings_beyond_every_clock_do_not_overflow() {
    assert_eq!(
        build(|builder| builder
            .retention(Duration::MAX)
            .handler_timeout(300 * SECOND)
            .max_event_age(Duration::MAX)),
        Ok(())
    );
}

#[test]
fn a_retention_that_ends_before_a_signature_does_is_refused() {
    let paddle = || {
        WebhookLayer::builder(
            tower_webhook::paddle::Paddle::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap(),
            MemoryStore::new(),
        )
    };
    let error = paddle()
        .retention(3 * DAY + 400 * SECOND)
        .build()
        .map(drop)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the retention (259600s) is shorter than the time for which a signature of paddle can be valid, by a clock that is ahead (432000s): a \
         captured request would run again; expected at least as much",
    );
    // By a clock that is a day ahead it is valid for a day longer.
    assert!(paddle().retention(5 * DAY - SECOND).build().is_err());
    assert!(paddle().retention(5 * DAY).build().is_ok());
    // Linear's time is in the body.
    let linear = |retention| {
        let linear = tower_webhook::linear::Linear::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
        let layer = WebhookLayer::builder(linear.with_tolerance(9 * 3600 * SECOND / 2), MemoryStore::new());
        layer.retention(retention).build().is_ok()
    };
    assert!(!linear(9 * 3600 * SECOND - SECOND));
    assert!(linear(9 * 3600 * SECOND));
}
