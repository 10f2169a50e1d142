use std::{fmt, marker::PhantomData, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::HeaderName;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::times::Time;
use crate::event::{self, EventId, Fingerprint, Identity, PayloadError, Unsigned, WithPayload, read_first_payload};

/// An event of the provider `P`, whose bodies are JSON with a topic that is text: `stripe::Event`
/// is one, `custom::Event` another. Each provider's event is a type of its own, so that a router
/// for one provider does not fit a layer for another.
///
/// It has an id, a topic, a time, and a payload that you name as a type. Cheap to clone. `Debug`
/// prints the id and the topic only, so that bodies do not get into logs.
///
/// ```
/// # use http::{HeaderMap, HeaderName};
/// # use std::time::Duration;
/// use tower_webhook::{custom::{Custom, FieldPath}, provider::Provider};
/// # use tower_webhook::{provider::DeliveryPolicy, signature::{Algorithm, Encoding, Scheme}};
/// # let header = HeaderName::from_static("x-webhook-signature");
/// # let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex);
/// # let policy = DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(8 * 3600));
///
/// let example = Custom::builder("example", scheme)
///     .id(FieldPath::body("id"))
///     .topic(FieldPath::body("type"))
///     .time(FieldPath::body("created_at"))
///     .payload(FieldPath::body("data"))
/// #   .secrets("8f742231b10e8888abcd99yyyzzz85a5").policy(policy)
///     // secrets and policy
///     .build()?;
///
/// let body = r#"{
///     "id": "evt_1", "type": "user.created", "created_at": "2026-07-01T12:00:00Z",
///     "data": {"name": "Ada"}
/// }"#;
/// let event = example.event(&HeaderMap::new(), &body.into())?;
/// assert_eq!(event.id().unwrap().as_str(), "evt_1");
/// assert_eq!(event.topic(), "user.created");
/// assert_eq!(event.time(), Some(std::time::UNIX_EPOCH + Duration::from_secs(1_782_907_200)));
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     name: String,
/// }
/// assert_eq!(event.payload::<User>()?.name, "Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JsonEvent<P>(Arc<Fields>, PhantomData<fn() -> P>);

/// The fields that a provider reads from a request.
pub(super) struct Fields {
    pub(super) id: Option<EventId>,
    pub(super) topic: Option<EventId>,
    pub(super) time: Option<SystemTime>,
    /// When the request was signed, where the body says it.
    pub(super) signed_at: Option<SystemTime>,
    /// `None` for the bytes of the body.
    pub(super) fingerprint: Option<Fingerprint>,
    /// `None` for the id, or where there is none for the digest of the body.
    pub(super) identity: Option<Identity>,
    pub(super) unsigned: Vec<(HeaderName, EventId)>,
    pub(super) body: Bytes,
    /// The JSON of the body: the body itself, or a field of a form.
    pub(super) json: Bytes,
    pub(super) payloads: Payloads,
}

impl Fields {
    /// An event without any fields, in a body that is JSON.
    pub(super) fn of(body: &Bytes, payloads: Payloads) -> Self {
        Self::in_body(body, body, payloads)
    }

    /// An event without any fields, whose JSON is a part of the body, such as a field of a form.
    pub(super) fn in_body(body: &Bytes, json: &Bytes, payloads: Payloads) -> Self {
        Self {
            id: None,
            topic: None,
            time: None,
            signed_at: None,
            fingerprint: None,
            identity: None,
            unsigned: Vec::new(),
            body: body.clone(),
            json: json.clone(),
            payloads,
        }
    }

    /// Adds topic and time, which become the event's fingerprint.
    pub(super) fn topic_and_time(self, topic: Option<EventId>, time: &Time) -> Self {
        let text = topic.as_ref().map_or("", EventId::as_str);
        Self {
            fingerprint: Some(time.fingerprint(text, &self.body)),
            topic,
            time: time.at,
            ..self
        }
    }

    pub(super) fn topic(&self) -> &str {
        self.topic.as_ref().map_or("", EventId::as_str)
    }

    /// The value of an unsigned header.
    pub(super) fn unsigned(&self, name: &HeaderName) -> Option<&str> {
        let (_, value) = self.unsigned.iter().find(|(known, _)| known == name)?;
        Some(value.as_str())
    }
}

/// Where the payload may be: at the first of these paths that leads to something. The empty path
/// leads to the whole body.
#[derive(Clone, Debug)]
pub(super) enum Payloads {
    /// Those of a built-in provider.
    Fixed(&'static [&'static [&'static str]]),
    /// Those of a described provider.
    Described(Arc<[Vec<String>]>),
}

impl Payloads {
    pub(super) const WHOLE_BODY: Self = Self::Fixed(&[&[]]);
}

impl<P> JsonEvent<P> {
    pub(super) fn new(fields: Fields) -> Self {
        Self(Arc::new(fields), PhantomData)
    }

    pub(super) fn first_unsigned(&self) -> Option<Unsigned<&str>> {
        self.0.unsigned.first().map(|(_, value)| Unsigned::new(value.as_str()))
    }

    /// When the request was signed, where the body says it.
    pub(super) fn signed_at(&self) -> Option<SystemTime> {
        self.0.signed_at
    }

    /// The event's id, if the signature covers it. Without it the digest of the body is the
    /// deduplication key.
    #[must_use]
    pub fn id(&self) -> Option<&EventId> {
        self.0.id.as_ref()
    }

    /// The topic, as the provider writes it. Where the provider tells an action apart from what it
    /// happened to, both with a dot between them. Empty where the event has none: a router hands it
    /// to its fallback.
    ///
    /// # Security
    /// Trust it as much as its source: a topic from a header is not signed. The provider's module
    /// says where the topic comes from.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.topic()
    }

    /// When the event happened, by the provider's clock; `None` if the body does not say, or says
    /// it oddly.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.0.time
    }

    /// The body as it was signed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// An unsigned header that the provider is known to send, if it is there once and has 1 to 255
    /// characters of printable ASCII. `Delivery::headers` has all headers.
    #[must_use]
    pub fn unsigned_header(&self, name: &str) -> Option<Unsigned<&str>> {
        let (_, value) = self
            .0
            .unsigned
            .iter()
            .find(|(known, _)| known.as_str().eq_ignore_ascii_case(name))?;
        Some(Unsigned::new(value.as_str()))
    }

    /// The payload as a type of yours. A handler can take it as its argument:
    /// `handler::Payload<T>`.
    ///
    /// A missing payload counts as `null`, which an `Option` takes.
    ///
    /// # Errors
    /// It does not fit the type. The error says where and does not repeat the body.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        match &self.0.payloads {
            Payloads::Fixed(paths) => read_first_payload(&self.0.json, paths),
            Payloads::Described(paths) => {
                let paths: Vec<Vec<&str>> = paths
                    .iter()
                    .map(|path| path.iter().map(String::as_str).collect())
                    .collect();
                let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
                read_first_payload(&self.0.json, if paths.is_empty() { &[&[]] } else { &paths })
            }
        }
    }

    /// The JSON that the event was read from.
    pub(super) fn json(&self) -> &Bytes {
        &self.0.json
    }
}

