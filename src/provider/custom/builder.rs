use std::{borrow::Cow, time::Duration};

use http::HeaderName;

use super::{FieldPath, HandshakeResponse};
use crate::{
    provider::DeliveryPolicy,
    signature::{Scheme, SecretError, Secrets},
};

/// Describes a [`Custom`](super::Custom) provider. Name, scheme, secrets, id, topic and policy are
/// required; the rest is optional.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use std::time::Duration;
/// use tower_webhook::{
///     custom::{Custom, FieldPath},
///     provider::DeliveryPolicy,
///     signature::{Algorithm, Encoding, Scheme},
/// };
///
/// let header = HeaderName::from_static("x-webhook-signature");
/// let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
///     .prefix(HeaderValue::from_static("sha256="));
/// let complete = Custom::builder("example", scheme)
///     .secrets("8f742231b10e8888abcd99yyyzzz85a5")
///     .id(FieldPath::body("id"))
///     .topic(FieldPath::body("type"))
///     .policy(DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(8 * 3600)));
///
/// complete.clone().build()?;
///
/// let error = complete.topic(FieldPath::body("id.type")).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the topic's path `id.type` leads through `id`, where the id is; \
///      expected another path for one of them",
/// );
/// # Ok::<(), tower_webhook::custom::CustomError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "`build` makes the provider"]
pub struct CustomBuilder {
    pub(super) name: Cow<'static, str>,
    pub(super) scheme: Scheme,
    pub(super) secrets: Option<Result<Secrets, SecretError>>,
    pub(super) id: Option<IdSource>,
    pub(super) scope: Option<FieldPath>,
    pub(super) topic: Option<TopicSource>,
    pub(super) other_topics: Vec<FieldPath>,
    pub(super) action: Option<FieldPath>,
    pub(super) repeats_topic: Option<HeaderName>,
    pub(super) time: Option<FieldPath>,
    pub(super) signed_at: Option<(FieldPath, Duration)>,
    /// In the order in which they are tried; empty for the whole body.
    pub(super) payloads: Vec<FieldPath>,
    pub(super) form_field: Option<String>,
    pub(super) form_fields: bool,
    pub(super) handshakes: Vec<(String, HandshakeResponse)>,
    pub(super) unique_ids: bool,
    pub(super) policy: Option<DeliveryPolicy>,
}

#[derive(Clone, Debug)]
pub(super) enum IdSource {
    At(FieldPath),
    Optional(FieldPath),
    Signed,
    Nowhere,
}

#[derive(Clone, Debug)]
pub(super) enum TopicSource {
    At(FieldPath),
    Optional(FieldPath),
    Nowhere,
}

impl CustomBuilder {
    pub(super) fn new(name: Cow<'static, str>, scheme: Scheme) -> Self {
        Self {
            name,
            scheme,
            secrets: None,
            id: None,
            scope: None,
            topic: None,
            other_topics: Vec::new(),
            action: None,
            repeats_topic: None,
            time: None,
            signed_at: None,
            payloads: Vec::new(),
            form_field: None,
            form_fields: false,
            handshakes: Vec::new(),
            unique_ids: false,
            policy: None,
        }
    }

