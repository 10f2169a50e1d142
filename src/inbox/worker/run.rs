//! One delivery that the worker holds: from the store's bytes to what the store is told.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::{Arc, PoisonError},
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, timeout},
};

use super::{RunOutcome, Shared, loops::Slot, settler::Settled};
use crate::{
    delivery::{LeaseHandle, Message},
    error::{Refusal, RefusalKind},
    event::{Event as _, Source, Tenant},
    inbox::{Action, Attempt, Inbox, Settlement, TakeRequest, Taken},
    metrics::{Timer, Topic},
    process::{Entry, LATER, Leader, Observation, Outcome, Settlement as RunSettlement, Work, catch, draining},
    provider::Provider,
    store::{Completion, StoreError},
    trace::{self, Brief},
};

/// After this many runs in a row that did not end, a delivery is buried.
const MOST_CRASHES: u32 = 3;
/// When a delivery without a handler for its topic is due again.
const UNHANDLED_AGAIN: Duration = Duration::from_secs(60);
/// Log at most this many topics without a handler.
const MOST_UNHANDLED: usize = 1000;

/// How a run ended.
struct Ended {
    /// The action for the store; `None` if it knows already.
    end: Option<Action>,
    outcome: Outcome,
    /// For the history: a word, and why. `None` for what was no attempt, or succeeded.
    attempt: Option<(&'static str, String)>,
}

impl Ended {
    fn put_back(after: Duration, outcome: Outcome) -> Self {
        Self {
            end: Some(Action::PutBack {
                after,
                is_counted: false,
            }),
            outcome,
            attempt: None,
        }
    }

    fn buried(reason: String) -> Self {
        Self {
            end: Some(Action::Bury),
            attempt: Some(("dead", reason.clone())),
            outcome: Outcome::Dead(reason),
        }
    }

