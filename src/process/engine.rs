//! Takes work in: one task for each event, and everybody who waits for it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::time::{Instant, sleep};

use super::{
    Handle, LATER, Outcome, Settings, Work,
    catch_panic::store_operation,
    claim::{self, NotClaimed},
    drain::DrainHandle,
    draining,
    report::Observation,
    settle,
    singleflight::{Entry, Follower, Leader, LeaderCall, Singleflight},
};
use crate::{
    error::{Refusal, RefusalKind},
    event::{Event, Fingerprint},
    metrics::{Meter, Timer},
    store::{Completion, IdempotencyStore, Key, Stage, StoreError},
    trace::DeliveryEnd,
};

/// The state that all events of one layer share, however they come.
pub(crate) struct Engine<S> {
    /// The provider's name.
    pub(crate) provider: Arc<str>,
    pub(crate) store: Arc<S>,
    pub(crate) settings: Settings,
    pub(super) singleflight: Arc<Singleflight>,
    pub(crate) meter: Meter,
}

/// The caller that handed work in, and may wait for its outcome.
pub(crate) trait Caller: Clone + Send + Sync + 'static {
    /// The status that the caller gets for this outcome, for the log. `None` where it gets none.
    fn status(&self, outcome: &Outcome) -> Option<u16>;

    /// The caller gets this outcome now, before the run has ended.
    fn leaves_with(&self, outcome: &Outcome) -> Option<u16>;
}

/// A caller that is no request.
impl Caller for () {
    fn status(&self, _: &Outcome) -> Option<u16> {
        None
    }

    fn leaves_with(&self, _: &Outcome) -> Option<u16> {
        None
    }
}

/// Work that was taken in, or refused.
pub(crate) enum Started {
    /// It runs.
    Leading(LeaderCall),
    /// It waits for the run of a copy.
    Waiting(Box<Waiting>),
    Refused(Refusal, Box<(Key, String)>),
}

pub(crate) struct Waiting {
    follower: Follower,
    key: Key,
    topic: String,
}

impl<S: IdempotencyStore> Engine<S> {
    pub(crate) fn new(provider: &str, store: Arc<S>, settings: Settings) -> Self {
        Self {
            provider: provider.into(),
            store,
            meter: Meter::new(provider, settings.counts_by_tenant),
            settings,
            singleflight: Singleflight::new(),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.singleflight.is_draining()
    }

    /// Completes when a drain begins.
    pub(crate) async fn closed(&self) {
        self.singleflight.closed().await;
    }

    /// Completes when a drain has run out of time.
    pub(crate) async fn cancelled(&self) {
        self.singleflight.cancelled().await;
    }

    pub(crate) fn drain_handle(&self) -> DrainHandle {
        DrainHandle::new(Arc::clone(&self.singleflight), self.settings.store_timeout)
    }

    /// Enters an event: the first copy leads, the others wait for it.
    pub(crate) fn enter(&self, key: &Key, fingerprint: Fingerprint, topic: &str) -> Entry {
        let max_waiting = self.settings.max_waiting;
        self.singleflight.enter(key, fingerprint, topic, max_waiting)
    }

    /// One operation of the store: within its time, timed, and its panics caught.
    pub(crate) async fn operation<T>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        store_operation(self, name, operation).await
    }

    /// The future's output; `None` when a drain has run out of time. It leaves one store operation
    /// more: the store may just have come back.
    pub(crate) async fn until_given_up<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let given_up = async {
            self.cancelled().await;
            sleep(self.settings.store_timeout).await;
        };
        let (mut future, mut given_up) = (pin!(future), pin!(given_up));
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => given_up.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Takes work in, and runs it in a task of its own unless a copy of the event runs already.
    pub(crate) fn start<E, H, C>(
        self: &Arc<Self>,
        work: Work<E>,
        handler: H,
        caller: &C,
        observation: &Observation,
    ) -> Started
    where
        E: Event,
        H: Handle<E>,
        C: Caller,
    {
        self.begin(work, observation, |work, leader| {
            Arc::clone(self).run_to_end(work, handler, caller.clone(), observation.clone(), leader)
        })
    }

