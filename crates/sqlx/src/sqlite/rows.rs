//! The rows that statements return, and a record as a row.

use std::time::SystemTime;

use sqlx::{Row as _, sqlite::SqliteRow};
use tower_webhook::{
    event::EventId,
    inbox::{Entry, StoredDelivery},
    store::{Completion, Key, Record, Stage, State, StoreError},
};

use super::connection::error;
use crate::row::{self, Columns, stage, time};

pub(super) fn micros(millis: i64) -> i64 {
    millis.saturating_mul(1000)
}

pub(super) fn of_micros(micros: i64) -> i64 {
    micros / 1000
}

/// A time as the table has it, rounded up so that nothing ends early.
pub(super) fn to_millis(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

pub(super) fn of_millis(millis: i64) -> SystemTime {
    time(micros(millis))
}

pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    row.try_get(column).map_err(|failed| error(&failed))
}

pub(super) fn key(namespace: &str, row: &SqliteRow) -> Result<Key, StoreError> {
    let id: String = get(row, "id")?;
    Ok(Key::new(namespace, EventId::new(&id).map_err(StoreError::unavailable)?))
}

pub(super) fn count(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    get(row, column).map(crate::row::counted)
}

pub(super) fn small(row: &SqliteRow, column: &str) -> Result<u32, StoreError> {
    get(row, column).map(row::small)
}

/// Attempts and crashes.
pub(super) fn attempts(row: &SqliteRow) -> Result<(u32, u32), StoreError> {
    Ok((small(row, "attempts")?, small(row, "crashes")?))
}

/// The time, and the row's columns if there is a row.
pub(super) fn columns(row: &SqliteRow) -> Result<(i64, Option<Columns>), StoreError> {
    let now = get(row, "now")?;
    let Some(state) = get(row, "state")? else {
        return Ok((now, None));
    };
    let columns = Columns {
        state,
        fingerprint: get(row, "fingerprint")?,
        token: get(row, "token")?,
        generation: get(row, "generation")?,
        attempts: get(row, "attempts")?,
        changed_at: micros(get(row, "changed_at")?),
        lease_until: get::<Option<i64>>(row, "lease_until")?.map(micros),
        expires_at: micros(get(row, "expires_at")?),
        stored: get(row, "stored")?,
        due_at: get::<Option<i64>>(row, "due_at")?.map(micros),
        crashes: get(row, "crashes")?,
    };
    Ok((now, Some(columns)))
}

pub(super) fn entry(namespace: &str, row: &SqliteRow) -> Result<Entry, StoreError> {
    let stage = stage(&get::<String>(row, "state")?);
    let (attempts, crashes) = attempts(row)?;
    let due_at: Option<i64> = get(row, "due_at")?;
    let topic: String = get(row, "topic")?;
    let received_at = of_millis(get(row, "received_at")?);
    Ok(Entry::new(key(namespace, row)?, topic, stage, received_at)
        .with_attempts(attempts, crashes)
        .with_due_at(due_at.map(of_millis)))
}

pub(super) fn delivery(row: &SqliteRow) -> Result<StoredDelivery, StoreError> {
    let topic: String = get(row, "topic")?;
    let secret_index: Option<i64> = get(row, "secret_index")?;
    let secret_index = secret_index.and_then(|index| usize::try_from(index).ok());
    let headers: Vec<u8> = get(row, "headers")?;
    let body: Vec<u8> = get(row, "body")?;
    Ok(StoredDelivery::from_text(topic, secret_index, &headers, body))
}

/// The states of a stage, as the table names them, in a JSON array.
pub(super) fn states(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => r#"["free"]"#,
        Stage::Running => r#"["claimed"]"#,
        Stage::Done => r#"["handled","rejected"]"#,
        Stage::Dead => r#"["dead"]"#,
        _ => "[]",
    }
}

/// Ids as a JSON array.
pub(super) fn json_of(ids: &[&str]) -> String {
    // Texts: there is nothing that JSON has not.
    serde_json::to_string(ids).unwrap_or_default()
}

/// A record as a row. Which claim it was stays written of what is finished, for those who look.
pub(super) fn row_of(record: &Record, before: Option<&Columns>, now: i64) -> Columns {
    let (generation, attempts) = match record.state {
        State::Claimed {
            generation, attempts, ..
        }
        | State::Free { generation, attempts }
        | State::Dead {
            generation, attempts, ..
        } => (i64::try_from(generation).unwrap_or(i64::MAX), i64::from(attempts)),
        _ => before.map_or((0, 0), |before| (before.generation, before.attempts)),
    };
    let micros_of = |time| micros(to_millis(time));
    let schedule = record.schedule;
    let (mut token, mut lease_until, mut changed_at) = (None, None, micros(now));
    let state = match record.state {
        State::Claimed {
            token: of,
            lease_until: until,
            ..
        } => {
            token = Some(of.to_bytes().to_vec());
            lease_until = Some(micros_of(until));
            "claimed"
        }
        State::Done { completion, at } => {
            changed_at = micros_of(at);
            match completion {
                Completion::Handled => "handled",
                _ => "rejected",
            }
        }
        State::Dead { at, .. } => {
            changed_at = micros_of(at);
            "dead"
        }
        _ => "free",
    };
    Columns {
        state: state.to_owned(),
        fingerprint: record.fingerprint.to_bytes().to_vec(),
        token,
        generation,
        attempts,
        changed_at,
        lease_until,
        expires_at: micros_of(record.expires),
        stored: schedule.is_some(),
        due_at: schedule.and_then(|schedule| schedule.due_at).map(micros_of),
        crashes: schedule.map_or(0, |schedule| i64::from(schedule.crashes)),
    }
}
