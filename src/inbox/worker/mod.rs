//! Handles what an inbox holds: takes what is due, runs the topic's handler, and tells the store
//! how it ended.
//!
//! Two loops take deliveries: one takes fresh ones, as many as there is room for, the other takes
//! suspects, one at a time. Each delivery runs in a task of its own. One more task sends the
//! settlements to the store, in batches.

mod handle;
mod loops;
mod run;
mod settler;

pub use handle::{RunOutcome, WorkerHandle};

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{Semaphore, mpsc};

use super::{Inbox, Retries};
use crate::{
    clock::{Clock, SystemClock},
    delivery_log::{DeliveryLog, Recorder},
    error::BuildError,
    handler::TopicRouter,
    process::{Engine, Settings},
    provider::Provider,
};
use settler::Settled;

/// Handles the deliveries that an inbox holds, in the process that received them or in another.
/// [`start`](Self::start) it.
///
/// A worker-only process needs neither a port nor a secret:
///
/// ```
/// # #[cfg(feature = "test-util")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// # use tower_webhook::testing::MemoryInbox;
/// use std::time::Duration;
/// use tower_webhook::{TopicRouter, dwolla::{self, Dwolla, Topic}, inbox::Worker};
///
/// async fn verified(event: dwolla::Event) {
///     println!("{:?} is verified", event.customer_href());
/// }
///
/// # let store = MemoryInbox::new();
/// let topics = TopicRouter::new().on(Topic::CustomerVerified, verified);
/// let worker = Worker::new(Dwolla::reader(), store, topics).concurrency(16).start();
///
/// // on SIGTERM:
/// let report = worker.drain(Duration::from_secs(30)).await;
/// assert!(report.remaining().is_empty(), "put back: {report}");
/// # });
/// # }
/// ```
///
/// # What ends a run
/// - The handler succeeds: DONE.
/// - It fails, panics, or takes longer than [`handler_timeout`](Self::handler_timeout): due again
///   as [`Retries`] say. After the last attempt it is DEAD, and an
///   [operator](super::InboxAdmin) decides.
/// - It fails with a [permanent](crate::HandlerError::permanent) error: DONE, rejected.
/// - No handler takes the topic: due again in a minute, and an ERROR once for each topic. It is no
///   attempt: receivers and workers are not deployed in the same second.
/// - The process dies: due again when the lease is over, as a *suspect*. A process runs one suspect
///   at a time, so that a delivery that kills processes does not take its neighbours with it, and
///   buries it after its third run.
#[must_use = "a worker does nothing until `start`"]
pub struct Worker<P: Provider, S, T> {
    provider: Arc<P>,
    store: Arc<S>,
    topics: TopicRouter<P::Event, T>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    retries: Retries,
    concurrency: usize,
    polling: Polling,
    name: Option<String>,
}

/// When the loops ask the store.
#[derive(Clone, Copy, Debug)]
struct Polling {
    every: Duration,
    /// Whether deposits and the like wake the worker. Not where triggers run the deliveries.
    is_woken: bool,
}

/// The state that the tasks of one worker share.
struct Shared<P: Provider, S, T> {
    engine: Arc<Engine<S>>,
    provider: Arc<P>,
    topics: TopicRouter<P::Event, T>,
    retries: Retries,
    clock: Arc<dyn Clock>,
    polling: Polling,
    name: String,
    settled: mpsc::UnboundedSender<Settled>,
    /// How many handlers may run.
    running: Arc<Semaphore>,
    /// How many deliveries may be held, those included that have ended and are not settled yet.
    held: Arc<Semaphore>,
    places: usize,
    /// How many suspects may run, and be held: one.
    apart: Arc<Semaphore>,
    apart_held: Arc<Semaphore>,
    /// How many runs `run_one` may have under way: any number.
    asked_for: Arc<Semaphore>,
    /// Topics without a handler, of which the operator was told.
    unhandled: Mutex<HashSet<String>>,
}

