//! The events that this process has between claim and settlement: who runs each, who waits for it,
//! and what a drain waits for.
//!
//! The first copy of an event leads: its task claims, handles and settles. Further copies follow:
//! they wait for the leader's outcome. A run is over when the store is settled. Only then can the
//! next copy claim.

use std::{
    collections::{HashMap, hash_map},
    future::poll_fn,
    hash::{Hash, Hasher},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Outcome, timeout::timeout_at};
use crate::{
    error::{Refusal, RefusalKind},
    event::Fingerprint,
    store::Key,
};

/// The identity of a run. The fingerprint is part of it: another event under the same id must get
/// the store's response, and not the outcome of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    key: Key,
    fingerprint: Fingerprint,
}

/// The id alone is hashed: it tells nearly all events of a layer apart.
impl Hash for Event {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.id().hash(state);
    }
}

#[derive(Debug)]
pub(super) struct Singleflight {
    open: Mutex<Open>,
    /// Told whenever a run ends.
    ended: Notify,
    /// Told when nothing enters any more.
    closed: Notify,
    cancelled: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Open {
    runs: HashMap<Event, Arc<Run>>,
    draining: bool,
}

/// One event between claim and settlement.
#[derive(Debug)]
struct Run {
    event: Event,
    topic: String,
    progress: Mutex<Progress>,
    changed: Notify,
    waiting: AtomicUsize,
}

#[derive(Clone, Debug)]
enum Progress {
    Running,
    /// The handler has finished; the store is being told.
    Finished(Outcome),
    /// Those who wait may have the outcome.
    Responded(Outcome),
}

/// The role of a copy in its event's run.
pub(crate) enum Entry {
    Leader(Leader),
    Follower(Follower),
    /// Too many follow already.
    Full,
    Draining,
}

impl Singleflight {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            ended: Notify::new(),
            closed: Notify::new(),
            cancelled: watch::Sender::new(false),
        })
    }

    pub(super) fn enter(
        self: &Arc<Self>,
        key: &Key,
        fingerprint: Fingerprint,
        topic: &str,
        max_waiting: usize,
    ) -> Entry {
        let event = Event {
            key: key.clone(),
            fingerprint,
        };
        let mut open = lock(&self.open);
        if open.draining {
            return Entry::Draining;
        }
        match open.runs.entry(event) {
            hash_map::Entry::Occupied(occupied) => match Follower::new(Arc::clone(occupied.get()), max_waiting) {
                Some(follower) => Entry::Follower(follower),
                None => Entry::Full,
            },
            hash_map::Entry::Vacant(vacant) => {
                let run = Arc::new(Run {
                    event: vacant.key().clone(),
                    topic: topic.to_owned(),
                    progress: Mutex::new(Progress::Running),
                    changed: Notify::new(),
                    waiting: AtomicUsize::new(0),
                });
                vacant.insert(Arc::clone(&run));
                Entry::Leader(Leader {
                    singleflight: Arc::clone(self),
                    run,
                    is_over: false,
                })
            }
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        lock(&self.open).draining
    }

    /// From now on nothing enters.
    pub(super) fn close(&self) {
        lock(&self.open).draining = true;
        self.closed.notify_waiters();
    }

    /// Completes once nothing enters any more.
    pub(super) async fn closed(&self) {
        loop {
            let closed = self.closed.notified();
            if self.is_draining() {
                return;
            }
            closed.await;
        }
    }

    /// Waits until nothing runs.
    pub(super) async fn empty(&self) {
        loop {
            let ended = self.ended.notified();
            if lock(&self.open).runs.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Tells every run to stop, and says which there are: key, topic, and how the handler ended if
    /// it has.
    pub(super) fn cancel(&self) -> Vec<(Key, String, Option<Outcome>)> {
        let remaining = lock(&self.open)
            .runs
            .iter()
            .map(|(event, run)| (event.key.clone(), run.topic.clone(), run.finished()))
            .collect();
        self.cancelled.send_replace(true);
        remaining
    }

    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Completes once a drain has run out of time.
    pub(super) async fn cancelled(&self) {
        // The channel's other end is `self`: it cannot be gone.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl Run {
    /// How the handler ended, if it has.
    fn finished(&self) -> Option<Outcome> {
        match &*lock(&self.progress) {
            Progress::Running => None,
            Progress::Finished(outcome) | Progress::Responded(outcome) => Some(outcome.clone()),
        }
    }

    /// The outcome, if those who wait may have it.
    fn response(&self) -> Option<Outcome> {
        match &*lock(&self.progress) {
            Progress::Responded(outcome) => Some(outcome.clone()),
            Progress::Running | Progress::Finished(_) => None,
        }
    }

    /// Waits for the outcome, at the longest until the deadline. At the deadline a handler that has
    /// finished counts, though it is not settled.
    async fn outcome(&self, deadline: Option<Instant>) -> Option<Outcome> {
        let mut passed_over = false;
        let soon = poll_fn(|cx| {
            if let Some(outcome) = self.response() {
                return Poll::Ready(Some(outcome));
            }
            // Most runs end while their caller is passed over once. That spares the caller the
            // deadline's timer, which costs more than the claim: setting one wakes the runtime's
            // driver by a system call.
            if mem::replace(&mut passed_over, true) {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        if let Some(outcome) = soon.await {
            return Some(outcome);
        }
        let responded = async {
            loop {
                let changed = self.changed.notified();
                if let Some(outcome) = self.response() {
                    return outcome;
                }
                changed.await;
            }
        };
        match deadline {
            None => Some(responded.await),
            Some(deadline) => timeout_at(deadline, pin!(responded)).await.or_else(|| self.finished()),
        }
    }

    fn proceed(&self, progress: Progress) {
        *lock(&self.progress) = progress;
        self.changed.notify_waiters();
    }
}

/// Leads a run. Dropping it ends the run, after a panic of a store for example, so nobody waits for
/// ever.
pub(crate) struct Leader {
    singleflight: Arc<Singleflight>,
    run: Arc<Run>,
    is_over: bool,
}

impl Leader {
    /// For the caller that waits for this run.
    pub(super) fn call(&self) -> LeaderCall {
        LeaderCall(Arc::clone(&self.run))
    }

    pub(crate) fn key(&self) -> &Key {
        &self.run.event.key
    }

    pub(crate) fn topic(&self) -> &str {
        &self.run.topic
    }

    /// The handler has finished; the store does not know yet.
    pub(crate) fn finished(&self, outcome: Outcome) {
        *lock(&self.run.progress) = Progress::Finished(outcome);
    }

    /// Those who wait get the outcome, though the run goes on in the background.
    pub(crate) fn respond(&self, outcome: Outcome) {
        self.run.proceed(Progress::Responded(outcome));
    }

    /// The store is settled: the next copy may claim. The run ends before its outcome goes out, so
    /// that a retry which follows at once does not meet this run again.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.leave();
        self.respond(outcome);
    }

    fn leave(&mut self) {
        if !mem::replace(&mut self.is_over, true) {
            lock(&self.singleflight.open).runs.remove(&self.run.event);
            self.singleflight.ended.notify_waiters();
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.leave();
        let outcome = match &*lock(&self.run.progress) {
            Progress::Responded(_) => return,
            Progress::Finished(outcome) => outcome.clone(),
            Progress::Running => Refusal::new(RefusalKind::Store, "the delivery's task ended before its time").into(),
        };
        self.respond(outcome);
    }
}

/// The caller whose copy leads.
pub(crate) struct LeaderCall(Arc<Run>);

impl LeaderCall {
    /// The outcome; `None` if the deadline came first.
    pub(super) async fn outcome(&self, deadline: Option<Instant>) -> Option<Outcome> {
        self.0.outcome(deadline).await
    }

    pub(super) fn key(&self) -> &Key {
        &self.0.event.key
    }

    pub(super) fn topic(&self) -> &str {
        &self.0.topic
    }
}

/// A copy that waits for the run of another.
pub(crate) struct Follower(Arc<Run>);

impl Follower {
    fn new(run: Arc<Run>, most: usize) -> Option<Self> {
        let entered = run.waiting.fetch_add(1, Ordering::AcqRel) < most;
        let follower = Self(run); // gives its place back when it is dropped, now or later
        entered.then_some(follower)
    }

    pub(super) async fn outcome(&self, deadline: Option<Instant>) -> Option<Outcome> {
        self.0.outcome(deadline).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Nothing here can panic while it holds a lock, and a run must end in any case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::EventId;

    fn enter(singleflight: &Arc<Singleflight>) -> Entry {
        let key = Key::new("provider", EventId::new("1").unwrap());
        singleflight.enter(&key, Fingerprint::of(["1"]), "topic", 1)
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_gone_leaves_nobody_waiting_and_nothing_open() {
        let singleflight = Singleflight::new();
        let Entry::Leader(leader) = enter(&singleflight) else {
            panic!("the first leads")
        };
        let Entry::Follower(follower) = enter(&singleflight) else {
            panic!("the second waits")
        };
        drop(leader);
        let deadline = Instant::now() + Duration::from_secs(8);
        let outcome = follower.outcome(Some(deadline)).await;
        assert!(matches!(outcome, Some(Outcome::Refused(refusal)) if refusal.kind() == RefusalKind::Store));
        assert!(Instant::now() < deadline);
        singleflight.empty().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_gone_after_its_handler_finished_responds_what_the_handler_did() {
        let singleflight = Singleflight::new();
        let Entry::Leader(leader) = enter(&singleflight) else {
            panic!("the first leads")
        };
        let call = leader.call();
        leader.finished(Outcome::Handled);
        drop(leader);
        let outcome = call.outcome(Some(Instant::now() + Duration::from_secs(8))).await;
        assert_eq!(outcome, Some(Outcome::Handled));
    }
}
