//! Sending what the providers have to send: when it is due, so many at once for each endpoint.

mod client;
mod log;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

pub(crate) use client::{Client, Response};
pub use log::{Attempt, Failure};
pub(crate) use log::{Log, Observer};

use crate::{
    Provider,
    chaos::{Chaos, Plan},
    clock::{Clock, time_after},
    odd::Odd,
};

/// A provider's side of a delivery: what to send, and what follows from the response.
pub(crate) trait Courier: Send + Sync {
    fn provider(&self) -> Provider;

    /// How many requests one endpoint gets at once.
    fn at_once(&self) -> usize;

    /// Whether the provider keeps the body of a response.
    fn keeps_bodies(&self) -> bool;

    /// What to send now; `None` if nothing is to be sent any more.
    fn request(&self, job: &Job) -> Option<Outgoing>;

    /// Records how an attempt went, and says when the next one is due.
    fn settle(&self, job: &Job, exchange: &Exchange) -> Option<SystemTime>;

    /// Records that nothing was sent and nothing will be: chaos lost it, or the endpoint is gone.
    fn lost(&self, job: &Job);
}

/// One attempt that is to be made.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) courier: Arc<dyn Courier>,
    /// The id of the provider's delivery.
    pub(crate) delivery: String,
    /// The id of the endpoint.
    pub(crate) endpoint: String,
    /// Of the endpoint, when this was planned: a pause begins a new one.
    pub(crate) generation: u64,
    pub(crate) turn: Turn,
    plan: Plan,
}

/// Why an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// By the provider's schedule; the first is 0.
    Scheduled(usize),
    /// Somebody asked for it, or chaos repeats it. No further one follows.
    Extra,
}

impl Job {
    pub(crate) fn new(courier: Arc<dyn Courier>, delivery: &str, endpoint: &str, generation: u64, turn: Turn) -> Self {
        Self {
            courier,
            delivery: delivery.to_owned(),
            endpoint: endpoint.to_owned(),
            generation,
            turn,
            plan: Plan::default(),
        }
    }

    fn again(&self, turn: Turn) -> Self {
        Self {
            turn,
            plan: Plan::default(),
            ..self.clone()
        }
    }

    fn lane(&self) -> (Provider, String) {
        (self.courier.provider(), self.endpoint.clone())
    }
}

/// A request to a receiver.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) url: String,
    /// As the provider spells them.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
    pub(crate) event: String,
    pub(crate) topic: String,
}

/// A request and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) sent: Outgoing,
    pub(crate) sent_at: SystemTime,
    /// In the world's time.
    pub(crate) took: Duration,
    pub(crate) outcome: Result<Response, Failure>,
}

impl Exchange {
    pub(crate) fn status(&self) -> Option<u16> {
        self.outcome.as_ref().ok().map(|response| response.status)
    }

    pub(crate) fn is_success(&self) -> bool {
        self.status().is_some_and(|status| (200..300).contains(&status))
    }
}

/// Sends what is due. All providers share one.
pub(crate) struct Dispatcher {
    clock: Clock,
    client: Client,
    chaos: Option<Chaos>,
    log: Log,
    state: Mutex<State>,
    wake: Notify,
    /// Changes with whatever [`idle`](Self::idle) depends on.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// By due time, then in the order of their planning.
    planned: BTreeMap<(SystemTime, u64), Job>,
    lanes: HashMap<(Provider, String), Lane>,
    sending: usize,
    count: u64,
    /// Of deliveries and events, for chaos.
    begun: u64,
    events: u64,
}

