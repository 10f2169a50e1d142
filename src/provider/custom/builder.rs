use std::{borrow::Cow, time::Duration};

use http::HeaderName;

use super::{FieldPath, Reply};
use crate::{
    provider::DeliveryPolicy,
    signature::{Scheme, SecretError, Secrets},
};

/// Describes a [`Custom`](super::Custom) provider. Name, scheme, secrets, id, topic and policy it must have; the
/// rest it may.
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
/// let scheme = Scheme::new(HeaderName::from_static("x-webhook-signature"), Algorithm::HmacSha256, Encoding::Hex)
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
///     "the topic's path `id.type` leads through `id`, where the id is; expected another path for one of them",
/// );
/// # Ok::<(), tower_webhook::custom::CustomError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "`build` makes the provider"]
pub struct CustomBuilder {
    pub(super) name: Cow<'static, str>,
    pub(super) scheme: Scheme,
    pub(super) secrets: Option<Result<Secrets, SecretError>>,
    pub(super) id: Option<IdPlace>,
    pub(super) scope: Option<FieldPath>,
    pub(super) topic: Option<TopicPlace>,
    pub(super) other_topics: Vec<FieldPath>,
    pub(super) action: Option<FieldPath>,
    pub(super) repeats_topic: Option<HeaderName>,
    pub(super) time: Option<FieldPath>,
    pub(super) signed_at: Option<(FieldPath, Duration)>,
    /// In order; empty for the whole body.
    pub(super) payloads: Vec<FieldPath>,
    pub(super) form_field: Option<String>,
    pub(super) form_fields: bool,
    pub(super) handshakes: Vec<(String, Reply)>,
    pub(super) unique_ids: bool,
    pub(super) policy: Option<DeliveryPolicy>,
}

#[derive(Clone, Debug)]
pub(super) enum IdPlace {
    At(FieldPath),
    Optional(FieldPath),
    Signed,
    Nowhere,
}

#[derive(Clone, Debug)]
pub(super) enum TopicPlace {
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

