//! The store in Postgres, against servers of the tests' own: the suite, races, the table, and what
//! an operator does.

mod deliveries;
mod faults;
mod inbox;
mod proxy;
mod replicas;
pub(crate) mod server;
mod child_process;
pub(crate) mod pgbouncer;
mod operators;
mod shared_deposits;
mod takes;
mod transactions;

use std::time::Duration;

use sqlx::{PgPool, Row as _, postgres::PgPoolOptions};
use tower_webhook::{
    store::{ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, StoreAdmin, Token},
    testing::store_suite::StoreHarness,
};
use tower_webhook_sqlx::PostgresStore;

use self::{
    proxy::Proxy,
    server::{PASSWORD, Server},
};
use crate::over_store::{self, App, RETENTION, claim_request_in, one_of_many_wins_each_event};

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

/// A table's name that no other test has.
pub(crate) fn new_table() -> String {
    let name: String = Token::random()
        .to_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("events_{name}")
}

pub(crate) async fn store_in(server: &Server, table: &str) -> PostgresStore {
    store_at(&server.url(), table).await
}

async fn store_at(url: &str, table: &str) -> PostgresStore {
    let builder = PostgresStore::builder().table(table).max_connections(16);
    builder.connect(url).await.unwrap()
}

// --- the contract

struct Harness(PostgresStore);

impl Harness {
    async fn new() -> Option<Self> {
        let server = Server::shared()?;
        Some(Self(store_in(server, "suite").await))
    }

    /// On a pool whose transactions are stricter than the statements ask for.
    async fn serializable(table: &str) -> Option<Self> {
        let server = Server::shared()?;
        let pool = PgPoolOptions::new().max_connections(4).after_connect(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql("SET default_transaction_isolation = 'serializable'")
                    .execute(connection)
                    .await
                    .map(drop)
            })
        });
        let pool = pool.connect_lazy(&server.url()).unwrap();
        Some(Self(
            PostgresStore::builder().table(table).with_pool(pool).await.unwrap(),
        ))
    }
}

impl StoreHarness for Harness {
    type Store = PostgresStore;

    fn store(&self) -> &PostgresStore {
        &self.0
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }
}

tower_webhook::store_suite!(suite, Harness::new().await);
tower_webhook::store_suite!(suite_on_a_given_pool, Harness::serializable("serializable").await);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_48_tasks_over_several_connections_one_wins_each_event_and_round() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let stores = [
        store_in(server, &table).await,
        store_in(server, &table).await,
        store_in(server, &table).await,
    ];
    one_of_many_wins_each_event(&stores, PostgresStore::advance).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn stores_that_start_at_once_share_one_table() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let table = table.clone();
            tokio::spawn(async move { store_in(server, &table).await })
        })
        .collect();
    let mut won = 0;
    let claim_request = claim_request("event");
    for task in tasks {
        let store = task.await.unwrap();
        won += usize::from(store.claim(&again(&claim_request)).await.unwrap() == FIRST);
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operations_that_are_given_up_half_way_leave_a_store_that_works() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    for round in 0..100_u64 {
        let claim_request = claim_request(&format!("event {round}"));
        // given up at another moment each time
        let _ = tokio::time::timeout(Duration::from_micros(round * 20), store.claim(&claim_request)).await;
        assert!(matches!(
            store.claim(&claim_request).await.unwrap(),
            Claimed::Acquired { attempts: 1, .. }
        ));
        let _ = tokio::time::timeout(
            Duration::from_micros(round * 20),
            store.complete(&claim_request, Completion::Handled),
        )
        .await;
        assert_eq!(
            store.complete(&claim_request, Completion::Handled).await.unwrap(),
            Effect::Applied
        );
    }
    assert_eq!(store.count("dwolla").await.unwrap(), Counts::new(0, 0, 100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_takes_two_round_trips() {
    const DELIVERIES: usize = 10;
    let Some(server) = Server::shared() else { return };
    let proxy = Proxy::to(server.port()).await;
    let store = PostgresStore::builder()
        .table(new_table())
        // what is done with the connection behind the answer's back comes before the next statement
        .max_connections(1)
        .connect(&format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
            proxy.port
        ))
        .await
        .unwrap();
    let app = App::new(store);
    // the server learns the statements
    assert_eq!(app.deliver("first").await, 200);
    let before = proxy.round_trips();
    for number in 0..DELIVERIES {
        assert_eq!(app.deliver(&number.to_string()).await, 200);
    }
    assert_eq!(proxy.round_trips() - before, 2 * DELIVERIES);
}

// --- the table

#[tokio::test]
async fn an_event_is_found_with_a_plain_query() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    store.claim(&claim_request("bb6531a2")).await.unwrap();
    let question = format!(
        "SELECT state, attempts, lease_until > now() + interval '50 seconds' AS in_lease FROM {table} WHERE namespace = 'dwolla' AND id = 'bb6531a2'"
    );
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(question))
        .fetch_one(&mut server.connection().await)
        .await
        .unwrap();
    assert_eq!(
        (row.get::<&str, _>("state"), row.get::<i64, _>("attempts")),
        ("claimed", 1)
    );
    assert!(row.get::<bool, _>("in_lease"));
}

