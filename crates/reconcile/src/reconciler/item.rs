//! The items that a source lists, and the events that are handed in.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderMap;
use tower_webhook::{
    Outcome, Processor,
    event::{Event, EventId, SelfIdentified},
};

/// One thing that a provider recorded: an event, or the delivery of one.
///
/// The more of it is known without another request, the cheaper a run: an
/// [`event_id`](Self::event_id) is looked up in the store, and a [`topic`](Self::topic) that nobody
/// wants is not fetched.
///
/// ```
/// use std::time::SystemTime;
/// use tower_webhook::{dwolla, event::EventId};
/// use tower_webhook_reconcile::reconciler::Item;
///
/// let item = Item::<dwolla::Event>::new("0ea5c5f1")
///     .event_id(EventId::new("bb6531a2")?)
///     .topic("customer_created")
///     .time(SystemTime::UNIX_EPOCH);
/// assert_eq!(item.id(), "0ea5c5f1");
/// # Ok::<(), tower_webhook::event::EventIdError>(())
/// ```
#[must_use]
pub struct Item<E> {
    pub(super) id: String,
    pub(super) event_id: Option<EventId>,
    pub(super) topic: Option<String>,
    pub(super) time: Option<SystemTime>,
    pub(super) group: Option<String>,
    pub(super) is_delivered: bool,
    pub(super) content: Option<Content<E>>,
}

impl<E> Item<E> {
    /// An item by the provider's name for it: a webhook's, a delivery's or an event's id.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            event_id: None,
            topic: None,
            time: None,
            group: None,
            is_delivered: false,
            content: None,
        }
    }

    /// The id that the receiver deduplicates by, if the list tells all of it. It is looked up in
    /// the store, so that a known event costs no request.
    pub fn event_id(mut self, id: EventId) -> Self {
        self.event_id = Some(id);
        self
    }

    /// Sets the topic, as a [`TopicRouter`](tower_webhook::TopicRouter) names it.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// When it happened or was sent. An item without a time that fails keeps the next run's window
    /// where it is.
    pub fn time(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Sets a name that all deliveries of one event share, where the list does not tell the event's
    /// whole id. Once one of them was handed in, a mark in the store says so, and the others cost
    /// no request.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// The provider has recorded that the receiver took it, which is believed where the store
    /// cannot be asked, for want of an [`event_id`](Self::event_id).
    pub fn delivered(mut self) -> Self {
        self.is_delivered = true;
        self
    }

    /// The event or request to hand in. Without it, [`Source::fetch`](super::Source::fetch) is
    /// called.
    pub fn content(mut self, content: Content<E>) -> Self {
        self.content = Some(content);
        self
    }

    /// Whether the provider has recorded that the receiver took it.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        self.is_delivered
    }

    /// The provider's name for it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The event's id, if the list told it.
    #[must_use]
    pub fn known_event_id(&self) -> Option<&EventId> {
        self.event_id.as_ref()
    }
}

/// Without what is handed in.
impl<E> fmt::Debug for Item<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item")
            .field("id", &self.id)
            .field("event_id", &self.event_id)
            .field("topic", &self.topic)
            .field("time", &self.time)
            .field("is_delivered", &self.is_delivered)
            .finish_non_exhaustive()
    }
}

/// The part of an item that is handed in.
pub struct Content<E>(pub(super) Kind<E>);

pub(super) enum Kind<E> {
    Event(Box<dyn HandIn<E>>),
    Request(HeaderMap, Bytes),
    NotFetchable(String),
    Lazy(Box<dyn FnOnce() -> Option<Content<E>> + Send + Sync>),
}

impl<E> Content<E> {
    /// An event that the provider's API told, and the bytes that it was read from.
    ///
    /// # Security
    /// Nobody verifies it: it must come from the provider's host, over TLS.
    #[must_use]
    pub fn event(event: E, raw: impl Into<Bytes>) -> Self
    where
        E: SelfIdentified,
    {
        let raw = raw.into();
        Self(Kind::Event(Box::new(Fetched { event, raw })))
    }

    /// A request that the provider has recorded: its signature is verified again.
    #[must_use]
    pub fn request(headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self(Kind::Request(headers, body.into()))
    }

    /// The provider does not have it any more, or has nothing that can be handed in. The reason
    /// holds no secret and no body.
    #[must_use]
    pub fn not_fetchable(reason: impl Into<String>) -> Self {
        Self(Kind::NotFetchable(reason.into()))
    }

    /// Content that is made only where it is needed, since most of what is listed is known. `None`
    /// for an item that must be fetched after all.
    #[must_use]
    pub fn lazy(make: impl FnOnce() -> Option<Self> + Send + Sync + 'static) -> Self {
        Self(Kind::Lazy(Box::new(make)))
    }
}

impl<E> fmt::Debug for Content<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Event(_) => "Event(..)",
            Kind::Request(..) => "Request(..)",
            Kind::NotFetchable(reason) => return f.debug_tuple("NotFetchable").field(reason).finish(),
            Kind::Lazy(_) => "Lazy(..)",
        })
    }
}

type HandingIn<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// An event on its way to the processor. Only events that carry their whole key can be handed in
/// without a request; where one is made, that is known.
pub(super) trait HandIn<E>: Send + Sync {
    fn hand_in<'a>(self: Box<Self>, processor: &'a Processor<E>) -> HandingIn<'a>
    where
        E: 'a;
}

struct Fetched<E> {
    event: E,
    raw: Bytes,
}

impl<E: SelfIdentified + Event> HandIn<E> for Fetched<E> {
    fn hand_in<'a>(self: Box<Self>, processor: &'a Processor<E>) -> HandingIn<'a>
    where
        E: 'a,
    {
        Box::pin(processor.process_raw(self.event, self.raw))
    }
}

/// The time for which a run asks what the provider recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// From then on.
    pub from: SystemTime,
    /// Until then. What is recorded later belongs to the next run, and may be listed already.
    pub until: SystemTime,
}

impl Window {
    /// The time between these two.
    #[must_use]
    pub const fn new(from: SystemTime, until: SystemTime) -> Self {
        Self { from, until }
    }

    /// How long it is; zero if it ends before it begins.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.until.duration_since(self.from).unwrap_or_default()
    }
}
