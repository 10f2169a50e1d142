//! How an endpoint fares, by its newest deliveries.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use tower_webhook::{
    delivery_log::{DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader},
    store::StoreError,
};

use crate::endpoint::FailureLimit;

/// How many of its newest entries are looked at, a page at a time.
const MOST: usize = 5000;
const PAGE: usize = 500;

/// For how many signed requests the clocks are compared.
const DRIFTS: usize = 100;

/// The rate is over this time, unless the provider has another.
const HOUR: Duration = Duration::from_secs(3600);

/// A summary of the newest deliveries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// How the last delivery ended, and when.
    pub(super) last: Option<(SystemTime, String)>,
    /// When each secret matched last.
    pub(super) secrets: BTreeMap<usize, SystemTime>,
    /// By how many milliseconds this clock was ahead of the signed time: the median, and of how
    /// many requests. What a request takes on its way counts, too.
    pub(super) drift: Option<(i64, usize)>,
    /// How many deliveries in a row did not get 2xx, up to now.
    pub(super) failures: u64,
    /// How many of them were not signed by any of the secrets: a stranger's, or the provider's if
    /// it has another secret.
    pub(super) unauthenticated: u64,
    /// When the first of them was.
    pub(super) failing_since: Option<SystemTime>,
    /// When one got 2xx last.
    pub(super) last_success: Option<SystemTime>,
    /// How many came within the time of the rate, and how many of them did not get 2xx.
    pub(super) recent: (u64, u64),
    /// How many unauthenticated ones the log has left out within that time.
    pub(super) left_out: u64,
    /// Whether the log has more than was looked at.
    pub(super) is_cut: bool,
}

/// The time that the rate is over.
pub(super) fn window(limit: Option<FailureLimit>) -> Duration {
    match limit {
        Some(FailureLimit::Percent(_, window)) => window,
        _ => HOUR,
    }
}

impl Health {
    pub(super) async fn read(
        log: &dyn DeliveryLogReader,
        namespace: &str,
        window: Duration,
        now: SystemTime,
    ) -> Result<Self, StoreError> {
        let filter = DeliveryLogFilter::new().namespace(namespace);
        let since = now.checked_sub(window).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut health = Self::default();
        let mut drifts = Vec::new();
        let (mut before, mut seen) = (None, 0_usize);
        loop {
            let page = log.list(&filter, before, PAGE).await?;
            seen = seen.saturating_add(page.len());
            before = page.last().map(|last| last.number);
            let is_last = page.len() < PAGE;
            for found in page {
                health.add(&found.entry, since, &mut drifts);
            }
            if is_last {
                break;
            }
            if seen >= MOST {
                health.is_cut = true;
                break;
            }
        }
        drifts.sort_unstable();
        health.drift = drifts.get(drifts.len() / 2).map(|median| (*median, drifts.len()));
        Ok(health)
    }

    /// Adds an entry; they come the newest first.
    fn add(&mut self, entry: &DeliveryLogEntry, since: SystemTime, drifts: &mut Vec<i64>) {
        // What the provider sees of an endpoint are responses. A worker's run has none.
        let Some(status) = entry.status else { return };
        if self.last.is_none() {
            self.last = Some((entry.time, entry.outcome.to_string()));
        }
        if let Some(index) = entry.secret_index {
            self.secrets.entry(index).or_insert(entry.time);
        }
        if let Some(signed_at) = entry.signed_at
            && drifts.len() < DRIFTS
        {
            drifts.push(milliseconds(signed_at, entry.time));
        }
        let is_success = (200..300).contains(&status);
        if is_success && self.last_success.is_none() {
            self.last_success = Some(entry.time);
        }
        if self.last_success.is_none() {
            self.failures = self.failures.saturating_add(1);
            let is_unauthenticated = entry.secret_index.is_none();
            self.unauthenticated = self.unauthenticated.saturating_add(is_unauthenticated.into());
            self.failing_since = Some(entry.time);
        }
        if entry.time >= since {
            self.recent.0 = self.recent.0.saturating_add(1);
            self.recent.1 = self.recent.1.saturating_add(u64::from(!is_success));
            self.left_out = self.left_out.saturating_add(entry.left_out);
        }
    }

