//! One entry for each delivery, as data: what it says, what it never holds, and what strangers can
//! cause.

mod captures;
mod entries;
pub(crate) mod reading;
mod strangers;
pub(crate) mod tables;

use std::sync::Arc;

use tower_webhook::delivery_log::{DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader, MemoryLog};

/// All entries of a log, the oldest first.
pub(crate) async fn all(log: &impl DeliveryLogReader) -> Vec<DeliveryLogEntry> {
    let mut entries: Vec<DeliveryLogEntry> = log
        .list(&DeliveryLogFilter::new(), None, 100_000)
        .await
        .unwrap()
        .into_iter()
        .map(|numbered| numbered.entry)
        .collect();
    entries.reverse();
    entries
}

/// What a short comparison needs of each.
pub(crate) async fn endings(log: &MemoryLog) -> Vec<(String, Option<u16>)> {
    let entries = all(log).await;
    entries
        .into_iter()
        .map(|entry| (entry.outcome.into_owned(), entry.status))
        .collect()
}

/// These, as [`endings`] tells them.
pub(crate) fn ended<const N: usize>(endings: [(&str, Option<u16>); N]) -> Vec<(String, Option<u16>)> {
    endings
        .into_iter()
        .map(|(outcome, status)| (outcome.to_owned(), status))
        .collect()
}

/// A log for a layer, and the same for the test.
pub(crate) fn log() -> (MemoryLog, Arc<MemoryLog>) {
    let log = MemoryLog::new(10_000);
    (log.clone(), Arc::new(log))
}
