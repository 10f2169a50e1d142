//! `SqliteStore::complete_in`.

use std::sync::Arc;

use sqlx::{
    Row as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tower_webhook::{Delivery, dwolla, store::StoreError};
use tower_webhook_sqlx::SqliteStore;

use super::Folder;
use crate::{
    over_store::{App, LEASE},
    transactions::{self, Books},
};

#[derive(Clone)]
struct Files {
    pool: SqlitePool,
    store: SqliteStore,
    folder: Arc<Folder>,
}

impl Files {
    async fn new() -> Self {
        let folder = Folder::new();
        let store = folder.store().await;
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.file()))
            .await
            .unwrap();
        sqlx::raw_sql("CREATE TABLE effects (id TEXT NOT NULL)")
            .execute(&pool)
            .await
            .unwrap();
        Self {
            pool,
            store,
            folder: Arc::new(folder),
        }
    }
}

impl Books for Files {
    type Store = SqliteStore;

    fn store(&self) -> SqliteStore {
        self.store.clone()
    }

    async fn later(&self) -> SqliteStore {
        let store = self.folder.store().await;
        store.advance(LEASE);
        store
    }

    async fn book(
        &self,
        delivery: &Delivery<dwolla::Event>,
        commits: impl Future<Output = bool> + Send,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query("INSERT INTO effects (id) VALUES (?1)")
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
        let row = sqlx::query("SELECT count(*) FROM effects WHERE id = ?1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap();
        usize::try_from(row.get::<i64, _>(0)).unwrap()
    }
}

#[tokio::test]
async fn what_is_committed_is_done_however_the_handler_ends() {
    transactions::what_is_committed_is_done_however_the_handler_ends(Files::new().await).await;
}

#[tokio::test]
async fn what_is_not_committed_is_neither_there_nor_done() {
    transactions::what_is_not_committed_is_neither_there_nor_done(Files::new().await).await;
}

#[tokio::test]
async fn a_run_that_lost_its_claim_leaves_no_effect() {
    transactions::a_run_that_lost_its_claim_leaves_no_effect(Files::new().await).await;
}

#[tokio::test]
async fn a_claim_that_no_store_granted_is_refused() {
    transactions::a_claim_that_no_store_granted_is_refused(Files::new().await).await;
}

#[tokio::test]
async fn a_handler_alone_can_be_tested_with_a_claim_of_its_own() {
    transactions::a_handler_alone_can_be_tested_with_a_claim_of_its_own(Files::new().await).await;
}

#[tokio::test]
async fn a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease() {
    transactions::a_renewal_that_waits_for_the_handlers_own_transaction_is_no_lost_lease(Files::new().await).await;
}

#[tokio::test]
async fn a_transaction_that_does_not_wait_for_the_disk_is_refused() {
    let files = Files::new().await;
    let options = SqliteConnectOptions::new()
        .filename(files.folder.file())
        .synchronous(SqliteSynchronous::Normal);
    let careless = Files {
        pool: SqlitePool::connect_with(options).await.unwrap(),
        ..files.clone()
    };
    let app = App::with(files.store(), move |delivery| {
        let careless = careless.clone();
        async move {
            let refused = careless.book(&delivery, std::future::ready(true)).await.unwrap_err();
            assert!(
                refused
                    .to_string()
                    .contains("PRAGMA synchronous is 1; expected 2 (FULL)"),
                "{refused}"
            );
            Err(refused.into())
        }
    });
    assert_eq!((app.deliver("1").await, files.effects("1").await), (500, 0));
}
