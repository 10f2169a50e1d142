//! A provider without code: [`Custom`] is made of a [`Scheme`], secrets, and the [`FieldPath`]s of id, topic, time and payload.
//!
//! A provider that one of the crate's own modules knows is better taken from there. One that needs
//! more (an id made of several fields, a fingerprint of its own) implements [`Provider`]: about as
//! many lines.
//!
//! # A whole receiver
//! The provider of this example has the form that many have. It puts `sha256=` and the hex of HMAC-SHA256 over the body into
//! `X-Webhook-Signature`, and posts `{"id":…,"type":…,"created_at":…,"data":{…}}`, with dots in its topics.
//!
//! Its other headers are signed by nobody. `X-Webhook-Event` repeats the topic: where it does not agree with the body, the request is
//! refused. `X-Webhook-Id` is the id of the *webhook*, the same for all events: taken for the event's, it would make of all events one.
//!
//! ```
//! # #[cfg(all(feature = "service", feature = "memory"))] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use http::{HeaderName, HeaderValue, Request};
//! use http_body_util::Full;
//! use std::time::Duration;
//! use tower::ServiceExt as _;
//! use tower_webhook::{
//!     Delivery, MemoryStore, Payload, TopicRouter, WebhookLayer,
//!     custom::{self, Custom, FieldPath},
//!     provider::DeliveryPolicy,
//!     signature::{Algorithm, Encoding, Scheme, Secrets},
//! };
//!
//! #[derive(serde::Deserialize)]
//! struct User {
//!     name: String,
//! }
//!
//! async fn created(Payload(user): Payload<User>) {
//!     assert_eq!(user.name, "Ada");
//! }
//!
//! async fn team(delivery: Delivery<custom::Event>) {
//!     println!("{}: {} bytes", delivery.event().topic(), delivery.body().len());
//! }
//!
//! let hour = Duration::from_secs(3600);
//! let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
//! let scheme = Scheme::new(HeaderName::from_static("x-webhook-signature"), Algorithm::HmacSha256, Encoding::Hex)
//!     .prefix(HeaderValue::from_static("sha256="));
//! let provider = Custom::builder("example", scheme.clone())
//!     .secrets(secrets.clone())
//!     .id(FieldPath::body("id"))
//!     .topic(FieldPath::body("type"))
//!     .topic_repeated_in(HeaderName::from_static("x-webhook-event"))
//!     .time(FieldPath::body("created_at"))
//!     .payload(FieldPath::body("data"))
//!     .policy(DeliveryPolicy::new(Duration::from_secs(10), 8 * hour)) // at once, then 1 min, 5 min, 30 min, 1 h and 6 h later
//!     .build()
//!     .unwrap();
//!
//! let topics = TopicRouter::new()
//!     .on("user.created", created)
//!     .on("team", team); // and team.member.role_changed, and all else that begins with `team.`
//! let service = WebhookLayer::new(provider, MemoryStore::new()).topics(topics);
//!
//! let body = r#"{"id":"evt_1","type":"user.created","created_at":"2026-07-01T12:00:00Z","data":{"name":"Ada"}}"#;
//! let mut request = Request::post("/").body(Full::<bytes::Bytes>::from(body)).unwrap();
//! request.headers_mut().extend(scheme.sign(&secrets, body.as_bytes()).unwrap());
//! assert_eq!(service.clone().oneshot(request.clone()).await.unwrap().status(), 200);
//!
//! let tampered = request.map(|_| Full::<bytes::Bytes>::from(body.replace("Ada", "Eve")));
//! assert_eq!(service.oneshot(tampered).await.unwrap().status(), 401);
//! # });
//! # }
//! ```
//!
//! # What an event is
//! A body in UTF-8 that is JSON, at most 64 levels deep: an object, or anything where nothing in it
//! is required. Id and topic stand at their places, strings of 1 to 255 bytes without control
//! characters; an id may be a whole number. On the paths to the places each key is there once;
//! other fields may be anything. What is authentic but no event is answered 400, with a reason that
//! names the field and repeats nothing of the body.
//!
//! | the provider | say |
//! | --- | --- |
//! | has one id for several accounts | [`scope`](CustomBuilder::scope) |
//! | has no id or topic in some bodies, or in none | [`optional_id`](CustomBuilder::optional_id), [`without_id`](CustomBuilder::without_id), [`optional_topic`](CustomBuilder::optional_topic), [`without_topic`](CustomBuilder::without_topic) |
//! | has families of events that differ | [`or_topic`](CustomBuilder::or_topic), [`or_payload`](CustomBuilder::or_payload) |
//! | tells an action apart from what it happened to | [`action`](CustomBuilder::action) |
//! | signs a time in the body | [`signed_at`](CustomBuilder::signed_at) |
//! | sends forms | [`form_field`](CustomBuilder::form_field), [`form_fields`](CustomBuilder::form_fields) |
//! | asks whether somebody is there | [`handshake`](CustomBuilder::handshake) |
//! | documents its ids as unique | [`unique_ids`](CustomBuilder::unique_ids) |
//!
//! What it takes a provider of your own for: an id made of several fields, a handshake that signs
//! something, a signature that is no HMAC ([`Verifier::from_fn`]).
//!
//! # Security
//! Headers are not signed, but for those that the scheme names; [`CustomBuilder::id`] and [`CustomBuilder::topic`] say what follows from it. Where
//! the scheme signs no time either, a captured request is valid for as long as the secret is. What stops a replay is the record of the id,
//! kept for the policy' retention, and after that a `max_event_age`, where the body has a time.

