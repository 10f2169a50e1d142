//! A worker's take in Postgres: its plan, and the floor under the due times.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _};
use tower_webhook::inbox::Inbox;
use tower_webhook_sqlx::PostgresStore;

use super::{
    inbox::{deposit, ids, run, take},
    new_table,
    server::Server,
    store_in,
};

/// The statement of a take as the store has it, for this table.
fn take_sql(due: &str, table: &str) -> String {
    let taken = include_str!("../../../crates/sqlx/src/postgres/taken.sql");
    format!("{due}{taken}")
        .replace("webhook_events", table)
        .replace("webhook_bodies", &format!("{table}_bodies"))
}

#[tokio::test]
async fn a_take_reads_what_is_due_by_the_index_and_nothing_of_what_waits() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    drop(store_in(server, &table).await);
    let mut connection = server.connection().await;
    let fill = "INSERT INTO webhook_events (namespace, id, state, fingerprint, token, generation, attempts, \
                changed_at, lease_until, expires_at, crashes, stored, due_at) \
                SELECT 'dwolla', n::text, CASE WHEN n % 2 = 0 THEN 'free' ELSE 'claimed' END, '\\x00', \
                CASE WHEN n % 2 = 1 THEN '\\x00'::bytea END, 1, 1, now(), \
                CASE WHEN n % 2 = 1 THEN now() + interval '1 hour' END, now() + interval '1 year', 0, true, \
                now() + interval '1 hour' FROM generate_series(1, 5000) AS n";
    run(&mut connection, &table, fill).await;
    let statements = [
        (
            include_str!("../../../crates/sqlx/src/postgres/due.sql"),
            "bigint",
            ", 0",
            "_due",
        ),
        (
            include_str!("../../../crates/sqlx/src/postgres/due_suspects.sql"),
            "",
            "",
            "_suspects",
        ),
    ];
    for (sql, more, values, index) in statements {
        let name = format!("take{index}");
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(", {more}")
        };
        let prepare = format!(
            "PREPARE {name} (text, bytea, bigint, bigint, bigint{more}) AS {}",
            take_sql(sql, &table)
        );
        run(&mut connection, &table, &prepare).await;
        // fresh and with statistics, for these parameters and for any
        for setting in ["", "ANALYZE webhook_events"] {
            run(&mut connection, &table, setting).await;
            for mode in ["force_custom_plan", "force_generic_plan"] {
                run(&mut connection, &table, &format!("SET plan_cache_mode = {mode}")).await;
                let explain = format!("EXPLAIN EXECUTE {name} ('dwolla', '\\x00', 32, 60000, 0{values})");
                let rows = sqlx::raw_sql(AssertSqlSafe(explain))
                    .fetch_all(&mut connection)
                    .await
                    .unwrap();
                let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
                let scan = plan.iter().position(|line| line.contains(&format!("{table}{index}")));
                let scan = scan.unwrap_or_else(|| panic!("{setting} {mode}: {}", plan.join("\n")));
                let condition = &plan[scan + 1];
                assert!(
                    condition.contains("Index Cond") && condition.contains("due_at <= $"),
                    "{setting} {mode}: {}",
                    plan.join("\n")
                );
                let sorts = plan[scan - 2..scan].iter().any(|line| line.contains("Sort"));
                assert!(!sorts, "{}", plan.join("\n"));
            }
        }
    }
}

// --- the floor

/// Two deliveries that seem to have been stored before, and were committed now: the first is above
/// the floor, and the second below it.
async fn takes_what_is_late_by(store: &PostgresStore, table: &str, ages: [&str; 2]) {
    let mut connection = Server::shared().unwrap().connection().await;
    for (id, age) in ["late", "very late"].into_iter().zip(ages) {
        store.deposit(&deposit(id)).await.unwrap();
        let age = format!("UPDATE webhook_events SET due_at = due_at - interval '{age}' WHERE id = '{id}'");
        run(&mut connection, table, &age).await;
    }
    assert_eq!(ids(&take(store, 10).await), ["late"]);
    assert!(take(store, 10).await.is_empty());
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(10)).await;
    tokio::time::resume();
    assert_eq!(ids(&take(store, 10).await), ["very late"]);
}

#[tokio::test]
async fn what_lies_below_the_floor_is_found_within_ten_seconds() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    store.deposit(&deposit("first")).await.unwrap();
    assert_eq!(ids(&take(&store, 10).await), ["first"]);
    takes_what_is_late_by(&store, &table, ["0.2 s", "60 s"]).await;
}

#[tokio::test]
async fn a_take_that_finds_nothing_raises_the_floor_for_ten_seconds() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    let store = store_in(server, &table).await;
    assert!(take(&store, 10).await.is_empty());
    takes_what_is_late_by(&store, &table, ["2 s", "60 s"]).await;
}
