//! A delivery log in a database.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tower_webhook::delivery_log::DeliveryLog as _;
use tower_webhook_sqlx::SqlDeliveryLog;

use super::{new_table, server::Server};
use crate::delivery_log::{all, reading::entries, tables};

/// A database of its own on the shared server.
async fn database() -> Option<String> {
    let server = Server::shared()?;
    let name = new_table();
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    Some(in_database(&server.url(), &name))
}

fn in_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap();
    format!("{server}/{name}")
}

#[tokio::test]
async fn a_log_in_a_database_is_read_as_it_was_written() {
    let Some(url) = database().await else { return };
    tables::is_read_as_it_was_written(&url).await;
}

#[tokio::test]
async fn hostile_texts_stay_texts() {
    let Some(url) = database().await else { return };
    tables::hostile_texts_stay_texts(&url).await;
}

#[tokio::test]
async fn what_is_too_old_is_deleted() {
    let Some(url) = database().await else { return };
    tables::what_is_too_old_is_deleted(&url).await;
}

#[tokio::test]
async fn two_logs_share_a_database() {
    let Some(url) = database().await else { return };
    tables::two_logs_share_a_table(&url).await;
}

#[tokio::test]
async fn a_server_that_is_away_costs_what_does_not_fit_into_the_queue() {
    let Some(server) = Server::start() else { return };
    let log = tables::open(&server.url()).await;
    tables::an_outage_costs_what_does_not_fit(log, async || server.kill(), async || server.run()).await;
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_records_in_one_that_is_there() {
    let Some(url) = database().await else { return };
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let role = new_table();
    let rights = format!(
        "{}; CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; \
         GRANT SELECT, INSERT, DELETE ON webhook_deliveries TO {role}",
        SqlDeliveryLog::SCHEMA_POSTGRES
    );
    sqlx::raw_sql(AssertSqlSafe(rights))
        .execute(&mut connection)
        .await
        .unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, host) = rest.split_once('@').unwrap();
    let log = tables::open(&format!("{scheme}://{role}@{host}")).await;
    log.record(entries(1).remove(0));
    log.flush().await;
    assert_eq!((all(&log).await, log.lost()), (entries(1), 0));
}
