//! The table of a delivery log.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _, postgres::PgRow};
use tower_webhook::{delivery_log::Reading, store::StoreError};

use super::{CREATING, meaning::error, parameters::Statement, pool::Pool, statements::statement};
use crate::delivery_log::{Conditions, DeliveryTable, of_event};

/// One writes, and operators read.
const CONNECTIONS: u32 = 3;

pub(crate) struct Deliveries {
    pool: Pool,
    insert: Arc<str>,
    list: Arc<str>,
    list_of_event: Arc<str>,
    per_minute: Arc<str>,
    purge: Arc<str>,
}

const INSERT: &str = include_str!("insert.sql");
const LIST: &str = include_str!("list.sql");
const PER_MINUTE: &str = include_str!("per_minute.sql");
const PURGE: &str = "DELETE FROM webhook_deliveries WHERE ended_at < $1";
const EVENT: &str = "($4::text IS NULL OR id = $4)";

impl Deliveries {
    pub(crate) const SCHEMA: &'static str = include_str!("schema.sql");

    pub(crate) async fn connect(url: &str) -> Result<Self, StoreError> {
        let pool = Pool::to(url, CONNECTIONS).await?;
        // Where it is there, no right to create it is needed.
        const QUESTION: &str = "SELECT to_regclass('webhook_deliveries') IS NOT NULL";
        let rows = pool.rows(|| statement(&Arc::from(QUESTION))).await?;
        let is_there = rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
        if !is_there {
            pool.alone(CREATING, AssertSqlSafe(Self::SCHEMA).into_sql_str()).await?;
        }
        Ok(Self {
            pool,
            insert: INSERT.into(),
            list: LIST.into(),
            list_of_event: of_event(LIST, EVENT, "id = $4").into(),
            per_minute: PER_MINUTE.into(),
            purge: PURGE.into(),
        })
    }

    /// The columns of all rows.
    async fn read<'q, T>(
        &self,
        statement: impl Fn() -> Statement<'q>,
        columns: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.pool.rows(statement).await?;
        let rows: Result<_, _> = rows.iter().map(columns).collect();
        rows.map_err(|failed| error(&failed))
    }
}

impl DeliveryTable for Deliveries {
    fn insert<'a>(&'a self, rows: &'a str) -> Reading<'a, ()> {
        Box::pin(async move {
            self.pool.rows_once(|| statement(&self.insert).bind(rows)).await?;
            Ok(())
        })
    }

    fn list<'a>(&'a self, conditions: &'a Conditions, before: i64, limit: i64) -> Reading<'a, Vec<(i64, String)>> {
        let asked = move || {
            let list = if conditions.id.is_some() {
                &self.list_of_event
            } else {
                &self.list
            };
            statement(list)
                .bind(conditions.json.as_str())
                .bind(before)
                .bind(limit)
                .bind(conditions.id.clone())
        };
        Box::pin(self.read(asked, |row| Ok((row.try_get(0)?, row.try_get(1)?))))
    }

    fn per_minute<'a>(&'a self, conditions: &'a Conditions) -> Reading<'a, Vec<(i64, String, i64)>> {
        let asked = move || {
            statement(&self.per_minute)
                .bind(conditions.json.as_str())
                .bind(conditions.id.clone())
        };
        Box::pin(self.read(asked, |row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))))
    }

    fn purge(&self, before: i64) -> Reading<'_, ()> {
        Box::pin(async move {
            self.pool.rows(|| statement(&self.purge).bind(before)).await?;
            Ok(())
        })
    }
}
