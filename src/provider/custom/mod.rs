//! A provider without code: [`Custom`] is made of a [`Scheme`], secrets, and the [`FieldPath`]s of
//! id, topic, time and payload.
//!
//! If this crate has a module for a provider, use that module. A provider that needs more (an id
//! made of several fields, a fingerprint of its own) implements [`Provider`], in about as many
//! lines.
//!
//! # A whole receiver
//! The provider of this example works like many others. It puts `sha256=` and the hex of
//! HMAC-SHA256 over the body into `X-Webhook-Signature`, and posts
//! `{"id":…,"type":…,"created_at":…,"data":{…}}`, with dots in its topics.
//!
//! Its other headers are not signed. `X-Webhook-Event` repeats the topic: a request on which header
//! and body disagree is refused. `X-Webhook-Id` is the id of the *webhook*, the same for all
//! events. Taken for the event's id, it would make one event of them all.
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
//! let header = HeaderName::from_static("x-webhook-signature");
//! let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
//!     .prefix(HeaderValue::from_static("sha256="));
//! let provider = Custom::builder("example", scheme.clone())
//!     .secrets(secrets.clone())
//!     .id(FieldPath::body("id"))
//!     .topic(FieldPath::body("type"))
//!     .topic_repeated_in(HeaderName::from_static("x-webhook-event"))
//!     .time(FieldPath::body("created_at"))
//!     .payload(FieldPath::body("data"))
//!     // sent at once, then 1 min, 5 min, 30 min, 1 h and 6 h later
//!     .policy(DeliveryPolicy::new(Duration::from_secs(10), 8 * hour))
//!     .build()
//!     .unwrap();
//!
//! let topics = TopicRouter::new()
//!     .on("user.created", created)
//!     .on("team", team); // and team.member.role_changed, and all else that begins with `team.`
//! let service = WebhookLayer::new(provider, MemoryStore::new()).topics(topics);
//!
//! let body = r#"{
//!     "id": "evt_1", "type": "user.created", "created_at": "2026-07-01T12:00:00Z",
//!     "data": {"name": "Ada"}
//! }"#;
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
//! A body in UTF-8 that is JSON, at most 64 levels deep: an object, or anything if none of its
//! fields is required. Id and topic are strings of 1 to 255 bytes without control characters; an id
//! may be a whole number. A key on the path to one of them must not be there twice. Other fields
//! may be anything. An authentic request that is no event gets 400, with a reason that names the
//! field and repeats nothing of the body.
//!
//! | the provider | use |
//! | --- | --- |
//! | reuses an id in several accounts | [`scope`] |
//! | leaves the id out, sometimes or always | [`optional_id`], [`without_id`] |
//! | leaves the topic out, sometimes or always | [`optional_topic`], [`without_topic`] |
//! | has families of events that differ | [`or_topic`], [`or_payload`] |
//! | tells an action apart from what it happened to | [`action`] |
//! | signs a time in the body | [`signed_at`] |
//! | sends forms | [`form_field`], [`form_fields`] |
//! | checks the endpoint with a handshake | [`handshake`] |
//! | documents its ids as unique | [`unique_ids`] |
//!
//! Write a provider of your own for an id made of several fields, a handshake that signs something,
//! or a signature that is no HMAC ([`Verifier::from_fn`]).
//!
//! [`scope`]: CustomBuilder::scope
//! [`optional_id`]: CustomBuilder::optional_id
//! [`without_id`]: CustomBuilder::without_id
//! [`optional_topic`]: CustomBuilder::optional_topic
//! [`without_topic`]: CustomBuilder::without_topic
//! [`or_topic`]: CustomBuilder::or_topic
//! [`or_payload`]: CustomBuilder::or_payload
//! [`action`]: CustomBuilder::action
//! [`signed_at`]: CustomBuilder::signed_at
//! [`form_field`]: CustomBuilder::form_field
//! [`form_fields`]: CustomBuilder::form_fields
//! [`handshake`]: CustomBuilder::handshake
//! [`unique_ids`]: CustomBuilder::unique_ids
//!
//! # Security
//! Headers are not signed, except those that the scheme names; [`CustomBuilder::id`] and
//! [`CustomBuilder::topic`] say what follows from that. Where the scheme signs no time either, a
//! captured request is valid for as long as the secret is. What stops a replay is the record of the
//! id, kept for the policy's retention, and after that a `max_event_age`, where the body has a
//! time.

mod field_path;
mod builder;
mod build;
pub(super) mod envelope;
mod reader;
mod handshake;
mod error;

pub use builder::CustomBuilder;
pub use error::CustomError;
pub use field_path::FieldPath;
pub use handshake::HandshakeResponse;

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderMap;

use super::{DeliveryPolicy, Handshake, JsonEvent, Provider, form, json_event::Fields, standard_webhooks::signed_id};
use crate::{
    event::{EventError, Unsigned},
    signature::{Scheme, SignatureError, Verified, Verifier, check_time},
};
use handshake::DescribedHandshake;
use reader::Reader;

/// An event of a [`Custom`] provider.
pub type Event = JsonEvent<Custom>;

impl Event {
    /// The id from an unsigned header, where the description names one. `None` if the header was
    /// missing, doubled or no id (1 to 255 characters of printable ASCII). A replay can carry any
    /// id here.
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
/// let header = HeaderName::from_static("x-shop-signature");
/// let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64);
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
#[derive(Clone, Debug)]
pub struct Custom {
    name: Cow<'static, str>,
    verifier: Verifier,
    reader: Reader,
    /// How far from now the time in the body at which a request was signed may be.
    tolerance: Option<Duration>,
    form_field: Option<String>,
    form_fields: bool,
    handshakes: Vec<DescribedHandshake>,
    unique_ids: bool,
    policy: DeliveryPolicy,
}

impl Custom {
    /// A provider that signs by this scheme. Logs call it by its name, which is also the default
    /// namespace of its ids.
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
        let id = match self.reader.id.is_beside {
            true => Some(signed_id(&self.verifier, headers)?),
            false => None,
        };
        let fields = Fields::in_body(body, &self.json(body), self.reader.payloads.clone());
        self.reader.read(headers, fields, id)
    }

    fn check_time(&self, event: &Event, now: SystemTime) -> Result<(), SignatureError> {
        match self.tolerance {
            Some(tolerance) => check_time(event.signed_at(), now, tolerance),
            None => Ok(()),
        }
    }

    /// Where two times are signed, both must be near enough to now, so the shorter window counts.
    fn signature_window(&self) -> Option<Duration> {
        let beside = self.verifier.scheme().and_then(Scheme::time_tolerance);
        self.tolerance.into_iter().chain(beside).min()
    }

    fn ids_are_unique(&self) -> bool {
        self.unique_ids
    }

    fn handshake(&self, event: &Event, _: Verified) -> Result<Option<Handshake>, EventError> {
        if self.reader.id.is_optional && event.id().is_some() {
            return Ok(None);
        }
        let mut handshakes = self.handshakes.iter();
        let handshake = handshakes.find(|handshake| handshake.is_of(event.topic(), event.json()));
        handshake.map(|handshake| handshake.respond(event.json())).transpose()
    }

    fn policy(&self) -> DeliveryPolicy {
        self.policy.clone()
    }
}
