mod shared;
mod segment;
mod compact;
mod namespaces;
mod admin;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use self::shared::{Room, Shared};
use super::{
    ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError, StoreIdentity, record,
};
use crate::clock::{Clock, MonotonicClock};

/// Ids remembered by default: about 64 MB, and a third of an event per second for 35 days.
const CAPACITY: usize = 1_000_000;

/// Remembers in this process: for one instance that may forget on restart, and for tests.
///
/// A restart forgets every id, and two instances know nothing of each other. Where either costs more than a double run, use a
/// store outside the process.
///
/// Clones share what they remember.
///
/// # When it is full
/// A store remembers at most [`capacity`](MemoryStoreBuilder::capacity) ids. A claim that would exceed it first drops finished
/// events whose provider has long stopped retrying (the claim request's `retry_window`), the oldest first, warns and
/// [counts](Self::dropped_early) them. If there is none, the claim is refused, so that the provider tries again later: an id
/// that may still be re-sent is never forgotten, and neither is a claim. Only a completion is recorded in any case, since the
/// event's effect has happened.
///
/// # Pauses
/// Expired ids are removed by later claims, each of which looks at a few thousand records (or, in a full store, some ten
/// thousand). No operation looks at, or moves, all of them.
///
/// Times of finished events are kept to the second, and their retention is rounded up.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tower_webhook::{
///     event::{EventId, Fingerprint},
///     store::{Claimed, Completion, IdempotencyStore, Key, MemoryStore, ClaimRequest, Token},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let claim_request = ClaimRequest {
///     key: Key::new("dwolla", EventId::new("bb6531a2")?),
///     token: Token::random(),
///     fingerprint: Fingerprint::of(["customer_created"]),
///     lease: Duration::from_secs(60),
///     retention: Duration::from_secs(35 * 24 * 3600),
///     retry_window: Duration::from_secs(72 * 3600),
/// };
/// assert_eq!(store.claim(&claim_request).await?, Claimed::Acquired { generation: 1, attempts: 1 });
/// store.complete(&claim_request, Completion::Handled).await?;
///
/// let again = ClaimRequest { token: Token::random(), ..claim_request };
/// assert_eq!(store.claim(&again).await?, Claimed::Done(Completion::Handled));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    identity: StoreIdentity,
}

impl MemoryStore {
    /// A store for a million ids.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A store with another capacity or clock.
    #[must_use]
    pub fn builder() -> MemoryStoreBuilder {
        MemoryStoreBuilder {
            capacity: CAPACITY,
            clock: Arc::new(MonotonicClock::new()),
        }
    }

    /// How many ids the store holds, those included that have expired but are not removed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.count()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many finished events were dropped before their retention was over because the store was full. If it rises, the
    /// capacity is too small for the retention.
    #[must_use]
    pub fn dropped_early(&self) -> u64 {
        self.shared.dropped_early()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("len", &self.len())
            .field("capacity", &self.shared.capacity())
            .field("dropped_early", &self.dropped_early())
            .finish_non_exhaustive()
    }
}

/// Makes a [`MemoryStore`].
///
/// ```
/// use tower_webhook::store::MemoryStore;
///
/// let store = MemoryStore::builder().capacity(10_000).build();
/// assert!(store.is_empty());
/// ```
#[derive(Debug)]
pub struct MemoryStoreBuilder {
    capacity: usize,
    clock: Arc<dyn Clock>,
}

impl MemoryStoreBuilder {
    /// How many ids to remember at most; by default 1,000,000, which take about 64 MB (taken as they come).
    ///
    /// Expect an id for each event of a whole retention. What happens at the limit: [`MemoryStore`].
    #[must_use]
    pub fn capacity(mut self, ids: usize) -> Self {
        self.capacity = ids;
        self
    }

    /// What decides leases and retention; by default a [`MonotonicClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore {
            shared: Arc::new(Shared::new(self.capacity, self.clock)),
            identity: StoreIdentity::in_process("MemoryStore"),
        }
    }
}

impl IdempotencyStore for MemoryStore {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.shared.apply(claim_request, Room::IfAny, |current, now| {
            record::claim(current, claim_request, now)
        })
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.shared.apply(claim_request, Room::IfAny, |current, now| {
            record::renew(current, claim_request, now)
        })
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.shared.apply(claim_request, Room::InAnyCase, |current, now| {
            record::complete(current, claim_request, completion, now)
        })
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.shared.apply(claim_request, Room::IfAny, |current, now| {
            record::release(current, claim_request, now)
        })
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.shared.get(key))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        Ok(self.shared.forget(key))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.identity.clone())
    }
}
