//! The inbox in Postgres: the suite, the plans of its statements, and what is its own.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _, postgres::PgPoolOptions};
use tower_webhook::{
    inbox::{Action, Attempt, Deposit, Filter, Inbox, InboxAdmin, Settlement, StoredDelivery, TakeRequest, Taken},
    store::{
        Completion, Deposited, Effect, IdempotencyStore, Replayed, Stage, StoreAdmin, StoreErrorKind, Token, record,
    },
};
use tower_webhook_sqlx::PostgresStore;

use super::{Harness, claim_request, new_table, server::Server, store_in};

/// Each test has its own tables: one of them purges, as if hours had passed.
impl Harness {
    async fn alone() -> Option<Self> {
        let server = Server::shared()?;
        Some(Self(store_in(server, &new_table()).await))
    }

    /// On tables in a schema.
    async fn in_a_schema() -> Option<Self> {
        let server = Server::shared()?;
        let create = "CREATE SCHEMA IF NOT EXISTS inboxes";
        // Two at once may both find it missing.
        let _ = sqlx::raw_sql(create).execute(&mut server.connection().await).await;
        Some(Self(store_in(server, &format!("inboxes.{}", new_table())).await))
    }
}

tower_webhook::inbox_suite!(suite, Harness::alone().await);
tower_webhook::inbox_suite!(suite_in_a_schema, Harness::in_a_schema().await);
tower_webhook::inbox_suite!(suite_on_a_given_pool, Harness::serializable(&new_table()).await);

const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn deposit(id: &str) -> Deposit {
    let request = claim_request(id);
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static("1"));
    Deposit::new(
        request.key,
        request.fingerprint,
        StoredDelivery::new("customer_created", headers, id.as_bytes().to_vec()),
    )
}

pub(super) async fn take(store: &PostgresStore, limit: usize) -> Vec<Taken> {
    let request = TakeRequest::new("dwolla", Token::random(), limit);
    store.take(&request).await.unwrap()
}

pub(super) fn ids(taken: &[Taken]) -> Vec<&str> {
    taken
        .iter()
        .map(|taken| taken.claim_request.key.id().as_str())
        .collect()
}

pub(super) async fn run(connection: &mut PgConnection, table: &str, sql: &str) {
    let sql = sql.replace("webhook_events", table);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
}

pub(super) async fn number(connection: &mut PgConnection, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(connection)
        .await
        .unwrap()
}

// --- deposits in a transaction

#[tokio::test]
async fn a_deposit_in_a_transaction_is_there_if_it_is_committed() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    for (id, commits) in [("committed", true), ("rolled back", false)] {
        let deposit = deposit(id);
        let mut transaction = pool.begin().await.unwrap();
        let stored = store.deposit_in(&deposit, &mut transaction).await.unwrap();
        assert_eq!(stored, Deposited::Stored);
        let again = store.deposit_in(&deposit, &mut transaction).await.unwrap();
        assert_eq!(again, Deposited::Known(Stage::Waiting));
        // nobody sees it yet
        assert!(take(&store, 10).await.is_empty());
        if commits {
            transaction.commit().await.unwrap();
            let taken = take(&store, 10).await;
            assert_eq!(ids(&taken), [id]);
            assert_eq!(taken[0].delivery, deposit.delivery);
        } else {
            transaction.rollback().await.unwrap();
            assert!(take(&store, 10).await.is_empty());
            assert_eq!(store.letter(&deposit.key).await.unwrap(), None);
        }
    }
}

// --- what an operator asks for

#[tokio::test]
async fn more_than_a_statement_replays_are_spread_over_the_whole_time() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    let mut connection = server.connection().await;
    let fill = "INSERT INTO webhook_events (namespace, id, state, fingerprint, generation, attempts, changed_at, \
                expires_at, stored) \
                SELECT 'dwolla', n::text, 'dead', decode(md5('1'), 'hex'), 1, 1, now(), now() + interval '1 year', true \
                FROM generate_series(1, 12000) AS n";
    run(&mut connection, &table, fill).await;
    let bodies = format!(
        "INSERT INTO {table}_bodies (namespace, id, received_at, topic, headers, body) \
         SELECT namespace, id, now() - id::bigint % 1000 * interval '1 second', 'a', '', '' FROM {table}"
    );
    run(&mut connection, &table, &bodies).await;
    for filter in [Filter::new("dwolla"), Filter::new("dwolla").stage(Stage::Dead)] {
        run(
            &mut connection,
            &table,
            "UPDATE webhook_events SET state = 'dead', due_at = NULL",
        )
        .await;
        assert_eq!(store.replay_all(&filter, DAY).await.unwrap(), 12_000);
        let due = |from: &str, to: &str| {
            format!(
                "SELECT count(*) FROM {table} WHERE due_at >= now() + interval '{from}' AND due_at < now() + interval '{to}'"
            )
        };
        for (from, to) in [("-1 min", "6 hours"), ("6 hours", "12 hours"), ("12 hours", "18 hours")] {
            let quarter = number(&mut connection, due(from, to)).await;
            assert!((2950..=3050).contains(&quarter), "{quarter} from {from} to {to}");
        }
        // The oldest first, over all parts.
        let disorder = format!(
            "SELECT count(*) FROM (SELECT due_at - lag(due_at) OVER (ORDER BY received_at, id) AS step \
             FROM {table} JOIN {table}_bodies USING (namespace, id)) AS steps WHERE step < '0'"
        );
        assert_eq!(number(&mut connection, disorder).await, 0);
    }
}

