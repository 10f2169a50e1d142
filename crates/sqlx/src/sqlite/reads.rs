//! Lookups, which wait for nobody who writes.

use sqlx::sqlite::SqliteRow;
use tower_webhook::store::{Key, StoreError};

use super::{
    Shared,
    desk::asked,
    rows::{columns, of_millis},
    statements::statement,
};
use crate::row::{Columns, Seen};

/// The records of these events as they are now, in their order.
pub(super) async fn read(shared: &Shared, keys: &[&Key]) -> Result<Vec<Result<Seen, StoreError>>, StoreError> {
    let statement = asked(statement(&shared.sql.read), keys, shared.offset.millis());
    let rows = shared.reader.rows(statement).await?;
    Ok(rows.iter().map(seen).collect())
}

fn seen(row: &SqliteRow) -> Result<Seen, StoreError> {
    let (now, columns) = columns(row)?;
    Ok(Seen {
        now: of_millis(now),
        record: columns.map(Columns::into_record).transpose()?,
    })
}
