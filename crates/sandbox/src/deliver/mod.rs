//! Sends the providers' deliveries when they are due, a bounded number at once for each endpoint.

mod client;
mod job;
mod log;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::SystemTime,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
};

pub(crate) use client::{Client, Response};
use job::Planned;
pub(crate) use job::{Exchange, Job, Outgoing, Turn};
pub use log::{Attempt, Failure};
pub(crate) use log::{Log, Observer};

use crate::{
    Error, Provider,
    chaos::{Chaos, Plan},
    clock::{Clock, time_after},
    keep::{Keeper, Kept},
    odd::Odd,
};

/// A provider's side of a delivery: what to send, and what follows from the response.
pub(crate) trait Courier: Send + Sync {
    fn provider(&self) -> Provider;

    /// How many requests one endpoint gets at once.
    fn at_once(&self) -> usize;

    /// Whether the provider keeps the body of a response.
    fn keeps_bodies(&self) -> bool;

    /// The request to send now; `None` if nothing is to be sent any more.
    fn request(&self, job: &Job) -> Option<Outgoing>;

    /// Records how an attempt went, and says when the next one is due.
    fn settle(&self, job: &Job, exchange: &Exchange) -> Option<SystemTime>;

    /// Records that nothing was sent and nothing will be: chaos lost it, or the endpoint is gone.
    fn lost(&self, job: &Job);
}

/// The names of attempts and numbers in a state file.
const JOB: &str = "job";
const BEGUN: &str = "begun";

/// Sends what is due. All providers share one.
pub(crate) struct Dispatcher {
    clock: Clock,
    client: Client,
    chaos: Option<Chaos>,
    log: Log,
    keeper: Keeper,
    /// They hold this dispatcher.
    couriers: OnceLock<Vec<Weak<dyn Courier>>>,
    state: Mutex<State>,
    wake: Notify,
    /// Changes with whatever [`idle`](Self::idle) depends on.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// By due time, then in the order of their planning, which is their number.
    planned: BTreeMap<(SystemTime, u64), Job>,
    lanes: HashMap<(Provider, String), Lane>,
    sending: usize,
    count: u64,
    begun: Begun,
}

/// How many there were, for chaos.
#[derive(Clone, Copy, Default, Deserialize, Serialize)]
struct Begun {
    deliveries: u64,
    events: u64,
}

/// The deliveries that are due for one endpoint.
#[derive(Default)]
struct Lane {
    due: Vec<(u64, Job)>,
    sending: usize,
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").finish_non_exhaustive()
    }
}

impl Dispatcher {
    /// Continues from the kept state of an earlier one: what has become due meanwhile is sent at
    /// once, and what was on its way once more.
    pub(crate) fn new(
        clock: Clock,
        client: Client,
        chaos: Option<Chaos>,
        log: Log,
        kept: &mut Kept,
    ) -> Result<Self, Error> {
        let jobs: Vec<(u64, Planned)> = kept.take(JOB)?;
        let begun = kept.take(BEGUN)?.pop().map(|(_, begun)| begun);
        let state = State {
            count: jobs.last().map_or(0, |(number, _)| number + 1),
            planned: jobs
                .into_iter()
                .map(|(number, Planned { due, job })| ((due, number), job))
                .collect(),
            begun: begun.unwrap_or_default(),
            ..State::default()
        };
        Ok(Self {
            clock,
            client,
            chaos,
            log,
            keeper: kept.keeper.clone(),
            couriers: OnceLock::new(),
            state: Mutex::new(state),
            wake: Notify::new(),
            changed: watch::Sender::new(()),
        })
    }

    /// Sets the couriers, which send for the providers.
    pub(crate) fn register(&self, couriers: Vec<Weak<dyn Courier>>) {
        // Called once, by the code that makes the providers.
        let _ = self.couriers.set(couriers);
    }

    /// `None`: the sandbox is gone.
    fn courier(&self, provider: Provider) -> Option<Arc<dyn Courier>> {
        let couriers = self.couriers.get()?.iter();
        couriers
            .filter_map(Weak::upgrade)
            .find(|courier| courier.provider() == provider)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Which of a provider's odd forms the next event has.
    pub(crate) fn odd(&self, forms: &[Odd]) -> Option<Odd> {
        let chaos = self.chaos.as_ref()?;
        let nth = self.begun(|begun| &mut begun.events);
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
            job.plan = chaos.plan(self.begun(|begun| &mut begun.deliveries));
        }
        if job.plan.drop {
            if let Some(courier) = self.courier(job.provider) {
                courier.lost(&job);
            }
            return;
        }
        let due = time_after(self.clock.now(), job.plan.wait);
        if let Some(after) = job.plan.duplicate {
            self.plan(job.again(Turn::Extra), time_after(due, after));
        }
        self.plan(job, due);
    }

    /// Counts one more.
    fn begun(&self, which: impl FnOnce(&mut Begun) -> &mut u64) -> u64 {
        let mut state = self.state.lock();
        let count = which(&mut state.begun);
        *count += 1;
        let nth = *count;
        self.keeper.put(BEGUN, 0, &state.begun);
        nth
    }

    /// Plans an attempt.
    pub(crate) fn plan(&self, job: Job, due: SystemTime) {
        {
            let mut state = self.state.lock();
            let number = state.count;
            state.count += 1;
            let planned = Planned { due, job };
            self.keeper.put(JOB, number, &planned);
            state.planned.insert((due, number), planned.job);
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
            let (_, number) = *first.key();
            let job = first.remove();
            state.lanes.entry(job.lane()).or_default().due.push((number, job));
        }
        for ((provider, _), lane) in &mut state.lanes {
            let Some(courier) = self.courier(*provider) else {
                continue;
            };
            while !lane.due.is_empty() && lane.sending < courier.at_once() {
                // Providers promise no order, so none is kept among those that wait.
                let (number, job) = lane.due.swap_remove(fastrand::usize(..lane.due.len()));
                lane.sending += 1;
                state.sending += 1;
                attempts.spawn(Arc::clone(self).attempt(number, job, Arc::clone(&courier)));
            }
        }
        state.lanes.retain(|_, lane| lane.sending > 0 || !lane.due.is_empty());
        state.planned.first_key_value().map(|((due, _), _)| *due)
    }

    async fn attempt(self: Arc<Self>, number: u64, job: Job, courier: Arc<dyn Courier>) {
        match courier.request(&job) {
            Some(request) => self.exchange(number, &job, &*courier, request).await,
            None => {
                let _together = self.keeper.together();
                courier.lost(&job);
                self.keeper.remove(JOB, number);
            }
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

    async fn exchange(&self, number: u64, job: &Job, courier: &dyn Courier, request: Outgoing) {
        let sent_at = self.clock.now();
        let exchange = self
            .client
            .exchange(request, sent_at, job.plan.hang_up, courier.keeps_bodies())
            .await;
        let attempt = Attempt::of(job, &exchange);
        self.log.tell(&attempt);
        // An attempt is over, and the next one is planned, in one step.
        let _together = self.keeper.together();
        self.keeper.remove(JOB, number);
        // Recorded first: a client that sees what follows finds the attempt in the log.
        self.log.add(attempt);
        let next = courier.settle(job, &exchange);
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