mod field_path;
mod builder;
mod build;
mod reply;
mod error;

pub use builder::CustomBuilder;
pub use error::CustomError;
pub use field_path::FieldPath;
pub use reply::Reply;

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    DeliveryPolicy, Handshake, Provider, form,
    json::{JsonEvent, Reader, id_without, signed_id},
};
use crate::{
    event::{EventError, Fingerprint, Identity, Unsigned},
    signature::{Scheme, SignatureError, Verified, Verifier, check_time},
};
use build::Id;
use reply::Answer;

/// An event of a [`Custom`] provider.
pub type Event = JsonEvent<Custom>;

impl Event {
    /// The id that a header gave, where that is the id's place; `None` if the header was missing, doubled or no id (1 to 255
    /// characters of printable ASCII). A replay can bear any id here.
    #[must_use]
    pub fn unsigned_id(&self) -> Option<Unsigned<&str>> {
        self.first_unsigned()
    }
}

/// A provider described by data. The [module](self) shows a whole receiver.
///
/// `Debug` shows how many secrets there are, not what they are.
///
/// ```
/// use http::{HeaderMap, HeaderName};
/// use std::time::Duration;
/// use tower_webhook::{
///     custom::{Custom, FieldPath},
///     provider::{DeliveryPolicy, Provider},
///     signature::{Algorithm, Encoding, Scheme},
/// };
///
/// // id and topic in headers, as some providers have them
/// let scheme = Scheme::new(HeaderName::from_static("x-shop-signature"), Algorithm::HmacSha256, Encoding::Base64);
/// let shop = Custom::builder("shop", scheme)
///     .secrets(["the new secret", "the old secret"])
///     .id(FieldPath::unsigned_header(HeaderName::from_static("x-shop-event-id")))
///     .topic(FieldPath::unsigned_header(HeaderName::from_static("x-shop-topic")))
///     .policy(DeliveryPolicy::new(Duration::from_secs(5), Duration::from_secs(4 * 3600)))
///     .build()?;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-shop-event-id", "b54557e4".parse()?);
/// headers.insert("x-shop-topic", "orders/create".parse()?);
/// let event = shop.event(&headers, &r#"{"total":"10.00"}"#.into())?;
/// assert_eq!(event.topic(), "orders/create");
/// assert_eq!(event.id(), None); // not signed: the digest of the body completes the key
/// assert_eq!(event.unsigned_id().unwrap().into_unsigned(), "b54557e4");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Custom {
    name: Cow<'static, str>,
    verifier: Verifier,
    reader: Reader,
    id: Id,
    /// What scopes the id, where nobody signs it.
    scope_header: Option<HeaderName>,
    /// The key of the time in the body at which a request was signed, and how far from now it may
    /// be.
    signed_at: Option<(String, Duration)>,
    form_field: Option<String>,
    form_fields: bool,
    handshakes: Vec<Answer>,
    unique_ids: bool,
    policy: DeliveryPolicy,
}

