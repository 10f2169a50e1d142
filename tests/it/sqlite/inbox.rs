//! The inbox in a file: what its tables and its transactions are beside the contract.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, SqlitePool};
use tower_webhook::{
    Delivery, HandlerError, TopicRouter,
    dwolla::Dwolla,
    event::Fingerprint,
    inbox::{Action, Attempt, Deposit, Filter, Inbox, InboxAdmin, Settlement, StoredDelivery, TakeRequest, Worker},
    store::{Completion, Deposited, Effect, IdempotencyStore, Key, Replayed, Stage, State, StoreAdmin, Token},
};
use tower_webhook_sqlx::SqliteStore;

use super::{Folder, claim_request};
use crate::endpoint::{Event, event, key};

pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn deposit(id: &str) -> Deposit {
    let delivery = StoredDelivery::new("customer_created", HeaderMap::new(), event(id));
    Deposit::new(key(id), Fingerprint::of([id]), delivery)
}

pub(super) async fn take(store: &SqliteStore) -> Vec<tower_webhook::inbox::Taken> {
    let request = TakeRequest::new("dwolla", Token::random(), 100);
    store.take(&request).await.unwrap()
}

async fn finish_one(store: &SqliteStore) {
    let taken = take(store).await;
    let settlement = Settlement::new(taken[0].claim_request.clone(), Action::Complete(Completion::Handled));
    store.settle(&[settlement]).await.unwrap();
}

#[tokio::test]
async fn another_process_hears_of_a_deposit() {
    let folder = Folder::new();
    let (here, there) = (folder.store().await, folder.store().await);
    here.deposit(&deposit("0")).await.unwrap();
    let changed = there.changed();
    // Until it looks for the first time it cannot know what was there.
    let looked = async {
        loop {
            here.deposit(&deposit(&format!("{:?}", Token::random()))).await.unwrap();
        }
    };
    tokio::select! {
        () = changed => {}
        () = looked => {}
    }
}

#[tokio::test]
async fn a_worker_handles_what_is_stored_and_effect_and_record_are_one_transaction() {
    let folder = Folder::new();
    let store = folder.store().await;
    let pool = SqlitePool::connect(&format!("sqlite://{}", folder.file().display()))
        .await
        .unwrap();
    sqlx::query("CREATE TABLE effects (id TEXT)")
        .execute(&pool)
        .await
        .unwrap();
    let books = (pool.clone(), store.clone());
    let topics = TopicRouter::new().on("customer_created", move |delivery: Delivery<Event>| {
        let (pool, store) = books.clone();
        async move {
            let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query("INSERT INTO effects VALUES (?1)")
                .bind(delivery.event().id().as_str())
                .execute(&mut *transaction)
                .await?;
            store.complete_in(delivery.claim(), &mut transaction).await?;
            transaction.commit().await?;
            Ok::<_, HandlerError>(())
        }
    });
    for id in 0..50 {
        store.deposit(&deposit(&id.to_string())).await.unwrap();
    }
    let worker = Worker::new(Dwolla::reader(), store.clone(), topics).start();
    while store.backlog("dwolla", 100).await.unwrap().unfinished() > 0 {
        tokio::task::yield_now().await;
    }
    drop(worker.drain(Duration::from_secs(10)).await);
    let effects = sqlx::query("SELECT count(*), count(DISTINCT id) FROM effects")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!((effects.get::<i64, _>(0), effects.get::<i64, _>(1)), (50, 50));
    assert_eq!(store.count("dwolla").await.unwrap().done, 50);
}

#[tokio::test]
async fn a_deposit_in_a_transaction_is_there_with_it_or_not_at_all() {
    let folder = Folder::new();
    let store = folder.store().await;
    let pool = SqlitePool::connect(&format!("sqlite://{}", folder.file().display()))
        .await
        .unwrap();
    for (commits, due) in [(false, 0), (true, 1)] {
        let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let deposited = store.deposit_in(&deposit("1"), &mut transaction).await.unwrap();
        assert_eq!(deposited, Deposited::Stored);
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        assert_eq!(store.backlog("dwolla", 10).await.unwrap().due, due);
    }
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let again = store.deposit_in(&deposit("1"), &mut transaction).await.unwrap();
    assert_eq!(again, Deposited::Known(Stage::Waiting));
}

