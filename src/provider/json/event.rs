use std::{fmt, marker::PhantomData, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::HeaderName;
use serde::de::DeserializeOwned;

use crate::event::{self, EventId, Fingerprint, Identity, PayloadError, Unsigned, WithPayload, read_first_payload};

/// An event of a provider `S` whose body is a JSON object with a topic that is text: `stripe::Event` is one, `custom::Event` another. Each
/// provider's is a type of its own, so that a router for one does not fit a layer for the other.
///
/// It has id, topic and time, and a payload that you name as a type. Cheap to clone. `Debug` prints the id and the topic alone, so that
/// bodies do not get into logs.
///
/// ```
/// # use http::{HeaderMap, HeaderName};
/// # use std::time::Duration;
/// use tower_webhook::{custom::{Custom, FieldPath}, provider::Provider};
/// # use tower_webhook::{provider::DeliveryPolicy, signature::{Algorithm, Encoding, Scheme}};
/// # let scheme = Scheme::new(HeaderName::from_static("x-webhook-signature"), Algorithm::HmacSha256, Encoding::Hex);
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
/// let body = r#"{"id":"evt_1","type":"user.created","created_at":"2026-07-01T12:00:00Z","data":{"name":"Ada"}}"#;
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
pub struct JsonEvent<S>(Arc<Fields>, PhantomData<fn() -> S>);

#[derive(Clone)]
pub(super) struct Fields {
    pub(super) id: Option<EventId>,
    pub(super) topic: Option<EventId>,
    pub(super) time: Option<SystemTime>,
    /// When the request was signed, where the body says it.
    pub(super) sent: Option<SystemTime>,
    /// The same as the body writes it.
    pub(super) sent_as: Option<String>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) unsigned: Vec<(HeaderName, EventId)>,
    pub(super) identity: Option<Identity>,
    pub(super) body: Bytes,
    /// The JSON of the body: the body itself, or a field of a form.
    pub(super) json: Bytes,
    /// Where the payload may stand, in order; empty for the whole body.
    pub(super) payloads: Arc<[Vec<String>]>,
}

impl<S> JsonEvent<S> {
    pub(super) fn new(fields: Fields) -> Self {
        Self(Arc::new(fields), PhantomData)
    }

    /// The same under an id that its provider makes of the signed bytes.
    pub(in crate::provider) fn with_id(mut self, id: EventId) -> Self {
        Arc::make_mut(&mut self.0).id = Some(id);
        self
    }

    /// The same, told apart by what its provider documents besides the signed bytes.
    pub(in crate::provider) fn with_identity(mut self, identity: Identity) -> Self {
        Arc::make_mut(&mut self.0).identity = Some(identity);
        self
    }

    /// The text of an unsigned header, empty where there is none.
    pub(in crate::provider) fn unsigned_text(&self, name: &HeaderName) -> &str {
        self.unsigned_header(name.as_str()).map_or("", Unsigned::into_unsigned)
    }

    pub(in crate::provider) fn first_unsigned(&self) -> Option<Unsigned<&str>> {
        self.0.unsigned.first().map(|(_, value)| Unsigned::new(value.as_str()))
    }

    /// When the request was signed, where the body says it.
    pub(in crate::provider) fn sent(&self) -> Option<SystemTime> {
        self.0.sent
    }

    /// The event's id, if the signature covers it. Without it the digest of the body is the deduplication key.
    #[must_use]
    pub fn id(&self) -> Option<&EventId> {
        self.0.id.as_ref()
    }

    /// What happened, as the provider writes it; where the provider tells an action apart from what it happened to, both with a dot between.
    /// Empty where an event has none: a router hands it to its fallback.
    ///
    /// # Security
    /// It is as good as its place: a topic that a header gave was signed by nobody. The provider's module says where it stands.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.topic.as_ref().map_or("", EventId::as_str)
    }

    /// When the event happened, by the provider's clock; `None` if the body does not say, or says it oddly.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.0.time
    }

    /// The body as it was signed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// A header that the provider is known to send and nobody signs, if it was there once and is 1 to 255 characters of printable ASCII. Other
    /// headers: [`Delivery::headers`](crate::event::Delivery::headers).
    #[must_use]
    pub fn unsigned_header(&self, name: &str) -> Option<Unsigned<&str>> {
        let (_, value) = self
            .0
            .unsigned
            .iter()
            .find(|(known, _)| known.as_str().eq_ignore_ascii_case(name))?;
        Some(Unsigned::new(value.as_str()))
    }

    /// The payload as a type of yours. A handler can take it as its argument: `handler::Payload<T>`.
    ///
    /// Where the payload is missing it counts as `null`, which an `Option` takes.
    ///
    /// # Errors
    /// It does not fit the type. The error says where and does not repeat the body.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        let paths: Vec<Vec<&str>> = self
            .0
            .payloads
            .iter()
            .map(|path| path.iter().map(String::as_str).collect())
            .collect();
        let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
        read_first_payload(&self.0.json, if paths.is_empty() { &[&[]] } else { &paths })
    }

    /// When the request was signed, as the body writes it.
    pub(in crate::provider) fn sent_as(&self) -> Option<&str> {
        self.0.sent_as.as_deref()
    }

    /// The same with other facts.
    pub(in crate::provider) fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        Arc::make_mut(&mut self.0).fingerprint = Some(fingerprint);
        self
    }

    /// The JSON that the event was read from.
    pub(in crate::provider) fn json(&self) -> &Bytes {
        &self.0.json
    }
}

impl<S: 'static> event::Event for JsonEvent<S> {
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

impl<S: 'static> WithPayload for JsonEvent<S> {
    fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
        self.payload()
    }
}

impl<S> Clone for JsonEvent<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}

impl<S> fmt::Debug for JsonEvent<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id())
            .field("topic", &self.topic())
            .finish_non_exhaustive()
    }
}
