use std::{
    collections::{HashMap, VecDeque},
    future::{self, Future},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    inbox::{Backlog, Deposit, Inbox, Settlement, TakeRequest, Taken},
    store::{
        ClaimRequest, Claimed, Completion, Counts, Deposited, Effect, IdempotencyStore, Key, Record, StoreAdmin,
        StoreError, StoreIdentity,
    },
};

/// A store that fails on command, around one that works, and counts what it is asked. Clones share
/// all of it.
///
/// Faults of one operation strike in the order they were given; after them it works again.
///
/// # Examples
/// ```
/// # #[cfg(feature = "memory")] {
/// use tower_webhook::{
///     event::EventId,
///     store::{Effect, IdempotencyStore, Key, MemoryStore, StoreErrorKind},
///     testing::{Fault, FaultyStore, Operation},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = FaultyStore::new(MemoryStore::new());
/// store.fail(Operation::Forget, Fault::BeforeApplying, 1);
///
/// let key = Key::new("dwolla", EventId::new("bb6531a2")?);
/// let error = store.forget(&key).await.unwrap_err();
/// assert_eq!(error.kind(), StoreErrorKind::Unavailable);
/// assert_eq!(
///     error.to_string(),
///     "the store is unavailable: told to fail before it applied the operation"
/// );
///
/// assert_eq!(store.forget(&key).await?, Effect::NotHeld);
/// assert_eq!(store.calls(Operation::Forget), 2);
/// # Ok(())
/// # }
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: Arc<S>,
    script: Arc<Mutex<Script>>,
}

/// An operation of [`IdempotencyStore`] or [`Inbox`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`IdempotencyStore::claim`]
    Claim,
    /// [`IdempotencyStore::renew`]
    Renew,
    /// [`IdempotencyStore::complete`]
    Complete,
    /// [`IdempotencyStore::release`]
    Release,
    /// [`IdempotencyStore::get`]
    Get,
    /// [`IdempotencyStore::forget`]
    Forget,
    /// [`Inbox::deposit`]
    Deposit,
    /// [`Inbox::take`]
    Take,
    /// [`Inbox::settle`]
    Settle,
    /// [`Inbox::backlog`]
    Backlog,
}

/// How a [`FaultyStore`] goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An error, and the operation was not applied: the connection was refused.
    BeforeApplying,
    /// An error, though the operation was applied: the response was lost.
    AfterApplying,
    /// No response ever, and the operation is not applied.
    HangBeforeApplying,
    /// No response ever, though the operation is applied.
    HangAfterApplying,
    /// No response ever, and the operation is applied after this time, also if the caller has given
    /// up: a slow network.
    ApplyLate(Duration),
    /// The operation is applied, and responds after this time: a slow network.
    RespondLate(Duration),
    /// A panic, and the operation is not applied.
    Panic,
}

#[derive(Debug, Default)]
struct Script {
    calls: HashMap<Operation, usize>,
    faults: HashMap<Operation, VecDeque<(Fault, usize)>>,
}

