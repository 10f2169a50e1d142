//! `PostgresStore::complete_in`.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};
use tower_webhook::{
    Delivery, dwolla,
    store::{IdempotencyStore as _, State, StoreError},
};
use tower_webhook_sqlx::PostgresStore;

use super::{new_table, server::Server, store_at};
use crate::{
    endpoint::key,
    over_store::{App, LEASE},
    transactions::{self, Books},
};

#[derive(Clone)]
pub(super) struct Tables {
    /// Where its stores connect.
    url: Arc<str>,
    pool: PgPool,
    store: PostgresStore,
    seen: Arc<str>,
    effects: Arc<str>,
}

impl Tables {
    async fn new() -> Option<Self> {
        let server = Server::shared()?;
        let pool = PgPool::connect(&server.url()).await.unwrap();
        Some(Self::over(&server.url(), pool).await)
    }

    /// With a store that connects here, and an application that has this pool.
    pub(super) async fn over(url: &str, pool: PgPool) -> Self {
        let (seen, effects) = (new_table(), new_table());
        let store = store_at(url, &seen).await;
        let create = format!("CREATE TABLE {effects} (id text NOT NULL)");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
        Self {
            url: url.into(),
            pool,
            store,
            seen: seen.into(),
            effects: effects.into(),
        }
    }
}

impl Books for Tables {
    type Store = PostgresStore;

    fn store(&self) -> PostgresStore {
        self.store.clone()
    }

    async fn later(&self) -> PostgresStore {
        let store = store_at(&self.url, &self.seen).await;
        store.advance(LEASE);
        store
    }

    async fn book(
        &self,
        delivery: &Delivery<dwolla::Event>,
        commits: impl Future<Output = bool> + Send,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.unwrap();
        sqlx::query(AssertSqlSafe(format!("INSERT INTO {} (id) VALUES ($1)", self.effects)))
            .bind(delivery.event().id().as_str())
            .persistent(false)
            .execute(&mut *transaction)
            .await
            .unwrap();
        self.store.complete_in(delivery.claim(), &mut transaction).await?;
        if commits.await {
            transaction.commit().await.unwrap();
        }
        Ok(())
    }

    async fn effects(&self, id: &str) -> usize {
        let question = format!("SELECT count(*) FROM {} WHERE id = $1", self.effects);
        let row = sqlx::query(AssertSqlSafe(question))
            .bind(id)
            .fetch_one(&mut Server::shared().unwrap().connection().await)
            .await
            .unwrap();
        usize::try_from(row.get::<i64, _>(0)).unwrap()
    }
}

#[tokio::test]
async fn what_is_committed_is_done_however_the_handler_ends() {
    let Some(tables) = Tables::new().await else { return };
    transactions::what_is_committed_is_done_however_the_handler_ends(tables).await;
}

#[tokio::test]
async fn what_is_not_committed_is_neither_there_nor_done() {
    let Some(tables) = Tables::new().await else { return };
    transactions::what_is_not_committed_is_neither_there_nor_done(tables).await;
}

#[tokio::test]
async fn a_run_that_lost_its_claim_leaves_no_effect() {
    let Some(tables) = Tables::new().await else { return };
    transactions::a_run_that_lost_its_claim_leaves_no_effect(tables).await;
}

#[tokio::test]
async fn a_claim_that_no_store_granted_is_refused() {
    let Some(tables) = Tables::new().await else { return };
    transactions::a_claim_that_no_store_granted_is_refused(tables).await;
}

#[tokio::test]
async fn a_handler_alone_can_be_tested_with_a_claim_of_its_own() {
    let Some(tables) = Tables::new().await else { return };
    transactions::a_handler_alone_can_be_tested_with_a_claim_of_its_own(tables).await;
}

#[tokio::test]
async fn a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease() {
    let Some(tables) = Tables::new().await else { return };
    transactions::a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease(tables).await;
}

/// With a server that keeps what nobody waits for to itself, and then dies.
#[tokio::test]
async fn what_is_answered_is_on_the_disk_also_where_commits_do_not_wait_for_it() {
    let Some(server) = Server::start() else { return };
    let mut admin = server.connection().await;
    for setting in ["ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"] {
        sqlx::query(setting).execute(&mut admin).await.unwrap();
    }
    let pool = PgPoolOptions::new().after_connect(|connection, _| {
        Box::pin(async move {
            sqlx::raw_sql("SET synchronous_commit = off")
                .execute(connection)
                .await
                .map(drop)
        })
    });
    let pool = pool.connect(&server.url()).await.unwrap();
    let store = PostgresStore::with_pool(pool.clone()).await.unwrap();
    sqlx::raw_sql("CREATE TABLE effects (id text NOT NULL)")
        .execute(&pool)
        .await
        .unwrap();
    let (inner, effects) = (store.clone(), pool.clone());
    let in_transaction = App::with(store.clone(), move |delivery| {
        let (store, pool) = (inner.clone(), effects.clone());
        async move {
            let mut transaction = pool.begin().await?;
            sqlx::query("INSERT INTO effects (id) VALUES ($1)")
                .bind(delivery.event().id().as_str())
                .execute(&mut *transaction)
                .await?;
            store.complete_in(delivery.claim(), &mut transaction).await?;
            transaction.commit().await?;
            Ok(())
        }
    });
    assert_eq!(in_transaction.deliver("in a transaction").await, 200);
    server.kill();
    server.run();
    drop(server.connection().await);
    let effects = sqlx::query("SELECT id FROM effects").fetch_all(&pool).await.unwrap();
    assert_eq!(effects.len(), 1);
    assert!(matches!(
        store.get(&key("in a transaction")).await.unwrap().unwrap().state,
        State::Done { .. }
    ));

    let plain = App::new(store.clone());
    assert_eq!(plain.deliver("plain").await, 200);
    server.kill();
    server.run();
    drop(server.connection().await);
    assert!(matches!(
        store.get(&key("plain")).await.unwrap().unwrap().state,
        State::Done { .. }
    ));
}