    fn run_outcome(&self) -> RunOutcome {
        match self.end {
            None | Some(Action::Complete(_)) => RunOutcome::Done,
            Some(Action::PutBack { after, .. }) => RunOutcome::Again { after },
            Some(Action::Bury) => RunOutcome::Dead,
        }
    }
}

/// The caller that waits for a run.
pub(super) type RunCaller = oneshot::Sender<Result<RunOutcome, StoreError>>;

impl<P, S, T> Shared<P, S, T>
where
    P: Provider,
    S: Inbox,
    T: Clone + Send + Sync + 'static,
{
    /// Asks the store. It is not interrupted: what it gives too late is held all the same, and put
    /// back. Otherwise a store that is slow for three leases would have deliveries buried that
    /// never ran.
    pub(super) async fn take_as(self: &Arc<Self>, request: TakeRequest) -> Result<Vec<Taken>, StoreError> {
        let lease = request.lease;
        let shared = Arc::clone(self);
        let mut asking = Box::pin(async move { shared.engine.store.take(&request).await });
        // Not where it has panicked.
        let mut goes_on = false;
        let asked = poll_fn(|cx| {
            goes_on = false;
            let response = asking.as_mut().poll(cx);
            goes_on = response.is_pending();
            response
        });
        let result = self.engine.operation("take", asked).await;
        if goes_on {
            let shared = Arc::clone(self);
            tokio::spawn(async move {
                if let Ok(Ok(late)) = timeout(lease, asking).await {
                    late.into_iter().for_each(|taken| shared.put_back_late(taken));
                }
            });
        }
        result
    }

    fn put_back_late(&self, taken: Taken) {
        let end = Action::PutBack {
            after: Duration::ZERO,
            is_counted: false,
        };
        let refusal = Refusal::new(RefusalKind::Store, "the store gave the delivery too late");
        let _ = self.settled.send(Settled {
            settlement: Some(Settlement::new(taken.claim_request, end)),
            leader: None,
            outcome: refusal.into(),
            held: None,
            reply: None,
        });
    }

    /// Runs a delivery in a task of its own. The store was asked for it at this time.
    pub(super) fn spawn(self: &Arc<Self>, taken: Taken, asked: Instant, place: Option<Slot>, reply: Option<RunCaller>) {
        let shared = Arc::clone(self);
        let observation = self.engine.observe(Source::Stored);
        let span = observation.span.clone();
        let task = Box::pin(async move { shared.run(taken, asked, place, reply, observation).await });
        tokio::spawn(span.follow(task));
    }

    async fn run(
        &self,
        taken: Taken,
        asked: Instant,
        place: Option<Slot>,
        reply: Option<RunCaller>,
        mut observation: Observation,
    ) {
        let (running, held) = place.map(|place| (place.running, place.held)).unzip();
        let handled = {
            let mut handling = pin!(self.handle(&taken, asked, &mut observation));
            poll_fn(|cx| match catch(|| handling.as_mut().poll(cx)) {
                Ok(handled) => handled.map(Ok),
                Err(panicked) => Poll::Ready(Err(panicked)),
            })
            .await
        };
        // An event's topic, a router's state that is cloned: unsettled it would be a crash.
        let (ended, leader) = handled.unwrap_or_else(|panicked| {
            let reason = format!("the event or the router's state panicked: {panicked}");
            (self.failed(&observation, &taken, reason), None)
        });
        drop::<Option<OwnedSemaphorePermit>>(running);
        let run_outcome = ended.run_outcome();
        let Ended { end, outcome, attempt } = ended;
        if let Some(leader) = &leader {
            leader.finished(outcome.clone());
        }
        let settlement = end.map(|end| {
            let settlement = Settlement::new(taken.claim_request, end);
            match attempt {
                Some((word, error)) => {
                    settlement.with_attempt(Attempt::new(taken.attempts, word, short(&error), self.name.as_str()))
                }
                None => settlement,
            }
        });
        let settled = Settled {
            settlement,
            leader,
            outcome,
            held,
            reply: reply.map(|reply| (reply, run_outcome)),
        };
        // The other end is there as long as this one: the send does not fail.
        let _ = self.settled.send(settled);
    }

    /// Handles a delivery, unless it is to be buried, or cannot be handled here and now.
    async fn handle(&self, taken: &Taken, asked: Instant, observation: &mut Observation) -> (Ended, Option<Leader>) {
        let engine = &self.engine;
        let key = taken.claim_request.key.clone();
        let topic = taken.delivery.topic.as_str();
        let tenant = self.provider.tenants().and_then(|_| Tenant::of_id(key.id()));
        observation.belongs_to(tenant.as_ref());
        observation.topic = Topic::of(|| self.topics.pattern(topic));
        observation.span.identify(topic, key.id().as_str());
        observation.span.attempt(taken.attempts);
        observation.request.size = Some(taken.delivery.body.len());
        observation.request.secret_index = taken.delivery.secret_index;
        if let Some(ended) = self.given_up(taken).or_else(|| self.of_nobody(tenant.as_ref())) {
            self.report(observation, &ended.outcome, taken, topic);
            return (ended, None);
        }
        let read = catch(|| self.provider.event(&taken.delivery.headers, &taken.delivery.body));
        let event = match read {
            Ok(Ok(event)) => event,
            Ok(Err(error)) => {
                let reason = format!("the stored delivery cannot be read: {error}");
                return (self.failed(observation, taken, reason), None);
            }
            Err(panicked) => {
                let reason = format!("the provider panicked on the stored delivery: {panicked}");
                return (self.failed(observation, taken, reason), None);
            }
        };
        let topic = event.topic().to_owned();
        observation.topic = Topic::of(|| self.topics.pattern(&topic));
        if !self.topics.handles(&topic) {
            self.warn_of_unhandled(&topic);
            engine.meter.attempt(
                &observation.topic,
                Outcome::Unhandled.as_str(),
                observation.known_tenant(),
            );
            return (Ended::put_back(UNHANDLED_AGAIN, Outcome::Unhandled), None);
        }
        let leader = match engine.enter(&key, taken.claim_request.fingerprint, &topic) {
            Entry::Leader(leader) => leader,
            Entry::Draining => return (Ended::put_back(Duration::ZERO, draining().into()), None),
            Entry::Follower(_) | Entry::Full => {
                engine.warn(
                    &key,
                    format_args!("the event runs here already, after its lease was lost"),
                );
                let refusal = Refusal::new(RefusalKind::InFlight, "this process runs the event already");
                return (Ended::put_back(LATER, refusal.into()), None);
            }
        };
        if taken.attempts == 1 {
            let now = self.clock.now();
            engine
                .meter
                .wait(&observation.topic, || now.duration_since(taken.received_at).ok());
        }
        let work = Work {
            event,
            key,
            fingerprint: taken.claim_request.fingerprint,
            message: Message {
                source: Source::Stored,
                body: taken.delivery.body.clone(),
                headers: taken.delivery.headers.clone(),
                secret_index: taken.delivery.secret_index,
                tenant,
            },
        };
        let lease = Arc::new(LeaseHandle::new(taken.claim_request.clone(), asked));
        let timer = Timer::start();
        let handled = {
            let _running = engine.meter.running();
            let claimed = work.claimed(lease, taken.generation, taken.attempts);
            claimed.run(engine, self.topics.clone()).await.confirmed(engine).await
        };
        engine
            .meter
            .handler(&observation.topic, handled.outcome.as_str(), timer);
        let ended = self.after(taken, handled.settlement, handled.outcome);
        self.report(observation, &ended.outcome, taken, &topic);
        (ended, Some(leader))
    }

    /// Whether the delivery is not to run any more.
    fn given_up(&self, taken: &Taken) -> Option<Ended> {
        let most = self.retries.most_attempts();
        let (cause, reason) = if taken.crashes >= MOST_CRASHES {
            let reason = format!(
                "its last {} runs were never settled: the process died, or lost the store; expected a handler that ends: \
                 replay it when its cause is mended",
                taken.crashes
            );
            ("crashes", reason)
        } else if taken.attempts > most {
            (
                "attempts",
                format!("it was tried {most} times, as often as the retries allow"),
            )
        } else {
            return None;
        };
        self.engine.meter.buried(cause);
        Some(Ended::buried(reason))
    }

    /// Whether the delivery was stored under no tenant although the provider has tenants: whose it
    /// is, the handler could not know.
    fn of_nobody(&self, tenant: Option<&Tenant>) -> Option<Ended> {
        if tenant.is_some() || self.provider.tenants().is_none() {
            return None;
        }
        self.engine.meter.buried("tenant");
        Some(Ended::buried(
            "its key names no tenant, and the provider has tenants; expected what is stored by `Deposit::of_tenant`, or \
             by a layer of this provider, in a namespace that no layer without tenants has"
                .to_owned(),
        ))
    }

    /// A delivery that could not even be read. A repaired provider may read it later.
    fn failed(&self, observation: &Observation, taken: &Taken, reason: String) -> Ended {
        let refusal = Refusal::new(RefusalKind::NotAnEvent, reason);
        let ended = self.after(taken, RunSettlement::Release, refusal.into());
        self.report(observation, &ended.outcome, taken, &taken.delivery.topic);
        ended
    }

    /// The action for a delivery whose handler ended like this.
    fn after(&self, taken: &Taken, settlement: RunSettlement, outcome: Outcome) -> Ended {
        let end = match settlement {
            RunSettlement::Known => None,
            RunSettlement::Handled => Some(Action::Complete(Completion::Handled)),
            RunSettlement::Rejected => Some(Action::Complete(Completion::Rejected)),
            RunSettlement::Release => return self.again(taken, outcome),
        };
        let attempt = match &outcome {
            Outcome::Rejected(reason) => Some((outcome.as_str(), reason.clone())),
            _ => None,
        };
        Ended { end, outcome, attempt }
    }

    /// The action for a delivery that is not finished.
    fn again(&self, taken: &Taken, outcome: Outcome) -> Ended {
        let refusal = outcome.refusal();
        let kind = refusal.map(Refusal::kind);
        if kind == Some(RefusalKind::Draining) {
            return Ended::put_back(Duration::ZERO, outcome);
        }
        let reason = refusal.map(|refusal| refusal.reason().to_owned()).unwrap_or_default();
        if taken.attempts >= self.retries.most_attempts() {
            self.engine.meter.buried("attempts");
            let word = outcome.as_str();
            return Ended {
                end: Some(Action::Bury),
                attempt: Some((word, reason.clone())),
                outcome: Outcome::Dead(format!("attempt {} was the last: {reason}", taken.attempts)),
            };
        }
        // The handler's own wish. What the other kinds ask for is meant for providers.
        let wish = refusal
            .filter(|refusal| refusal.kind() == RefusalKind::HandlerFailed)
            .and_then(Refusal::retry_delay);
        let after = wish.unwrap_or_else(|| self.retries.pause(taken.attempts, &taken.claim_request.key));
        Ended {
            end: Some(Action::PutBack {
                after,
                is_counted: true,
            }),
            attempt: Some((outcome.as_str(), reason)),
            outcome,
        }
    }

    fn report(&self, observation: &Observation, outcome: &Outcome, taken: &Taken, topic: &str) {
        let end = trace::DeliveryEnd {
            attempt: Some(taken.attempts),
            ..self.engine.end_of(observation, &taken.claim_request.key, topic)
        };
        self.engine.report(observation, outcome, end);
    }

    /// Once for each topic.
    fn warn_of_unhandled(&self, topic: &str) {
        let mut reported = self.unhandled.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() < MOST_UNHANDLED && reported.insert(topic.to_owned()) {
            drop(reported);
            trace::error_at(
                &self.engine.provider,
                &self.engine.settings.namespace,
                format_args!(
                    "a stored delivery has the topic `{}`, which no handler of this worker takes; it is put back for {} s each time: \
                     register a handler or a fallback, or store only what is handled (`inbox().only(…)`)",
                    Brief(topic),
                    UNHANDLED_AGAIN.as_secs()
                ),
            );
        }
    }
}

/// An error's text as the history keeps it: cut, and without what a database refuses.
fn short(text: &str) -> String {
    const MOST: usize = 1000;
    let mut short = String::new();
    for letter in text.chars().take(MOST) {
        if letter.is_control() && letter != '\n' {
            short.extend(letter.escape_default());
        } else {
            short.push(letter);
        }
    }
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}