impl<P, S, T> Worker<P, S, T>
where
    P: Provider,
    S: Inbox,
    T: Clone + Send + Sync + 'static,
{
    /// A worker with the defaults that the provider's policy gives, for the provider's namespace.
    /// It parses events but verifies no signatures, so a `reader()` of a built-in provider is
    /// enough.
    pub fn new(provider: P, store: S, topics: TopicRouter<P::Event, T>) -> Self {
        let policy = provider.policy();
        let settings = Settings::new(
            provider.name(),
            policy.retention(),
            policy.retry_window(),
            provider.ids_are_unique(),
        );
        let clock = Arc::new(SystemClock);
        Self::from_layer(Arc::new(provider), Arc::new(store), topics, settings, clock)
    }

    pub(crate) fn from_layer(
        provider: Arc<P>,
        store: Arc<S>,
        topics: TopicRouter<P::Event, T>,
        settings: Settings,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            provider,
            store,
            topics,
            settings: Settings {
                max_waiting: 0,
                ..settings
            },
            clock,
            retries: Retries::default(),
            concurrency: 16,
            polling: Polling {
                every: Duration::from_millis(250),
                is_woken: true,
            },
            name: None,
        }
    }

    /// The namespace of the deliveries, as the layer has it that stores them
    /// ([`namespace`](crate::layer::WebhookLayerBuilder::namespace)); by default the provider's
    /// name.
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.settings.namespace = namespace.into();
        self
    }

    /// How many handlers may run at once; by default 16.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.concurrency = handlers;
        self
    }

    /// When a delivery runs again that failed, and how often.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// How long a claim holds without a renewal, and so how long a delivery rests after its process
    /// died; by default 60 s, renewed every 20 s while the handler runs.
    pub fn lease(mut self, lease: Duration, renew_every: Duration) -> Self {
        self.settings.lease = lease;
        self.settings.renew_every = renew_every;
        self
    }

    /// The handler cap: a handler that runs longer is cancelled, and the attempt has failed; by
    /// default 5 min.
    pub fn handler_timeout(mut self, cap: Duration) -> Self {
        self.settings.handler_timeout = cap;
        self
    }

    /// How long one store operation may take; by default 2 s, or the layer's.
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.settings.store_timeout = limit;
        self
    }

    /// How long a finished event is remembered; the default is the provider's.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.retention = retention;
        self
    }

    /// How often the store is asked for what is due while there is nothing to do; by default each
    /// 250 ms. What is stored in this process wakes the worker at once.
    pub fn poll_interval(mut self, every: Duration) -> Self {
        self.polling.every = every;
        self
    }

    /// For deliveries that something else runs with [`run_one`](WorkerHandle::run_one), a job queue
    /// say: the worker then only sweeps up, this often, what is due and was not run.
    pub fn triggered(mut self, sweep: Duration) -> Self {
        self.polling = Polling {
            every: sweep,
            is_woken: false,
        };
        self
    }

    /// The worker's name in the history of attempts; by default `pid` and the process's number.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Records each run, as
    /// [`WebhookLayerBuilder::delivery_log`](crate::layer::WebhookLayerBuilder::delivery_log) does;
    /// by default the layer's log, or none.
    pub fn delivery_log(mut self, log: impl DeliveryLog) -> Self {
        self.settings.log = Some(Recorder::new(log, Recorder::PER_MINUTE, Arc::clone(&self.clock)));
        self
    }

    /// The clock that `webhook_wait_seconds` is measured with; by default the system's, or the
    /// layer's. Due times go by the store's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self.settings.log = self.settings.log.map(|log| log.with_clock(Arc::clone(&self.clock)));
        self
    }

    /// Starts the worker. It works until it is drained, or its runtime ends. Keep the handle to
    /// drain it; dropping the handle stops nothing.
    ///
    /// # Panics
    /// Two settings contradict each other, as [`try_start`](Self::try_start) says; or there is no
    /// Tokio runtime.
    #[must_use = "without the handle the worker cannot be drained"]
    #[track_caller]
    pub fn start(self) -> WorkerHandle {
        match self.try_start() {
            Ok(handle) => handle,
            #[expect(clippy::panic, reason = "a mistake in the program, at start-up, as in axum's router")]
            Err(error) => panic!("{error}"),
        }
    }

    /// Starts the worker.
    ///
    /// # Errors
    /// Two settings contradict each other, or one can never work; the error names them and says
    /// what to change.
    ///
    /// # Panics
    /// There is no Tokio runtime.
    pub fn try_start(self) -> Result<WorkerHandle, BuildError> {
        self.check()?;
        let engine = Arc::new(Engine::new(self.provider.name(), self.store, self.settings));
        let places = self.concurrency.saturating_mul(2);
        let (settled, to_settle) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            engine: Arc::clone(&engine),
            provider: self.provider,
            topics: self.topics,
            retries: self.retries,
            clock: self.clock,
            polling: self.polling,
            name: self.name.unwrap_or_else(|| format!("pid {}", std::process::id())),
            settled,
            running: Arc::new(Semaphore::new(self.concurrency)),
            held: Arc::new(Semaphore::new(places)),
            places,
            apart: Arc::new(Semaphore::new(1)),
            apart_held: Arc::new(Semaphore::new(1)),
            asked_for: Arc::new(Semaphore::new(handle::ENDLESS)),
            unhandled: Mutex::default(),
        });
        tokio::spawn(settler::settle_all(engine, to_settle));
        tokio::spawn(Arc::clone(&shared).take_fresh());
        tokio::spawn(Arc::clone(&shared).take_suspects());
        Ok(WorkerHandle::new(shared))
    }

    fn check(&self) -> Result<(), BuildError> {
        let settings = &self.settings;
        let refuse = |message: String| Err(BuildError::new(message));
        settings.check()?;
        if self.concurrency == 0 || self.concurrency > Semaphore::MAX_PERMITS / 2 {
            return refuse(format!(
                "concurrency is {}; expected 1 to {}",
                self.concurrency,
                Semaphore::MAX_PERMITS / 2
            ));
        }
        if self.polling.every.is_zero() {
            return refuse(
                "the poll interval is zero, so the store would be asked without a pause; expected more".into(),
            );
        }
        let window = self.provider.policy().retry_window();
        let total = self.retries.total();
        if total < window && !self.retries.may_be_short() {
            return refuse(format!(
                "the retries end after {} s, but {} itself retries for {} s: an event would be given up earlier than without an inbox; \
                 expected more attempts or longer pauses, or `Retries::allow_shorter_than_provider`",
                total.as_secs(),
                self.provider.name(),
                window.as_secs()
            ));
        }
        Ok(())
    }
}

impl<P: Provider, S, T> fmt::Debug for Worker<P, S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("provider", &self.provider.name())
            .field("settings", &self.settings)
            .field("retries", &self.retries)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}