#[tokio::test]
async fn the_schema_run_by_hand_is_enough_for_a_role_that_may_create_nothing() {
    let Some(server) = Server::shared() else { return };
    let mut connection = server.connection().await;
    let run_by_hand = format!(
        "CREATE SCHEMA by_hand; SET search_path = by_hand; {}; \
         CREATE ROLE limited LOGIN PASSWORD '{PASSWORD}'; GRANT USAGE ON SCHEMA by_hand TO limited; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA by_hand TO limited; \
         REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        PostgresStore::SCHEMA.trim_end().trim_end_matches(';')
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(run_by_hand))
        .execute(&mut connection)
        .await
        .unwrap();
    let url = server.url().replace("postgres:correct", "limited:correct");
    for creates in [true, false] {
        let builder = PostgresStore::builder()
            .table("by_hand.webhook_events")
            .create_table(creates);
        let store = builder.connect(&url).await.unwrap();
        assert_eq!(
            store.claim(&claim_request(&format!("event {creates}"))).await.unwrap(),
            FIRST
        );
        assert_eq!(store.purge(10).await.unwrap(), 0);
    }
    let missing = PostgresStore::builder().table("by_hand.missing").create_table(false);
    let refused = missing.connect(&url).await.unwrap_err().to_string();
    assert!(
        refused.contains("does not exist") && refused.contains("PostgresStore::SCHEMA"),
        "{refused}"
    );
    let refused = PostgresStore::builder()
        .table("by_hand.missing")
        .connect(&url)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("permission denied"), "{refused}");
}

#[tokio::test]
async fn a_table_s_name_is_checked_before_it_is_part_of_a_statement() {
    let Some(server) = Server::shared() else { return };
    for name in [
        "",
        "Events",
        "x; DROP TABLE suite",
        "a\"b",
        "1st",
        "a.b.c",
        ".a",
        "a.",
        &"x".repeat(51),
    ] {
        let refused = PostgresStore::builder()
            .table(name)
            .connect(&server.url())
            .await
            .unwrap_err()
            .to_string();
        assert!(refused.contains("is no name for its table"), "{name}: {refused}");
    }
    for name in ["select", "_", "public.user", &"x".repeat(50)] {
        assert_eq!(
            store_in(server, name)
                .await
                .claim(&claim_request("event"))
                .await
                .unwrap(),
            FIRST,
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_pool_that_is_given_is_used() {
    let Some(server) = Server::shared() else { return };
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let store = PostgresStore::builder()
        .table(new_table())
        .with_pool(pool.clone())
        .await
        .unwrap();
    assert_eq!(store.claim(&claim_request("event")).await.unwrap(), FIRST);
    pool.close().await;
    store.claim(&claim_request("event")).await.unwrap_err();
}

#[tokio::test]
async fn the_password_is_in_no_error_and_no_debug() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, "suite").await;
    let mut shown = vec![format!("{store:?} {:?}", PostgresStore::builder())];
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    for url in [
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{closed}/postgres"),
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:none/postgres"),
        format!("postgres://postgres:{PASSWORD}@127.0.0.1/postgres?sslmode=none"),
        format!("mysql:{PASSWORD}"),
        server.url_of("no-such-database"),
    ] {
        let error = PostgresStore::connect(&url).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
        let source = error.get_ref();
        assert!(!source.is::<sqlx::Error>(), "{source:?}");
    }
    for shown in shown {
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
}

// --- the operator

#[tokio::test]
async fn purge_removes_what_is_past_its_retention_and_waits_for_nobody() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    for id in 0..10 {
        let claim_request = claim_request(&format!("old {id}"));
        store.claim(&claim_request).await.unwrap();
        store.complete(&claim_request, Completion::Handled).await.unwrap();
    }
    store.advance(RETENTION);
    let young = claim_request("young");
    store.claim(&young).await.unwrap();
    let mut other = server.connection().await;
    let hold = format!("BEGIN; SELECT FROM {table} WHERE id = 'old 0' FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(hold))
        .execute(&mut other)
        .await
        .unwrap();
    assert_eq!(store.purge(4).await.unwrap(), 4);
    assert_eq!(store.purge(1000).await.unwrap(), 5);
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(store.purge(1000).await.unwrap(), 1);
    assert_eq!(store.purge(1000).await.unwrap(), 0);
    assert!(store.get(&young.key).await.unwrap().is_some());
}

#[tokio::test]
async fn an_operator_counts_by_state_and_lists_what_is_overdue() {
    let Some(server) = Server::shared() else { return };
    let store = store_in(server, &new_table()).await;
    over_store::an_operator_counts_by_state_and_lists_what_is_overdue(&store, PostgresStore::advance).await;
}
