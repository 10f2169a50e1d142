//! The statements of `store::guide` for SQLite, and what tells one store from another.

use sqlx::{AssertSqlSafe, Row as _};

use tower_webhook::store::IdempotencyStore as _;
use tower_webhook_sqlx::SqliteStore;

use super::Folder;
use crate::guide::{FAILED, REJECTED, events_of_each_kind, statement, statements};

#[tokio::test]
async fn the_statements_of_the_guide_find_failed_and_rejected_events() {
    let folder = Folder::new();
    events_of_each_kind(&folder.store().await, SqliteStore::advance).await;
    let mut connection = folder.connection().await;
    for (remark, expected) in [("failed", &FAILED[..]), ("rejected", &REJECTED[..])] {
        let rows = sqlx::query(AssertSqlSafe(statement("SQLite", remark)))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let events = rows.iter().map(|row| {
            let since: String = row.get("since");
            assert!(since.starts_with("20"), "a date: {since}");
            format!("{} {}", row.get::<String, _>("id"), row.get::<i64, _>("attempts"))
        });
        assert_eq!(events.collect::<Vec<_>>(), expected, "{remark}");
    }
    let all = statements("SQLite");
    assert_eq!(all.len(), 5, "{all:?}");
    for (sql, _) in all {
        let rows = sqlx::query(AssertSqlSafe(sql.clone())).fetch_all(&mut connection).await;
        if sql.contains("AS failed") {
            assert_eq!(rows.unwrap()[0].get::<i64, _>("failed"), 2);
        } else {
            rows.unwrap();
        }
    }
}

#[tokio::test]
async fn two_stores_on_one_table_of_one_file_are_one_store() {
    let folder = Folder::new();
    let file = folder.file();
    let identity = async |path: &std::path::Path, table: &str| {
        let store = SqliteStore::builder().table(table).open(path).await.unwrap();
        store.identity().unwrap()
    };
    let one = identity(&file, "webhook_events").await;
    assert_eq!(one, folder.store().await.identity().unwrap());
    // by another path
    let roundabout = file
        .parent()
        .unwrap()
        .join(".")
        .join("..")
        .join(file.parent().unwrap().file_name().unwrap());
    assert_eq!(one, identity(&roundabout.join("webhooks.db"), "webhook_events").await);
    assert_ne!(one, identity(&file, "another").await);
    assert_ne!(one, identity(&file.with_extension("other"), "webhook_events").await);
    assert_eq!(
        one.to_string(),
        format!(
            "SqliteStore at {}, table \"webhook_events\"",
            file.canonicalize().unwrap().display()
        )
    );
}
