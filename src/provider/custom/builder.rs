use std::{borrow::Cow, fmt};

use http::HeaderName;

use super::{Custom, Place, place::Where};
use crate::{
    event::EventId,
    provider::{
        DeliveryTerms,
        json::{Envelope, Facts, Reader, Role},
    },
    signature::{Scheme, SecretError, Secrets, Verifier},
};

/// Describes a [`Custom`] sender. Name, scheme, secrets, id, topic and terms it must have; time and payload it may.
///
/// ```
/// use http::{HeaderName, HeaderValue};
/// use std::time::Duration;
/// use tower_webhook::{
///     custom::{Custom, Place},
///     provider::DeliveryTerms,
///     signature::{Algorithm, Encoding, Scheme},
/// };
///
/// let scheme = Scheme::new(HeaderName::from_static("x-webhook-signature"), Algorithm::HmacSha256, Encoding::Hex)
///     .prefix(HeaderValue::from_static("sha256="));
/// let complete = Custom::builder("example", scheme)
///     .secrets("8f742231b10e8888abcd99yyyzzz85a5")
///     .id(Place::body("id"))
///     .topic(Place::body("type"))
///     .terms(DeliveryTerms::new(Duration::from_secs(10), Duration::from_secs(8 * 3600)));
///
/// complete.clone().build()?;
///
/// let error = complete.topic(Place::body("id.type")).build().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the topic's path `id.type` leads through `id`, where the id is; expected another path for one of them",
/// );
/// # Ok::<(), tower_webhook::custom::CustomError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "`build` makes the sender"]
pub struct CustomBuilder {
    name: Cow<'static, str>,
    scheme: Scheme,
    secrets: Option<Result<Secrets, SecretError>>,
    id: Option<IdPlace>,
    topic: Option<Place>,
    repeats_topic: Option<HeaderName>,
    time: Option<Place>,
    payload: Option<Place>,
    terms: Option<DeliveryTerms>,
}

#[derive(Clone, Debug)]
enum IdPlace {
    At(Place),
    Signed,
    Nowhere,
}

impl CustomBuilder {
    pub(super) fn new(name: Cow<'static, str>, scheme: Scheme) -> Self {
        Self {
            name,
            scheme,
            secrets: None,
            id: None,
            topic: None,
            repeats_topic: None,
            time: None,
            payload: None,
            terms: None,
        }
    }

