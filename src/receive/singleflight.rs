//! The deliveries this process has between claim and settlement: who leads, who waits, and what a drain waits for.
//!
//! The first delivery of an event leads a flight: its task claims, handles and settles. Further deliveries of the same event
//! wait for that flight's answer. A flight is over when the store is settled; only then can the next delivery claim.

use std::{
    collections::{HashMap, hash_map},
    future::poll_fn,
    hash::{Hash, Hasher},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    task::Poll,
};

use http::Response;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{Outcome, ResponseBody, timeout::timeout_at};
use crate::{
    error::{Refusal, RefusalKind},
    event::Fingerprint,
    store::{ClaimRequest, Key},
};

/// What tells flights apart. The fingerprint is part of it: another event under the same id must
/// get the store's answer, not a stranger's.
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
pub(crate) struct Singleflight {
    open: Mutex<Open>,
    /// Told whenever a flight ends.
    ended: Notify,
    cancelled: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Open {
    flights: HashMap<Event, Arc<Flight>>,
    draining: bool,
}

/// The call still waits for the end.
const WAITS: u16 = 0;
/// The call is over: its provider has hung up, or has its response.
const GONE: u16 = u16::MAX;

/// One event between claim and settlement.
#[derive(Debug)]
pub(crate) struct Flight {
    key: Key,
    topic: String,
    /// What the call that leads has heard: [`WAITS`], [`GONE`], or the status it was given before
    /// the end.
    call: AtomicU16,
    state: Mutex<FlightState>,
    changed: Notify,
    waiting: AtomicUsize,
}

#[derive(Debug)]
struct FlightState {
    progress: Progress,
    /// What an HTTP service answered: for the delivery that leads, alone.
    response: Option<Response<ResponseBody>>,
}

#[derive(Clone, Debug)]
enum Progress {
    Running,
    /// The handler has finished; the store is being told.
    Finished(Outcome),
    /// The answer may go out.
    Answered(Outcome),
}

/// What a delivery is to its event's flight.
pub(crate) enum Entry {
    Leader(Leader),
    Wait(Follower),
    Full,
    Draining,
}

impl Singleflight {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::default(),
            ended: Notify::new(),
            cancelled: watch::Sender::new(false),
        })
    }

    pub(crate) fn enter(self: &Arc<Self>, claim_request: &ClaimRequest, topic: &str, max_waiting: usize) -> Entry {
        let event = Event {
            key: claim_request.key.clone(),
            fingerprint: claim_request.fingerprint,
        };
        let mut open = lock(&self.open);
        if open.draining {
            return Entry::Draining;
        }
        match open.flights.entry(event.clone()) {
            hash_map::Entry::Occupied(occupied) => match Follower::new(Arc::clone(occupied.get()), max_waiting) {
                Some(waiter) => Entry::Wait(waiter),
                None => Entry::Full,
            },
            hash_map::Entry::Vacant(vacant) => {
                let flight = vacant.insert(Arc::new(Flight {
                    key: claim_request.key.clone(),
                    call: AtomicU16::new(WAITS),
                    topic: topic.to_owned(),
                    state: Mutex::new(FlightState {
                        progress: Progress::Running,
                        response: None,
                    }),
                    changed: Notify::new(),
                    waiting: AtomicUsize::new(0),
                }));
                Entry::Leader(Leader {
                    flights: Arc::clone(self),
                    flight: Arc::clone(flight),
                    event,
                    over: false,
                })
            }
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        lock(&self.open).draining
    }

    /// From now on nothing enters.
    pub(crate) fn close(&self) {
        lock(&self.open).draining = true;
    }

    /// Waits until no flight is open.
    pub(crate) async fn empty(&self) {
        loop {
            let ended = self.ended.notified();
            if lock(&self.open).flights.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Tells every flight to stop, and says which there are: key, topic, and how the handler ended if it has.
    pub(crate) fn cancel(&self) -> Vec<(Key, String, Option<Outcome>)> {
        let remaining = lock(&self.open)
            .flights
            .iter()
            .map(|(event, flight)| {
                let end = match &lock(&flight.state).progress {
                    Progress::Running => None,
                    Progress::Finished(outcome) | Progress::Answered(outcome) => Some(outcome.clone()),
                };
                (event.key.clone(), flight.topic.clone(), end)
            })
            .collect();
        self.cancelled.send_replace(true);
        remaining
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Completes once a drain has run out of time.
    pub(crate) async fn cancelled(&self) {
        // The provider is `self`: it cannot be gone.
        let _ = self.cancelled.subscribe().wait_for(|cancelled| *cancelled).await;
    }
}

impl Flight {
    /// Waits for the answer until the deadline. At the deadline a handler that has finished counts, though it is not settled.
    async fn answer(&self, deadline: Instant) -> Option<Outcome> {
        let mut passed_over = false;
        let soon = poll_fn(|cx| {
            if let Progress::Answered(outcome) = &lock(&self.state).progress {
                return Poll::Ready(Some(outcome.clone()));
            }
            // Most flights end while their call is passed over once. That spares it the deadline's timer, which costs more than the
            // claim: to set one wakes the runtime's driver by a system call.
            if mem::replace(&mut passed_over, true) {
                return Poll::Ready(None);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        if let Some(outcome) = soon.await {
            return Some(outcome);
        }
        let answered = pin!(async {
            loop {
                let changed = self.changed.notified();
                if let Progress::Answered(outcome) = &lock(&self.state).progress {
                    return outcome.clone();
                }
                changed.await;
            }
        });
        match timeout_at(deadline, answered).await {
            Some(outcome) => Some(outcome),
            None => match &lock(&self.state).progress {
                Progress::Running => None,
                Progress::Finished(outcome) | Progress::Answered(outcome) => Some(outcome.clone()),
            },
        }
    }

    fn proceed(&self, progress: Progress) {
        lock(&self.state).progress = progress;
        self.changed.notify_waiters();
    }
}

/// Leads a flight. Dropping it, by a panic of a store, say, ends the flight: nobody waits for ever.
pub(crate) struct Leader {
    flights: Arc<Singleflight>,
    flight: Arc<Flight>,
    event: Event,
    over: bool,
}

impl Leader {
    /// The call that waits for this flight.
    pub(crate) fn call(&self) -> LeadCall {
        LeadCall(Arc::clone(&self.flight))
    }

    pub(crate) fn key(&self) -> &Key {
        &self.flight.key
    }

    pub(crate) fn topic(&self) -> &str {
        &self.flight.topic
    }

    /// The status that the call gets if the flight ends with this one: another if it was answered
    /// before, none if it is gone.
    pub(crate) fn status(&self, status: u16) -> Option<u16> {
        match self.flight.call.load(Ordering::Acquire) {
            WAITS => Some(status),
            GONE => None,
            earlier => Some(earlier),
        }
    }

    /// The handler has finished; the store does not know yet.
    pub(crate) fn finished(&self, outcome: Outcome, response: Option<Response<ResponseBody>>) {
        let mut state = lock(&self.flight.state);
        state.response = response;
        state.progress = Progress::Finished(outcome);
    }

    /// Answers, though the flight goes on in the background.
    pub(crate) fn answer(&self, outcome: Outcome) {
        self.flight.proceed(Progress::Answered(outcome));
    }

    /// The store is settled: the next delivery may claim. The flight ends before the answer goes out, so that a retry which
    /// follows on the answer's heels does not meet this flight again.
    pub(crate) fn end(mut self, outcome: Outcome) {
        self.leave();
        self.answer(outcome);
    }

    fn leave(&mut self) {
        if !mem::replace(&mut self.over, true) {
            lock(&self.flights.open).flights.remove(&self.event);
            self.flights.ended.notify_waiters();
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.leave();
        let outcome = match &lock(&self.flight.state).progress {
            Progress::Answered(_) => return,
            Progress::Finished(outcome) => outcome.clone(),
            Progress::Running => Refusal::new(RefusalKind::Store, "the delivery's task ended before its time").into(),
        };
        self.answer(outcome);
    }
}

/// The call whose delivery leads.
pub(crate) struct LeadCall(Arc<Flight>);

impl LeadCall {
    /// The answer, with what an HTTP service said; `None` if the deadline came first.
    pub(crate) async fn answer(&self, deadline: Instant) -> Option<(Outcome, Option<Response<ResponseBody>>)> {
        let outcome = self.0.answer(deadline).await?;
        let response = lock(&self.0.state).response.take();
        Some((outcome, response))
    }

    /// The call is answered before the flight ends, with this status.
    pub(crate) fn answered(&self, status: u16) {
        self.0.call.store(status, Ordering::Release);
    }

    pub(crate) fn key(&self) -> &Key {
        &self.0.key
    }

    pub(crate) fn topic(&self) -> &str {
        &self.0.topic
    }
}

impl Drop for LeadCall {
    fn drop(&mut self) {
        let call = &self.0.call;
        let _ = call.compare_exchange(WAITS, GONE, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// A delivery that waits for another of the same event.
pub(crate) struct Follower(Arc<Flight>);

impl Follower {
    fn new(flight: Arc<Flight>, most: usize) -> Option<Self> {
        let entered = flight.waiting.fetch_add(1, Ordering::AcqRel) < most;
        let waiter = Self(flight); // gives the place back when dropped, now or later
        entered.then_some(waiter)
    }

    pub(crate) async fn answer(&self, deadline: Instant) -> Option<Outcome> {
        self.0.answer(deadline).await
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Nothing here can panic while it holds a lock, and a flight must end in any case.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{event::EventId, store::Token};

    fn claim_request() -> ClaimRequest {
        ClaimRequest {
            key: Key::new("provider", EventId::new("1").unwrap()),
            token: Token::random(),
            fingerprint: Fingerprint::of(["1"]),
            lease: Duration::from_secs(60),
            retention: Duration::from_secs(3600),
            retry_window: Duration::from_secs(600),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_gone_leaves_nobody_waiting_and_nothing_open() {
        let flights = Singleflight::new();
        let Entry::Leader(lead) = flights.enter(&claim_request(), "topic", 1) else {
            panic!("the first leads")
        };
        let Entry::Wait(waiter) = flights.enter(&claim_request(), "topic", 1) else {
            panic!("the second waits")
        };
        drop(lead);
        let deadline = Instant::now() + Duration::from_secs(8);
        let answer = waiter.answer(deadline).await;
        assert!(matches!(answer, Some(Outcome::Refused(rejection)) if rejection.kind() == RefusalKind::Store));
        assert!(Instant::now() < deadline);
        flights.empty().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_is_gone_after_its_handler_finished_answers_what_the_handler_did() {
        let flights = Singleflight::new();
        let Entry::Leader(lead) = flights.enter(&claim_request(), "topic", 1) else {
            panic!("the first leads")
        };
        let call = lead.call();
        lead.finished(Outcome::Handled, None);
        drop(lead);
        let answer = call.answer(Instant::now() + Duration::from_secs(8)).await;
        assert!(matches!(answer, Some((Outcome::Handled, None))));
    }
}
