use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// Reports of the reconciler's runs: the newest [`MAX_REPORTS`](Self::MAX_REPORTS), in this
/// process's memory. Cheap to clone: clones are the same.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_webhook_inspector::{Reports, RunReport};
///
/// let reports = Reports::new(); // a clone is for the page: `InspectorBuilder::reports`
/// let now = SystemTime::now();
/// let hour = now - Duration::from_secs(3600);
/// reports.push(
///     RunReport::new("dwolla", (hour, now), "complete")
///         .tally("known", 41, [])
///         .tally("handled", 1, ["bb6531a2 customer_created".to_owned()]),
/// );
/// ```
///
/// With the feature `reconcile`, an `Every` of `tower-webhook-reconcile` feeds it by
/// `.on_report(move |report| reports.record(report))`.
#[derive(Clone, Default)]
pub struct Reports(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    reports: VecDeque<(u64, Arc<RunReport>)>,
    next: u64,
}

/// One run of a reconciler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunReport {
    /// The source's name.
    pub source: String,
    /// From when on the run asked.
    pub from: SystemTime,
    /// Until when it asked.
    pub until: SystemTime,
    /// How it ended, in words.
    pub end: String,
    /// Whether nothing is left for the next run.
    pub is_settled: bool,
    /// How long it took.
    pub took: Duration,
    /// How many items ended how.
    pub tallies: Vec<RunTally>,
}

/// How many items of a run ended in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunTally {
    /// How.
    pub name: String,
    /// How many.
    pub count: u64,
    /// Some of them, a line for each.
    pub items: Vec<String>,
}

impl RunReport {
    /// A run of this source, over the time between these two, that ended so.
    #[must_use]
    pub fn new(source: impl Into<String>, window: (SystemTime, SystemTime), end: impl Into<String>) -> Self {
        Self {
            source: source.into(),
            from: window.0,
            until: window.1,
            end: end.into(),
            is_settled: false,
            took: Duration::ZERO,
            tallies: Vec::new(),
        }
    }

    /// Adds how many items ended in one way, and some of them.
    #[must_use]
    pub fn tally(mut self, name: impl Into<String>, count: u64, items: impl IntoIterator<Item = String>) -> Self {
        self.tallies.push(RunTally {
            name: name.into(),
            count,
            items: items.into_iter().collect(),
        });
        self
    }
}

impl Reports {
    /// How many are kept.
    pub const MAX_REPORTS: usize = 100;

    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one; the oldest goes where there are too many.
    pub fn push(&self, report: RunReport) {
        let mut kept = self.kept();
        let number = kept.next;
        kept.next = number.saturating_add(1);
        if kept.reports.len() >= Self::MAX_REPORTS {
            kept.reports.pop_front();
        }
        kept.reports.push_back((number, Arc::new(report)));
    }

    /// Adds the reconciler's own report.
    #[cfg(feature = "reconcile")]
    #[cfg_attr(docsrs, doc(cfg(feature = "reconcile")))]
    pub fn record(&self, report: &tower_webhook_reconcile::reconciler::Report) {
        use tower_webhook_reconcile::reconciler::Ending;
        let window = report.window();
        let mut run = RunReport::new(report.source(), (window.from, window.until), report.end().to_string());
        run.is_settled = report.is_settled();
        run.took = report.took();
        for ending in Ending::ALL {
            let tally = report.tally(ending);
            if tally.count() == 0 {
                continue;
            }
            // What is known or was delivered is not worth a list.
            let is_listed = !matches!(ending, Ending::Known | Ending::Delivered | Ending::Unwanted);
            let items = tally.listed().iter().filter(|_| is_listed).map(|item| {
                let mut line = item.id.clone();
                for more in [&item.topic, &item.reason].into_iter().flatten() {
                    line.push_str(" · ");
                    line.push_str(more);
                }
                line
            });
            run = run.tally(ending.as_str(), tally.count(), items);
        }
        self.push(run);
    }

    /// The newest first.
    pub(crate) fn list(&self) -> Vec<(u64, Arc<RunReport>)> {
        self.kept().reports.iter().rev().cloned().collect()
    }

    pub(crate) fn get(&self, number: u64) -> Option<Arc<RunReport>> {
        let kept = self.kept();
        let found = kept.reports.iter().find(|(kept, _)| *kept == number);
        found.map(|(_, report)| Arc::clone(report))
    }
}

impl fmt::Debug for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reports({})", self.kept().reports.len())
    }
}