    /// How much of the limit is used up, from 0 to 1.
    pub(super) fn used(&self, limit: FailureLimit, now: SystemTime) -> f64 {
        let in_a_row = |most: u32| ratio(self.failures, most.into());
        let without_success = |most: Duration| {
            let failing = self.failing_since.and_then(|since| now.duration_since(since).ok());
            failing.map_or(0.0, |failing| ratio(failing.as_secs(), most.as_secs()))
        };
        let used = match limit {
            FailureLimit::InARow(most) => in_a_row(most),
            // Both must be reached.
            FailureLimit::InARowWithoutSuccess(most, time) => in_a_row(most).min(without_success(time)),
            FailureLimit::WithoutSuccess(time) => without_success(time),
            FailureLimit::Percent(most, _) => ratio(
                self.recent.1.saturating_mul(100),
                self.recent.0.saturating_mul(most.into()),
            ),
        };
        used.clamp(0.0, 1.0)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a part of a bar")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// From one time to another, below 0 if the other is earlier.
fn milliseconds(from: SystemTime, to: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    match to.duration_since(from) {
        Ok(time) => whole(time),
        Err(backwards) => whole(backwards.duration()).saturating_neg(),
    }
}

#[cfg(test)]
mod tests {
    use tower_webhook::{
        delivery_log::{DeliveryLog as _, MemoryLog},
        event::Source,
    };

    use super::*;

    fn second(number: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + number)
    }

    async fn read(entries: &[(u64, Option<u16>)]) -> Health {
        let log = MemoryLog::new(10_000);
        for (time, status) in entries {
            let mut entry = DeliveryLogEntry::new(second(*time), "dwolla", "dwolla", Source::Delivered, "handled");
            entry.status = *status;
            entry.secret_index = (*status != Some(401)).then_some(0);
            entry.signed_at = Some(second(*time) - Duration::from_millis(*time));
            log.record(entry);
        }
        Health::read(&log, "dwolla", HOUR, second(7200)).await.unwrap()
    }

    #[tokio::test]
    async fn failures_in_a_row_are_those_since_the_last_success() {
        let health = read(&[(1, Some(200)), (4000, Some(401)), (4001, None), (5000, Some(500))]).await;
        assert_eq!((health.failures, health.failing_since), (2, Some(second(4000))));
        assert_eq!(health.unauthenticated, 1);
        assert_eq!((health.last_success, health.recent), (Some(second(1)), (2, 2)));
        assert_eq!(health.used(FailureLimit::InARow(8), second(7200)), 0.25);
        let without = FailureLimit::WithoutSuccess(Duration::from_secs(6400));
        assert_eq!(health.used(without, second(7200)), 0.5);
        let both = FailureLimit::InARowWithoutSuccess(4, Duration::from_secs(6400));
        assert_eq!(health.used(both, second(7200)), 0.5);
        assert_eq!(health.used(FailureLimit::Percent(95, HOUR), second(7200)), 1.0);
    }

    #[tokio::test]
    async fn a_success_ends_the_row_and_clocks_are_compared() {
        let health = read(&[(10, Some(500)), (20, Some(503)), (30, Some(200))]).await;
        assert_eq!((health.failures, health.failing_since), (0, None));
        assert_eq!(health.drift, Some((20, 3)));
        assert_eq!(health.used(FailureLimit::InARow(8), second(7200)), 0.0);
        assert_eq!(read(&[]).await, Health::default());
    }

    #[tokio::test]
    async fn no_more_than_the_newest_are_looked_at() {
        let many: Vec<_> = (0..6000).map(|number| (number, Some(500))).collect();
        let health = read(&many).await;
        assert_eq!((health.failures, health.is_cut), (5000, true));
    }
}
