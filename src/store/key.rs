use std::{fmt, sync::Arc};

use crate::event::EventId;

/// An event's key: a namespace (by default the provider's name) and the event's id.
///
/// ```
/// use tower_webhook::{event::EventId, store::Key};
///
/// let key = Key::new("dwolla", EventId::new("bb6531a2")?);
/// assert_eq!((key.namespace(), key.id().as_str()), ("dwolla", "bb6531a2"));
/// # Ok::<(), tower_webhook::event::EventIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    namespace: Arc<str>,
    id: EventId,
}

impl Key {
    /// The key of one event.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, id: EventId) -> Self {
        Self {
            namespace: namespace.into(),
            id,
        }
    }

    /// The application's name for this stream of events.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The event's id; where the provider signs none, `sha256:` and the digest of the signed bytes.
    #[must_use]
    pub fn id(&self) -> &EventId {
        &self.id
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.id)
    }
}
