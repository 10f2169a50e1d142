use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Attempt, Inbox, StoredDelivery};
use crate::{
    event::{EventId, Tenant},
    store::{Effect, Key, Replayed, Stage, StoreAdmin, StoreError},
};

/// An operator's calls to an inbox.
///
/// # Cancel safety
/// An operation whose future is dropped is applied or not; `replay_all` may have been applied to a
/// part.
pub trait InboxAdmin: Inbox + StoreAdmin {
    /// The stored deliveries that a filter lets through, the oldest first, a page at a time.
    ///
    /// # Errors
    /// The store did not respond.
    fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// One stored delivery: body, headers, and why each failed attempt ended. `None` if nothing of
    /// it is stored.
    ///
    /// # Errors
    /// The store did not respond.
    fn letter(&self, key: &Key) -> impl Future<Output = Result<Option<Letter>, StoreError>> + Send;

    /// Makes a delivery due now, with its attempts counted from 0: one that is dead, finished or
    /// waits for its next attempt.
    ///
    /// # Errors
    /// The store did not respond.
    fn replay(&self, key: &Key) -> impl Future<Output = Result<Replayed, StoreError>> + Send;

    /// Makes all deliveries that a filter lets through due again, their due times spread evenly
    /// over a time so that a thousand do not come at once, and returns how many. Those that run at
    /// this moment are left out.
    ///
    /// A filter without a stage includes what is DONE: its handlers run, and their effects happen,
    /// a second time. Name [`Stage::Dead`] to replay what was given up.
    ///
    /// # Errors
    /// The store did not respond.
    fn replay_all(&self, filter: &Filter, over: Duration) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Gives a delivery up, even while a claim holds it: `Applied` if it was unfinished. The reason
    /// is the last line of its history. A run under way may still finish it.
    ///
    /// # Errors
    /// The store did not respond.
    fn bury(&self, key: &Key, reason: &str) -> impl Future<Output = Result<Effect, StoreError>> + Send;
}

impl<S: InboxAdmin> InboxAdmin for Arc<S> {
    fn list(
        &self,
        filter: &Filter,
        after: Option<&Cursor>,
        limit: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send {
        S::list(self, filter, after, limit)
    }

    fn letter(&self, key: &Key) -> impl Future<Output = Result<Option<Letter>, StoreError>> + Send {
        S::letter(self, key)
    }

    fn replay(&self, key: &Key) -> impl Future<Output = Result<Replayed, StoreError>> + Send {
        S::replay(self, key)
    }

    fn replay_all(&self, filter: &Filter, over: Duration) -> impl Future<Output = Result<u64, StoreError>> + Send {
        S::replay_all(self, filter, over)
    }

    fn bury(&self, key: &Key, reason: &str) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        S::bury(self, key, reason)
    }
}

/// How much waits in an inbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Due, and nobody has taken it.
    pub due: u64,
    /// Waits for its next attempt.
    pub scheduled: u64,
    /// Held by a worker, or by one that died.
    pub running: u64,
    /// Given up.
    pub dead: u64,
    /// For how long the oldest has been due, or the lease of a process that died has been over.
    pub oldest_due: Option<Duration>,
}

impl Backlog {
    /// A backlog with these numbers of deliveries.
    #[must_use]
    pub const fn new(due: u64, scheduled: u64, running: u64, dead: u64) -> Self {
        Self {
            due,
            scheduled,
            running,
            dead,
            oldest_due: None,
        }
    }

    /// Sets for how long the oldest has been due.
    #[must_use]
    pub const fn with_oldest_due(mut self, age: Option<Duration>) -> Self {
        self.oldest_due = age;
        self
    }

    /// All that is not finished and not dead.
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        self.due.saturating_add(self.scheduled).saturating_add(self.running)
    }
}

/// Which stored deliveries an operator means.
///
/// ```
/// use tower_webhook::{event::Tenant, inbox::Filter, store::Stage};
///
/// let failed = Filter::new("dwolla").stage(Stage::Dead).topic("transfer_completed");
/// assert_eq!(failed.namespace, "dwolla");
///
/// let of_acme = Filter::new("stripe").tenant(Tenant::new("acme")?);
/// assert_eq!(of_acme.tenant_prefix().as_deref(), Some("acme/"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// The namespace.
    pub namespace: String,
    /// The stage; any, if `None`.
    pub stage: Option<Stage>,
    /// The tenant; any, if `None`. A store finds its events by
    /// [`tenant_prefix`](Self::tenant_prefix).
    pub tenant: Option<Tenant>,
    /// The topic; any, if `None`.
    pub topic: Option<String>,
    /// Stored at this time or later.
    pub since: Option<SystemTime>,
    /// Stored before this time.
    pub before: Option<SystemTime>,
}

