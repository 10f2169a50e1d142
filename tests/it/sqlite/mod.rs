//! The store in a file: the suite, races over several connections, a full disk, and what an
//! operator does.

mod deliveries;
mod inbox;
mod operators;
mod shared_commits;
mod transactions;

use std::{path::PathBuf, time::Duration};

use sqlx::{Connection as _, Row as _, SqliteConnection};
use tower_webhook::{
    store::{
        ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, StoreAdmin, StoreError, StoreErrorKind,
        Token,
    },
    testing::store_suite::StoreHarness,
};
use tower_webhook_sqlx::SqliteStore;

use crate::over_store::{self, App, LEASE, RETENTION, claim_request_in, one_of_many_wins_each_event};

/// A folder that goes with the test. In memory where there is such a file system: it is the
/// semantics that are tested, not the disk.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let shared_memory = PathBuf::from("/dev/shm");
        let parent = if shared_memory.is_dir() {
            shared_memory
        } else {
            std::env::temp_dir()
        };
        let path = parent.join(format!("tower-webhook-sqlite-{}", hex(Token::random())));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("webhooks.db")
    }

    async fn store(&self) -> SqliteStore {
        SqliteStore::open(self.file()).await.unwrap()
    }

    /// A connection as any other program has it.
    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite://{}", self.file().display()))
            .await
            .unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hex(token: Token) -> String {
    token.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn claim_request(id: &str) -> ClaimRequest {
    claim_request_in("dwolla", id)
}

fn again(claim_request: &ClaimRequest) -> ClaimRequest {
    claim_request.clone().with_token(Token::random())
}

const FIRST: Claimed = Claimed::Acquired {
    generation: 1,
    attempts: 1,
};

// --- the contract

struct Harness {
    store: SqliteStore,
    _folder: Folder,
}

impl Harness {
    async fn new() -> Self {
        let folder = Folder::new();
        Self {
            store: folder.store().await,
            _folder: folder,
        }
    }

    async fn of_another_table() -> Self {
        let folder = Folder::new();
        let store = SqliteStore::builder().table("order").open(folder.file()).await.unwrap();
        Self { store, _folder: folder }
    }
}

impl StoreHarness for Harness {
    type Store = SqliteStore;

    fn store(&self) -> &SqliteStore {
        &self.store
    }

    async fn advance(&self, by: Duration) {
        self.store.advance(by);
    }
}

tower_webhook::store_suite!(suite, Harness::new().await);
tower_webhook::store_suite!(suite_in_a_table_of_another_name, Harness::of_another_table().await);
tower_webhook::inbox_suite!(inbox_suite, Harness::new().await);
tower_webhook::inbox_suite!(
    inbox_suite_in_a_table_of_another_name,
    Harness::of_another_table().await
);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_48_tasks_over_several_connections_one_wins_each_event_and_round() {
    let folder = Folder::new();
    let stores = [folder.store().await, folder.store().await, folder.store().await];
    one_of_many_wins_each_event(&stores, SqliteStore::advance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_start_at_once_share_one_table() {
    let folder = Folder::new();
    let tasks: Vec<_> = (0..16)
        .map(|_| tokio::spawn(SqliteStore::open(folder.file())))
        .collect();
    let mut won = 0;
    let claim_request = claim_request("event");
    for task in tasks {
        let store = task.await.unwrap().unwrap();
        won += usize::from(store.claim(&again(&claim_request)).await.unwrap() == FIRST);
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart() {
    let folder = Folder::new();
    let (handled, claimed) = (claim_request("handled"), claim_request("claimed"));
    {
        let store = folder.store().await;
        store.claim(&handled).await.unwrap();
        store.complete(&handled, Completion::Handled).await.unwrap();
        store.claim(&claimed).await.unwrap();
    }
    let store = folder.store().await;
    assert_eq!(
        store.claim(&again(&handled)).await.unwrap(),
        Claimed::Done(Completion::Handled)
    );
    assert!(matches!(
        store.claim(&again(&claimed)).await.unwrap(),
        Claimed::InFlight { .. }
    ));
    store.advance(LEASE);
    assert_eq!(
        store.claim(&again(&claimed)).await.unwrap(),
        Claimed::Acquired {
            generation: 2,
            attempts: 2
        }
    );
}

#[tokio::test]
async fn without_the_offset_of_tests_leases_go_by_the_machines_clock() {
    let folder = Folder::new();
    let store = folder.store().await;
    let claim_request = claim_request("event");
    let before = std::time::SystemTime::now();
    store.claim(&claim_request).await.unwrap();
    let record = store.get(&claim_request.key).await.unwrap().unwrap();
    let after = std::time::SystemTime::now();
    let millisecond = Duration::from_millis(1);
    assert!(record.expires + millisecond >= before + LEASE + RETENTION, "{record:?}");
    assert!(record.expires <= after + LEASE + RETENTION + millisecond, "{record:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operations_that_are_given_up_half_way_leave_a_store_that_works() {
    let folder = Folder::new();
    let store = folder.store().await;
    for round in 0..200_u64 {
        let claim_request = claim_request(&format!("event {round}"));
        // given up at another moment each time
        let _ = tokio::time::timeout(Duration::from_micros(round * 3), store.claim(&claim_request)).await;
        assert!(matches!(
            store.claim(&claim_request).await.unwrap(),
            Claimed::Acquired { attempts: 1, .. }
        ));
        let _ = tokio::time::timeout(
            Duration::from_micros(round * 3),
            store.complete(&claim_request, Completion::Handled),
        )
        .await;
        assert_eq!(
            store.complete(&claim_request, Completion::Handled).await.unwrap(),
            Effect::Applied
        );
    }
    assert_eq!(store.count("dwolla").await.unwrap(), Counts::new(0, 0, 200));
}

// --- what it promises of the file

#[tokio::test]
async fn the_file_is_in_wal_mode_and_an_event_is_found_with_a_plain_query() {
    let folder = Folder::new();
    let store = folder.store().await;
    let claim_request = claim_request("bb6531a2");
    store.claim(&claim_request).await.unwrap();
    let mut connection = folder.connection().await;
    let journal: String = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await
        .unwrap()
        .get(0);
    assert_eq!(journal, "wal");
    let row = sqlx::query("SELECT state, attempts, hex(token) AS token FROM webhook_events WHERE namespace = 'dwolla' AND id = 'bb6531a2'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>("state"), "claimed");
    assert_eq!(row.get::<i64, _>("attempts"), 1);
    assert_eq!(row.get::<String, _>("token").to_lowercase(), hex(claim_request.token));
}

#[tokio::test]
async fn a_file_that_cannot_keep_the_promise_is_refused() {
    let refused = SqliteStore::open(":memory:").await.unwrap_err().to_string();
    assert!(
        refused.contains(r#"journal mode is "memory"; expected "wal""#),
        "{refused}"
    );

    let folder = Folder::new();
    let refused = SqliteStore::open(folder.0.join("no such folder/webhooks.db"))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unavailable);

    std::fs::write(
        folder.file(),
        "this is no database at all, but a text that is long enough to be read as one".repeat(20),
    )
    .unwrap();
    let refused = SqliteStore::open(folder.file()).await.unwrap_err().to_string();
    assert!(refused.contains("not a database"), "{refused}");
}

#[tokio::test]
async fn where_it_may_not_create_the_table_it_says_what_is_missing() {
    let folder = Folder::new();
    let by_hand = || SqliteStore::builder().create_table(false).open(folder.file());
    let refused = by_hand().await.unwrap_err().to_string();
    assert!(
        refused.contains("no such table") && refused.contains("SqliteStore::SCHEMA"),
        "{refused}"
    );

    let mut connection = folder.connection().await;
    sqlx::raw_sql(SqliteStore::SCHEMA)
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(
        by_hand().await.unwrap().claim(&claim_request("event")).await.unwrap(),
        FIRST
    );
}

#[tokio::test]
async fn a_table_s_name_is_checked_before_it_is_part_of_a_statement() {
    let folder = Folder::new();
    for name in [
        "",
        "Events",
        "x; DROP TABLE webhook_events",
        "a\"b",
        "1st",
        "ä",
        "a.b",
        "a.b.c",
        &"x".repeat(51),
    ] {
        let refused = SqliteStore::builder()
            .table(name)
            .open(folder.file())
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("name"), "{name}: {refused}");
    }
    for name in ["select", "_", &"x".repeat(50)] {
        let store = SqliteStore::builder().table(name).open(folder.file()).await.unwrap();
        assert_eq!(store.claim(&claim_request("event")).await.unwrap(), FIRST, "{name}");
    }
}

#[tokio::test]
async fn debug_and_errors_show_the_file_and_nothing_of_its_events() {
    let folder = Folder::new();
    let store = folder.store().await;
    store.claim(&claim_request("a-secret-id")).await.unwrap();
    let shown = format!("{store:?}");
    assert!(
        shown.contains("webhooks.db") && !shown.contains("a-secret-id"),
        "{shown}"
    );
}

// --- faults

#[tokio::test]
async fn a_full_store_refuses_claims_keeps_what_it_has_and_recovers() {
    let folder = Folder::new();
    let store = SqliteStore::builder().max_pages(16).open(folder.file()).await.unwrap();
    let mut kept = Vec::new();
    let full: StoreError = loop {
        let claim_request = claim_request(&format!("event {} {}", kept.len(), "x".repeat(200)));
        match store.claim(&claim_request).await {
            Ok(answer) => assert_eq!(answer, FIRST),
            Err(error) => break error,
        }
        kept.push(claim_request);
        assert!(kept.len() < 1000, "16 pages are never full");
    };
    assert_eq!(full.kind(), StoreErrorKind::Full);
    assert!(full.to_string().contains("max_page_count"), "{full}");

    // the layer runs nothing meanwhile, and asks the provider to come again
    let app = App::new(store.clone());
    let id = format!("new {}", "x".repeat(200));
    assert_eq!((app.deliver(&id).await, app.runs(&id)), (503, 0));

    // what has run is recorded: it takes no more room than its claim
    for claim_request in &kept {
        assert_eq!(
            store.complete(claim_request, Completion::Handled).await.unwrap(),
            Effect::Applied
        );
    }
    store.advance(RETENTION + LEASE);
    assert!(store.purge(1000).await.unwrap() > 0);
    assert_eq!((app.deliver(&id).await, app.runs(&id)), (200, 1));
    assert_eq!((app.deliver(&id).await, app.runs(&id)), (200, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_another_process_writes_for_long_nothing_runs_and_then_all_is_well() {
    let folder = Folder::new();
    let store = folder.store().await;
    let app = App::new(store.clone());
    let mut other = folder.connection().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    assert_eq!((app.deliver("1").await, app.runs("1")), (503, 0));
    // reading goes on
    assert_eq!(store.get(&claim_request("1").key).await.unwrap(), None);
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    app.deliver_until_acknowledged("1").await;
    assert_eq!(app.runs("1"), 1);
}

// --- the operator

#[tokio::test]
async fn purge_removes_what_is_past_its_retention_and_no_more_than_asked() {
    let folder = Folder::new();
    let store = folder.store().await;
    for id in 0..10 {
        let claim_request = claim_request(&format!("old {id}"));
        store.claim(&claim_request).await.unwrap();
        store.complete(&claim_request, Completion::Handled).await.unwrap();
    }
    store.advance(RETENTION);
    let young = claim_request("young");
    store.claim(&young).await.unwrap();
    assert_eq!(store.purge(4).await.unwrap(), 4);
    assert_eq!(store.purge(1000).await.unwrap(), 6);
    assert_eq!(store.purge(1000).await.unwrap(), 0);
    let rows: i64 = sqlx::query("SELECT count(*) FROM webhook_events")
        .fetch_one(&mut folder.connection().await)
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 1);
    assert!(store.get(&young.key).await.unwrap().is_some());
}

#[tokio::test]
async fn an_operator_counts_by_state_and_lists_what_is_overdue() {
    let folder = Folder::new();
    let store = folder.store().await;
    over_store::an_operator_counts_by_state_and_lists_what_is_overdue(&store, SqliteStore::advance).await;
}
