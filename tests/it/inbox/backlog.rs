//! The limit of the backlog, and deliveries that nobody takes.

use tokio::time::sleep;
use tower_webhook::{RefusalKind, process::Outcome, store::Stage, testing::Operation};

use super::office::Office;
use crate::fixtures::{SECOND, succeed};

/// Longer than the backlog is counted at.
const COUNTED: std::time::Duration = std::time::Duration::from_secs(11);

#[tokio::test(start_paused = true)]
async fn above_the_limit_new_deliveries_are_503_and_copies_are_acknowledged() {
    let office = Office::with(|builder| builder, |service| service.backlog_limit(2));
    for id in ["1", "2", "3"] {
        office.store(id).await;
    }
    sleep(COUNTED).await;
    let answer = office.deliver("4").await;
    answer.assert_refused(503, RefusalKind::Backlog);
    assert_eq!(answer.retry_after(), Some(60));
    let copy = office.deliver("1").await;
    copy.assert_acknowledged();
    assert_eq!(copy.outcome, Some(Outcome::StoredBefore(Stage::Waiting)));
    let worker = office.worker(|_| async { Ok(()) }).start();
    office.all_ended().await;
    sleep(COUNTED).await;
    office.store("4").await;
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn the_backlog_is_counted_every_ten_seconds_and_not_for_each_delivery() {
    let office = Office::new();
    for id in 0..100 {
        office.store(&id.to_string()).await;
    }
    assert_eq!(office.store.calls(Operation::Backlog), 1);
    sleep(COUNTED).await;
    assert_eq!(office.store.calls(Operation::Backlog), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_counts_once_the_endpoint_is_gone() {
    let office = Office::new();
    office.store("1").await;
    let store = office.store.clone();
    drop(office);
    let counted = store.calls(Operation::Backlog);
    sleep(10 * COUNTED).await;
    assert_eq!(store.calls(Operation::Backlog), counted);
}

#[test]
fn another_runtime_counts_when_the_first_has_ended() {
    let office = Office::new();
    for counted in 1..=2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            office.store(&counted.to_string()).await;
            sleep(SECOND).await;
        });
        assert_eq!(office.store.calls(Operation::Backlog), counted);
    }
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "tracing")]
async fn an_error_each_minute_says_that_nobody_takes_what_is_due() {
    let capture = crate::logs::Capture::start();
    let office = Office::new();
    office.store("1").await;
    let said = || capture.text().matches("nobody takes it").count();
    sleep(290 * SECOND).await;
    assert_eq!(said(), 0);
    sleep(20 * SECOND).await;
    assert_eq!(said(), 1);
    sleep(60 * SECOND).await;
    assert_eq!(said(), 2, "{}", capture.text());
    let worker = office.worker(succeed).start();
    office.all_ended().await;
    sleep(600 * SECOND).await;
    assert_eq!(said(), 2);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "tracing")]
async fn an_error_each_minute_says_that_the_inbox_is_full() {
    let capture = crate::logs::Capture::start();
    let office = Office::with(|builder| builder, |service| service.backlog_limit(0));
    office.store("1").await;
    sleep(125 * SECOND).await;
    let said = capture
        .text()
        .matches("more than 0 stored deliveries wait, so new ones")
        .count();
    assert!((2..=3).contains(&said), "{said}");
}