#[tokio::test]
async fn an_event_that_is_forgotten_while_a_deposit_adopts_it_leaves_no_body() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = Arc::new(store_in(server, &table).await);
    let claimed = claim_request("1");
    store.claim(&claimed).await.unwrap();
    store.release(&claimed).await.unwrap();
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let stored = store.deposit_in(&deposit("1"), &mut transaction).await.unwrap();
    assert_eq!(stored, Deposited::Stored);
    let forgetting = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.forget(&claimed.key).await }
    });
    let mut connection = server.connection().await;
    let waits = format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE wait_event_type = 'Lock' AND query LIKE '%forget%' AND query LIKE '%{table}%'"
    );
    while number(&mut connection, waits.clone()).await == 0 {
        assert!(!forgetting.is_finished(), "the row is locked");
        tokio::task::yield_now().await;
    }
    transaction.commit().await.unwrap();
    assert_eq!(forgetting.await.unwrap().unwrap(), Effect::Applied);
    for table in [table.clone(), format!("{table}_bodies")] {
        let rows = number(&mut connection, format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(rows, 0, "{table}");
    }
}

// --- what stays, and for how long

#[tokio::test]
async fn the_body_of_what_is_finished_goes_after_its_time_and_no_other() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = PostgresStore::builder()
        .table(&table)
        .keep_bodies(DAY)
        .connect(&server.url())
        .await
        .unwrap();
    let mut connection = server.connection().await;
    for id in ["done", "rejected", "dead", "waiting", "running"] {
        store.deposit(&deposit(id)).await.unwrap();
    }
    for taken in take(&store, 10).await {
        let end = match taken.claim_request.key.id().as_str() {
            "done" => Action::Complete(Completion::Handled),
            "rejected" => Action::Complete(Completion::Rejected),
            "dead" => Action::Bury,
            "waiting" => Action::PutBack {
                after: Duration::ZERO,
                is_counted: true,
            },
            _ => continue,
        };
        let settlement = Settlement::new(taken.claim_request, end).with_attempt(Attempt::new(1, "o", "e\0", "w"));
        assert_eq!(store.settle(&[settlement]).await.unwrap(), [Effect::Applied]);
    }
    assert_eq!(store.purge(1000).await.unwrap(), 0);
    store.advance(DAY);
    assert_eq!(store.purge(1).await.unwrap(), 1);
    assert_eq!(store.purge(1000).await.unwrap(), 1);
    assert_eq!(store.purge(1000).await.unwrap(), 0);
    for (id, is_kept) in [
        ("done", false),
        ("rejected", false),
        ("dead", true),
        ("waiting", true),
        ("running", true),
    ] {
        let key = claim_request(id).key;
        assert_eq!(store.letter(&key).await.unwrap().is_some(), is_kept, "{id}");
        let record = store.get(&key).await.unwrap().unwrap();
        assert_eq!(record.schedule.is_some(), is_kept, "{id}");
        if !is_kept {
            assert_eq!(store.replay(&key).await.unwrap(), Replayed::NoBody);
            assert_eq!(
                store.deposit(&deposit(id)).await.unwrap(),
                Deposited::Known(Stage::Done)
            );
        }
    }
    let bodies = number(&mut connection, format!("SELECT count(*) FROM {table}_bodies")).await;
    let attempts = number(&mut connection, format!("SELECT count(*) FROM {table}_attempts")).await;
    assert_eq!((bodies, attempts), (3, 2));
    // and then the records
    store.advance(100 * DAY);
    assert_eq!(store.purge(1000).await.unwrap(), 2);
    let rows = number(&mut connection, format!("SELECT count(*) FROM {table}")).await;
    assert_eq!(rows, 3);
    let dead = store.get(&claim_request("dead").key).await.unwrap().unwrap();
    assert_eq!(dead.expires, record::never());
}

