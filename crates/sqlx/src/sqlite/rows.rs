//! The rows that statements return, and a record as a row.

use std::time::SystemTime;

use sqlx::{Row as _, sqlite::SqliteRow};
use tower_webhook::{
    event::EventId,
    inbox::{Entry, StoredDelivery},
    store::{Completion, Key, Record, Stage, State, StoreError},
};

use super::connection::{Statement, error};
use crate::row::{self, Columns, stage, time};

pub(super) fn micros(millis: i64) -> i64 {
    millis.saturating_mul(1000)
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
    format!("[{}]", ids.iter().map(|id| quoted(id)).collect::<Vec<_>>().join(","))
}

fn quoted(id: &str) -> String {
    let escaped = |letter: char| match letter {
        '"' | '\\' => format!("\\{letter}"),
        '\0'..='\x1f' => format!("\\u{:04x}", u32::from(letter)),
        _ => letter.to_string(),
    };
    format!("\"{}\"", id.chars().map(escaped).collect::<String>())
}

/// A record as the columns of `write.sql`, from the state on.
pub(super) struct Written {
    pub(super) state: &'static str,
    pub(super) token: Option<Vec<u8>>,
    pub(super) generation: i64,
    pub(super) attempts: i64,
    pub(super) changed_at: i64,
    pub(super) lease_until: Option<i64>,
    fingerprint: Vec<u8>,
    expires_at: i64,
    stored: bool,
    due_at: Option<i64>,
    crashes: i64,
}

impl Written {
    /// Which claim it was stays written of what is finished, for those who look.
    pub(super) fn of(record: &Record, before: Option<&Columns>, now: i64) -> Self {
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
        let schedule = record.schedule;
        let mut written = Self {
            fingerprint: record.fingerprint.to_bytes().to_vec(),
            expires_at: to_millis(record.expires),
            stored: schedule.is_some(),
            due_at: schedule.and_then(|schedule| schedule.due_at).map(to_millis),
            crashes: schedule.map_or(0, |schedule| i64::from(schedule.crashes)),
            state: "free",
            token: None,
            generation,
            attempts,
            changed_at: now,
            lease_until: None,
        };
        match record.state {
            State::Claimed { token, lease_until, .. } => {
                written.state = "claimed";
                written.token = Some(token.to_bytes().to_vec());
                written.lease_until = Some(to_millis(lease_until));
            }
            State::Done { completion, at } => {
                written.state = match completion {
                    Completion::Handled => "handled",
                    _ => "rejected",
                };
                written.changed_at = to_millis(at);
            }
            State::Dead { at, .. } => {
                written.state = "dead";
                written.changed_at = to_millis(at);
            }
            _ => {}
        }
        written
    }

    /// As the parameters of `write.sql`, after the key.
    pub(super) fn bound_to(self, statement: Statement<'_>) -> Statement<'_> {
        statement
            .bind(self.state)
            .bind(self.fingerprint)
            .bind(self.token)
            .bind(self.generation)
            .bind(self.attempts)
            .bind(self.changed_at)
            .bind(self.lease_until)
            .bind(self.expires_at)
            .bind(self.stored)
            .bind(self.due_at)
            .bind(self.crashes)
    }

    /// As an array of `write_many.sql`.
    pub(super) fn json(&self, id: &EventId) -> String {
        let number = |number: Option<i64>| number.map_or_else(|| "null".to_owned(), |number| number.to_string());
        let token = self
            .token
            .as_ref()
            .map_or_else(|| "null".to_owned(), |token| hexadecimal(token));
        format!(
            "[{},\"{}\",{},{token},{},{},{},{},{},{},{},{}]",
            quoted(id.as_str()),
            self.state,
            hexadecimal(&self.fingerprint),
            self.generation,
            self.attempts,
            self.changed_at,
            number(self.lease_until),
            self.expires_at,
            u8::from(self.stored),
            number(self.due_at),
            self.crashes,
        )
    }
}

/// Bytes as a JSON string of hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{digits}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_quoted_as_json_has_it() {
        let ids = [r#"a"b"#, r"c\d", "é, \u{2028}", "\n"];
        assert_eq!(json_of(&ids), "[\"a\\\"b\",\"c\\\\d\",\"é, \u{2028}\",\"\\u000a\"]");
    }
}