    /// The secrets shared with the sender: a text, a list of texts or [`Secrets`], the current one first.
    pub fn secrets(mut self, secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Self {
        self.secrets = Some(secrets.try_into().map_err(Into::into));
        self
    }

    /// Where the event's id is: a string of 1 to 255 bytes without control characters. It must be the *event's*, the same in each
    /// delivery of it; many senders also have an id of the attempt, of the webhook or of what the event is about.
    ///
    /// # Security
    /// An id in an [unsigned header](Place::unsigned_header) names the event together with its topic and the
    /// digest of the body ([`Identity`](crate::event::Identity)). Whoever captured a request can send it again
    /// under a new one, and it runs again, unless the layer is built with
    /// [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity): then the digest alone is the key,
    /// as [without an id](Self::without_id). The handler finds the header's value in
    /// [`unsigned_id`](super::Event::unsigned_id).
    pub fn id(mut self, place: Place) -> Self {
        self.id = Some(IdPlace::At(place));
        self
    }

    /// The id is in the header that the scheme signs ([`Scheme::id_header`]), and is the deduplication key.
    pub fn signed_id(mut self) -> Self {
        self.id = Some(IdPlace::Signed);
        self
    }

    /// The sender gives its events no id: the digest of the body is the deduplication key. Two events whose bodies do not differ in
    /// a single byte are then one event.
    pub fn without_id(mut self) -> Self {
        self.id = Some(IdPlace::Nowhere);
        self
    }

    /// Where the topic is, by which handlers are chosen: a string of 1 to 255 bytes without control characters.
    ///
    /// # Security
    /// A topic in an [unsigned header](Place::unsigned_header) is not covered by the signature: whoever captured a request that was
    /// not handled can send it to another handler. Take the body's topic where there is one; else let handlers look at the payload.
    pub fn topic(mut self, place: Place) -> Self {
        self.topic = Some(place);
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
    pub fn time(mut self, place: Place) -> Self {
        self.time = Some(place);
        self
    }

    /// Which part of the body the payload is, by default the whole body. An event may be without it.
    pub fn payload(mut self, place: Place) -> Self {
        self.payload = Some(place);
        self
    }

    /// How the sender delivers: how long it waits for an answer, and for how long it sends an event again.
    pub fn terms(mut self, terms: DeliveryTerms) -> Self {
        self.terms = Some(terms);
        self
    }

    /// The sender.
    ///
    /// # Errors
    /// Something is missing, a secret is empty, blank or has whitespace at an end, a path is empty, two paths get in each other's
    /// way, or time or payload are in a header. The text says which, and what was expected.
    pub fn build(self) -> Result<Custom, CustomError> {
        // What the layer asks of a namespace, so that a layer can always be made of this sender.
        if EventId::new(&self.name).is_err() {
            return Err(CustomError::new(
                "the name is empty, longer than 255 bytes or holds a control character; expected a short name",
            ));
        }
        let id = self.id.ok_or_else(|| {
            CustomError::new(
                "the id has no place; expected `id`, `signed_id`, or `without_id` for a sender that gives none",
            )
        })?;
        let topic = self
            .topic
            .ok_or_else(|| CustomError::new("the topic has no place; expected `topic`"))?;
        let terms = self.terms.ok_or_else(|| {
            CustomError::new("the terms are missing; expected `terms`, with what the sender's documents say")
        })?;
        let secrets = self
            .secrets
            .ok_or_else(|| CustomError::new("the secrets are missing; expected `secrets`"))?
            .map_err(CustomError::from)?;

        let mut envelope = Envelope::default();
        let (mut id_header, mut has_signed_id, mut has_body_id) = (None, false, false);
        match id {
            IdPlace::At(Place(Where::Body(path))) => {
                envelope.insert(Role::Id, &path)?;
                has_body_id = true;
            }
            IdPlace::At(Place(Where::UnsignedHeader(name))) => id_header = Some(name),
            IdPlace::Signed if !self.scheme.signs_id() => {
                return Err(CustomError::new(
                    "the id is to be the one that the scheme signs, but it signs none; expected `Scheme::id_header`, or `id`",
                ));
            }
            IdPlace::Signed => has_signed_id = true,
            IdPlace::Nowhere => {}
        }
        let mut topic_header = None;
        match topic.0 {
            Where::Body(path) => envelope.insert(Role::Topic, &path)?,
            Where::UnsignedHeader(name) => topic_header = Some(name),
        }
        let (has_time, is_id_signed) = (self.time.is_some(), has_signed_id || has_body_id);
        if let Some(place) = self.time {
            envelope.insert(Role::Time, &place.in_the_body(Role::Time)?)?;
        }
        let mut payloads = Vec::new();
        if let Some(place) = self.payload {
            let payload = place.in_the_body(Role::Payload)?;
            envelope.insert(Role::Payload, &payload)?;
            payloads.push(payload);
        }
        if id_header.is_some() && id_header == topic_header {
            return Err(CustomError::new(
                "the id and the topic have one header; expected one for each",
            ));
        }
        if topic_header.is_some() && self.repeats_topic.is_some() {
            return Err(CustomError::new(
                "the topic is in a header, and another repeats it; expected it in the body, which is signed, or one header",
            ));
        }
        let mut reader = Reader::new(envelope).unsigned(id_header).payloads(payloads);
        if has_time && is_id_signed {
            reader = reader.facts(Facts::TopicAndTime);
        }
        if let Some(name) = topic_header {
            reader = reader.topic_header(name);
        }
        if let Some(name) = self.repeats_topic {
            reader = reader.repeats_topic(name);
        }
        Ok(Custom {
            verifier: Verifier::new(&self.scheme, &secrets)?,
            name: self.name,
            reader,
            has_signed_id,
            terms,
        })
    }
}

impl Place {
    fn in_the_body(self, role: Role) -> Result<Vec<String>, CustomError> {
        match self.0 {
            Where::Body(path) => Ok(path),
            Where::UnsignedHeader(name) => Err(CustomError::new(format!(
                "the {role} is in the header `{name}`, which the signature does not cover; expected a path into the body"
            ))),
        }
    }
}

/// Why a [`Custom`] sender cannot be. Its text repeats no secret.
///
/// ```
/// use http::HeaderName;
/// use tower_webhook::{custom::Custom, signature::{Algorithm, Encoding, Scheme}};
///
/// let scheme = Scheme::new(HeaderName::from_static("x-signature"), Algorithm::HmacSha256, Encoding::Hex);
/// let error = Custom::builder("example", scheme).build().unwrap_err();
/// assert_eq!(error.to_string(), "the id has no place; expected `id`, `signed_id`, or `without_id` for a sender that gives none");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomError(Cow<'static, str>);

impl CustomError {
    fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl From<String> for CustomError {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<SecretError> for CustomError {
    fn from(error: SecretError) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for CustomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CustomError {}