impl<S> FaultyStore<S> {
    /// A store without faults yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner: Arc::new(inner),
            script: Arc::default(),
        }
    }

    /// Lets the operation go wrong this many times, after the faults it was given before.
    /// `usize::MAX` is for good.
    pub fn fail(&self, operation: Operation, fault: Fault, times: usize) {
        self.script()
            .faults
            .entry(operation)
            .or_default()
            .push_back((fault, times));
    }

    /// Takes all faults back that have not struck yet. What hangs goes on hanging.
    pub fn heal(&self) {
        self.script().faults.clear();
    }

    /// How often the operation was asked for, faults included.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> usize {
        self.script().calls.get(&operation).copied().unwrap_or_default()
    }

    /// The store that works.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the call and takes the fault that is due.
    fn next(&self, operation: Operation) -> Option<Fault> {
        let mut script = self.script();
        *script.calls.entry(operation).or_default() += 1;
        let faults = script.faults.get_mut(&operation)?;
        while let Some((fault, times)) = faults.front_mut() {
            if *times > 0 {
                *times -= if *times == usize::MAX { 0 } else { 1 };
                return Some(*fault);
            }
            faults.pop_front();
        }
        None
    }

    /// The call itself is made only where it is to take effect: a store may act before its future
    /// is polled.
    async fn run<A, F>(
        &self,
        operation: Operation,
        apply: impl FnOnce(Arc<S>) -> F + Send + 'static,
    ) -> Result<A, StoreError>
    where
        S: Send + Sync + 'static,
        F: Future<Output = Result<A, StoreError>> + Send,
    {
        let inner = Arc::clone(&self.inner);
        match self.next(operation) {
            None => apply(inner).await,
            Some(Fault::BeforeApplying) => Err(StoreError::unavailable("told to fail before it applied the operation")),
            Some(Fault::HangBeforeApplying) => future::pending().await,
            #[expect(clippy::panic, reason = "told to")]
            Some(Fault::Panic) => panic!("the store was told to panic"),
            Some(Fault::AfterApplying) => {
                apply(inner).await?;
                Err(StoreError::unavailable("told to fail after it applied the operation"))
            }
            Some(Fault::HangAfterApplying) => {
                apply(inner).await?;
                future::pending().await
            }
            Some(Fault::RespondLate(delay)) => {
                let response = apply(inner).await;
                tokio::time::sleep(delay).await;
                response
            }
            Some(Fault::ApplyLate(delay)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    apply(inner).await.map(drop)
                });
                future::pending().await
            }
        }
    }
}

// By hand: no `S: Clone`.
impl<S> Clone for FaultyStore<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            script: Arc::clone(&self.script),
        }
    }
}

impl<S: IdempotencyStore> IdempotencyStore for FaultyStore<S> {
    fn last_failure(&self) -> Option<String> {
        self.inner.last_failure()
    }

    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let claim_request = claim_request.clone();
        self.run(Operation::Claim, async move |inner: Arc<S>| {
            inner.claim(&claim_request).await
        })
        .await
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let claim_request = claim_request.clone();
        self.run(Operation::Renew, async move |inner: Arc<S>| {
            inner.renew(&claim_request).await
        })
        .await
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        let claim_request = claim_request.clone();
        let complete = async move |inner: Arc<S>| inner.complete(&claim_request, completion).await;
        self.run(Operation::Complete, complete).await
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let claim_request = claim_request.clone();
        self.run(Operation::Release, async move |inner: Arc<S>| {
            inner.release(&claim_request).await
        })
        .await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let key = key.clone();
        self.run(Operation::Get, async move |inner: Arc<S>| inner.get(&key).await)
            .await
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        let key = key.clone();
        self.run(Operation::Forget, async move |inner: Arc<S>| inner.forget(&key).await)
            .await
    }

    /// The identity of the store that works.
    fn identity(&self) -> Option<StoreIdentity> {
        self.inner.identity()
    }
}

impl<S: Inbox> Inbox for FaultyStore<S> {
    async fn deposit(&self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        let deposit = deposit.clone();
        self.run(Operation::Deposit, async move |inner: Arc<S>| {
            inner.deposit(&deposit).await
        })
        .await
    }

    async fn take(&self, request: &TakeRequest) -> Result<Vec<Taken>, StoreError> {
        let request = request.clone();
        self.run(Operation::Take, async move |inner: Arc<S>| inner.take(&request).await)
            .await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        let settlements = settlements.to_vec();
        self.run(Operation::Settle, async move |inner: Arc<S>| {
            inner.settle(&settlements).await
        })
        .await
    }

    async fn backlog(&self, namespace: &str, up_to: u64) -> Result<Backlog, StoreError> {
        let namespace = namespace.to_owned();
        self.run(Operation::Backlog, async move |inner: Arc<S>| {
            inner.backlog(&namespace, up_to).await
        })
        .await
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        self.inner.changed()
    }
}

/// No faults are injected into an operator's calls.
impl<S: StoreAdmin> StoreAdmin for FaultyStore<S> {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        self.inner.count(namespace).await
    }

    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.expired_claims(namespace, limit).await
    }

    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        self.inner.purge(limit).await
    }
}