impl Custom {
    /// A provider that signs by this scheme. Its name is what logs call it and the default namespace of its ids.
    pub fn builder(name: impl Into<Cow<'static, str>>, scheme: Scheme) -> CustomBuilder {
        CustomBuilder::new(name.into(), scheme)
    }

    /// The JSON of a body.
    fn json(&self, body: &Bytes) -> Bytes {
        if !(self.form_fields || self.form_field.is_some()) || !form::is_form(body) {
            return body.clone();
        }
        let field = self.form_field.as_ref().and_then(|name| form::field(body, name));
        field.unwrap_or_else(|| {
            if self.form_fields {
                form::to_json(body)
            } else {
                body.clone()
            }
        })
    }

    /// The same event under the identity that is not the signed id's alone.
    fn identified(&self, event: Event, body: &Bytes) -> Result<Event, EventError> {
        let scope = self
            .scope_header
            .as_ref()
            .map(|name| event.unsigned_text(name).to_owned());
        let unsigned = self.id.header.as_ref().map(|name| event.unsigned_text(name).to_owned());
        let unsigned = unsigned.filter(|id| !id.is_empty());
        let (event, signed) = match (&self.signed_at, event.id().cloned()) {
            (_, Some(id)) if scope.is_some() => (event, Identity::signed(id)),
            // As it was read, within a scope of the body's.
            (_, Some(_)) => return Ok(event),
            (Some((key, _)), None) => {
                let id = id_without(body, key, event.sent_as())?;
                let facts = Fingerprint::of([event.topic().as_bytes(), id.as_str().as_bytes()]);
                (event.with_fingerprint(facts), Identity::signed(id))
            }
            (None, None) => (event, Identity::of_body()),
        };
        let topic = event.topic().to_owned();
        let identity = match (unsigned, scope) {
            (Some(id), Some(scope)) => signed.with_unsigned(&id, &[&topic, &scope]),
            (Some(id), None) => signed.with_unsigned(&id, &[&topic]),
            // A signed id within an unsigned scope.
            (None, Some(scope)) => {
                let id = event.id().map_or_else(String::new, |id| id.as_str().to_owned());
                signed.with_unsigned(&id, &[&scope])
            }
            // As it was read: a topic in a header completes the digest of the body.
            (None, None) if self.signed_at.is_none() => return Ok(event),
            (None, None) if self.reader.has_topic_header() => signed.with_unsigned("", &[&topic]),
            (None, None) => signed,
        };
        Ok(event.with_identity(identity))
    }
}

impl Provider for Custom {
    type Event = Event;

    fn name(&self) -> &str {
        &self.name
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        let id = match self.id.is_beside {
            true => Some(signed_id(&self.verifier, headers)?),
            false => None,
        };
        let event = self.reader.read_within(headers, body, &self.json(body), id)?;
        self.identified(event, body)
    }

    fn check_time(&self, event: &Event, now: SystemTime) -> Result<(), SignatureError> {
        match &self.signed_at {
            Some((_, tolerance)) => check_time(event.sent(), now, *tolerance),
            None => Ok(()),
        }
    }

    /// Of two times that are signed both must be near enough to now: the shorter window is the
    /// window.
    fn signature_window(&self) -> Option<Duration> {
        let in_body = self.signed_at.as_ref().map(|(_, tolerance)| *tolerance);
        let beside = self.verifier.scheme().and_then(Scheme::time_tolerance);
        in_body.into_iter().chain(beside).min()
    }

    fn ids_are_unique(&self) -> bool {
        self.unique_ids
    }

    fn handshake(&self, event: &Event, _: Verified) -> Result<Option<Handshake>, EventError> {
        if self.id.is_optional && event.id().is_some() {
            return Ok(None);
        }
        let answer = self
            .handshakes
            .iter()
            .find(|answer| answer.is_of(event.topic(), event.json()));
        answer.map(|answer| answer.to(event.json())).transpose()
    }

    fn policy(&self) -> DeliveryPolicy {
        self.policy.clone()
    }
}
