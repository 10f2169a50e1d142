//! The limit of the backlog, and deliveries that nobody takes.

use tokio::time::sleep;
use tower_webhook::{RefusalKind, process::Outcome, store::Stage, testing::Operation};

use super::inbox_endpoint::InboxEndpoint;
use crate::fixtures::{SECOND, succeed};

/// Longer than the backlog is counted at.
const COUNTED: std::time::Duration = std::time::Duration::from_secs(11);

#[tokio::test(start_paused = true)]
async fn above_the_limit_new_deliveries_are_503_and_copies_are_acknowledged() {
    let endpoint = InboxEndpoint::with(|builder| builder, |service| service.backlog_limit(2));
    for id in ["1", "2", "3"] {
        endpoint.store(id).await;
    }
    sleep(COUNTED).await;
    let answer = endpoint.deliver("4").await;
    answer.assert_refused(503, RefusalKind::Backlog);
    assert_eq!(answer.retry_after(), Some(60));
    let copy = endpoint.deliver("1").await;
    copy.assert_acknowledged();
    assert_eq!(copy.outcome, Some(Outcome::StoredBefore(Stage::Waiting)));
    let worker = endpoint.worker(|_| async { Ok(()) }).start();
    endpoint.all_ended().await;
    sleep(COUNTED).await;
    endpoint.store("4").await;
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn the_backlog_is_counted_every_ten_seconds_and_not_for_each_delivery() {
    let endpoint = InboxEndpoint::new();
    for id in 0..100 {
        endpoint.store(&id.to_string()).await;
    }
    assert_eq!(endpoint.store.calls(Operation::Backlog), 1);
    sleep(COUNTED).await;
    assert_eq!(endpoint.store.calls(Operation::Backlog), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_counts_once_the_endpoint_is_gone() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let store = endpoint.store.clone();
    drop(endpoint);
    let counted = store.calls(Operation::Backlog);
    sleep(10 * COUNTED).await;
    assert_eq!(store.calls(Operation::Backlog), counted);
}

#[test]
fn another_runtime_counts_when_the_first_has_ended() {
    let endpoint = InboxEndpoint::new();
    for counted in 1..=2 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            endpoint.store(&counted.to_string()).await;
            sleep(SECOND).await;
        });
        assert_eq!(endpoint.store.calls(Operation::Backlog), counted);
    }
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "tracing")]
async fn an_error_each_minute_says_that_nobody_takes_what_is_due() {
    let capture = crate::logs::Capture::start();
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let said = || capture.text().matches("nobody takes it").count();
    sleep(290 * SECOND).await;
    assert_eq!(said(), 0);
    sleep(20 * SECOND).await;
    assert_eq!(said(), 1);
    sleep(60 * SECOND).await;
    assert_eq!(said(), 2, "{}", capture.text());
    let worker = endpoint.worker(succeed).start();
    endpoint.all_ended().await;
    sleep(600 * SECOND).await;
    assert_eq!(said(), 2);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "tracing")]
async fn an_error_each_minute_says_that_the_inbox_is_full() {
    let capture = crate::logs::Capture::start();
    let endpoint = InboxEndpoint::with(|builder| builder, |service| service.backlog_limit(0));
    endpoint.store("1").await;
    sleep(125 * SECOND).await;
    let said = capture
        .text()
        .matches("more than 0 stored deliveries wait, so new ones")
        .count();
    assert!((2..=3).contains(&said), "{said}");
}
