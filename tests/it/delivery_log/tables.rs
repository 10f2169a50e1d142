//! The log in a table, whichever the database: what the tests of SQLite and of Postgres share.

use std::time::{Duration, SystemTime};

use tower_webhook::{
    delivery_log::{DeliveryLog as _, DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader as _},
    event::Source,
};
use tower_webhook_sqlx::SqlDeliveryLog;

use super::{
    all,
    reading::{entries, reads_what_was_recorded},
};

pub(crate) async fn open(url: &str) -> SqlDeliveryLog {
    SqlDeliveryLog::connect(url).await.unwrap()
}

/// What was recorded is there, for a process that opens the table later too.
pub(crate) async fn is_read_as_it_was_written(url: &str) {
    let log = open(url).await;
    for entry in entries(720) {
        log.record(entry);
    }
    log.flush().await;
    reads_what_was_recorded(&log, 720).await;
    drop(log);
    reads_what_was_recorded(&open(url).await, 720).await;
}

/// Texts that strangers choose: quotes, half an emoji's bytes replaced, and what Postgres refuses.
pub(crate) async fn hostile_texts_stay_texts(url: &str) {
    let log = open(url).await;
    let mut entry = entries(1).remove(0);
    entry.id = Some("'; DROP TABLE webhook_deliveries; --".into());
    entry.topic = Some("\"}]\u{202E}\u{1F600}<script>".into());
    entry.reason = "a\0b\u{1}\\u0000\n".into();
    log.record(entry.clone());
    log.flush().await;
    entry.reason = "a\u{FFFD}b\u{1}\\u0000\n".into();
    assert_eq!((all(&log).await, log.lost()), (vec![entry.clone()], 0));
    let found = log
        .list(&DeliveryLogFilter::new().id(entry.id.clone().unwrap()), None, 10)
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    let none = log
        .list(&DeliveryLogFilter::new().topic("a\0b"), None, 10)
        .await
        .unwrap();
    assert!(none.is_empty());
}

/// What is older than the retention goes when the log is opened, and nothing else does.
pub(crate) async fn what_is_too_old_is_deleted(url: &str) {
    const HOUR: Duration = Duration::from_secs(3600);
    let now = SystemTime::now();
    let entry = |age| DeliveryLogEntry::new(now - age, "dwolla", "dwolla", Source::Delivered, "handled");
    let log = open(url).await;
    for age in [HOUR * 30, HOUR * 20, HOUR] {
        log.record(entry(age));
    }
    log.flush().await;
    assert_eq!(all(&log).await.len(), 3);

    let day = SqlDeliveryLog::builder().retention(HOUR * 24);
    let log = day.connect(url).await.unwrap();
    log.flush().await; // the task deletes before it takes anything
    let ages: Vec<_> = all(&log)
        .await
        .into_iter()
        .map(|entry| now.duration_since(entry.time).unwrap())
        .collect();
    let hours: Vec<_> = ages
        .iter()
        .map(|age| age.as_secs_f64() / 3600.0)
        .map(f64::round)
        .collect();
    assert_eq!(hours, [20.0, 1.0]);
}

/// Two processes write to one table.
pub(crate) async fn two_logs_share_a_table(url: &str) {
    let (one, other) = (open(url).await, open(url).await);
    for entry in entries(600) {
        one.record(entry.clone());
        other.record(entry);
    }
    tokio::join!(one.flush(), other.flush());
    assert_eq!(all(&one).await.len(), 1200);
    assert_eq!((one.lost(), other.lost()), (0, 0));
    assert_eq!(all(&one).await, all(&other).await);
}

/// While the database does not respond, nobody who records waits. When it does again, what fitted
/// into the queue is written, and the rest was counted.
pub(crate) async fn an_outage_costs_what_does_not_fit(
    log: SqlDeliveryLog,
    begin: impl AsyncFnOnce(),
    end: impl AsyncFnOnce(),
) {
    begin().await;
    let given = entries(20_000);
    for entry in given.clone() {
        log.record(entry);
    }
    assert!(log.lost() > 0, "the queue has an end");
    while log.last_failure().is_none() {
        tokio::task::yield_now().await;
    }
    end().await;
    log.flush().await;
    assert!(log.last_failure().is_none());
    let written = all(&log).await;
    assert_eq!(written.len() as u64 + log.lost(), given.len() as u64);
    assert_eq!(written[..8000], given[..8000], "the oldest are there");
}
