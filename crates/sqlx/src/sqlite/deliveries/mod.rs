//! The table of a delivery log.

use std::{path::Path, sync::Arc};

use sqlx::{Row as _, sqlite::SqliteRow};
use tower_webhook::{delivery_log::Reading, store::StoreError};

use super::{
    connection::{self, Connection, error},
    statements::statement,
};
use crate::delivery_log::{Conditions, DeliveryTable, of_event};

pub(crate) struct Deliveries {
    writer: Connection,
    reader: Connection,
    insert: Arc<str>,
    list: Arc<str>,
    list_of_event: Arc<str>,
    per_minute: Arc<str>,
    purge: Arc<str>,
}

const EVENT: &str = "(?4 IS NULL OR id = ?4)";

impl Deliveries {
    pub(crate) const SCHEMA: &'static str = include_str!("schema.sql");

    pub(crate) async fn open(path: &str) -> Result<Self, StoreError> {
        let options = connection::options(Path::new(path), None);
        let list = include_str!("list.sql");
        let table = Self {
            writer: Connection::open(options.clone()).await?,
            reader: Connection::open(options).await?,
            insert: include_str!("insert.sql").into(),
            list: list.into(),
            list_of_event: of_event(list, EVENT, "id = ?4").into(),
            per_minute: include_str!("per_minute.sql").into(),
            purge: "DELETE FROM webhook_deliveries WHERE ended_at < ?1".into(),
        };
        table.writer.execute(statement(&Self::SCHEMA.into())).await?;
        Ok(table)
    }
}

impl DeliveryTable for Deliveries {
    fn insert<'a>(&'a self, rows: &'a str) -> Reading<'a, ()> {
        Box::pin(async move {
            self.writer.execute(statement(&self.insert).bind(rows)).await?;
            Ok(())
        })
    }

    fn list<'a>(&'a self, conditions: &'a Conditions, before: i64, limit: i64) -> Reading<'a, Vec<(i64, String)>> {
        let sql = if conditions.id.is_some() {
            &self.list_of_event
        } else {
            &self.list
        };
        Box::pin(async move {
            let asked = statement(sql)
                .bind(&conditions.json)
                .bind(before)
                .bind(limit)
                .bind(&conditions.id);
            let rows = self.reader.rows(asked).await?;
            let columns = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
            let rows: Result<_, sqlx::Error> = rows.iter().map(columns).collect();
            rows.map_err(|failed| error(&failed))
        })
    }

    fn per_minute<'a>(&'a self, conditions: &'a Conditions) -> Reading<'a, Vec<(i64, String, i64)>> {
        Box::pin(async move {
            let asked = statement(&self.per_minute).bind(&conditions.json).bind(&conditions.id);
            let rows = self.reader.rows(asked).await?;
            let columns = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            let rows: Result<_, sqlx::Error> = rows.iter().map(columns).collect();
            rows.map_err(|failed| error(&failed))
        })
    }

    fn purge(&self, before: i64) -> Reading<'_, ()> {
        Box::pin(async move {
            self.writer.execute(statement(&self.purge).bind(before)).await?;
            Ok(())
        })
    }
}
