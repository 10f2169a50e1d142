//! One line of the log for each run.

use super::{End, Ending, Report};

/// How many of those that are missing still are named in the line.
const NAMED: usize = 5;

pub(super) fn tell(report: &Report) {
    let count = |ending| report.count(ending);
    let missing = missing(report);
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                target: "tower_webhook_reconcile",
                source = report.source(),
                tenant = report.tenant().map(|tenant| tenant.as_str()),
                end = report.end().as_str(),
                seen = report.seen(),
                known = count(Ending::Known),
                delivered = count(Ending::Delivered),
                unwanted = count(Ending::Unwanted),
                handled = count(Ending::Handled),
                stored = count(Ending::Stored),
                rejected = count(Ending::Rejected),
                asked = count(Ending::Asked),
                waiting = count(Ending::Waiting),
                not_fetchable = count(Ending::NotFetchable),
                failed = count(Ending::Failed),
                missing = Some(missing.as_str()).filter(|missing| !missing.is_empty()),
                duration_ms = u64::try_from(report.took().as_millis()).unwrap_or(u64::MAX),
                "{report}"
            )
        };
    }
    let is_well = matches!(report.end(), End::Complete | End::Stopped | End::Busy(_)) && missing.is_empty();
    if is_well { tell!(info) } else { tell!(warn) }
}

/// `81f6: the handler failed; 81f7: …`
fn missing(report: &Report) -> String {
    let listed = |ending| report.tally(ending).listed().iter();
    let named = [Ending::Failed, Ending::NotFetchable, Ending::Missing]
        .into_iter()
        .flat_map(listed)
        .take(NAMED);
    let named: Vec<String> = named
        .map(|item| {
            let id = item.event_id.as_ref().unwrap_or(&item.id);
            let reason = item.reason.as_deref().unwrap_or_default();
            format!("{}: {}", brief(id), brief(reason))
        })
        .collect();
    named.join("; ")
}

/// A text from outside, escaped and cut.
fn brief(text: &str) -> String {
    const MOST: usize = 120;
    let mut said: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        said.push('…');
    }
    said
}