#[tokio::test]
async fn a_purge_drops_bodies_that_were_kept_long_enough_and_nothing_that_is_unfinished_or_dead() {
    let folder = Folder::new();
    let store = SqliteStore::builder()
        .keep_bodies(2 * DAY)
        .open(folder.file())
        .await
        .unwrap();
    store.deposit(&deposit("done")).await.unwrap();
    finish_one(&store).await;
    for id in ["dead", "waiting"] {
        store.deposit(&deposit(id)).await.unwrap();
    }
    store.bury(&key("dead"), "by hand").await.unwrap();
    assert_eq!(store.purge(100).await.unwrap(), 0);
    store.advance(2 * DAY);
    assert_eq!(store.purge(100).await.unwrap(), 1);
    assert!(store.letter(&key("done")).await.unwrap().is_none());
    assert_eq!(store.replay(&key("done")).await.unwrap(), Replayed::NoBody);
    // It is still known.
    let known = store.deposit(&deposit("done")).await.unwrap();
    assert_eq!(known, Deposited::Known(Stage::Done));
    store.advance(10 * 365 * DAY);
    assert_eq!(store.purge(100).await.unwrap(), 1);
    assert!(store.get(&key("done")).await.unwrap().is_none());
    assert!(store.letter(&key("dead")).await.unwrap().is_some());
    assert!(store.letter(&key("waiting")).await.unwrap().is_some());
    let record = store.get(&key("dead")).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Dead { .. }));
}

#[tokio::test]
async fn what_has_expired_takes_its_body_and_its_history_along() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.deposit(&deposit("1")).await.unwrap();
    finish_one(&store).await;
    store.advance(400 * DAY);
    // The id is free for another event, first without a body, then with one.
    let request = claim_request("1");
    store.claim(&request).await.unwrap();
    assert!(store.letter(&key("1")).await.unwrap().is_none());
    store.release(&request).await.unwrap();
    let mut connection = folder.connection().await;
    let left = sqlx::query("SELECT (SELECT count(*) FROM webhook_bodies) + (SELECT count(*) FROM webhook_attempts)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(left.get::<i64, _>(0), 0);
    assert_eq!(store.deposit(&deposit("1")).await.unwrap(), Deposited::Stored);
}

#[tokio::test]
async fn the_statements_of_the_guide_find_what_is_dead_and_replay_it() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.deposit(&deposit("bb6531a2")).await.unwrap();
    store.bury(&key("bb6531a2"), "by hand").await.unwrap();
    let mut connection = folder.connection().await;
    let mut found = Vec::new();
    for (sql, remark) in crate::guide::statements("an inbox in SQLite") {
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await;
        let first = rows.unwrap().into_iter().next();
        found.push((remark, first.map(|row| row.len())));
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
    // It is due by the machine's second.
    store.advance(Duration::from_secs(1));
    assert_eq!(take(&store).await.len(), 1);
}

#[tokio::test]
async fn a_table_of_before_the_inbox_is_refused() {
    let folder = Folder::new();
    let mut connection = SqliteConnection::connect(&format!("sqlite://{}?mode=rwc", folder.file().display()))
        .await
        .unwrap();
    sqlx::raw_sql("CREATE TABLE webhook_events (namespace TEXT, id TEXT, state TEXT, expires_at INTEGER)")
        .execute(&mut connection)
        .await
        .unwrap();
    for creates in [true, false] {
        let refused = SqliteStore::builder().create_table(creates).open(folder.file()).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("no such column"), "{refused}");
        assert!(refused.contains("SqliteStore::SCHEMA"), "{refused}");
    }
}

