//! The input of a handler: a [`Delivery`] is an authentic event, with the request that brought it
//! and the [`Claim`] under which this run may handle it.

mod claim;
mod lease_handle;
mod message;

pub use claim::Claim;
pub(crate) use lease_handle::LeaseHandle;
pub(crate) use message::Message;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use crate::event::{Event, Source, Tenant};

/// An authentic event, with the request that brought it and the claim that lets this run handle it.
/// Cheap to clone.
///
/// ```
/// use tower_webhook::{Delivery, HandlerError, dwolla};
///
/// async fn settled(delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
///     let event = delivery.event();
///     println!("{}, attempt {}", event.topic(), delivery.claim().attempt());
///     println!("{} bytes", delivery.body().len());
///     Ok(())
/// }
/// ```
///
/// With the feature `axum` it is an extractor of axum's. Without the feature axum says of a
/// function that takes one that `the trait bound … Handler<_, _> is not satisfied`.
pub struct Delivery<E>(Arc<Inner<E>>);

struct Inner<E> {
    event: E,
    message: Message,
    claim: Claim,
}

impl<E> Delivery<E> {
    pub(crate) fn new(event: E, message: Message, claim: Claim) -> Self {
        Self(Arc::new(Inner { event, message, claim }))
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &E {
        &self.0.event
    }

    /// The event, by value.
    #[must_use]
    pub fn into_event(self) -> E
    where
        E: Clone,
    {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.event,
            Err(shared) => shared.event.clone(),
        }
    }

    /// How the event came: whether a request brought it.
    #[must_use]
    pub fn source(&self) -> Source {
        self.0.message.source
    }

    /// The body as the provider signed it. Where [nothing was verified](Self::secret_index), it is
    /// what the event was handed in with, and may be empty.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.message.body
    }

    /// The request's headers; none where the event came without one.
    ///
    /// # Security
    /// Providers sign the body. A header is unsigned unless the provider's scheme names it.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.message.headers
    }

    /// The claim under which this run handles the event.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.0.claim
    }

    /// Which secret the request was signed with: an index, from 0, into the secrets in the order
    /// they were given. `None` where the event came without a request, so nothing was verified.
    #[must_use]
    pub fn secret_index(&self) -> Option<usize> {
        self.0.message.secret_index
    }

    /// The event's tenant, where the layer has [tenants](crate::provider::tenant). In a worker it
    /// is the tenant of the request that was stored.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.0.message.tenant.as_ref()
    }
}

impl<E> Clone for Delivery<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Topic, id, source and claim. The body and the headers stay out of logs.
impl<E: Event> fmt::Debug for Delivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", &self.event().topic())
            .field("id", &self.event().id())
            .field("source", &self.source())
            .field("tenant", &self.tenant())
            .field("claim", self.claim())
            .finish_non_exhaustive()
    }
}
