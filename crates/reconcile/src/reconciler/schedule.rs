use std::{fmt, future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{End, Reconciler, Report, Source, run};

/// A reconciler that runs at an interval: made by [`Reconciler::every`].
#[must_use = "it runs while `run` is awaited"]
pub struct Every<S: Source> {
    reconciler: Reconciler<S>,
    interval: Duration,
    observe: Option<Box<Observe>>,
}

type Observe = dyn Fn(&Report) + Send + Sync;

/// Has a reconciler run at once: after a downtime, or when a subscription's pause has ended. Cheap
/// to clone.
#[derive(Clone)]
pub struct Trigger(Arc<Notify>);

impl Trigger {
    /// Runs now instead of at the end of the interval. If a run is under way, another follows it,
    /// and one only, however often this is called.
    pub fn run_now(&self) {
        self.0.notify_one();
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trigger")
    }
}

/// The reason why a wait ended.
enum Woken {
    Due,
    Shutdown,
}

impl<S: Source> Every<S> {
    pub(super) fn new(reconciler: Reconciler<S>, interval: Duration) -> Self {
        Self {
            reconciler,
            interval,
            observe: None,
        }
    }

    /// To run at once.
    #[must_use]
    pub fn trigger(&self) -> Trigger {
        Trigger(Arc::clone(&self.reconciler.wake))
    }

    /// Is called with the report of each run.
    pub fn on_report(mut self, observe: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        self.observe = Some(Box::new(observe));
        self
    }

    /// Runs now, and then at every interval, counted from the start of a run, until the shutdown
    /// completes. A run that is under way then takes up nothing more, finishes what it has begun
    /// and releases the lease: at the longest until the handlers' cap, or until the
    /// [layer's drain](tower_webhook::process::DrainHandle) cancels them.
    ///
    /// A process that has not completed a run yet, and finds the lease held, tries again when that
    /// lease would end: the process before it may have died. Later it waits for the interval.
    ///
    /// # Cancel safety
    /// As [`Reconciler::run_once`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime with its timer enabled.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = pin!(shutdown);
        let mut has_completed = false;
        loop {
            let started = Instant::now();
            let mut is_over = false;
            let report = self
                .reconciler
                .run_until(async {
                    shutdown.as_mut().await;
                    is_over = true;
                })
                .await;
            if let Some(observe) = &self.observe {
                observe(&report);
            }
            if is_over {
                return;
            }
            has_completed |= matches!(report.end(), End::Complete);
            let wait = match report.end() {
                End::Busy(remaining) if !has_completed => self.interval.min(*remaining),
                _ => self.interval,
            };
            let due = async {
                run::first(sleep_until(started + wait), self.reconciler.wake.notified()).await;
                Woken::Due
            };
            let over = async {
                shutdown.as_mut().await;
                Woken::Shutdown
            };
            if let Woken::Shutdown = run::first(due, over).await {
                return;
            }
        }
    }
}

impl<S: Source> fmt::Debug for Every<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Every")
            .field("reconciler", &self.reconciler)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
