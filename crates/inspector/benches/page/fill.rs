//! Deliveries of a day, most of which went well.

use std::time::{Duration, SystemTime};

use tower_webhook::{
    delivery_log::{DeliveryLog, DeliveryLogEntry},
    event::Source,
};
use tower_webhook_sqlx::SqlDeliveryLog;

/// How one in a thousand ended.
pub(crate) const RARE: &str = "rejected";

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A log has a queue of 8,192.
const AT_ONCE: u64 = 4_000;

pub(crate) fn id(number: u64) -> String {
    format!("4f8b{number:06}-5b13-4815-a83d-ed7a1fc70bd8")
}

/// This one of so many, the oldest first.
fn entry(number: u64, entries: u64, now: SystemTime) -> DeliveryLogEntry {
    let (outcome, status, reason) = match number {
        _ if number % 1000 == 17 => (RARE, 422, "the account is closed"),
        _ if number % 50 == 3 => ("handler-failed", 500, "the ledger is closed"),
        _ => ("stored", 200, ""),
    };
    let age = DAY.mul_f64((entries - number) as f64 / entries as f64);
    let mut entry = DeliveryLogEntry::new(now - age, "dwolla", "dwolla", Source::Delivered, outcome);
    entry.id = Some(id(number));
    entry.topic = Some(["customer_created", "transfer_completed"][number as usize % 2].to_owned());
    entry.attempt = Some(1);
    entry.status = Some(status);
    entry.reason = reason.to_owned();
    entry.duration = Duration::from_micros(800 + number % 500);
    entry.size = Some(600);
    entry.secret_index = Some(0);
    entry
}

pub(crate) fn log(log: &impl DeliveryLog, numbers: std::ops::Range<u64>, entries: u64, now: SystemTime) {
    for number in numbers {
        log.record(entry(number, entries, now));
    }
}

pub(crate) async fn database(url: &str, entries: u64) {
    let (table, now) = (SqlDeliveryLog::connect(url).await.unwrap(), SystemTime::now());
    let mut from = 0;
    while from < entries {
        let to = entries.min(from + AT_ONCE);
        log(&table, from..to, entries, now);
        table.flush().await;
        from = to;
    }
    assert_eq!(table.lost(), 0);
}
