mod compact;
mod records;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use self::records::{Records, WhenFull};
use super::{
    ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, State, StoreAdmin, StoreError,
    StoreIdentity, record,
};
use crate::clock::{Clock, MonotonicClock};

/// Ids remembered by default: about 90 MB, and a third of an event per second for 35 days.
const CAPACITY: usize = 1_000_000;

/// Remembers in this process: for one instance that may forget on restart, and for tests.
///
/// A restart forgets every id, and two instances know nothing of each other. Where either costs
/// more than a double run, use a store outside the process.
///
/// Clones share what they remember.
///
/// # When it is full
/// A store remembers at most [`capacity`](MemoryStoreBuilder::capacity) ids. A claim that would
/// exceed it first removes another record. The policy is *expired, then oldest finished*:
///
/// 1. a record whose retention is over;
/// 2. otherwise the finished event whose provider has stopped retrying the longest ago (the claim
///    request's `retry_window`). The store warns and [counts](Self::dropped_early) these;
/// 3. otherwise none: the claim is refused, so that the provider tries again later. An id that may
///    still be resent is never forgotten, nor is one that is claimed or whose handler failed.
///
/// Only a completion is recorded in any case, since the event's effect has happened.
///
/// # Pauses
/// Each record stands in a queue for its expiry, and a claim that adds an id removes up to eight
/// expired ones. No operation looks at, or moves, more than a few thousand records.
///
/// Times of finished events are kept to the second, and their retention is rounded up.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tower_webhook::{
///     event::{EventId, Fingerprint},
///     store::{
///         ClaimRequest, Claimed, Completion, IdempotencyStore, Key, MemoryStore, Token,
///     },
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = MemoryStore::new();
/// let claim_request = ClaimRequest::new(
///     Key::new("dwolla", EventId::new("bb6531a2")?),
///     Token::random(),
///     Fingerprint::of(["customer_created"]),
/// )
/// .with_lease(Duration::from_secs(60))
/// .with_retention(Duration::from_secs(35 * 24 * 3600))
/// .with_retry_window(Duration::from_secs(72 * 3600));
/// assert_eq!(
///     store.claim(&claim_request).await?,
///     Claimed::Acquired {
///         generation: 1,
///         attempts: 1
///     }
/// );
/// store.complete(&claim_request, Completion::Handled).await?;
///
/// let again = claim_request.with_token(Token::random());
/// assert_eq!(
///     store.claim(&again).await?,
///     Claimed::Done(Completion::Handled)
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    records: Arc<Records>,
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

    /// How many ids the store holds, including those that have expired but are not removed yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.count.load(Relaxed)
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many finished events were dropped before their retention was over because the store was
    /// full. If it rises, the capacity is too small for the retention.
    #[must_use]
    pub fn dropped_early(&self) -> u64 {
        self.records.dropped_early.load(Relaxed)
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
            .field("capacity", &self.records.capacity)
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
    /// How many ids to remember at most; by default 1,000,000, which take about 90 MB (taken as
    /// they come).
    ///
    /// Expect an id for each event of a whole retention. What happens at the limit:
    /// [`MemoryStore`].
    #[must_use]
    pub fn capacity(mut self, ids: usize) -> Self {
        self.capacity = ids;
        self
    }

    /// The clock that decides leases and retention; by default a [`MonotonicClock`].
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The store.
    #[must_use]
    pub fn build(self) -> MemoryStore {
        MemoryStore {
            records: Arc::new(Records::new(self.capacity, self.clock)),
            identity: StoreIdentity::in_process("MemoryStore"),
        }
    }
}

impl IdempotencyStore for MemoryStore {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.records.apply(claim_request, WhenFull::IfAny, |current, now| {
            record::claim(current, claim_request, now)
        })
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.records.apply(claim_request, WhenFull::IfAny, |current, now| {
            record::renew(current, claim_request, now)
        })
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.records.apply(claim_request, WhenFull::InAnyCase, |current, now| {
            record::complete(current, claim_request, completion, now)
        })
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.records.apply(claim_request, WhenFull::IfAny, |current, now| {
            record::release(current, claim_request, now)
        })
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.records.get(key))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        Ok(self.records.forget(key))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.identity.clone())
    }
}

/// # What it costs
/// Counting and listing look at all records, some hundred thousand in a few milliseconds, without
/// holding up other operations.
impl StoreAdmin for MemoryStore {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        self.records.each(namespace, |_, record| match record.state {
            State::Claimed { .. } => counts.claimed += 1,
            State::Free { .. } => counts.free += 1,
            State::Done { .. } => counts.done += 1,
            State::Dead { .. } => counts.dead += 1,
        });
        Ok(counts)
    }

    /// The longest expired first.
    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let now = self.records.clock.now();
        let mut expired = Vec::new();
        self.records.each(namespace, |key, record| {
            if let (State::Claimed { lease_until, .. }, Some(key)) = (&record.state, key)
                && *lease_until <= now
            {
                expired.push((*lease_until, key.clone()));
            }
        });
        expired.sort_unstable();
        expired.truncate(limit);
        Ok(expired.into_iter().map(|(_, key)| key).collect())
    }

    /// Nothing: later claims remove them.
    async fn purge(&self, _limit: usize) -> Result<u64, StoreError> {
        Ok(0)
    }
}
