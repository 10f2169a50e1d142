use std::{future::Future, sync::Arc};

use super::{IdempotencyStore, Key, StoreError};

/// What an operator asks of a store, beyond [`get`](IdempotencyStore::get) and [`forget`](IdempotencyStore::forget) of one event.
///
/// Every store of this crate answers. One of your own need not: the layer asks none of this.
///
/// # Cancel safety
/// An operation whose future is dropped changes nothing, but for `purge`, which may have removed its batch.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use tower_webhook::{MemoryStore, store::{Counts, StoreAdmin}};
///
/// let store = MemoryStore::new(); // a clone of the layer's
/// assert_eq!(store.count("dwolla").await?, Counts { claimed: 0, free: 0, done: 0 });
/// for key in store.expired_claims("dwolla", 100).await? {
///     println!("{key}: claimed, and its lease is over");
/// }
/// # Ok::<(), tower_webhook::store::StoreError>(())
/// # }).unwrap();
/// # }
/// ```
pub trait StoreAdmin: IdempotencyStore {
    /// How many events of a namespace are in which state. It looks at all of them, while the store goes on working.
    ///
    /// # Errors
    /// The store did not answer.
    fn count(&self, namespace: &str) -> impl Future<Output = Result<Counts, StoreError>> + Send;

    /// Up to so many events of a namespace that are CLAIMED past their lease: their process died, or lost the store, and their provider has
    /// not sent them again since. It looks at the whole namespace.
    ///
    /// # Errors
    /// The store did not answer.
    fn expired_claims(
        &self,
        namespace: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Key>, StoreError>> + Send;

    /// Removes up to so many records, of all namespaces, that are past their retention, and says how many there were. They count as absent
    /// before, too; this gives their room back.
    ///
    /// Stores that remove them by themselves (in memory, Redis) do nothing.
    ///
    /// # Errors
    /// The store did not answer.
    fn purge(&self, limit: usize) -> impl Future<Output = Result<u64, StoreError>> + Send;
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

/// How many events of a namespace are in which state: what [`StoreAdmin::count`] answers.
///
/// What is past its retention counts no more.
///
/// ```
/// use tower_webhook::store::Counts;
///
/// let counts = Counts { claimed: 1, free: 2, done: 40 };
/// assert_eq!(counts.claimed + counts.free + counts.done, 43);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "one number for each state of the contract")]
pub struct Counts {
    /// A handler runs, or its process died.
    pub claimed: u64,
    /// The last run failed, and the provider has not sent the event again yet.
    pub free: u64,
    /// Finished, whether handled or rejected.
    pub done: u64,
}
