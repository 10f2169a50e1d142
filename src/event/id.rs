use std::{fmt, str::FromStr, sync::Arc};

use serde::{Serialize, Serializer, de};

use super::string_field;

/// The longest id, in bytes. Providers' ids are UUIDs and short prefixed strings; the limit keeps a
/// store's keys small.
const MAX_BYTES: usize = 255;

/// An event's id: 1 to 255 bytes without control characters.
///
/// ```
/// use tower_webhook::event::EventId;
///
/// let id = EventId::new("bb6531a2-5b13-4815-a83d-ed7a1fc70bd8")?;
/// assert_eq!(id.as_str(), "bb6531a2-5b13-4815-a83d-ed7a1fc70bd8");
///
/// let refused = EventId::new("").unwrap_err();
/// assert_eq!(refused.to_string(), "the event's id is empty; expected 1 to 255 bytes");
///
/// let id: EventId = "evt_1".parse()?;
/// assert_eq!(id, EventId::try_from(String::from("evt_1"))?);
/// assert_eq!(serde_json::to_string(&id)?, "\"evt_1\"");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Takes an id after checking it.
    ///
    /// # Errors
    /// The id is empty, longer than 255 bytes or holds a control character.
    pub fn new(id: &str) -> Result<Self, EventIdError> {
        if id.is_empty() {
            return Err(EventIdError(Wrong::Empty));
        }
        if id.len() > MAX_BYTES {
            return Err(EventIdError(Wrong::TooLong(id.len())));
        }
        // Nearly every id is printable ASCII, which is seen faster than the absence of control
        // characters.
        let is_plain = id.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_plain && let Some(position) = id.chars().position(char::is_control) {
            return Err(EventIdError(Wrong::Control(position)));
        }
        Ok(Self(id.into()))
    }

    /// The digest of a body, for an event without an id.
    pub(crate) fn digest_of(body: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!("sha256:{}", hex::encode(sha2::Sha256::digest(body))).into())
    }

    /// This id of one tenant. What is too long is replaced by its digest. No id that is kept as it
    /// is begins with `/`, so that no two ids become one.
    pub(super) fn scoped_to(&self, tenant: &str) -> Self {
        use sha2::Digest as _;
        let length = tenant.len().saturating_add(self.0.len()).saturating_add(1);
        if length <= MAX_BYTES && !self.0.starts_with('/') {
            return Self([tenant, "/", &self.0].concat().into());
        }
        let digest = hex::encode(sha2::Sha256::digest(self.0.as_bytes()));
        Self([tenant, "//", &digest].concat().into())
    }

    /// The id as the provider wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for EventId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(id: &str) -> Result<Self, EventIdError> {
        Self::new(id)
    }
}

impl TryFrom<&str> for EventId {
    type Error = EventIdError;

    fn try_from(id: &str) -> Result<Self, EventIdError> {
        Self::new(id)
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;

    fn try_from(id: String) -> Result<Self, EventIdError> {
        Self::new(&id)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Why a text is no [`EventId`]. It does not repeat the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventIdError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Empty,
    TooLong(usize),
    Control(usize),
}

impl EventIdError {
    /// The text without its subject: for a topic, or for an id that the provider calls `event_id`.
    pub(crate) fn wrong(&self) -> String {
        self.0.to_string()
    }
}

impl fmt::Display for EventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event's id {}", self.0)
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty; expected 1 to 255 bytes"),
            Self::TooLong(bytes) => write!(f, "has {bytes} bytes; expected 1 to 255"),
            Self::Control(position) => write!(f, "has a control character at position {position}; expected none"),
        }
    }
}

impl std::error::Error for EventIdError {}

impl<'de> de::Deserialize<'de> for EventId {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        string_field(deserializer, "id", "a string of 1 to 255 bytes", EventId::new)
    }
}
