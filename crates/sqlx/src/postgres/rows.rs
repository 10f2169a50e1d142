//! The rows that statements return.

use sqlx::{Row as _, postgres::PgRow};

use super::{Effect, StoreError, error};
use crate::row::{Columns, Seen, counted, time};

pub(super) fn effect(rows: &[PgRow]) -> Effect {
    if rows.is_empty() {
        Effect::NotHeld
    } else {
        Effect::Applied
    }
}

pub(super) fn first(rows: &[PgRow]) -> Result<&PgRow, StoreError> {
    rows.first()
        .ok_or_else(|| StoreError::unavailable("Postgres gave no row; expected one"))
}

pub(super) fn number(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    row.try_get(column).map(counted).map_err(|failed| error(&failed))
}

pub(super) fn seen(row: &PgRow) -> Result<Seen, StoreError> {
    let (now, columns) = columns(row).map_err(|failed| error(&failed))?;
    Ok(Seen {
        now: time(now),
        record: columns.map(Columns::into_record).transpose()?,
    })
}

/// The time, and the row's columns if there is a row.
fn columns(row: &PgRow) -> Result<(i64, Option<Columns>), sqlx::Error> {
    let now = row.try_get("now")?;
    let Some(state) = row.try_get("state")? else {
        return Ok((now, None));
    };
    let columns = Columns {
        state,
        fingerprint: row.try_get("fingerprint")?,
        token: row.try_get("token")?,
        generation: row.try_get("generation")?,
        attempts: row.try_get("attempts")?,
        changed_at: row.try_get("changed_at")?,
        lease_until: row.try_get("lease_until")?,
        expires_at: row.try_get("expires_at")?,
        stored: row.try_get("stored")?,
        due_at: row.try_get("due_at")?,
        crashes: row.try_get("crashes")?,
    };
    Ok((now, Some(columns)))
}
