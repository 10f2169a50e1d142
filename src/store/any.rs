use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::{
    ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, StoreAdmin, StoreError,
    StoreIdentity,
};

type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store chosen at run time. Cheap to clone; each operation costs an allocation more than that of
/// the store itself.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use tower_webhook::store::{AnyStore, MemoryStore};
///
/// let store = AnyStore::new(MemoryStore::new());
/// assert_eq!(format!("{store:?}"), "AnyStore(tower_webhook::store::memory::MemoryStore)");
/// # }
/// ```
#[derive(Clone)]
pub struct AnyStore {
    store: Arc<dyn Erased>,
    name: &'static str,
}

impl AnyStore {
    /// Hides which store it is.
    #[must_use]
    pub fn new<S: StoreAdmin>(store: S) -> Self {
        Self {
            store: Arc::new(store),
            name: std::any::type_name::<S>(),
        }
    }
}

impl fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyStore({})", self.name)
    }
}

trait Erased: Send + Sync {
    fn last_failure(&self) -> Option<String>;
    fn claim<'a>(&'a self, claim_request: &'a ClaimRequest) -> StoreFuture<'a, Claimed>;
    fn renew<'a>(&'a self, claim_request: &'a ClaimRequest) -> StoreFuture<'a, Effect>;
    fn complete<'a>(&'a self, claim_request: &'a ClaimRequest, completion: Completion) -> StoreFuture<'a, Effect>;
    fn release<'a>(&'a self, claim_request: &'a ClaimRequest) -> StoreFuture<'a, Effect>;
    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Record>>;
    fn forget<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Effect>;
    fn count<'a>(&'a self, namespace: &'a str) -> StoreFuture<'a, Counts>;
    fn expired_claims<'a>(&'a self, namespace: &'a str, limit: usize) -> StoreFuture<'a, Vec<Key>>;
    fn purge(&self, limit: usize) -> StoreFuture<'_, u64>;
    fn identity(&self) -> Option<StoreIdentity>;
}

impl<S: StoreAdmin> Erased for S {
    fn last_failure(&self) -> Option<String> {
        IdempotencyStore::last_failure(self)
    }

    fn claim<'a>(&'a self, claim_request: &'a ClaimRequest) -> StoreFuture<'a, Claimed> {
        Box::pin(IdempotencyStore::claim(self, claim_request))
    }

    fn renew<'a>(&'a self, claim_request: &'a ClaimRequest) -> StoreFuture<'a, Effect> {
        Box::pin(IdempotencyStore::renew(self, claim_request))
    }

    fn complete<'a>(&'a self, claim_request: &'a ClaimRequest, completion: Completion) -> StoreFuture<'a, Effect> {
        Box::pin(IdempotencyStore::complete(self, claim_request, completion))
    }

    fn release<'a>(&'a self, claim_request: &'a ClaimRequest) -> StoreFuture<'a, Effect> {
        Box::pin(IdempotencyStore::release(self, claim_request))
    }

    fn get<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Record>> {
        Box::pin(IdempotencyStore::get(self, key))
    }

    fn forget<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Effect> {
        Box::pin(IdempotencyStore::forget(self, key))
    }

    fn count<'a>(&'a self, namespace: &'a str) -> StoreFuture<'a, Counts> {
        Box::pin(StoreAdmin::count(self, namespace))
    }

    fn expired_claims<'a>(&'a self, namespace: &'a str, limit: usize) -> StoreFuture<'a, Vec<Key>> {
        Box::pin(StoreAdmin::expired_claims(self, namespace, limit))
    }

    fn purge(&self, limit: usize) -> StoreFuture<'_, u64> {
        Box::pin(StoreAdmin::purge(self, limit))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        IdempotencyStore::identity(self)
    }
}

impl IdempotencyStore for AnyStore {
    fn last_failure(&self) -> Option<String> {
        Erased::last_failure(&*self.store)
    }

    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        Erased::claim(&*self.store, claim_request).await
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        Erased::renew(&*self.store, claim_request).await
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        Erased::complete(&*self.store, claim_request, completion).await
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        Erased::release(&*self.store, claim_request).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Erased::get(&*self.store, key).await
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        Erased::forget(&*self.store, key).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Erased::identity(&*self.store)
    }
}

impl StoreAdmin for AnyStore {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        Erased::count(&*self.store, namespace).await
    }

    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        Erased::expired_claims(&*self.store, namespace, limit).await
    }

    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        Erased::purge(&*self.store, limit).await
    }
}