impl<P: 'static> event::Event for JsonEvent<P> {
    fn id(&self) -> Option<&EventId> {
        self.id()
    }

    fn identity(&self) -> Identity {
        let of_id = || self.id().cloned().map_or_else(Identity::of_body, Identity::signed);
        self.0.identity.clone().unwrap_or_else(of_id)
    }

    fn topic(&self) -> &str {
        self.topic()
    }

    fn time(&self) -> Option<SystemTime> {
        self.time()
    }

    fn fingerprint(&self) -> Option<Fingerprint> {
        self.0.fingerprint
    }
}

impl<P: 'static> WithPayload for JsonEvent<P> {
    fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        self.payload()
    }
}

impl<P> Clone for JsonEvent<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<P> fmt::Debug for JsonEvent<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id())
            .field("topic", &self.topic())
            .finish_non_exhaustive()
    }
}

/// An id within its scope. Where both together are longer than an id can be, their digest.
pub(super) fn scoped(scope: &EventId, id: &EventId) -> Option<EventId> {
    let both = format!("{scope}:{id}");
    let digest = || EventId::new(&format!("sha256:{}", hex::encode(Sha256::digest(&both))));
    EventId::new(&both).or_else(|_| digest()).ok()
}

/// A topic with its action after a dot. An action that makes the topic too long is left out, as any
/// odd one is.
pub(super) fn with_action(topic: EventId, action: Option<&EventId>) -> EventId {
    let both = action.and_then(|action| EventId::new(&format!("{topic}.{action}")).ok());
    both.unwrap_or(topic)
}
