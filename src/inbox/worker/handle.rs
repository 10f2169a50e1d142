use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, oneshot},
    time::Instant,
};

use super::{Shared, loops::Slot};
use crate::{
    inbox::{Inbox, TakeRequest},
    process::{DrainHandle, DrainReport, LATER},
    provider::Provider,
    store::{Key, State, StoreError, Token},
};

/// The store says that an event is not due yet, whatever the clock here says.
const NOT_DUE: Duration = Duration::from_secs(1);

/// As many places as there can be: a drain asks for all.
pub(super) const ENDLESS: usize = 1 << 28;

/// A worker that was started. Cheap to clone; dropping it stops nothing.
#[derive(Clone)]
pub struct WorkerHandle {
    runner: Arc<dyn Runner>,
}

/// How [`run_one`](WorkerHandle::run_one) ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says whether the queue has to call again"]
#[non_exhaustive]
pub enum RunOutcome {
    /// The event is finished, now or before.
    Done,
    /// It is to run again, after this time.
    Again {
        /// How long from now.
        after: Duration,
    },
    /// It was given up, now or before.
    Dead,
    /// Another worker holds it.
    Elsewhere,
    /// The inbox does not know it, or it is of another namespace than the worker's.
    Unknown,
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<RunOutcome, StoreError>> + Send + 'a>>;

/// A worker without its types.
trait Runner: Send + Sync {
    fn drain_handle(&self) -> DrainHandle;

    fn store_timeout(&self) -> Duration;

    /// The places of what is held until the store is told, and how many there are; those of
    /// suspects, and of what `run_one` runs, too.
    fn held(&self) -> [(&Semaphore, usize); 3];

    fn run_one(self: Arc<Self>, key: Key) -> Running<'static>;

