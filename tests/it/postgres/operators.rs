//! The statements of `store::guide` for Postgres, and what tells one store from another.

use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};

use tower_webhook::store::IdempotencyStore as _;
use tower_webhook_sqlx::PostgresStore;

use super::{
    new_table,
    server::{PASSWORD, Server},
    store_in,
};
use crate::guide::{FAILED, REJECTED, events_of_each_kind, statement, statements};

#[tokio::test]
async fn the_statements_of_the_guide_find_failed_and_rejected_events() {
    let Some(server) = Server::shared() else { return };
    let table = new_table();
    events_of_each_kind(&store_in(server, &table).await, PostgresStore::advance).await;
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let in_table = |sql: &str| AssertSqlSafe(sql.replace("webhook_events", &table));
    for (remark, expected) in [("failed", &FAILED[..]), ("rejected", &REJECTED[..])] {
        let rows = sqlx::query(in_table(&statement("Postgres", remark)))
            .fetch_all(&pool)
            .await
            .unwrap();
        let events = rows
            .iter()
            .map(|row| format!("{} {}", row.get::<String, _>("id"), row.get::<i64, _>("attempts")));
        assert_eq!(events.collect::<Vec<_>>(), expected, "{remark}");
    }
    let all = statements("Postgres");
    assert_eq!(all.len(), 7, "{all:?}");
    for (sql, _) in all {
        let rows = sqlx::query(in_table(&sql)).fetch_all(&pool).await;
        if sql.contains("AS failed") {
            assert_eq!(rows.unwrap()[0].get::<i64, _>("failed"), 2);
        } else {
            rows.unwrap();
        }
    }
}

#[tokio::test]
async fn two_stores_on_one_table_of_one_database_are_one_store_and_their_name_holds_no_password() {
    let Some(server) = Server::shared() else { return };
    let (table, other) = (new_table(), new_table());
    let one = store_in(server, &table).await.identity().unwrap();
    assert_eq!(one, store_in(server, &table).await.identity().unwrap());
    assert_eq!(
        one,
        store_in(server, &format!("public.{table}")).await.identity().unwrap()
    );
    assert_ne!(one, store_in(server, &other).await.identity().unwrap());
    let name = one.to_string();
    assert!(
        name.ends_with(&format!(", table public.{table}")) && !name.contains(PASSWORD),
        "{name}"
    );

    // the same name in the schema of a tenant
    let pool = PgPool::connect(&server.url()).await.unwrap();
    let schema = new_table();
    sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {schema}")))
        .execute(&pool)
        .await
        .unwrap();
    let path = format!("SET search_path = {schema}");
    let tenant = PgPoolOptions::new()
        .max_connections(2)
        .after_connect(move |connection, _| {
            let path = AssertSqlSafe(path.clone());
            Box::pin(async move { sqlx::raw_sql(path).execute(connection).await.map(drop) })
        });
    let tenant = tenant.connect_lazy(&server.url()).unwrap();
    let tenant = PostgresStore::builder().table(&table).with_pool(tenant).await.unwrap();
    assert_ne!(one, tenant.identity().unwrap());
    assert!(
        tenant
            .identity()
            .unwrap()
            .to_string()
            .ends_with(&format!(", table {schema}.{table}"))
    );
}
