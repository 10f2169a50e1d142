use std::{future::Future, sync::Arc};

use super::{IdempotencyStore, Key, StoreError};

/// An operator's calls to a store, beyond [`get`](IdempotencyStore::get) and
/// [`forget`](IdempotencyStore::forget) of one event.
///
/// Every store of this project implements it. One of your own need not: the layer asks none of
/// this.
///
/// # Cancel safety
/// An operation whose future is dropped changes nothing, except that `purge` may have removed its
/// batch.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use tower_webhook::{
///     MemoryStore,
///     store::{Counts, StoreAdmin},
/// };
///
/// let store = MemoryStore::new(); // a clone of the layer's
/// assert_eq!(store.count("dwolla").await?, Counts::new(0, 0, 0));
/// for key in store.expired_claims("dwolla", 100).await? {
///     println!("{key}: claimed, and its lease is over");
/// }
/// # Ok::<(), tower_webhook::store::StoreError>(())
/// # }).unwrap();
/// # }
/// ```
pub trait StoreAdmin: IdempotencyStore {
    /// How many events of a namespace are in which state. It reads all of them, while the store
    /// goes on working.
    ///
    /// # Errors
    /// The store did not respond.
    fn count(&self, namespace: &str) -> impl Future<Output = Result<Counts, StoreError>> + Send;

    /// Up to `limit` events of a namespace that are CLAIMED past their lease: their process died or
    /// lost the store, and their provider has not sent them again since. It reads the whole
    /// namespace.
    ///
    /// # Errors
    /// The store did not respond.
    fn expired_claims(
        &self,
        namespace: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Key>, StoreError>> + Send;

    /// Removes up to `limit` records, of all namespaces, that are past their retention, and returns
    /// how many there were. They already count as absent; this reclaims their space.
    ///
    /// Stores that remove them by themselves (in memory, Redis) do nothing.
    ///
    /// # Errors
    /// The store did not respond.
    fn purge(&self, limit: usize) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes what is past its retention at this interval, for as long as the future is polled: it
    /// never completes. Spawn it, and abort its task when the process ends.
    ///
    /// It calls [`purge`](Self::purge) for a thousand records at a time, with a pause of 100 ms
    /// between, until nothing is left. A failure is logged, and the next attempt comes an interval
    /// later. The first purge begins within one interval, and each of the later waits is up to a
    /// tenth shorter or longer, so that processes which share a store take turns. Ten minutes to an
    /// hour suit most stores.
    ///
    /// # Cancel safety
    /// A dropped future stops after the batch at hand.
    ///
    /// # Panics
    /// Polled outside a tokio runtime with its timer enabled.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// use std::time::Duration;
    /// use tower_webhook::store::{AnyStore, MemoryStore, StoreAdmin};
    ///
    /// let store = AnyStore::new(MemoryStore::new()); // or one that outlives the process
    /// let purging = tokio::spawn(store.clone().purge_every(Duration::from_secs(600)));
    /// // … serve, then:
    /// purging.abort();
    /// # Ok::<(), tower_webhook::store::StoreError>(())
    /// # }).unwrap();
    /// # }
    /// ```
    #[cfg(feature = "service")]
    fn purge_every(self, interval: std::time::Duration) -> impl Future<Output = std::convert::Infallible> + Send
    where
        Self: Sized,
    {
        super::purging::purge_every(self, interval)
    }
}

impl<S: StoreAdmin> StoreAdmin for Arc<S> {
    fn count(&self, namespace: &str) -> impl Future<Output = Result<Counts, StoreError>> + Send {
        S::count(self, namespace)
    }

    fn expired_claims(
        &self,
        namespace: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Key>, StoreError>> + Send {
        S::expired_claims(self, namespace, limit)
    }

    fn purge(&self, limit: usize) -> impl Future<Output = Result<u64, StoreError>> + Send {
        S::purge(self, limit)
    }
}

/// How many events of a namespace are in which state: the result of [`StoreAdmin::count`].
///
/// Records past their retention are not counted.
///
/// ```
/// use tower_webhook::store::Counts;
///
/// let counts = Counts::new(1, 2, 40);
/// assert_eq!(counts.claimed + counts.free + counts.done, 43);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// A handler runs, or its process died.
    pub claimed: u64,
    /// The last run failed, and the provider has not sent the event again yet.
    pub free: u64,
    /// Finished, whether handled or rejected.
    pub done: u64,
    /// Given up by an inbox's worker or an operator.
    pub dead: u64,
}

impl Counts {
    /// These numbers of events, and none that were given up.
    #[must_use]
    pub const fn new(claimed: u64, free: u64, done: u64) -> Self {
        Self {
            claimed,
            free,
            done,
            dead: 0,
        }
    }

    /// Sets how many were given up.
    #[must_use]
    pub const fn with_dead(mut self, dead: u64) -> Self {
        self.dead = dead;
        self
    }
}