    fn name(&self) -> &str;
}

impl<P, S, T> Runner for Shared<P, S, T>
where
    P: Provider,
    S: Inbox,
    T: Clone + Send + Sync + 'static,
{
    fn drain_handle(&self) -> DrainHandle {
        self.engine.drain_handle()
    }

    fn store_timeout(&self) -> Duration {
        self.engine.settings.store_timeout
    }

    fn held(&self) -> [(&Semaphore, usize); 3] {
        [
            (&self.held, self.places),
            (&self.apart_held, 1),
            (&self.asked_for, ENDLESS),
        ]
    }

    fn run_one(self: Arc<Self>, key: Key) -> Running<'static> {
        Box::pin(async move {
            if *key.namespace() != *self.engine.settings.namespace {
                return Ok(RunOutcome::Unknown);
            }
            if self.engine.is_draining() {
                return Ok(RunOutcome::Again { after: LATER });
            }
            // In a task: the caller may go away, and the delivery would be held by nobody.
            let (reply, response) = oneshot::channel();
            tokio::spawn(async move {
                let place = match self.place_of(&key).await {
                    Ok(place) => place,
                    Err(end) => return drop(reply.send(end)),
                };
                let settings = &self.engine.settings;
                let request = TakeRequest::new(Arc::clone(&settings.namespace), Token::random(), 1)
                    .with_lease(settings.lease)
                    .with_retention(settings.retention)
                    .for_event(key.id().clone());
                let asked = Instant::now();
                match self.take_as(request).await {
                    Ok(taken) => match taken.into_iter().next() {
                        Some(taken) => self.spawn(taken, asked, Some(place), Some(reply)),
                        None => drop(reply.send(self.not_due(&key).await)),
                    },
                    Err(error) => drop(reply.send(Err(error))),
                }
            });
            response
                .await
                .unwrap_or_else(|_| Err(StoreError::unavailable("the run's task ended before its time")))
        })
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl<P, S, T> Shared<P, S, T>
where
    P: Provider,
    S: Inbox,
    T: Clone + Send + Sync + 'static,
{
    /// A place for the delivery that is asked for. Suspects share one, since a process runs one at
    /// a time, whatever the caller; for all others there are as many as are asked for.
    async fn place_of(&self, key: &Key) -> Result<Slot, Result<RunOutcome, StoreError>> {
        let later = || Err(Ok(RunOutcome::Again { after: LATER }));
        // Taken first: a drain waits for it.
        let Some(place) = Slot::now(&self.asked_for, &self.asked_for) else {
            return later();
        };
        let record = self
            .engine
            .operation("get", self.engine.store.get(key))
            .await
            .map_err(Err)?;
        let Some(State::Claimed { lease_until, .. }) = record.map(|record| record.state) else {
            return Ok(place);
        };
        match Slot::now(&self.apart, &self.apart_held) {
            Some(place) => Ok(place),
            None if lease_until > self.clock.now() => Err(Ok(RunOutcome::Elsewhere)),
            None => later(),
        }
    }

    /// Why an event could not be taken.
    async fn not_due(&self, key: &Key) -> Result<RunOutcome, StoreError> {
        let record = self.engine.operation("get", self.engine.store.get(key)).await?;
        let Some(record) = record else {
            return Ok(RunOutcome::Unknown);
        };
        let due_at = record.schedule.and_then(|schedule| schedule.due_at);
        Ok(match (record.state, due_at) {
            (State::Done { .. }, _) => RunOutcome::Done,
            (State::Dead { .. }, _) => RunOutcome::Dead,
            (State::Claimed { .. }, _) => RunOutcome::Elsewhere,
            (State::Free { .. }, Some(due_at)) => RunOutcome::Again {
                after: due_at.duration_since(self.clock.now()).unwrap_or_default().max(NOT_DUE),
            },
            (State::Free { .. }, None) => RunOutcome::Unknown,
        })
    }
}

impl WorkerHandle {
    pub(super) fn new<P, S, T>(shared: Arc<Shared<P, S, T>>) -> Self
    where
        P: Provider,
        S: Inbox,
        T: Clone + Send + Sync + 'static,
    {
        Self { runner: shared }
    }

    /// Takes no more deliveries, and waits at most `timeout` for those that run. What is not
    /// finished then is cancelled and put back: due at once for other workers, and not counted as
    /// an attempt. The report lists it.
    ///
    /// It takes at most `timeout` and the time of four store operations. A worker that was drained
    /// stays closed. Drain the endpoint before, if this process has one:
    /// [`WebhookLayer::drain_handle`](crate::WebhookLayer::drain_handle).
    ///
    /// # Cancel safety
    /// Dropped before it completes, the worker stays closed and its handlers run on; calling it
    /// again waits anew.
    pub async fn drain(&self, timeout: Duration) -> DrainReport {
        let report = self.runner.drain_handle().drain(timeout).await;
        // What a loop has just taken is put back: it takes a take and a settlement.
        let at_most = self.runner.store_timeout().saturating_mul(2);
        let _ = tokio::time::timeout(at_most, self.all_settled()).await;
        report
    }

    async fn all_settled(&self) {
        for (held, places) in self.runner.held() {
            let places = u32::try_from(places).unwrap_or(u32::MAX);
            drop(held.acquire_many(places).await);
        }
    }

    /// Runs one delivery now, if it is due, and returns how the run ended: for a job queue or a
    /// timer that can call a function with a key. A job that is lost, duplicated or late does no
    /// harm: the record decides whether the delivery runs.
    ///
    /// It takes none of the worker's [`concurrency`](super::Worker::concurrency): the queue bounds
    /// how many run. Deliveries whose worker died run one at a time, as they do in the worker;
    /// meanwhile it returns [`Again`](RunOutcome::Again) for the others.
    ///
    /// The repository's `examples/triggers` has the glue for graphile_worker: a job for each
    /// delivery, in one transaction with it, and a task that calls this function.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// # use tower_webhook::testing::MemoryInbox;
    /// use std::time::Duration;
    /// use tower_webhook::{
    ///     TopicRouter, dwolla::Dwolla, event::EventId, inbox::{RunOutcome, Worker}, store::Key,
    /// };
    ///
    /// # let store = MemoryInbox::new();
    /// let worker = Worker::new(Dwolla::reader(), store, TopicRouter::new())
    ///     .triggered(Duration::from_secs(60))
    ///     .start();
    ///
    /// // a job with a key in it:
    /// let key = Key::new("dwolla", EventId::new("bb6531a2").unwrap());
    /// assert_eq!(worker.run_one(&key).await.unwrap(), RunOutcome::Unknown);
    /// # });
    /// # }
    /// ```
    ///
    /// # Errors
    /// The store did not respond. The delivery may have run; ask again.
    ///
    /// # Cancel safety
    /// The delivery runs in a task of its own: dropped, only the result is lost.
    pub async fn run_one(&self, key: &Key) -> Result<RunOutcome, StoreError> {
        Arc::clone(&self.runner).run_one(key.clone()).await
    }
}

impl fmt::Debug for WorkerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerHandle")
            .field("name", &self.runner.name())
            .finish_non_exhaustive()
    }
}
