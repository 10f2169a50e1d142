use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use serde::Deserialize;

use crate::event::{self, EventId, PayloadError, WithPayload, read_payload};

/// An event of a [`Custom`](super::Custom) sender: id, topic and time, and a payload that you name as a type.
///
/// Cheap to clone. `Debug` prints the id and the topic alone, so that bodies do not get into logs.
///
/// ```
/// # use http::{HeaderMap, HeaderName};
/// # use std::time::Duration;
/// use tower_webhook::{custom::{Custom, Place}, provider::Provider};
/// # use tower_webhook::{provider::DeliveryTerms, signature::{Algorithm, Encoding, Scheme}};
/// # let scheme = Scheme::new(HeaderName::from_static("x-webhook-signature"), Algorithm::HmacSha256, Encoding::Hex);
/// # let terms = DeliveryTerms::new(Duration::from_secs(10), Duration::from_secs(8 * 3600));
///
/// let example = Custom::builder("example", scheme)
///     .id(Place::body("id"))
///     .topic(Place::body("type"))
///     .time(Place::body("created_at"))
///     .payload(Place::body("data"))
/// #   .secrets("8f742231b10e8888abcd99yyyzzz85a5").terms(terms)
///     // secrets and terms
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
#[derive(Clone)]
pub struct Event(Arc<Fields>);

struct Fields {
    id: Option<EventId>,
    unsigned_id: Option<EventId>,
    topic: EventId,
    time: Option<SystemTime>,
    body: Bytes,
    payload: Arc<[String]>,
}

impl Event {
    pub(super) fn new(
        id: Option<EventId>,
        unsigned_id: Option<EventId>,
        topic: EventId,
        time: Option<SystemTime>,
        body: Bytes,
        payload: Arc<[String]>,
    ) -> Self {
        Self(Arc::new(Fields {
            id,
            unsigned_id,
            topic,
            time,
            body,
            payload,
        }))
    }

    /// The event's id, if it stands in the body, which is signed. Without it the digest of the body is the deduplication key.
    #[must_use]
    pub fn id(&self) -> Option<&EventId> {
        self.0.id.as_ref()
    }

    /// The id that a header gave, where that is the id's place; `None` if the header was missing, doubled or no id (1 to 255
    /// characters of printable ASCII).
    ///
    /// # Security
    /// Nobody signed it: a replay can bear any id. It is good for asking the sender about a delivery, not for telling events apart.
    #[must_use]
    pub fn unsigned_id(&self) -> Option<&str> {
        self.0.unsigned_id.as_ref().map(EventId::as_str)
    }

    /// What happened, as the sender writes it.
    ///
    /// # Security
    /// It is as good as its place: a topic that a header gave was signed by nobody.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.0.topic.as_str()
    }

    /// When the event happened, by the sender's clock; `None` if it does not say, or neither in RFC 3339 nor as a whole number of
    /// seconds since 1970.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.0.time
    }

    /// The body as it was signed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The payload as a type of yours. A handler can take it as its argument: `handler::Payload<T>`.
    ///
    /// Where the payload is missing it counts as `null`, which an `Option` takes.
    ///
    /// # Errors
    /// It does not fit the type. The error says where and does not repeat the body.
    pub fn payload<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        let path: Vec<_> = self.0.payload.iter().map(String::as_str).collect();
        read_payload(&self.0.body, &path)
    }
}

impl event::Event for Event {
    fn id(&self) -> Option<&EventId> {
        self.id()
    }

    fn topic(&self) -> &str {
        self.topic()
    }

    fn time(&self) -> Option<SystemTime> {
        self.time()
    }
}

impl WithPayload for Event {
    fn payload<'a, T: Deserialize<'a>>(&'a self) -> Result<T, PayloadError> {
        self.payload()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id())
            .field("topic", &self.topic())
            .finish_non_exhaustive()
    }
}
