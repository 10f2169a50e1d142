use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::{
    Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, StoreAdmin, StoreError, StoreIdentity, Ticket,
};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store chosen at run time. Cheap to clone; each operation costs an allocation more than that of the store itself.
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
    fn claim<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, Claimed>;
    fn renew<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, Effect>;
    fn complete<'a>(&'a self, ticket: &'a Ticket, completion: Completion) -> Answer<'a, Effect>;
    fn release<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, Effect>;
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Record>>;
    fn forget<'a>(&'a self, key: &'a Key) -> Answer<'a, Effect>;
    fn count<'a>(&'a self, namespace: &'a str) -> Answer<'a, Counts>;
    fn overdue<'a>(&'a self, namespace: &'a str, limit: usize) -> Answer<'a, Vec<Key>>;
    fn purge(&self, limit: usize) -> Answer<'_, u64>;
    fn identity(&self) -> Option<StoreIdentity>;
}

impl<S: StoreAdmin> Erased for S {
    fn claim<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, Claimed> {
        Box::pin(IdempotencyStore::claim(self, ticket))
    }

    fn renew<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, Effect> {
        Box::pin(IdempotencyStore::renew(self, ticket))
    }

    fn complete<'a>(&'a self, ticket: &'a Ticket, completion: Completion) -> Answer<'a, Effect> {
        Box::pin(IdempotencyStore::complete(self, ticket, completion))
    }

    fn release<'a>(&'a self, ticket: &'a Ticket) -> Answer<'a, Effect> {
        Box::pin(IdempotencyStore::release(self, ticket))
    }

    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Record>> {
        Box::pin(IdempotencyStore::get(self, key))
    }

    fn forget<'a>(&'a self, key: &'a Key) -> Answer<'a, Effect> {
        Box::pin(IdempotencyStore::forget(self, key))
    }

    fn count<'a>(&'a self, namespace: &'a str) -> Answer<'a, Counts> {
        Box::pin(StoreAdmin::count(self, namespace))
    }

    fn overdue<'a>(&'a self, namespace: &'a str, limit: usize) -> Answer<'a, Vec<Key>> {
        Box::pin(StoreAdmin::overdue(self, namespace, limit))
    }

    fn purge(&self, limit: usize) -> Answer<'_, u64> {
        Box::pin(StoreAdmin::purge(self, limit))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        IdempotencyStore::identity(self)
    }
}

impl IdempotencyStore for AnyStore {
    async fn claim(&self, ticket: &Ticket) -> Result<Claimed, StoreError> {
        Erased::claim(&*self.store, ticket).await
    }

    async fn renew(&self, ticket: &Ticket) -> Result<Effect, StoreError> {
        Erased::renew(&*self.store, ticket).await
    }

    async fn complete(&self, ticket: &Ticket, completion: Completion) -> Result<Effect, StoreError> {
        Erased::complete(&*self.store, ticket, completion).await
    }

    async fn release(&self, ticket: &Ticket) -> Result<Effect, StoreError> {
        Erased::release(&*self.store, ticket).await
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

    async fn overdue(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        Erased::overdue(&*self.store, namespace, limit).await
    }

    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        Erased::purge(&*self.store, limit).await
    }
}