impl Filter {
    /// All of a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            stage: None,
            tenant: None,
            topic: None,
            since: None,
            before: None,
        }
    }

    /// Only deliveries in this stage.
    #[must_use]
    pub fn stage(mut self, stage: Stage) -> Self {
        self.stage = Some(stage);
        self
    }

    /// Only this tenant's deliveries, where a layer with tenants has stored them.
    #[must_use]
    pub fn tenant(mut self, tenant: Tenant) -> Self {
        self.tenant = Some(tenant);
        self
    }

    /// The prefix that the ids of this tenant's events have, and no others; `None` if the filter
    /// is for any tenant.
    #[must_use]
    pub fn tenant_prefix(&self) -> Option<String> {
        self.tenant.as_ref().map(|tenant| format!("{tenant}/"))
    }

    /// Only deliveries of this topic.
    #[must_use]
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = Some(topic.into());
        self
    }

    /// Stored at this time or later.
    #[must_use]
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Stored before this time.
    #[must_use]
    pub fn before(mut self, time: SystemTime) -> Self {
        self.before = Some(time);
        self
    }
}

/// The position where a page ends; pass it to get the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cursor {
    /// When the last entry was stored.
    pub received_at: SystemTime,
    /// Its id.
    pub id: EventId,
}

impl Cursor {
    /// A cursor behind this entry.
    #[must_use]
    pub fn new(received_at: SystemTime, id: EventId) -> Self {
        Self { received_at, id }
    }
}

/// A page of stored deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The deliveries, the oldest first.
    pub entries: Vec<Entry>,
    /// The position of the next page; `None` if this was the last.
    pub next: Option<Cursor>,
}

impl Page {
    /// A page of these entries, which is the last if there are fewer than the limit.
    #[must_use]
    pub fn new(entries: Vec<Entry>, limit: usize) -> Self {
        let next = entries
            .last()
            .filter(|_| entries.len() >= limit)
            .map(|last| Cursor::new(last.received_at, last.key.id().clone()));
        Self { entries, next }
    }
}

/// A stored delivery in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Which event.
    pub key: Key,
    /// Its topic.
    pub topic: String,
    /// Where it is.
    pub stage: Stage,
    /// How many attempts there were since it was stored or replayed, the one that finished it
    /// included.
    pub attempts: u32,
    /// How many of the last were never settled.
    pub crashes: u32,
    /// When it was stored.
    pub received_at: SystemTime,
    /// When its next attempt is due, or the lease of its run ends.
    pub due_at: Option<SystemTime>,
}

impl Entry {
    /// An entry as a store reads it.
    #[must_use]
    pub fn new(key: Key, topic: impl Into<String>, stage: Stage, received_at: SystemTime) -> Self {
        Self {
            key,
            topic: topic.into(),
            stage,
            attempts: 0,
            crashes: 0,
            received_at,
            due_at: None,
        }
    }

    /// Sets how often it was tried, and how many of the last were never settled.
    #[must_use]
    pub fn with_attempts(mut self, attempts: u32, crashes: u32) -> Self {
        self.attempts = attempts;
        self.crashes = crashes;
        self
    }

    /// Sets when its next attempt is due.
    #[must_use]
    pub fn with_due_at(mut self, due_at: Option<SystemTime>) -> Self {
        self.due_at = due_at;
        self
    }
}

/// All that is stored of a delivery.
///
/// Its `Debug` output shows no body and no header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Letter {
    /// As in a list.
    pub entry: Entry,
    /// Body and headers.
    pub delivery: StoredDelivery,
    /// The attempts that failed, the first one first.
    pub history: Vec<PastAttempt>,
}

impl Letter {
    /// A letter as a store reads it.
    #[must_use]
    pub fn new(entry: Entry, delivery: StoredDelivery, history: Vec<PastAttempt>) -> Self {
        Self {
            entry,
            delivery,
            history,
        }
    }
}

/// An attempt that failed, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PastAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// When it ended, by the store's clock.
    pub ended_at: SystemTime,
}

impl PastAttempt {
    /// An attempt that ended then.
    #[must_use]
    pub fn new(attempt: Attempt, ended_at: SystemTime) -> Self {
        Self { attempt, ended_at }
    }
}
