use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{Backlog, Cursor, Deposit, Filter, Inbox, InboxAdmin, Letter, Page, Settlement, TakeRequest, Taken};
use crate::store::{
    AnyStore, ClaimRequest, Claimed, Completion, Counts, Deposited, Effect, IdempotencyStore, Key, Record, Replayed,
    StoreAdmin, StoreError, StoreIdentity,
};

type Response<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// An inbox chosen at run time. Cheap to clone; each operation costs an allocation more than that
/// of the inbox itself.
///
/// ```
/// # #[cfg(feature = "test-util")] {
/// use tower_webhook::{inbox::AnyInbox, testing::MemoryInbox};
///
/// let inbox = AnyInbox::new(MemoryInbox::new());
/// assert_eq!(
///     format!("{inbox:?}"),
///     "AnyInbox(tower_webhook::testing::memory_inbox::MemoryInbox)"
/// );
/// # }
/// ```
#[derive(Clone)]
pub struct AnyInbox {
    /// `inbox` as a store.
    store: AnyStore,
    inbox: Arc<dyn Erased>,
    name: &'static str,
}

impl AnyInbox {
    /// Hides which inbox it is.
    #[must_use]
    pub fn new<S: InboxAdmin>(inbox: S) -> Self {
        let inbox = Arc::new(inbox);
        Self {
            store: AnyStore::new(Arc::clone(&inbox)),
            inbox,
            name: std::any::type_name::<S>(),
        }
    }
}

/// The inbox as a store, for callers that need no more.
impl From<AnyInbox> for AnyStore {
    fn from(inbox: AnyInbox) -> Self {
        inbox.store
    }
}

impl fmt::Debug for AnyInbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AnyInbox({})", self.name)
    }
}

trait Erased: Send + Sync {
    fn deposit<'a>(&'a self, deposit: &'a Deposit) -> Response<'a, Deposited>;
    fn take<'a>(&'a self, request: &'a TakeRequest) -> Response<'a, Vec<Taken>>;
    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> Response<'a, Vec<Effect>>;
    fn backlog<'a>(&'a self, namespace: &'a str, up_to: u64) -> Response<'a, Backlog>;
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn list<'a>(&'a self, filter: &'a Filter, after: Option<&'a Cursor>, limit: usize) -> Response<'a, Page>;
    fn letter<'a>(&'a self, key: &'a Key) -> Response<'a, Option<Letter>>;
    fn replay<'a>(&'a self, key: &'a Key) -> Response<'a, Replayed>;
    fn replay_all<'a>(&'a self, filter: &'a Filter, over: Duration) -> Response<'a, u64>;
    fn bury<'a>(&'a self, key: &'a Key, reason: &'a str) -> Response<'a, Effect>;
}

impl<S: InboxAdmin> Erased for S {
    fn deposit<'a>(&'a self, deposit: &'a Deposit) -> Response<'a, Deposited> {
        Box::pin(Inbox::deposit(self, deposit))
    }

    fn take<'a>(&'a self, request: &'a TakeRequest) -> Response<'a, Vec<Taken>> {
        Box::pin(Inbox::take(self, request))
    }

    fn settle<'a>(&'a self, settlements: &'a [Settlement]) -> Response<'a, Vec<Effect>> {
        Box::pin(Inbox::settle(self, settlements))
    }

    fn backlog<'a>(&'a self, namespace: &'a str, up_to: u64) -> Response<'a, Backlog> {
        Box::pin(Inbox::backlog(self, namespace, up_to))
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Inbox::changed(self))
    }

    fn list<'a>(&'a self, filter: &'a Filter, after: Option<&'a Cursor>, limit: usize) -> Response<'a, Page> {
        Box::pin(InboxAdmin::list(self, filter, after, limit))
    }

    fn letter<'a>(&'a self, key: &'a Key) -> Response<'a, Option<Letter>> {
        Box::pin(InboxAdmin::letter(self, key))
    }

    fn replay<'a>(&'a self, key: &'a Key) -> Response<'a, Replayed> {
        Box::pin(InboxAdmin::replay(self, key))
    }

    fn replay_all<'a>(&'a self, filter: &'a Filter, over: Duration) -> Response<'a, u64> {
        Box::pin(InboxAdmin::replay_all(self, filter, over))
    }

    fn bury<'a>(&'a self, key: &'a Key, reason: &'a str) -> Response<'a, Effect> {
        Box::pin(InboxAdmin::bury(self, key, reason))
    }
}

impl IdempotencyStore for AnyInbox {
    fn last_failure(&self) -> Option<String> {
        self.store.last_failure()
    }

    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.store.claim(claim_request).await
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.store.renew(claim_request).await
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.store.complete(claim_request, completion).await
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.store.release(claim_request).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.get(key).await
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.store.forget(key).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.store.identity()
    }
}

impl StoreAdmin for AnyInbox {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        self.store.count(namespace).await
    }

    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.store.expired_claims(namespace, limit).await
    }

    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        self.store.purge(limit).await
    }
}

impl Inbox for AnyInbox {
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        self.inbox.deposit(deposit).await
    }

    async fn take(&self, request: &TakeRequest) -> Result<Vec<Taken>, StoreError> {
        self.inbox.take(request).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        self.inbox.settle(settlements).await
    }

    async fn backlog(&self, namespace: &str, up_to: u64) -> Result<Backlog, StoreError> {
        self.inbox.backlog(namespace, up_to).await
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.inbox.changed()
    }
}

impl InboxAdmin for AnyInbox {
    async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        self.inbox.list(filter, after, limit).await
    }

    async fn letter(&self, key: &Key) -> Result<Option<Letter>, StoreError> {
        self.inbox.letter(key).await
    }

    async fn replay(&self, key: &Key) -> Result<Replayed, StoreError> {
        self.inbox.replay(key).await
    }

    async fn replay_all(&self, filter: &Filter, over: Duration) -> Result<u64, StoreError> {
        self.inbox.replay_all(filter, over).await
    }

    async fn bury(&self, key: &Key, reason: &str) -> Result<Effect, StoreError> {
        self.inbox.bury(key, reason).await
    }
}