/// What one endpoint is to get now.
#[derive(Default)]
struct Lane {
    due: Vec<Job>,
    sending: usize,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Dispatcher {
    pub(crate) fn new(clock: Clock, client: Client, chaos: Option<Chaos>, log: Log) -> Self {
        Self {
            clock,
            client,
            chaos,
            log,
            state: Mutex::default(),
            wake: Notify::new(),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Which of a provider's odd forms the next event has.
    pub(crate) fn odd(&self, forms: &[Odd]) -> Option<Odd> {
        let chaos = self.chaos.as_ref()?;
        let nth = {
            let mut state = self.state.lock();
            state.events += 1;
            state.events
        };
        forms.get(chaos.odd(nth, forms.len())?).copied()
    }

    pub(crate) fn chaos(&self) -> Option<&Chaos> {
        self.chaos.as_ref()
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Begins a delivery, unless chaos has other plans.
    pub(crate) fn begin(&self, mut job: Job) {
        if let Some(chaos) = &self.chaos {
            let nth = {
                let mut state = self.state.lock();
                state.begun += 1;
                state.begun
            };
            job.plan = chaos.plan(nth);
        }
        if job.plan.drop {
            job.courier.lost(&job);
            return;
        }
        let due = time_after(self.clock.now(), job.plan.wait);
        if let Some(after) = job.plan.duplicate {
            self.plan(job.again(Turn::Extra), time_after(due, after));
        }
        self.plan(job, due);
    }

    /// Plans an attempt.
    pub(crate) fn plan(&self, job: Job, due: SystemTime) {
        {
            let mut state = self.state.lock();
            let place = (due, state.count);
            state.count += 1;
            state.planned.insert(place, job);
        }
        self.wake.notify_one();
    }

    /// Sends, for as long as it is polled. Attempts on their way end with it.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut attempts = JoinSet::new();
        loop {
            let next = self.send_due(&mut attempts);
            let next_is_due = async {
                match next {
                    Some(time) => self.clock.sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.wake.notified() => {}
                Some(_) = attempts.join_next() => {}
                () = next_is_due => {}
            }
        }
    }

    /// Starts what is due and has room, and tells when the next is due.
    fn send_due(self: &Arc<Self>, attempts: &mut JoinSet<()>) -> Option<SystemTime> {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let state = &mut *state;
        while let Some(first) = state.planned.first_entry().filter(|first| first.key().0 <= now) {
            let job = first.remove();
            state.lanes.entry(job.lane()).or_default().due.push(job);
        }
        for lane in state.lanes.values_mut() {
            while lane.due.last().is_some_and(|job| lane.sending < job.courier.at_once()) {
                // Providers promise no order, so none is kept among those that wait.
                let job = lane.due.swap_remove(fastrand::usize(..lane.due.len()));
                lane.sending += 1;
                state.sending += 1;
                attempts.spawn(Arc::clone(self).attempt(job));
            }
        }
        state.lanes.retain(|_, lane| lane.sending > 0 || !lane.due.is_empty());
        state.planned.first_key_value().map(|((due, _), _)| *due)
    }

    async fn attempt(self: Arc<Self>, job: Job) {
        match job.courier.request(&job) {
            Some(request) => self.exchange(&job, request).await,
            None => job.courier.lost(&job),
        }
        {
            let mut state = self.state.lock();
            state.sending -= 1;
            if let Some(lane) = state.lanes.get_mut(&job.lane()) {
                lane.sending -= 1;
            }
        }
        self.changed.send_replace(());
    }

    async fn exchange(&self, job: &Job, request: Outgoing) {
        let sent_at = self.clock.now();
        let exchange = self
            .client
            .exchange(request, sent_at, job.plan.hang_up, job.courier.keeps_bodies())
            .await;
        // Recorded first: whoever sees what follows finds the attempt in the log.
        self.log.add(job, &exchange);
        let next = job.courier.settle(job, &exchange);
        if let (Some(due), Turn::Scheduled(turn)) = (next, job.turn) {
            self.plan(
                Job {
                    plan: Plan {
                        resend: job.plan.resend,
                        ..Plan::default()
                    },
                    ..job.again(Turn::Scheduled(turn + 1))
                },
                due,
            );
        }
        if let Some(after) = job.plan.resend.filter(|_| exchange.is_success()) {
            self.plan(job.again(Turn::Extra), time_after(self.clock.now(), after));
        }
    }

    /// When the next attempt is due.
    pub(crate) fn next_due(&self) -> Option<SystemTime> {
        let state = self.state.lock();
        state.planned.first_key_value().map(|((due, _), _)| *due)
    }

    /// Returns when nothing is on its way and nothing is due.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn idle(&self) {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            if self.is_idle() || changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_idle(&self) -> bool {
        let now = self.clock.now();
        let state = self.state.lock();
        let waits = state.planned.first_key_value().is_some_and(|((due, _), _)| *due <= now);
        !waits && state.sending == 0 && state.lanes.values().all(|lane| lane.due.is_empty())
    }
}