    /// Takes work in, and gives it to a task of its own unless a copy of the event has one already.
    /// The task ends the leader's run.
    pub(crate) fn begin<E: Event, F>(
        &self,
        work: Work<E>,
        observation: &Observation,
        task: impl FnOnce(Work<E>, Leader) -> F,
    ) -> Started
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let refusal = match self.enter(&work.key, work.fingerprint, work.event.topic()) {
            Entry::Leader(leader) => {
                let call = leader.call();
                // Boxed: a future is moved about ten times on its way into a task, and this one has
                // three kilobytes.
                let task = Box::pin(task(work, leader));
                tokio::spawn(observation.span.follow(task));
                return Started::Leading(call);
            }
            Entry::Follower(follower) => {
                return Started::Waiting(Box::new(Waiting {
                    follower,
                    topic: work.event.topic().to_owned(),
                    key: work.key,
                }));
            }
            Entry::Full => {
                Refusal::new(RefusalKind::TooManyWaiting, "too many deliveries wait for this event").retry_after(LATER)
            }
            Entry::Draining => draining(),
        };
        let topic = work.event.topic().to_owned();
        Started::Refused(refusal, Box::new((work.key, topic)))
    }

    /// Waits for the outcome, at the longest until the deadline. The task itself logs how its run
    /// ended; here is logged what it does not know.
    pub(crate) async fn outcome<C: Caller>(
        &self,
        started: Started,
        caller: &C,
        observation: &Observation,
        deadline: Option<Instant>,
    ) -> Outcome {
        let (key, topic, outcome) = match started {
            Started::Leading(call) => {
                return match call.outcome(deadline).await {
                    Some(outcome) => outcome,
                    None => self.late(&call, caller, observation),
                };
            }
            Started::Waiting(waiting) => {
                let Waiting { follower, key, topic } = *waiting;
                let outcome = follower.outcome(deadline).await;
                // One `handled` or `stored` for each event: counting those lines counts events.
                let copy = match outcome {
                    Some(Outcome::Handled) => Some(Outcome::Duplicate(Completion::Handled)),
                    Some(Outcome::Stored) => Some(Outcome::StoredBefore(Stage::Waiting)),
                    _ => None,
                };
                if let Some(outcome) = copy {
                    let end = DeliveryEnd {
                        status: caller.status(&outcome),
                        ..self.end_of(observation, &key, &topic)
                    };
                    self.report_waited(observation, &outcome, end);
                    return outcome;
                }
                (key, topic, outcome.unwrap_or_else(|| late().into()))
            }
            Started::Refused(refusal, event) => {
                let (key, topic) = *event;
                (key, topic, refusal.into())
            }
        };
        let end = DeliveryEnd {
            status: caller.status(&outcome),
            ..self.end_of(observation, &key, &topic)
        };
        self.report(observation, &outcome, end);
        outcome
    }

    /// The deadline has come, and the run goes on without its caller.
    fn late<C: Caller>(&self, call: &LeaderCall, caller: &C, observation: &Observation) -> Outcome {
        let outcome = Outcome::from(late());
        let status = caller.leaves_with(&outcome);
        self.meter.late_response();
        self.report_late(observation, &outcome, status, call.key(), call.topic());
        outcome
    }

    /// The spawned task: claim, run, settle.
    fn run_to_end<E, H, C>(
        self: Arc<Self>,
        work: Work<E>,
        handler: H,
        caller: C,
        observation: Observation,
        leader: Leader,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        E: Event,
        H: Handle<E>,
        C: Caller,
    {
        let lease = work.lease(&self.settings);
        async move {
            let response = claim::ask(&self, &lease).await;
            match work.claimed_if(lease, response, &self.settings) {
                Ok(claimed) => {
                    let attempt = claimed.delivery.claim().attempt();
                    observation.span.attempt(attempt);
                    let timer = Timer::start();
                    let handled = {
                        let _running = self.meter.running();
                        let handled = claimed.run(&self, handler).await;
                        if handled.lease.is_completion_handed_over() {
                            Box::pin(handled.confirmed(&self)).await // boxed: rare
                        } else {
                            handled
                        }
                    };
                    self.meter.handler(&observation.topic, handled.outcome.as_str(), timer);
                    let end = DeliveryEnd {
                        attempt: Some(attempt),
                        status: caller.status(&handled.outcome),
                        ..self.end_of(&observation, leader.key(), leader.topic())
                    };
                    self.report(&observation, &handled.outcome, end);
                    handled.settle(&self, &leader).await;
                    leader.end(handled.outcome);
                }
                Err(NotClaimed { outcome, unsure }) => {
                    let end = DeliveryEnd {
                        status: caller.status(&outcome),
                        ..self.end_of(&observation, leader.key(), leader.topic())
                    };
                    self.report(&observation, &outcome, end);
                    match unsure {
                        Some(lease) => Box::pin(settle::release_unsure(&self, lease.request(), leader, outcome)).await,
                        None => leader.end(outcome),
                    }
                }
            }
        }
    }
}

fn late() -> Refusal {
    let reason = "the response was due before the handler had finished";
    Refusal::new(RefusalKind::StillRunning, reason).retry_after(LATER)
}
