use std::{
    collections::{HashMap, VecDeque},
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::{Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError, Ticket};

/// A store that fails on command, around one that works, and counts what it is asked. Clones share all of it.
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
/// assert_eq!(error.to_string(), "the store is unavailable: told to fail before it applied the operation");
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

/// An operation of [`IdempotencyStore`].
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
}

/// How a [`FaultyStore`] goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// An error, and the operation was not applied: the connection was refused.
    BeforeApplying,
    /// An error, though the operation was applied: the answer was lost.
    AfterApplying,
    /// No answer ever, and the operation is not applied.
    HangBeforeApplying,
    /// No answer ever, though the operation is applied.
    HangAfterApplying,
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

    /// Lets the operation go wrong this many times, after the faults it was given before. `usize::MAX` is for good.
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

    /// The call itself is made only where it is to take effect: a store may act before its future is polled.
    async fn run<A, F>(&self, operation: Operation, apply: impl FnOnce() -> F) -> Result<A, StoreError>
    where
        F: Future<Output = Result<A, StoreError>>,
    {
        match self.next(operation) {
            None => apply().await,
            Some(Fault::BeforeApplying) => Err(StoreError::unavailable("told to fail before it applied the operation")),
            Some(Fault::HangBeforeApplying) => future::pending().await,
            Some(Fault::AfterApplying) => {
                apply().await?;
                Err(StoreError::unavailable("told to fail after it applied the operation"))
            }
            Some(Fault::HangAfterApplying) => {
                apply().await?;
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
    async fn claim(&self, ticket: &Ticket) -> Result<Claimed, StoreError> {
        self.run(Operation::Claim, || self.inner.claim(ticket)).await
    }

    async fn renew(&self, ticket: &Ticket) -> Result<Effect, StoreError> {
        self.run(Operation::Renew, || self.inner.renew(ticket)).await
    }

    async fn complete(&self, ticket: &Ticket, completion: Completion) -> Result<Effect, StoreError> {
        self.run(Operation::Complete, || self.inner.complete(ticket, completion))
            .await
    }

    async fn release(&self, ticket: &Ticket) -> Result<Effect, StoreError> {
        self.run(Operation::Release, || self.inner.release(ticket)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.run(Operation::Get, || self.inner.get(key)).await
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.run(Operation::Forget, || self.inner.forget(key)).await
    }
}
