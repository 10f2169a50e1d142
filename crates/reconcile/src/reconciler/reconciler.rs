use std::{
    fmt,
    future::{Future, pending},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::{sync::Notify, time::Instant};
use tower_webhook::{
    Processor,
    clock::{Clock, SystemClock},
};

use super::{
    End, Ending, Every, Listed, Report, Source, Window,
    lease::{Lease, LeaseAttempt, lease_key, scope},
    log, meter, run,
    run::{Mode, Observe, Run, Stop},
};
use crate::{Error, ErrorKind};

/// Looks for what a provider recorded and the receiver has not handled, and hands it in. The
/// [module](super) says how.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::{MemoryStore, TopicRouter, WebhookLayer, dwolla::{self, Dwolla, Topic}};
/// use tower_webhook_reconcile::{Reconciler, dwolla::{DwollaApi, SANDBOX}};
///
/// async fn created(event: dwolla::Event) {
///     println!("{:?} was created", event.customer_href());
/// }
///
/// let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
/// let layer = WebhookLayer::new(Dwolla::new("the subscription's secret")?, MemoryStore::new());
/// let service = layer.topics(topics.clone()); // for requests
///
/// let api = DwollaApi::new(SANDBOX, "client id", "client secret")?;
/// let webhooks = api.webhooks("a0943041-7a5c-4e8f-92de-b55711ef3a83");
/// let reconciler = Reconciler::new(webhooks, layer.processor(topics));
///
/// let every_hour = reconciler.every(Duration::from_secs(3600));
/// let after_downtime = every_hour.trigger();
/// // tokio::spawn(every_hour.run(shutdown));
/// after_downtime.run_now();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reconciler<S: Source> {
    source: S,
    name: String,
    processor: Processor<S::Event>,
    clock: Arc<dyn Clock>,
    look_back: Duration,
    overlap: Duration,
    lease: Duration,
    concurrency: usize,
    mode: Mode,
    within: Option<Window>,
    observe: Box<Observe>,
    /// The start of the next run's window.
    from: Mutex<Option<SystemTime>>,
    pub(super) wake: Arc<Notify>,
}

impl<S: Source> Reconciler<S> {
    /// A reconciler that hands what is missing to this processor: `layer.processor(topics)` for
    /// topic handlers, or the `processor()` of the inbox's service to have it stored. Where the
    /// layer has tenants, each has a reconciler of its own: `layer.processor(topics).of(&tenant)`.
    /// A run over a processor of no tenant there, or of a tenant where there are none, fails before
    /// it asks the provider.
    pub fn new(source: S, processor: Processor<S::Event>) -> Self {
        Self {
            name: source.name(),
            look_back: source.retention(),
            overlap: source.overlap(),
            source,
            processor,
            clock: Arc::new(SystemClock),
            lease: Duration::from_secs(60),
            concurrency: 8,
            mode: Mode::HandIn,
            within: None,
            observe: Box::new(|_, _| {}),
            from: Mutex::new(None),
            wake: Arc::new(Notify::new()),
        }
    }

    /// How far the first run looks back. Default: for as long as the provider's API keeps what it
    /// recorded.
    #[must_use]
    pub fn look_back(mut self, time: Duration) -> Self {
        self.look_back = time;
        self
    }

    /// By how much each later run overlaps what the runs before have covered. Default: longer than
    /// the provider sends an event by itself, as [`Source::overlap`] says.
    #[must_use]
    pub fn overlap(mut self, time: Duration) -> Self {
        self.overlap = time;
        self
    }

    /// Begins where an earlier process has ended: [`Report::covered_until`]. The first run's window
    /// is that of a later run then.
    #[must_use]
    pub fn covered_until(self, time: SystemTime) -> Self {
        let from = time.checked_sub(self.overlap);
        *self.from.lock().unwrap_or_else(PoisonError::into_inner) = from;
        self
    }

    /// Asks the provider to send what is missing again, instead of handing it in. The receiver must
    /// be reachable, and each item is another request to the provider's API.
    #[must_use]
    pub fn redeliver(mut self) -> Self {
        self.mode = Mode::Ask;
        self
    }

    /// Only tells what is missing ([`Ending::Missing`]), and changes nothing anywhere: it takes no
    /// lease, so it may run beside another, and what that one is at work on counts as missing or
    /// waiting.
    #[must_use]
    pub fn report_only(mut self) -> Self {
        self.mode = Mode::Look;
        self
    }

    /// Each run is over this time, instead of what has passed since the last one. An item whose
    /// time is known and outside of it is left out, though a provider may list it.
    #[must_use]
    pub fn over(mut self, window: Window) -> Self {
        self.within = Some(window);
        self
    }

    /// Is called with each item as soon as it has ended: for a progress bar, or for more of them
    /// than a report lists. It must not block or panic.
    #[must_use]
    pub fn on_item(mut self, observe: impl Fn(&Listed, Ending) + Send + Sync + 'static) -> Self {
        self.observe = Box::new(observe);
        self
    }

    /// How many items are looked at, fetched and handed in at the same time. Default: 8; 0 is 1.
    #[must_use]
    pub fn concurrency(mut self, items: usize) -> Self {
        self.concurrency = items.max(1);
        self
    }

