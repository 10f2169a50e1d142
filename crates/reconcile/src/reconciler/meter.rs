//! Counts a report through the facade `metrics`: the one place that knows whether the feature is
//! on.

use std::time::SystemTime;

use super::Report;

#[cfg(feature = "metrics")]
pub(super) fn count(report: &Report, started: SystemTime) {
    use metrics::{counter, gauge, histogram};

    use super::{End, Ending};

    let source = || report.source().to_owned();
    counter!("webhook_reconcile_runs_total", "source" => source(), "end" => report.end().as_str()).increment(1);
    for ending in Ending::ALL {
        let count = report.count(ending);
        if count > 0 {
            counter!("webhook_reconcile_items_total", "source" => source(), "ending" => ending.as_str())
                .increment(count);
        }
    }
    if matches!(report.end(), End::Busy(_)) {
        return;
    }
    histogram!("webhook_reconcile_run_seconds", "source" => source()).record(report.took());
    if matches!(report.end(), End::Complete) {
        let since_1970 = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        gauge!("webhook_reconcile_complete_timestamp_seconds", "source" => source()).set(since_1970.as_secs_f64());
    }
}

#[cfg(not(feature = "metrics"))]
pub(super) fn count(_: &Report, _: SystemTime) {}
