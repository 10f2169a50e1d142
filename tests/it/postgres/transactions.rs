//! `PostgresStore::complete_in`.

use std::sync::Arc;

use sqlx::{AssertSqlSafe, PgPool, Row as _};
use tower_webhook::{
    Delivery, dwolla,
    store::{PostgresStore, StoreError},
};

use super::{new_table, server::Server, store_in};
use crate::{
    over_store::LEASE,
    transactions::{self, Books},
};

#[derive(Clone)]
struct Tables {
    server: &'static Server,
    pool: PgPool,
    store: PostgresStore,
    seen: Arc<str>,
    effects: Arc<str>,
}

impl Tables {
    async fn new() -> Option<Self> {
        let server = Server::shared()?;
        let (seen, effects) = (new_table(), new_table());
        let store = store_in(server, &seen).await;
        let pool = PgPool::connect(&server.url()).await.unwrap();
        let create = format!("CREATE TABLE {effects} (id text NOT NULL)");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&pool).await.unwrap();
        Some(Self {
            server,
            pool,
            store,
            seen: seen.into(),
            effects: effects.into(),
        })
    }
}

impl Books for Tables {
    type Store = PostgresStore;

    fn store(&self) -> PostgresStore {
        self.store.clone()
    }

    async fn later(&self) -> PostgresStore {
        let store = store_in(self.server, &self.seen).await;
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
            .fetch_one(&self.pool)
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
async fn a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease() {
    let Some(tables) = Tables::new().await else { return };
    transactions::a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease(tables).await;
}
