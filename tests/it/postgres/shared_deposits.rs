//! Deposits that wait at the same time share a statement.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgPoolOptions};
use tower_webhook::{
    inbox::Inbox,
    store::{Deposited, Stage, StoreError, StoreErrorKind},
};
use tower_webhook_sqlx::PostgresStore;

use super::{
    inbox::{deposit, ids, number, run, take},
    new_table,
    server::Server,
    store_in,
};

/// Deposits all at once: what each is told, in their order.
async fn deposit_at_once(
    store: &PostgresStore,
    ids: impl Iterator<Item = String>,
) -> Vec<Result<Deposited, StoreError>> {
    let tasks: Vec<_> = ids
        .map(|id| {
            let store = store.clone();
            tokio::spawn(async move { store.deposit(&deposit(&id)).await })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    told
}

#[tokio::test]
async fn deposits_that_wait_at_the_same_time_share_a_commit() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    for told in deposit_at_once(&store, (1..=200).map(|number| number.to_string())).await {
        assert_eq!(told.unwrap(), Deposited::Stored);
    }
    let mut connection = server.connection().await;
    let commits = number(
        &mut connection,
        format!("SELECT count(DISTINCT xmin::text) FROM {table}"),
    );
    let commits = commits.await;
    assert!(commits <= 10, "{commits} commits for 200 deliveries");
    let taken = take(&store, 300).await;
    assert_eq!(taken.len(), 200);
    for taken in taken {
        let key = &taken.claim_request.key;
        assert_eq!(taken.delivery, deposit(key.id().as_str()).delivery);
    }
}

#[tokio::test]
async fn a_hundred_copies_at_once_are_stored_once() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    let told = deposit_at_once(&store, (0..100).map(|_| "1".to_owned())).await;
    let told: Vec<_> = told.into_iter().map(Result::unwrap).collect();
    let stored = told.iter().filter(|told| **told == Deposited::Stored);
    assert_eq!(stored.count(), 1);
    let known = told.iter().filter(|told| **told == Deposited::Known(Stage::Waiting));
    assert_eq!(known.count(), 99);
    assert_eq!(ids(&take(&store, 10).await), ["1"]);
}

#[tokio::test]
async fn a_delivery_that_the_database_refuses_takes_no_other_with_it() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    let mut connection = server.connection().await;
    let refuse = format!("ALTER TABLE {table}_bodies ADD CHECK (id <> '7')");
    run(&mut connection, &table, &refuse).await;
    let told = deposit_at_once(&store, (1..=20).map(|number| number.to_string())).await;
    for (number, told) in (1..).zip(told) {
        match told {
            Ok(told) => assert_eq!((told, number == 7), (Deposited::Stored, false)),
            Err(failed) => {
                assert_eq!(number, 7, "{failed}");
                assert_eq!(failed.kind(), StoreErrorKind::Unavailable);
            }
        }
    }
    assert_eq!(take(&store, 100).await.len(), 19);
}

#[tokio::test]
async fn an_event_that_a_transaction_holds_holds_up_no_other() {
    let Some(server) = Server::shared() else { return };
    // Of a pool that is given, which has no time limit for a statement of its own.
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let builder = PostgresStore::builder().table(new_table());
    let store = builder.with_pool(pool.clone()).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    store.deposit_in(&deposit("held"), &mut transaction).await.unwrap();
    let copy = tokio::spawn({
        let store = store.clone();
        async move { store.deposit(&deposit("held")).await }
    });
    for told in deposit_at_once(&store, (1..=20).map(|number| number.to_string())).await {
        assert_eq!(told.unwrap(), Deposited::Stored);
    }
    assert!(!copy.is_finished(), "it waits for the transaction");
    transaction.commit().await.unwrap();
    assert_eq!(copy.await.unwrap().unwrap(), Deposited::Known(Stage::Waiting));
}

#[tokio::test]
async fn callers_that_have_gone_leave_the_way_free() {
    let Some(server) = Server::shared() else { return };
    // Fewer connections than callers that go away, and no time limit for a statement.
    let few = PgPoolOptions::new()
        .max_connections(2)
        .acquire_timeout(Duration::from_secs(10))
        .connect(&server.url())
        .await
        .unwrap();
    let builder = PostgresStore::builder().table(new_table());
    let store = builder.with_pool(few).await.unwrap();
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    for id in ["a", "b", "c"] {
        store.deposit_in(&deposit(id), &mut transaction).await.unwrap();
    }
    let holder: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    let mut connection = server.connection().await;
    // Those that wait alone, for longer than a statement that others share may. The server does not
    // notice that their callers have gone.
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE {holder} = ANY (pg_blocking_pids(pid)) AND clock_timestamp() - query_start > interval '200 ms'"
    );
    for (gone, id) in (1..).zip(["a", "b", "c"]) {
        let copy = tokio::spawn({
            let store = store.clone();
            async move { store.deposit(&deposit(id)).await }
        });
        while number(&mut connection, waits.clone()).await < gone {
            assert!(!copy.is_finished(), "it waits for the transaction");
            tokio::task::yield_now().await;
        }
        copy.abort();
    }
    assert_eq!(store.deposit(&deposit("d")).await.unwrap(), Deposited::Stored);
    transaction.rollback().await.unwrap();
    // What a copy had sent may land by now.
    let again = store.deposit(&deposit("a")).await.unwrap();
    assert!(
        matches!(again, Deposited::Stored | Deposited::Known(Stage::Waiting)),
        "{again:?}"
    );
}
