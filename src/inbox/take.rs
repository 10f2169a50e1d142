use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::StoredDelivery;
use crate::{
    event::{EventId, Fingerprint},
    store::{ClaimRequest, Key, Token},
};

/// Which deliveries a worker asks for.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::{inbox::TakeRequest, store::Token};
///
/// let request =
///     TakeRequest::new("dwolla", Token::random(), 32).with_lease(Duration::from_secs(30));
/// assert!(!request.suspects);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakeRequest {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The token that claims them: one for the whole batch, and another for the next.
    pub token: Token,
    /// How many at most.
    pub limit: usize,
    /// How long a claim holds without a renewal.
    pub lease: Duration,
    /// How long DONE is remembered.
    pub retention: Duration,
    /// Whether to take those whose last claim was never settled, instead of the others.
    pub suspects: bool,
    /// This event alone, if it is due, whether a suspect or not.
    pub id: Option<EventId>,
}

impl TakeRequest {
    /// Up to `limit` deliveries of a namespace that are not suspects, with the lease and the
    /// retention of [`ClaimRequest::new`].
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, token: Token, limit: usize) -> Self {
        Self {
            namespace: namespace.into(),
            token,
            limit,
            lease: Duration::from_secs(60),
            retention: Duration::from_secs(35 * 24 * 3600),
            suspects: false,
            id: None,
        }
    }

    /// Sets how long a claim holds without a renewal.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long DONE is remembered.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Asks for suspects instead of the others.
    #[must_use]
    pub fn for_suspects(mut self) -> Self {
        self.suspects = true;
        self
    }

    /// Asks for one event alone.
    #[must_use]
    pub fn for_event(mut self, id: EventId) -> Self {
        self.id = Some(id);
        self.limit = 1;
        self
    }
}

/// A delivery that a worker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Taken {
    /// The claim request that holds it: for renewals and the settlement.
    pub claim_request: ClaimRequest,
    /// Which claim of its record it is: a fencing token.
    pub generation: u64,
    /// Which attempt this is, from 1 since it was stored or replayed. Runs that were put back
    /// uncounted are not among them.
    pub attempts: u32,
    /// How many claims before this one were never settled, in a row.
    pub crashes: u32,
    /// When it was stored, by the store's clock.
    pub received_at: SystemTime,
    /// The delivery.
    pub delivery: StoredDelivery,
}

impl Taken {
    /// A delivery taken by this request, for the first time. For stores.
    #[must_use]
    pub fn new(request: &TakeRequest, key: Key, fingerprint: Fingerprint, delivery: StoredDelivery) -> Self {
        Self {
            claim_request: ClaimRequest::new(key, request.token, fingerprint)
                .with_lease(request.lease)
                .with_retention(request.retention),
            generation: 1,
            attempts: 1,
            crashes: 0,
            received_at: SystemTime::UNIX_EPOCH,
            delivery,
        }
    }

    /// Sets which claim it is, how many there were, and how many of the last were never settled.
    #[must_use]
    pub fn with_counts(mut self, generation: u64, attempts: u32, crashes: u32) -> Self {
        self.generation = generation;
        self.attempts = attempts;
        self.crashes = crashes;
        self
    }

    /// Sets when it was stored.
    #[must_use]
    pub fn with_received_at(mut self, time: SystemTime) -> Self {
        self.received_at = time;
        self
    }
}