    /// The secrets shared with the provider: a text, a list of texts or [`Secrets`], the current one first.
    pub fn secrets(mut self, secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Self {
        self.secrets = Some(secrets.try_into().map_err(Into::into));
        self
    }

    /// Where the event's id is: a string of 1 to 255 bytes without control characters, or a whole
    /// number, which is as good as its digits in a string. It must be the *event's*, the same in
    /// each delivery of it; many providers also have an id of the attempt, of the webhook or of what
    /// the event is about.
    ///
    /// # Security
    /// An id in an [unsigned header](FieldPath::unsigned_header) names the event together with its topic and the
    /// digest of the body ([`Identity`](crate::event::Identity)). Whoever captured a request can send it again
    /// under a new one, and it runs again, unless the layer is built with
    /// [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity): then the digest alone is the key,
    /// as [without an id](Self::without_id). The handler finds the header's value in
    /// [`unsigned_id`](super::Event::unsigned_id).
    pub fn id(mut self, place: FieldPath) -> Self {
        self.id = Some(IdPlace::At(place));
        self
    }

    /// The same for a provider some of whose bodies have no id: the digest of the body is the
    /// deduplication key of these, as [without an id](Self::without_id). So it is where the id is
    /// odd: should the provider move its ids elsewhere, a retry whose body differs runs again, and
    /// nobody is told.
    pub fn optional_id(mut self, place: FieldPath) -> Self {
        self.id = Some(IdPlace::Optional(place));
        self
    }

    /// The id is in the header that the scheme signs ([`Scheme::id_header`]), and is the deduplication key.
    pub fn signed_id(mut self) -> Self {
        self.id = Some(IdPlace::Signed);
        self
    }

    /// The provider gives its events no id: the digest of the body is the deduplication key. Two events whose bodies do not differ in
    /// a single byte are then one event.
    pub fn without_id(mut self) -> Self {
        self.id = Some(IdPlace::Nowhere);
        self
    }

    /// What the id is unique within: an app, an account, a shop. Where a body lacks it, the id
    /// stands alone.
    ///
    /// A field of the body makes the key `scope:id`, and is signed as the id is. An [unsigned
    /// header](FieldPath::unsigned_header) joins the key beside the id, with what that costs
    /// ([`id`](Self::id)): whoever captured a request can send it again under another scope, and it
    /// runs again, unless the layer is built with
    /// [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity).
    pub fn scope(mut self, place: FieldPath) -> Self {
        self.scope = Some(place);
        self
    }

    /// Where the topic is, by which handlers are chosen: a string of 1 to 255 bytes without control characters.
    ///
    /// # Security
    /// A topic in an [unsigned header](FieldPath::unsigned_header) is not covered by the signature: whoever captured a request that was
    /// not handled can send it to another handler. Take the body's topic where there is one; else let handlers look at the payload.
    pub fn topic(mut self, place: FieldPath) -> Self {
        self.topic = Some(TopicPlace::At(place));
        self
    }

    /// The same for a provider some of whose bodies have no topic: such an event has the topic
    /// `""`, and goes to the fallback. So does one whose topic is odd (no string, empty, too long):
    /// a change on the provider's side is then not answered 400, but goes to the fallback unseen.
    pub fn optional_topic(mut self, place: FieldPath) -> Self {
        self.topic = Some(TopicPlace::Optional(place));
        self
    }

    /// The provider's bodies have no topic: every event has the topic `""`, and goes to the
    /// router's fallback. Bodies may then be arrays, if the [id](Self::signed_id) is not in them
    /// either.
    pub fn without_topic(mut self) -> Self {
        self.topic = Some(TopicPlace::Nowhere);
        self
    }

    /// Where the topic is in bodies that have none at the places named before; may be called
    /// several times. An odd topic at an earlier place counts as none. A header comes last: what is
    /// signed goes first.
    pub fn or_topic(mut self, place: FieldPath) -> Self {
        self.other_topics.push(place);
        self
    }

    /// A field of the body that the topic goes on with after a dot, in bodies that have it:
    /// `issues` with the action `opened` is `issues.opened`, and a handler of `issues` gets all
    /// actions.
    pub fn action(mut self, place: FieldPath) -> Self {
        self.action = Some(place);
        self
    }

    /// A header that repeats the topic, which is in the body. Nobody signs it, so it decides nothing; but a request on which the two do not
    /// agree was changed on its way, and is refused. One without the header is not.
    pub fn topic_repeated_in(mut self, header: HeaderName) -> Self {
        self.repeats_topic = Some(header);
        self
    }

    /// Where the time of the event is: RFC 3339, or a whole number of seconds, or of milliseconds, since 1970. Anything else there, or
    /// nothing, is an event without a time.
    ///
    /// With it, topic and time are what two deliveries under one id must have in common; without it, every byte of the body is, and one that comes
    /// again under its id and differs (a counter of attempts in it, say) is refused as a conflict
    /// once the event is done, for as long as the id is remembered.
    ///
    /// It must be in the body: by the time, a layer with a `max_event_age` tells old requests that are replayed.
    pub fn time(mut self, place: FieldPath) -> Self {
        self.time = Some(place);
        self
    }

    /// Which part of the body the payload is, by default the whole body. An event may be without it.
    pub fn payload(mut self, place: FieldPath) -> Self {
        self.payloads = vec![place];
        self
    }

    /// Where the payload is in bodies that have nothing (or `null`) at the places named before; may
    /// be called several times. [`FieldPath::whole_body`] can only be the last. Each place costs
    /// another walk over the body.
    pub fn or_payload(mut self, place: FieldPath) -> Self {
        self.payloads.push(place);
        self
    }

    /// Where the body says when the *request* was signed, in any form that [`time`](Self::time)
    /// has. One that was signed farther from now than the tolerance, in either direction, or that
    /// does not say when, is answered as a wrong signature is. Such a time limits for how long a
    /// captured request is valid.
    ///
    /// The tolerance must outlast the provider's retries, unless it signs each attempt anew: a
    /// shorter one refuses what it sends again. Where no id is signed, two bodies that differ in
    /// this value alone are one event.
    pub fn signed_at(mut self, place: FieldPath, tolerance: Duration) -> Self {
        self.signed_at = Some((place, tolerance));
        self
    }

    /// How the provider delivers: how long it waits for an answer, and for how long it sends an event
    /// again.
    pub fn policy(mut self, policy: DeliveryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The bodies are forms (`application/x-www-form-urlencoded`), and the event is the JSON in
    /// this field. What the signature covers is the body as it came. A body that begins as JSON
    /// does is read as JSON: what a body is, its own bytes tell, not a header.
    pub fn form_field(mut self, name: impl Into<String>) -> Self {
        self.form_field = Some(name.into());
        self
    }

    /// The bodies are forms, and their fields are the event: an object of strings, for [`FieldPath`]s
    /// and payload. Of two fields with one name the first counts. Beside
    /// [`form_field`](Self::form_field), this is for forms without that field.
    pub fn form_fields(mut self) -> Self {
        self.form_fields = true;
        self
    }

    /// What the layer responds to a request that is no event: the one by which the provider sees
    /// whether this is its customer's endpoint. It has this topic, or goes on after it with a dot.
    /// With the topic `""` it is one that has no topic, but has what is to be echoed.
    ///
    /// The request must be authentic, and [read](Self::build) as an event is: where it has no id,
    /// take [`optional_id`](Self::optional_id). With that, a request that has an id is an event
    /// whatever its topic.
    pub fn handshake(mut self, topic: impl Into<String>, reply: Reply) -> Self {
        self.handshakes.push((topic.into(), reply));
        self
    }

    /// The provider documents that an id names one event. A delivery that says something else under
    /// the id of a finished event is then a duplicate, logged as a warning; without this it is a
    /// conflict, answered 500.
    ///
    /// It costs the alarm: if the place of the id is wrong, and names what several events are
    /// about, all but the first are lost with 200.
    pub fn unique_ids(mut self) -> Self {
        self.unique_ids = true;
        self
    }
}
