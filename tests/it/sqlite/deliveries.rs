//! A delivery log in a file.

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Mutex;
use tower_webhook::{delivery_log::DeliveryLog as _, store::StoreErrorKind};
use tower_webhook_sqlx::SqlDeliveryLog;

use super::Folder;
use crate::delivery_log::{all, reading::entries, tables};

fn url(folder: &Folder) -> String {
    format!("sqlite:{}", folder.file().display())
}

#[tokio::test]
async fn a_log_in_a_file_is_read_as_it_was_written() {
    tables::is_read_as_it_was_written(&url(&Folder::new())).await;
}

#[tokio::test]
async fn hostile_texts_stay_texts() {
    tables::hostile_texts_stay_texts(&url(&Folder::new())).await;
}

#[tokio::test]
async fn what_is_too_old_is_deleted() {
    tables::what_is_too_old_is_deleted(&url(&Folder::new())).await;
}

#[tokio::test]
async fn two_logs_share_a_file() {
    tables::two_logs_share_a_table(&url(&Folder::new())).await;
}

#[tokio::test]
async fn a_file_that_another_program_has_locked_costs_what_does_not_fit_into_the_queue() {
    let folder = Folder::new();
    let log = tables::open(&url(&folder)).await;
    let other = Mutex::new(SqliteConnection::connect(&url(&folder)).await.unwrap());
    let say = async |sql: &'static str| {
        sqlx::query(sql).execute(&mut *other.lock().await).await.unwrap();
    };
    tables::an_outage_costs_what_does_not_fit(log, async || say("BEGIN IMMEDIATE").await, async || say("COMMIT").await)
        .await;
}

#[tokio::test]
async fn a_log_shares_a_file_with_a_store() {
    let folder = Folder::new();
    let store = folder.store().await;
    let log = tables::open(&url(&folder)).await;
    let claim_request = super::claim_request("a");
    use tower_webhook::store::IdempotencyStore as _;
    store.claim(&claim_request).await.unwrap();
    log.record(entries(1).remove(0));
    log.flush().await;
    assert_eq!(all(&log).await, entries(1));
}

#[tokio::test]
async fn what_waits_is_written_when_the_last_clone_is_dropped() {
    let folder = Folder::new();
    let log = tables::open(&url(&folder)).await;
    for entry in entries(100) {
        log.record(entry);
    }
    drop(log);
    let later = tables::open(&url(&folder)).await;
    while all(&later).await.len() < 100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_url_of_another_kind_is_refused() {
    for (url, expected) in [
        ("mysql://localhost/app", "another scheme"),
        ("sqlite::memory:", "names no file"),
    ] {
        let error = SqlDeliveryLog::connect(url).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Config);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
