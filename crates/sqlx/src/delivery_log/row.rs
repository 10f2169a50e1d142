//! An entry as a row of the table. No driver is named here.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tower_webhook::{
    delivery_log::{DeliveryLogEntry, DeliveryLogFilter, Numbered, PerMinute},
    event::{Source, Tenant},
    store::StoreError,
};

use crate::row::{counted, small, time};

/// Times and the duration in microseconds.
#[derive(Serialize, Deserialize)]
struct Row {
    ended_at: i64,
    provider: String,
    namespace: String,
    tenant: Option<String>,
    source: String,
    id: Option<String>,
    topic: Option<String>,
    attempt: Option<i64>,
    outcome: String,
    reason: String,
    status: Option<u16>,
    duration: i64,
    size: Option<i64>,
    secret_index: Option<i64>,
    signed_at: Option<i64>,
    captured: Option<i64>,
    left_out: i64,
}

/// What a filter asks for, as the statements take it: one JSON object. What it does not name
/// excludes nothing.
pub(crate) struct Conditions {
    pub(crate) json: String,
    /// The event's id, where it has to be a certain one: there is an index for that.
    pub(crate) id: Option<String>,
}

#[derive(Serialize)]
struct Wanted {
    provider: Option<String>,
    namespace: Option<String>,
    tenant: Option<String>,
    topic: Option<String>,
    outcome: Option<String>,
    /// Outcomes that are left out.
    without: Vec<&'static str>,
    since: Option<i64>,
    until: Option<i64>,
}

impl Conditions {
    pub(super) fn of(filter: &DeliveryLogFilter) -> Result<Self, StoreError> {
        let text = |text: &Option<String>| text.as_deref().map(storable);
        let without = if filter.is_failure {
            DeliveryLogEntry::SUCCESSES.to_vec()
        } else {
            Vec::new()
        };
        let wanted = Wanted {
            provider: text(&filter.provider),
            namespace: text(&filter.namespace),
            tenant: text(&filter.tenant),
            topic: text(&filter.topic),
            outcome: text(&filter.outcome),
            without,
            since: filter.since.map(micros),
            until: filter.until.map(micros),
        };
        Ok(Self {
            json: serde_json::to_string(&wanted).map_err(unreadable)?,
            id: text(&filter.id),
        })
    }
}

/// A text without what Postgres refuses.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// Since 1970.
pub(super) fn micros(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => of_duration(since),
        Err(before) => of_duration(before.duration()).saturating_neg(),
    }
}

fn of_duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn whole(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

impl From<&DeliveryLogEntry> for Row {
    fn from(entry: &DeliveryLogEntry) -> Self {
        Self {
            ended_at: micros(entry.time),
            provider: storable(&entry.provider),
            namespace: storable(&entry.namespace),
            tenant: entry.tenant.as_ref().map(|tenant| tenant.as_str().to_owned()),
            source: entry.source.as_str().to_owned(),
            id: entry.id.as_deref().map(storable),
            topic: entry.topic.as_deref().map(storable),
            attempt: entry.attempt.map(i64::from),
            outcome: storable(&entry.outcome),
            reason: storable(&entry.reason),
            status: entry.status,
            duration: of_duration(entry.duration),
            size: entry.size.map(whole),
            secret_index: entry.secret_index.map(whole),
            signed_at: entry.signed_at.map(micros),
            captured: entry.captured.map(whole),
            left_out: whole(entry.left_out),
        }
    }
}

/// An array of rows.
pub(super) fn write(batch: &[Box<DeliveryLogEntry>]) -> String {
    let rows: Vec<Row> = batch.iter().map(|entry| Row::from(&**entry)).collect();
    // Texts and numbers: there is nothing to fail.
    serde_json::to_string(&rows).unwrap_or_else(|_| "[]".to_owned())
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::unavailable(format!("a row of the delivery log is none: {error}"))
}

pub(super) fn read(number: i64, row: &str) -> Result<Numbered, StoreError> {
    let row: Row = serde_json::from_str(row).map_err(unreadable)?;
    let sources = [Source::Delivered, Source::Fetched, Source::Stored];
    let source = sources.into_iter().find(|source| source.as_str() == row.source);
    let source = source.ok_or_else(|| {
        StoreError::unavailable(format!(
            "a row of the delivery log has the source {:?}; expected delivered, fetched or stored",
            row.source
        ))
    })?;
    let mut entry = DeliveryLogEntry::new(time(row.ended_at), row.provider, row.namespace, source, row.outcome);
    entry.tenant = row.tenant.and_then(|name| Tenant::new(name).ok());
    entry.id = row.id;
    entry.topic = row.topic;
    entry.attempt = row.attempt.map(small);
    entry.reason = row.reason;
    entry.status = row.status;
    entry.duration = Duration::from_micros(counted(row.duration));
    entry.size = row.size.map(counted);
    entry.secret_index = row.secret_index.and_then(|index| usize::try_from(index).ok());
    entry.signed_at = row.signed_at.map(time);
    entry.captured = row.captured.map(counted);
    entry.left_out = counted(row.left_out);
    Ok(Numbered::new(counted(number), entry))
}

pub(super) fn per_minute((minute, outcome, count): (i64, String, i64)) -> PerMinute {
    PerMinute::new(time(minute.saturating_mul(60_000_000)), outcome, counted(count))
}
