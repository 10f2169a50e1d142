//! A Postgres database that processes share, and effects in it.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool, Row as _, postgres::PgConnectOptions};
use tower_webhook::{Delivery, HandlerError};
use tower_webhook_sqlx::PostgresStore;

use super::{
    process::say,
    shared::{Book, Booked, Shared},
};
use crate::endpoint::Event;

impl Shared for PostgresStore {
    async fn open(place: &str) -> Self {
        Self::builder().max_connections(4).connect(place).await.unwrap()
    }

    fn advance(&self, by: Duration) {
        self.advance(by);
    }
}

/// Of a table in the store's database, written with the record or before it.
#[derive(Clone)]
pub(super) struct Rows {
    pool: PgPool,
    store: PostgresStore,
    in_transaction: bool,
}

impl Rows {
    pub(super) fn of(place: &str, store: PostgresStore, in_transaction: bool) -> Self {
        // As behind a pooler, which the store's URL may name.
        let options: PgConnectOptions = place.parse().unwrap();
        let pool = PgPool::connect_lazy_with(options.extra_float_digits(None));
        Self {
            pool,
            store,
            in_transaction,
        }
    }
}

impl Book for Rows {
    async fn book(&self, delivery: &Delivery<Event>, process: u64) -> Result<(), HandlerError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query("INSERT INTO effects (id, process) VALUES ($1, $2)")
            .bind(delivery.event().id().as_str())
            .bind(i64::try_from(process)?)
            .persistent(false)
            .execute(&mut *transaction)
            .await?;
        if self.in_transaction {
            self.store.complete_in(delivery.claim(), &mut transaction).await?;
        }
        transaction.commit().await?;
        if self.in_transaction {
            say(&format!("settled {}", delivery.event().id()));
        }
        Ok(())
    }
}

pub(super) async fn create_effects(place: &str) {
    sqlx::raw_sql("CREATE TABLE effects (id text NOT NULL, process bigint NOT NULL)")
        .execute(&mut PgConnection::connect(place).await.unwrap())
        .await
        .unwrap();
}

pub(super) async fn booked(place: &str) -> Vec<Booked> {
    let rows = sqlx::query("SELECT id, process FROM effects")
        .fetch_all(&mut PgConnection::connect(place).await.unwrap())
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get(0), u64::try_from(row.get::<i64, _>(1)).unwrap()))
        .collect()
}

/// A database of the shared server, by its URL.
pub(super) async fn new_database(name: &'static str) -> Option<String> {
    let server = crate::postgres::server::Server::shared()?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut server.connection().await)
        .await
        .unwrap();
    Some(server.url_of(name))
}
