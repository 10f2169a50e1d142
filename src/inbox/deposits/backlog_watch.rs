//! How much waits in the inbox, looked at every few seconds: to count for each delivery would cost
//! more than to store it.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{
    inbox::{Backlog, Inbox},
    process::Engine,
    trace,
};

/// How often the backlog is counted.
const EVERY: Duration = Duration::from_secs(10);
/// For how long something may be due before it is said that nobody takes it.
const FORGOTTEN: Duration = Duration::from_secs(5 * 60);
/// How often the same is said.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The backlog of one endpoint.
pub(crate) struct BacklogWatch {
    limit: AtomicU64,
    is_full: AtomicBool,
    is_watched: AtomicBool,
}

impl BacklogWatch {
    pub(crate) fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicU64::new(limit),
            is_full: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
        })
    }

    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub(super) fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Whether there were more than the limit when they were last counted.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Begins to count, in a task, unless that has begun or there is no runtime yet. It ends with
    /// the endpoint.
    pub(crate) fn watch<S: Inbox>(self: &Arc<Self>, engine: &Arc<Engine<S>>) {
        if self.is_watched.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !self.is_watched.swap(true, Ordering::Relaxed) {
            runtime.spawn(sample(Arc::downgrade(self), Arc::downgrade(engine)));
        }
    }
}

/// Lets the next caller watch: this runtime has ended.
struct Unwatched(Weak<BacklogWatch>);

impl Drop for Unwatched {
    fn drop(&mut self) {
        if let Some(watch) = self.0.upgrade() {
            watch.is_watched.store(false, Ordering::Relaxed);
        }
    }
}

async fn sample<S: Inbox>(watch: Weak<BacklogWatch>, engine: Weak<Engine<S>>) {
    let _unwatched = Unwatched(watch.clone());
    let mut warnings = LastWarnings::default();
    while let (Some(watch), Some(engine)) = (watch.upgrade(), engine.upgrade()) {
        let namespace = &engine.settings.namespace;
        let limit = watch.limit();
        // The store is called when the operation is polled, where its panics are caught.
        let counted = async { engine.store.backlog(namespace, limit.saturating_add(1)).await };
        // If the store does not respond, keep the last known state.
        if let Ok(backlog) = engine.operation("backlog", counted).await {
            let is_full = backlog.unfinished() > limit;
            watch.is_full.store(is_full, Ordering::Relaxed);
            engine.meter.backlog(namespace, &backlog);
            warnings.warn(&engine, &backlog, is_full.then_some(limit));
        }
        drop((watch, engine));
        sleep(EVERY).await;
    }
}

/// When the operator was last told of what is wrong.
#[derive(Default)]
struct LastWarnings {
    full: Option<Instant>,
    forgotten: Option<Instant>,
}

impl LastWarnings {
    fn warn<S>(&mut self, engine: &Engine<S>, backlog: &Backlog, over: Option<u64>) {
        let is_due = |last: &mut Option<Instant>| {
            let is_due = last.is_none_or(|last| last.elapsed() >= WARN_EVERY);
            if is_due {
                *last = Some(Instant::now());
            }
            is_due
        };
        let (provider, namespace) = (&engine.provider, &engine.settings.namespace);
        match backlog.oldest_due.filter(|age| *age >= FORGOTTEN) {
            Some(age) if is_due(&mut self.forgotten) => trace::error_at(
                provider,
                namespace,
                format_args!(
                    "a stored delivery has been due for {} s and nobody takes it ({} are due, {} are with workers or were with \
                     a process that died); expected a worker over this store and namespace: start one, or more",
                    age.as_secs(),
                    backlog.due,
                    backlog.running
                ),
            ),
            _ => {}
        }
        match over {
            Some(limit) if is_due(&mut self.full) => trace::error_at(
                provider,
                namespace,
                format_args!(
                    "more than {limit} stored deliveries wait, so new ones are refused with 503; expected workers that keep up: \
                     start more, or raise `backlog_limit`"
                ),
            ),
            _ => {}
        }
    }
}
