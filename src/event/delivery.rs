use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use super::Event;

/// An authentic event, with the request that brought it and the claim that lets this run handle it. Cheap to clone.
///
/// ```
/// use tower_webhook::{Delivery, HandlerError, dwolla};
///
/// async fn settled(delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
///     let event = delivery.event();
///     println!("{} for the {}. time: {} bytes", event.topic(), delivery.claim().attempts(), delivery.body().len());
///     Ok(())
/// }
/// ```
///
/// With the feature `axum` it is an extractor of axum's. Without the feature axum says of a
/// function that takes one that `the trait bound … Handler<_, _> is not satisfied`; import it as
/// `tower_webhook::axum::Delivery`, and the compiler names the feature.
pub struct Delivery<E>(Arc<Inner<E>>);

struct Inner<E> {
    event: E,
    body: Bytes,
    headers: HeaderMap,
    claim: Claim,
    secret: usize,
}

impl<E> Delivery<E> {
    pub(crate) fn new(event: E, body: Bytes, headers: HeaderMap, claim: Claim, secret: usize) -> Self {
        Self(Arc::new(Inner {
            event,
            body,
            headers,
            claim,
            secret,
        }))
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

    /// The body as it was signed.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.0.body
    }

    /// The request's headers.
    ///
    /// # Security
    /// Providers sign the body; what a header says was signed by nobody, unless the scheme names it.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// The claim under which this run handles the event.
    #[must_use]
    pub fn claim(&self) -> &Claim {
        &self.0.claim
    }

    /// Which of the secrets the request was signed with, counted from 0 in the order they were given.
    #[must_use]
    pub fn secret_index(&self) -> usize {
        self.0.secret
    }
}

impl<E> Clone for Delivery<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Topic, id and attempt: bodies and headers stay out of logs.
impl<E: Event> fmt::Debug for Delivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("topic", &self.event().topic())
            .field("id", &self.event().id())
            .field("claim", self.claim())
            .finish_non_exhaustive()
    }
}

/// What the store granted this run.
#[derive(Clone)]
pub struct Claim {
    generation: u64,
    attempts: u32,
    hold: Arc<dyn LeaseHandle>,
}

/// What a claim is held by: it can tell whether it still is.
pub(crate) trait LeaseHandle: Send + Sync {
    fn is_lost(&self) -> bool;

    /// A store is about to complete the claim in a transaction of the handler's: from here on the record alone says how it ended. What
    /// the store claimed with, whose type is the store's business; `None` if no store granted this.
    #[cfg_attr(
        not(any(feature = "sqlite", feature = "postgres")),
        allow(dead_code, reason = "only databases have transactions")
    )]
    fn complete_in_transaction(&self) -> Option<&dyn Any>;
}

impl Claim {
    pub(crate) fn new(generation: u64, attempts: u32, hold: Arc<dyn LeaseHandle>) -> Self {
        Self {
            generation,
            attempts,
            hold,
        }
    }

    /// Rises with each claim of this event: a fencing token. A system that remembers the highest it saw can refuse the writes
    /// of a run whose lease was lost to another. It starts again at 1 where the store has forgotten the event: after
    /// [`forget`](crate::store::IdempotencyStore::forget), or when the retention is over.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// How many times the event was claimed, this time included.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether the lease can no longer be taken for held: the store says so, or no renewal has succeeded for as long as a lease lasts.
    /// Another process may be running this event; a handler that works for long, or that blocks its thread, should look before
    /// it acts.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.hold.is_lost()
    }
}

/// For stores that complete a claim in a transaction of the handler's.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Claim {
    pub(crate) fn complete_in_transaction(&self) -> Option<&dyn Any> {
        self.hold.complete_in_transaction()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("generation", &self.generation)
            .field("attempts", &self.attempts)
            .field("lost", &self.is_lost())
            .finish()
    }
}
