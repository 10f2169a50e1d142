//! A provider that is described by data.

mod deliveries;
mod bodies;
mod descriptions;
mod field_paths;
mod providers;
mod verifier_functions;

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Payload, Refusal, RefusalKind, ResultExt as _, TopicRouter, WebhookLayer,
    custom::{Custom, CustomBuilder, Event, FieldPath, HandshakeResponse},
    event::{Event as _, EventErrorKind, EventId, Fingerprint, TopicPattern},
    layer::WebhookService,
    provider::{self, DeliveryPolicy, Provider as _},
    signature::{Algorithm, Encoding, Scheme, Secrets, TimestampFormat},
    store::{ClaimRequest, IdempotencyStore as _, Key, State, Token},
};

use crate::endpoint::SECRET;

const HOUR: Duration = Duration::from_secs(3600);

fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

/// `X-Webhook-Signature: sha256=<hex>`.
fn scheme() -> Scheme {
    Scheme::new(name("x-webhook-signature"), Algorithm::HmacSha256, Encoding::Hex)
        .prefix(HeaderValue::from_static("sha256="))
}

/// A provider with everything but paths.
fn provider() -> CustomBuilder {
    Custom::builder("example", scheme())
        .secrets(SECRET)
        .policy(DeliveryPolicy::new(Duration::from_secs(10), 8 * HOUR))
}

/// The provider of the guide: `id`, `type`, `created_at` and `data` in the body.
fn example() -> CustomBuilder {
    provider()
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .time(FieldPath::body("created_at"))
        .payload(FieldPath::body("data"))
}

/// A provider that has id and topic in headers.
fn in_headers() -> CustomBuilder {
    provider()
        .id(FieldPath::unsigned_header(name("x-webhook-id")))
        .topic(FieldPath::unsigned_header(name("x-webhook-event")))
}

fn body(id: &str, topic: &str) -> String {
    json!({"id": id, "type": topic, "created_at": "2026-07-01T12:00:00Z", "data": {"name": "Ada"}}).to_string()
}

/// A signed request with this body, and with these headers, which are not signed.
fn signed(body: &str, unsigned: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::post("/webhooks/example")
        .body(Full::from(body.to_owned()))
        .unwrap();
    *request.headers_mut() = scheme().sign(&Secrets::new(SECRET).unwrap(), body.as_bytes()).unwrap();
    for (header, value) in unsigned {
        request.headers_mut().append(*header, value.parse().unwrap());
    }
    request
}

/// The payload of the guide's events.
#[derive(Debug, Deserialize, PartialEq)]
struct User {
    name: String,
}

type Builder = tower_webhook::layer::WebhookLayerBuilder<Custom, MemoryStore>;

#[derive(Clone)]
struct Endpoint {
    service: WebhookService<Custom, MemoryStore, TopicRouter<Event, Seen>>,
    store: MemoryStore,
    seen: Seen,
}

/// What the handlers noted, a line each.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }
}

impl Endpoint {
    fn new(provider: CustomBuilder, topics: impl FnOnce(TopicRouter<Event, Seen>) -> TopicRouter<Event, Seen>) -> Self {
        Self::with(provider, topics, |builder| builder)
    }

    fn with(
        provider: CustomBuilder,
        topics: impl FnOnce(TopicRouter<Event, Seen>) -> TopicRouter<Event, Seen>,
        settings: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (store, seen) = (MemoryStore::new(), Seen::default());
        let layer = settings(WebhookLayer::builder(provider.build().unwrap(), store.clone()));
        let layer = layer.build().unwrap();
        Self {
            service: layer.topics(topics(TopicRouter::with_state(seen.clone()))),
            store,
            seen,
        }
    }

    /// All events to one handler, which notes topic and id.
    fn noting(provider: CustomBuilder) -> Self {
        Self::new(provider, note)
    }

    /// The same where what is signed alone tells events apart.
    fn strict(provider: CustomBuilder) -> Self {
        Self::with(provider, note, Builder::strict_identity)
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (u16, Option<Refusal>, String) {
        let response = self.service.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            parts.status.as_u16(),
            parts.extensions.get::<Refusal>().cloned(),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    /// Sends a signed body and gives the status.
    async fn post(&self, body: &str) -> u16 {
        self.send(signed(body, &[])).await.0
    }

    fn seen(&self) -> Vec<String> {
        self.seen.0.lock().unwrap().clone()
    }

    /// The authentic request gets 400 with this reason, and neither handler nor store has
    /// heard of it.
    #[track_caller]
    fn assert_no_event(&self, (status, rejection, answer): (u16, Option<Refusal>, String), reason: &str) {
        let rejection = rejection.unwrap();
        assert_eq!(
            (status, rejection.kind(), rejection.reason()),
            (400, RefusalKind::NotAnEvent, reason)
        );
        assert!(!answer.contains("private"), "{answer}");
        assert!(self.seen().is_empty());
        assert!(self.store.is_empty());
    }
}

fn note(topics: TopicRouter<Event, Seen>) -> TopicRouter<Event, Seen> {
    topics.fallback(async |seen: Seen, event: Event| {
        let id = event.id().map(EventId::as_str);
        seen.note(format!("{} {}", event.topic(), id.unwrap_or("-")));
    })
}

/// The event that a provider reads.
#[track_caller]
fn event(provider: CustomBuilder, body: &str) -> Event {
    let provider = provider.build().unwrap();
    provider.event(&HeaderMap::new(), &body.to_owned().into()).unwrap()
}

/// The refusal of a body by the guide's provider.
#[track_caller]
fn assert_refused(provider: CustomBuilder, body: impl AsRef<[u8]>, message: &str) {
    let provider = provider.build().unwrap();
    let body = Bytes::copy_from_slice(body.as_ref());
    let error = provider.event(&HeaderMap::new(), &body).unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (EventErrorKind::Field, message)
    );
}