#[tokio::test]
async fn what_is_due_is_found_by_an_index_that_ends_at_now() {
    let folder = Folder::new();
    let store = Arc::new(folder.store().await);
    let mut connection = folder.connection().await;
    let plans = [
        (
            include_str!("../../../crates/sqlx/src/sqlite/due_fresh.sql"),
            "webhook_events_due",
        ),
        (
            include_str!("../../../crates/sqlx/src/sqlite/due_suspects.sql"),
            "webhook_events_suspects",
        ),
    ];
    for (statement, index) in plans {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let rows = sqlx::query(sqlx::AssertSqlSafe(explain))
            .bind("dwolla")
            .bind(0)
            .bind(32)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
        let plan = plan.join("\n");
        let wanted = format!("SEARCH event USING INDEX {index} (namespace=? AND due_at<?)");
        assert!(
            plan.contains(&wanted) || plan.contains(&wanted.replace("due_at<?", "due_at>? AND due_at<?")),
            "{plan}"
        );
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
    drop(store);
}

#[tokio::test]
async fn what_cannot_be_read_holds_nobody_up() {
    let folder = Folder::new();
    let store = folder.store().await;
    for id in ["a \"b\\", "of wrong length", "é, \u{2028}"] {
        store.deposit(&deposit(id)).await.unwrap();
    }
    let mut connection = folder.connection().await;
    let spoil = "UPDATE webhook_events SET fingerprint = x'00', due_at = 0 WHERE id = 'of wrong length'";
    sqlx::query(spoil).execute(&mut connection).await.unwrap();
    let mut taken: Vec<_> = take(&store)
        .await
        .iter()
        .map(|taken| taken.claim_request.key.clone())
        .collect();
    taken.sort();
    assert_eq!(taken, [key("a \"b\\"), key("é, \u{2028}")]);
    // It comes again when its lease is over, alone, and says what is wrong.
    assert!(take(&store).await.is_empty());
    store.advance(DAY);
    let request = TakeRequest::new("dwolla", Token::random(), 100).for_suspects();
    assert_eq!(store.take(&request).await.unwrap().len(), 2);
    store.advance(Duration::from_secs(61));
    let spoilt = key("of wrong length");
    let request = TakeRequest::new("dwolla", Token::random(), 1).for_event(spoilt.id().clone());
    let error = store.take(&request).await.unwrap_err();
    assert!(error.to_string().contains("fingerprint has 1 bytes"), "{error}");
    assert!(store.take(&request).await.unwrap().is_empty());
    assert_eq!(store.forget(&spoilt).await.unwrap(), Effect::Applied);
    assert_eq!(store.forget(&spoilt).await.unwrap(), Effect::NotHeld);
    assert_eq!(
        store.deposit(&deposit("of wrong length")).await.unwrap(),
        Deposited::Stored
    );
}

#[tokio::test]
async fn a_list_begins_at_its_cursor_by_the_index() {
    let folder = Folder::new();
    let store = folder.store().await;
    let mut connection = folder.connection().await;
    let list = include_str!("../../../crates/sqlx/src/sqlite/list.sql");
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {list}")))
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let plan: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    let plan = plan.join("\n");
    let wanted =
        "SEARCH body USING INDEX webhook_events_received (namespace=? AND (received_at,id)>(?,?) AND received_at<?)";
    assert!(plan.contains(wanted) && !plan.contains("TEMP B-TREE"), "{plan}");
    drop(store);
}

#[tokio::test]
async fn who_writes_does_not_wait_for_all_that_is_replayed() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.deposit(&deposit("0")).await.unwrap();
    let mut connection = folder.connection().await;
    let fill = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000) \
                INSERT INTO webhook_bodies SELECT namespace, n, received_at + n, topic, secret_index, headers, body \
                FROM webhook_bodies, n; \
                INSERT INTO webhook_events SELECT namespace, n.id, 'dead', fingerprint, NULL, 1, 1, changed_at, NULL, \
                expires_at, 1, NULL, 0 FROM webhook_events, (SELECT id FROM webhook_bodies WHERE id <> '0') AS n";
    sqlx::raw_sql(fill).execute(&mut connection).await.unwrap();
    let replaying = tokio::spawn({
        let store = store.clone();
        async move {
            let dead = Filter::new("dwolla").stage(Stage::Dead);
            store.replay_all(&dead, DAY).await.unwrap()
        }
    });
    let begun = async || store.count("dwolla").await.unwrap().dead < 5000 || store.waiting() > 0;
    while !begun().await {
        tokio::task::yield_now().await;
    }
    store.deposit(&deposit("another")).await.unwrap();
    assert!(!replaying.is_finished());
    assert_eq!(replaying.await.unwrap(), 5000);
    let backlog = store.backlog("dwolla", 10_000).await.unwrap();
    assert_eq!((backlog.scheduled, backlog.dead), (4999, 0));
}

#[tokio::test]
async fn texts_come_back_with_every_character_that_they_had() {
    const ODD: &str = "\0 \" \\ \\u0000 é \u{1f600} \u{2028}\n'); --";
    // An application's file may have the other encoding.
    for encoding in ["UTF-8", "UTF-16le"] {
        let folder = Folder::new();
        let create = format!("sqlite://{}?mode=rwc", folder.file().display());
        let mut application = SqliteConnection::connect(&create).await.unwrap();
        let make = format!("PRAGMA encoding = '{encoding}'; CREATE TABLE books (title TEXT)");
        let made = sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut application).await;
        made.unwrap();
        application.close().await.unwrap();
        let store = folder.store().await;
        let is_of: String = sqlx::query_scalar("PRAGMA encoding")
            .fetch_one(&mut folder.connection().await)
            .await
            .unwrap();
        assert_eq!(is_of, encoding);
        let mut odd = deposit("1");
        odd.key = Key::new(ODD, odd.key.id().clone());
        odd.delivery.topic = ODD.to_owned();
        assert_eq!(store.deposit(&odd).await.unwrap(), Deposited::Stored);
        let taken = store.take(&TakeRequest::new(ODD, Token::random(), 1)).await.unwrap();
        assert_eq!(taken[0].delivery.topic, ODD);
        let settlement = Settlement::new(taken[0].claim_request.clone(), Action::Bury);
        let settlement = settlement.with_attempt(Attempt::new(1, ODD, ODD, ODD));
        assert_eq!(store.settle(&[settlement]).await.unwrap(), [Effect::Applied]);
        let letter = store.letter(&odd.key).await.unwrap().unwrap();
        assert_eq!(letter.delivery.topic, ODD);
        assert_eq!(letter.history.len(), 1);
        let Attempt {
            outcome, error, worker, ..
        } = &letter.history[0].attempt;
        assert_eq!([outcome, error, worker], [ODD; 3]);
    }
}