    /// How long the lease holds without a renewal: for so long nobody reconciles after a process
    /// died. It is renewed at every third of it. Default: 60 s; at least 3 s.
    #[must_use]
    pub fn lease(mut self, length: Duration) -> Self {
        self.lease = length.max(Duration::from_secs(3));
        self
    }

    /// Tells the time for the windows. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Runs once, now. The [module](super) says what a run does, and what it does when something
    /// fails: it always ends with a report.
    ///
    /// # Cancel safety
    /// Events that were handed in go on in tasks of their own, and the lease is released in the
    /// background. The report is lost, and the next run begins where this one has.
    ///
    /// # Panics
    /// Outside of a Tokio runtime with its timer enabled.
    pub async fn run_once(&self) -> Report {
        self.run_until(pending()).await
    }

    /// Runs once now, and then at every interval, when [`Every::run`] is awaited. An interval has
    /// at least a second.
    pub fn every(self, interval: Duration) -> Every<S> {
        Every::new(self, interval.max(Duration::from_secs(1)))
    }

    /// Runs once, and takes up nothing more when a shutdown comes.
    pub(super) async fn run_until(&self, shutdown: impl Future<Output = ()>) -> Report {
        let started = Instant::now();
        let now = self.clock.now();
        let window = self.window(now);
        let mut report = Report::new(&self.name, self.processor.tenant(), window);
        let end = match self.may_begin().await {
            Ok(lease) => self.run_under(lease, window, now, shutdown, &mut report).await,
            Err(end) => end,
        };
        let report = report.ended(end, started.elapsed());
        self.advance(&report);
        log::tell(&report);
        meter::count(&report, now);
        report
    }

    async fn may_begin(&self) -> Result<Lease, End> {
        // Each event would be looked up as nobody's, and refused when it is handed in.
        let refusal = match (self.processor.has_tenants(), self.processor.tenant()) {
            (true, None) => {
                "the layer has tenants, and the reconciler is of none; expected one tenant's source and processor: \
                 `Reconciler::new(source, processor.of(&tenant))` for each"
            }
            (false, Some(_)) => {
                "the reconciler is of a tenant, and the layer has none; expected a provider made with `per_tenant`, or a \
                 processor without `of`"
            }
            _ if self.mode == Mode::Look => return Ok(Lease::of_nobody(self.processor.store())),
            _ => return self.ask_for_lease().await,
        };
        Err(End::Failed(Error::new(ErrorKind::Config, refusal)))
    }

    async fn ask_for_lease(&self) -> Result<Lease, End> {
        let foreign = |message: String| End::Failed(Error::new(ErrorKind::Store, message));
        let key = lease_key(&scope(&self.processor), &self.name)
            .map_err(|error| foreign(format!("the source's name makes no key: {error}")))?;
        let named = key.to_string();
        match Lease::ask(self.processor.store(), key, self.lease).await {
            Ok(LeaseAttempt::Held(lease)) => Ok(lease),
            Ok(LeaseAttempt::Busy(remaining)) => Err(End::Busy(remaining)),
            Ok(LeaseAttempt::Foreign) => Err(foreign(format!(
                "the record {named} is no lease; expected nobody else to use that key: forget it"
            ))),
            Err(error) => {
                let message = "the store did not grant the lease";
                Err(End::Failed(Error::saying(ErrorKind::Store, message, error)))
            }
        }
    }

    async fn run_under(
        &self,
        mut lease: Lease,
        window: Window,
        now: SystemTime,
        shutdown: impl Future<Output = ()>,
        report: &mut Report,
    ) -> End {
        let stop = Stop::default();
        let run = Run::new(
            &self.source,
            &self.processor,
            &self.name,
            now,
            self.mode,
            self.within,
            &stop,
        );
        // What watches ends only with the run: what has begun is finished all the same, and under
        // the lease.
        let watch = run::first(
            async {
                lease.keep().await;
                stop.set(End::LeaseLost);
                pending::<()>().await;
            },
            async {
                shutdown.await;
                stop.set(End::Stopped);
                pending::<()>().await;
            },
        );
        run::first(watch, run.of(window, self.concurrency, report, &*self.observe)).await;
        lease.release().await;
        stop.end().unwrap_or(End::Complete)
    }

    fn window(&self, now: SystemTime) -> Window {
        if let Some(window) = self.within {
            return window;
        }
        let mut from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        // Kept, so that a first run that fails is repeated from the same time.
        let from = *from.get_or_insert_with(|| now.checked_sub(self.look_back).unwrap_or(SystemTime::UNIX_EPOCH));
        Window::new(from, now)
    }

    /// Moves the next window on, never past what is left to do.
    fn advance(&self, report: &Report) {
        let Some(next) = report.covered_until().and_then(|time| time.checked_sub(self.overlap)) else {
            return;
        };
        let mut from = self.from.lock().unwrap_or_else(PoisonError::into_inner);
        *from = (*from).max(Some(next));
    }
}

impl<S: Source> fmt::Debug for Reconciler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler")
            .field("source", &self.name)
            .field("processor", &self.processor)
            .field("look_back", &self.look_back)
            .field("overlap", &self.overlap)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