#[tokio::test]
async fn an_event_that_comes_again_after_its_time_has_nothing_of_the_old_one() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    store.deposit(&deposit("1")).await.unwrap();
    let taken = take(&store, 1).await.remove(0);
    let failed = Settlement::new(taken.claim_request, Action::Complete(Completion::Rejected));
    let failed = failed.with_attempt(Attempt::new(1, "rejected", "no", "worker"));
    assert_eq!(store.settle(&[failed]).await.unwrap(), [Effect::Applied]);
    let key = claim_request("1").key;
    assert_eq!(store.letter(&key).await.unwrap().unwrap().history.len(), 1);
    store.advance(100 * DAY);
    let mut other = deposit("1");
    other.delivery.topic = "another\0topic".to_owned();
    assert_eq!(store.deposit(&other).await.unwrap(), Deposited::Stored);
    let letter = store.letter(&key).await.unwrap().unwrap();
    assert_eq!((letter.history.len(), letter.entry.attempts), (0, 0));
    // Postgres knows no NUL
    assert_eq!(letter.delivery.topic, "another\u{fffd}topic");
    let found = store
        .list(&Filter::new("dwolla").topic("another\0topic"), None, 10)
        .await;
    assert_eq!(found.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn two_settlements_of_one_event_are_told_one_after_another() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    store.deposit(&deposit("1")).await.unwrap();
    let held = take(&store, 1).await.remove(0).claim_request;
    let absent = claim_request("absent");
    let handled = Action::Complete(Completion::Handled);
    let batch = [
        Settlement::new(held.clone(), Action::Bury),
        Settlement::new(absent.clone(), handled),
        Settlement::new(held.clone(), Action::Bury),
        Settlement::new(held.clone(), handled),
        Settlement::new(absent, handled),
        Settlement::new(held, handled),
    ];
    let mut expected = [Effect::Applied; 6];
    expected[2] = Effect::NotHeld;
    assert_eq!(store.settle(&batch).await.unwrap(), expected);
    let counts = store.count("dwolla").await.unwrap();
    assert_eq!((counts.done, counts.dead), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn takes_and_settlements_at_once_in_stricter_transactions_all_succeed() {
    let Some(server) = Server::shared() else { return };
    let strict = "SET default_transaction_isolation = 'repeatable read'";
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .after_connect(move |connection, _| {
            Box::pin(async move { sqlx::raw_sql(strict).execute(connection).await.map(drop) })
        });
    let pool = pool.connect_lazy(&server.url()).unwrap();
    let builder = PostgresStore::builder().table(new_table());
    let store = Arc::new(builder.with_pool(pool).await.unwrap());
    let tasks: Vec<_> = (0..32)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.deposit(&deposit(&format!("{}", number % 4))).await.unwrap();
                for taken in take(&store, 2).await {
                    let done = Settlement::new(taken.claim_request, Action::Complete(Completion::Handled));
                    assert_eq!(store.settle(&[done]).await.unwrap(), [Effect::Applied]);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

// --- the tables

#[tokio::test]
async fn a_table_from_before_there_were_inboxes_is_refused() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let create = "CREATE TABLE webhook_events (namespace text, id text, state text, fingerprint bytea, token bytea, \
                  generation bigint, attempts bigint, changed_at timestamptz, lease_until timestamptz, \
                  expires_at timestamptz, PRIMARY KEY (namespace, id))";
    run(&mut server.connection().await, &table, create).await;
    for creates in [true, false] {
        let builder = PostgresStore::builder().table(&table).create_table(creates);
        let refused = builder.connect(&server.url()).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Config);
        assert_eq!(
            refused.to_string(),
            format!(
                "the store's settings are wrong: the table \"{table}\" lacks the columns crashes, stored and due_at; \
                 expected the tables that PostgresStore::SCHEMA describes: rename the old one, open the store again, \
                 and copy the rows over"
            )
        );
    }
}

#[tokio::test]
async fn the_statements_of_the_guide_find_what_is_dead_and_replay_it() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    store.deposit(&deposit("bb6531a2")).await.unwrap();
    store.bury(&claim_request("bb6531a2").key, "by hand").await.unwrap();
    let mut connection = server.connection().await;
    let mut found = Vec::new();
    for (sql, remark) in crate::guide::statements("an inbox in Postgres") {
        let sql = sql
            .replace("webhook_events", &table)
            .replace("webhook_bodies", &format!("{table}_bodies"))
            .replace("webhook_attempts", &format!("{table}_attempts"));
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        found.push((remark, rows.first().map(|row| row.len())));
    }
    let columns: Vec<_> = found
        .iter()
        .map(|(remark, columns)| (remark.as_str(), *columns))
        .collect();
    let expected = [
        ("backlog", Some(6)),
        ("dead", Some(4)),
        ("why", Some(5)),
        ("letter", Some(2)),
        ("replay", None),
    ];
    assert_eq!(columns, expected);
    assert_eq!(take(&store, 10).await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_takes_no_other_with_it() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    for id in ["1", "2", "3"] {
        store.deposit(&deposit(id)).await.unwrap();
    }
    let spoil = "UPDATE webhook_events SET fingerprint = '\\x00' WHERE id = '2'";
    run(&mut server.connection().await, &table, spoil).await;
    assert_eq!(ids(&take(&store, 10).await), ["1", "3"]);
    store.advance(Duration::from_secs(61));
    let spoilt = deposit("2").key;
    let request = TakeRequest::new("dwolla", Token::random(), 1).for_event(spoilt.id().clone());
    let error = store.take(&request).await.unwrap_err();
    assert!(error.to_string().contains("fingerprint has 1 bytes"), "{error}");
}
