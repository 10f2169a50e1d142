//! A SQLite file that processes share, and effects in it.

use std::time::Duration;

use sqlx::{
    Connection as _, Row as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tower_webhook::{Delivery, HandlerError};
use tower_webhook_sqlx::SqliteStore;

use super::{
    process::say,
    shared::{Book, Booked, Shared},
};
use crate::endpoint::Event;

impl Shared for SqliteStore {
    async fn open(place: &str) -> Self {
        Self::open(place).await.unwrap()
    }

    fn advance(&self, by: Duration) {
        self.advance(by);
    }
}

/// Of a table in the store's file, each written with the record.
#[derive(Clone)]
pub(super) struct Rows {
    pool: SqlitePool,
    store: SqliteStore,
}

impl Rows {
    pub(super) fn of(place: &str, store: SqliteStore) -> Self {
        // One would do, since one writes at a time; with two they get into each other's way, as
        // they do in an application.
        let options = SqliteConnectOptions::new().filename(place);
        let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options);
        Self { pool, store }
    }
}

impl Book for Rows {
    async fn book(&self, delivery: &Delivery<Event>, process: u64) -> Result<(), HandlerError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO effects (id, process) VALUES (?1, ?2)")
            .bind(delivery.event().id().as_str())
            .bind(i64::try_from(process)?)
            .execute(&mut *transaction)
            .await?;
        self.store.complete_in(delivery.claim(), &mut transaction).await?;
        transaction.commit().await?;
        say(&format!("settled {}", delivery.event().id()));
        Ok(())
    }
}

/// One connection, closed again: while another process has the file open, one that was killed
/// leaves less to be recovered.
async fn connect(place: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(place).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

pub(super) async fn create_effects(place: &str) {
    let mut connection = connect(place).await;
    sqlx::raw_sql("CREATE TABLE effects (id TEXT NOT NULL, process INTEGER NOT NULL)")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

pub(super) async fn booked(place: &str) -> Vec<Booked> {
    let rows = sqlx::query("SELECT id, process FROM effects")
        .fetch_all(&mut connect(place).await)
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get(0), u64::try_from(row.get::<i64, _>(1)).unwrap()))
        .collect()
}