    /// The secrets shared with the provider: a text, a list of texts or [`Secrets`], the current
    /// one first.
    pub fn secrets(mut self, secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Self {
        self.secrets = Some(secrets.try_into().map_err(Into::into));
        self
    }

    /// Where the event's id is: a string of 1 to 255 bytes without control characters, or a whole
    /// number, which is as good as its digits in a string. It must be the id of the *event*, the
    /// same in each delivery. Many providers also have an id of the attempt, of the webhook or of
    /// what the event is about.
    ///
    /// # Security
    /// An id in an [unsigned header](FieldPath::unsigned_header) identifies the event together with
    /// its topic and the digest of the body ([`Identity`](crate::event::Identity)). Someone who
    /// captured a request can send it again under a new id, and it runs again, unless the layer is
    /// built with [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity): then the
    /// digest alone is the key, as [without an id](Self::without_id). The handler finds the
    /// header's value in [`unsigned_id`](super::Event::unsigned_id).
    pub fn id(mut self, path: FieldPath) -> Self {
        self.id = Some(IdSource::At(path));
        self
    }

    /// [`id`](Self::id) for a provider that omits it from some bodies. Their deduplication key is
    /// the digest of the body, as [without an id](Self::without_id). An odd id counts as none:
    /// should the provider move its ids elsewhere, a retry whose body differs runs again, and
    /// nobody is told.
    pub fn optional_id(mut self, path: FieldPath) -> Self {
        self.id = Some(IdSource::Optional(path));
        self
    }

    /// The id is in the header that the scheme signs ([`Scheme::id_header`]), and is the
    /// deduplication key.
    pub fn signed_id(mut self) -> Self {
        self.id = Some(IdSource::Signed);
        self
    }

    /// The provider gives its events no id: the digest of the body is the deduplication key. Two
    /// events with identical bodies are then one event.
    pub fn without_id(mut self) -> Self {
        self.id = Some(IdSource::Nowhere);
        self
    }

    /// The scope within which the id is unique: an app, an account, a shop. In a body without it,
    /// the id alone is the key.
    ///
    /// A field of the body makes the key `scope:id`, and is signed as the id is. An [unsigned
    /// header](FieldPath::unsigned_header) becomes part of the key, at the cost that
    /// [`id`](Self::id) describes: someone who captured a request can send it again under another
    /// scope, and it runs again, unless the layer is built with
    /// [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity).
    pub fn scope(mut self, path: FieldPath) -> Self {
        self.scope = Some(path);
        self
    }

    /// Where the topic is, by which handlers are chosen: a string of 1 to 255 bytes without control
    /// characters.
    ///
    /// # Security
    /// The signature does not cover a topic in an [unsigned header](FieldPath::unsigned_header):
    /// someone who captured a request that was not handled can send it to another handler. Use the
    /// body's topic where there is one; otherwise let handlers look at the payload.
    pub fn topic(mut self, path: FieldPath) -> Self {
        self.topic = Some(TopicSource::At(path));
        self
    }

    /// [`topic`](Self::topic) for a provider that omits it from some bodies: such an event has the
    /// topic `""`, and goes to the fallback. An event whose topic is odd (no string, empty, too
    /// long) goes there too, so a change on the provider's side does not get 400, and nobody sees
    /// it.
    pub fn optional_topic(mut self, path: FieldPath) -> Self {
        self.topic = Some(TopicSource::Optional(path));
        self
    }

    /// The provider's bodies have no topic: every event has the topic `""`, and goes to the
    /// router's fallback. If the [id](Self::signed_id) is not in the bodies either, they may be
    /// arrays.
    pub fn without_topic(mut self) -> Self {
        self.topic = Some(TopicSource::Nowhere);
        self
    }

    /// Where the topic is in bodies that have none at the paths given before. May be called several
    /// times. An odd topic at an earlier path counts as none. A header comes last: what is signed
    /// goes first.
    pub fn or_topic(mut self, path: FieldPath) -> Self {
        self.other_topics.push(path);
        self
    }

    /// A field of the body that continues the topic after a dot, in bodies that have it: `issues`
    /// with the action `opened` is `issues.opened`, and a handler of `issues` gets all actions.
    pub fn action(mut self, path: FieldPath) -> Self {
        self.action = Some(path);
        self
    }

    /// A header that repeats the topic of the body. It is not signed, so it decides nothing. But a
    /// request on which the two disagree was changed on its way, and is refused. A request without
    /// the header is not refused.
    pub fn topic_repeated_in(mut self, header: HeaderName) -> Self {
        self.repeats_topic = Some(header);
        self
    }

    /// Where the time of the event is: RFC 3339, or a whole number of seconds or milliseconds since
    /// 1970. With anything else there, or nothing, the event has no time.
    ///
    /// With a time, two deliveries under one id must have topic and time in common. Without, they
    /// must have every byte of the body in common: a later delivery that differs (in a counter of
    /// attempts, say) is refused as a conflict once the event is done, for as long as the id is
    /// remembered.
    ///
    /// It must be in the body: a layer with a `max_event_age` recognises replayed old requests by
    /// it.
    pub fn time(mut self, path: FieldPath) -> Self {
        self.time = Some(path);
        self
    }

    /// Which part of the body the payload is. Default: the whole body. An event may be without it.
    pub fn payload(mut self, path: FieldPath) -> Self {
        self.payloads = vec![path];
        self
    }

    /// Where the payload is in bodies that have nothing (or `null`) at the paths given before. May
    /// be called several times. [`FieldPath::whole_body`] can only be the last. Each path costs
    /// another walk over the body.
    pub fn or_payload(mut self, path: FieldPath) -> Self {
        self.payloads.push(path);
        self
    }

    /// Where the body says when the *request* was signed, in any form that [`time`](Self::time)
    /// accepts. A request that was signed farther from now than the tolerance, in either direction,
    /// or that does not say when, gets the same response as one with a wrong signature. This limits
    /// for how long a captured request is valid.
    ///
    /// The tolerance must outlast the provider's retries, unless the provider signs each attempt
    /// anew: otherwise its retries are refused. Where no id is signed, two bodies that differ in
    /// this value alone are one event.
    pub fn signed_at(mut self, path: FieldPath, tolerance: Duration) -> Self {
        self.signed_at = Some((path, tolerance));
        self
    }

    /// How the provider delivers: how long it waits for a response, and for how long it sends an
    /// event again.
    pub fn policy(mut self, policy: DeliveryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The bodies are forms (`application/x-www-form-urlencoded`), and the event is the JSON in
    /// this field. The signature covers the body as it came. A body that begins like JSON is read
    /// as JSON: its own bytes tell what a body is, not a header.
    pub fn form_field(mut self, name: impl Into<String>) -> Self {
        self.form_field = Some(name.into());
        self
    }

    /// The bodies are forms, and their fields are the event: an object of strings, for
    /// [`FieldPath`]s and payload. If two fields have one name, the first counts. Together with
    /// [`form_field`](Self::form_field), this is for forms without that field.
    pub fn form_fields(mut self) -> Self {
        self.form_fields = true;
        self
    }

    /// Responds to the provider's handshake, the request that verifies the endpoint. A handshake
    /// has this topic, or this topic and more after a dot. With the topic `""` it is a request that
    /// has no topic, but has the field to be echoed.
    ///
    /// The request must be authentic, and readable as an event: if it has no id, use
    /// [`optional_id`](Self::optional_id). Then a request that has an id is an event, whatever its
    /// topic.
    pub fn handshake(mut self, topic: impl Into<String>, response: HandshakeResponse) -> Self {
        self.handshakes.push((topic.into(), response));
        self
    }

    /// The provider documents that an id names one event. Then a delivery with other facts under
    /// the id of a finished event is a duplicate, logged as a warning. Otherwise it is a conflict
    /// and gets 500.
    ///
    /// This gives up the alarm: if the path of the id is wrong, and leads to something that several
    /// events share, all but the first are lost with 200.
    pub fn unique_ids(mut self) -> Self {
        self.unique_ids = true;
        self
    }
}
