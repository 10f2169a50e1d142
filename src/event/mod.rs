//! [`Event`]s, and what identifies them.
//!
//! An event's [`id`](Event::id) is what deduplication goes by, its [`topic`](Event::topic) what
//! handlers are chosen by, its [`fingerprint`](Event::fingerprint) what tells a second delivery of
//! one event from two events that share an id by mistake.

mod id;
mod fingerprint;
mod identity;
mod json;
mod text_of_json;
mod pattern;
mod text;
mod payload;
mod self_identified;
mod source;
mod tenant;
mod unsigned;
mod error;

pub use error::{EventError, EventErrorKind};
pub use fingerprint::Fingerprint;
pub use id::{EventId, EventIdError};
pub use identity::Identity;
pub use json::from_json;
pub(crate) use json::{Shape, read_json};
pub use pattern::TopicPattern;
pub(crate) use payload::Position;
pub(crate) use payload::read_first_payload;
pub use payload::{PayloadError, WithPayload, read_payload};
pub use self_identified::SelfIdentified;
pub use source::Source;
pub use tenant::{Tenant, TenantError};
pub use text::string_field;
pub use unsigned::Unsigned;

use std::time::SystemTime;

/// An event of one provider, parsed from an authentic body.
///
/// `Clone` because a handler may take an event by value while another copy of its
/// [`Delivery`](crate::Delivery), say a middleware's, still holds it.
///
/// ```
/// use tower_webhook::event::{Event, EventId};
///
/// #[derive(Clone, Debug)]
/// struct Ping {
///     id: EventId,
///     kind: String,
/// }
///
/// impl Event for Ping {
///     fn id(&self) -> Option<&EventId> {
///         Some(&self.id)
///     }
///     fn topic(&self) -> &str {
///         &self.kind
///     }
/// }
/// ```
pub trait Event: Clone + Send + Sync + 'static {
    /// The event's id, if the signature covers it.
    ///
    /// `None` where the provider puts its id outside the signed bytes, in an unsigned header say:
    /// see [`identity`](Self::identity).
    fn id(&self) -> Option<&EventId>;

    /// The event's deduplication key. By default the [`id`](Self::id), and the digest of the body
    /// where there is none.
    fn identity(&self) -> Identity {
        self.id().cloned().map_or_else(Identity::of_body, Identity::signed)
    }

    /// The topic as the provider writes it; empty where the event has none.
    fn topic(&self) -> &str;

    /// When the event happened, by the provider's clock; `None` if it does not say or says it
    /// oddly.
    fn time(&self) -> Option<SystemTime> {
        None
    }

    /// The digest of the event's facts; `None` for that of the signed bytes.
    ///
    /// Name the facts that cannot differ between two deliveries of one event if the provider may
    /// format a re-sent body anew.
    fn fingerprint(&self) -> Option<Fingerprint> {
        None
    }
}
