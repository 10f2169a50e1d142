//! The checks when a store is opened.

use std::sync::Arc;

use sqlx::Row as _;

use tower_webhook::store::StoreError;

use super::{meaning::error, pool::Pool, rows::first, statements::statement};
use crate::row::Table;

/// Whether the tables are there. One that is there and was made before there were inboxes is
/// refused: nothing here changes what holds records.
pub(super) async fn are_there(pool: &Pool, table: &Table) -> Result<bool, StoreError> {
    const QUESTION: &str = "SELECT to_regclass($1) IS NOT NULL AS is_there, \
         to_regclass($2) IS NOT NULL AND to_regclass($3) IS NOT NULL AS is_whole, \
         3 = (SELECT count(*) FROM pg_attribute WHERE attrelid = to_regclass($1) AND NOT attisdropped \
              AND attname IN ('crashes', 'stored', 'due_at')) AS is_new";
    let rows = pool
        .rows(|| {
            statement(&Arc::from(QUESTION))
                .bind(table.to_string())
                .bind(table.in_statement("webhook_bodies"))
                .bind(table.in_statement("webhook_attempts"))
        })
        .await?;
    let row = first(&rows)?;
    let has = |column| row.try_get::<bool, _>(column).map_err(|failed| error(&failed));
    if has("is_there")? && !has("is_new")? {
        return Err(StoreError::config(format!(
            "the table {table} lacks the columns crashes, stored and due_at; expected the tables that \
             PostgresStore::SCHEMA describes: rename the old one, open the store again, and copy the rows over"
        )));
    }
    Ok(has("is_there")? && has("is_whole")?)
}

/// The schema that the table is in: without one before its name, the session's `search_path`
/// decides.
pub(super) async fn schema_of(pool: &Pool, table: &Table) -> Result<String, StoreError> {
    const SCHEMA_OF: &str = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = to_regclass($1)";
    let rows = pool
        .rows(|| statement(&Arc::from(SCHEMA_OF)).bind(table.to_string()))
        .await?;
    // A table that is missing is what the next statement complains of.
    rows.first()
        .map_or(Ok(String::new()), |row| row.try_get(0).map_err(|failed| error(&failed)))
}
