//! A worker that is to end.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_webhook::{
    process::RemainingState,
    store::{Stage, State},
    testing::{Fault, Operation},
};

use super::inbox_endpoint::{InboxEndpoint, Runs};
use crate::{
    endpoint::key,
    fixtures::{Held, LONG, SECOND, SHORT, assert_state, succeed},
};

#[tokio::test(start_paused = true)]
async fn a_drain_takes_no_more_and_waits_for_what_runs() {
    let endpoint = InboxEndpoint::new();
    let held = Held::new();
    endpoint.store("1").await;
    let worker = endpoint.worker(held.handler()).start();
    held.started(1).await;
    let meanwhile = async {
        sleep(SECOND).await;
        endpoint.store("2").await;
        sleep(SECOND).await;
        held.end(1);
    };
    let (report, ()) = tokio::join!(worker.drain(LONG), meanwhile);
    assert!(report.remaining().is_empty(), "{report}");
    assert_state(endpoint.record("1").await, "handled");
    assert_state(endpoint.record("2").await, "free, 0");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_runs_out_of_time_puts_back_at_once_uncounted_and_lists() {
    let endpoint = InboxEndpoint::new();
    let held = Held::new();
    endpoint.store("1").await;
    let worker = endpoint.worker(held.handler()).start();
    held.started(1).await;
    let began = Instant::now();
    let report = worker.drain(SHORT).await;
    assert!(began.elapsed() < SECOND);
    let [remaining] = report.remaining() else {
        panic!("one was running: {report}")
    };
    assert_eq!(remaining.key(), &key("1"));
    assert_eq!(remaining.state(), RemainingState::Cancelled);
    assert_state(endpoint.record("1").await, "free, 0");
    assert_eq!(endpoint.backlog().await.due, 1);
    assert!(endpoint.letter("1").await.history.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ten_deploys_lose_nothing_and_count_nothing() {
    let endpoint = InboxEndpoint::new();
    let held = Held::new();
    for id in 0..20 {
        endpoint.store(&id.to_string()).await;
    }
    for _ in 0..10 {
        let worker = endpoint.worker(held.handler()).concurrency(8).start();
        held.started(8).await;
        drop(worker.drain(SHORT).await);
    }
    for id in 0..20 {
        assert_state(endpoint.record(&id.to_string()).await, "free, 0");
    }
    let worker = endpoint.worker(succeed).start();
    endpoint.all_ended().await;
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_taken_when_a_drain_begins_is_put_back() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    endpoint.store("1").await;
    let worker = endpoint
        .worker(runs.handler(|| async {
            sleep(SECOND).await;
            Ok(())
        }))
        .start();
    // The first loop has taken it; its run has not entered the engine yet.
    tokio::task::yield_now().await;
    let report = worker.drain(Duration::ZERO).await;
    assert!(report.remaining().len() <= 1, "{report}");
    // It was taken, which is no attempt.
    let state = endpoint.record("1").await.unwrap().state;
    let put_back = matches!(
        state,
        State::Free {
            generation: 1,
            attempts: 0,
            ..
        }
    );
    assert!(put_back, "{state:?}");
    assert_eq!(runs.count(), report.remaining().len());
    assert_eq!(endpoint.backlog().await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_take_whose_response_is_on_its_way() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    endpoint
        .store
        .fail(Operation::Take, Fault::RespondLate(SECOND), usize::MAX);
    let worker = endpoint.worker(succeed).start();
    sleep(SHORT).await;
    assert_state(endpoint.record("1").await, "claimed, 1");
    let report = worker.drain(10 * SECOND).await;
    // The process may end now, and nobody holds the delivery.
    assert!(report.remaining().is_empty(), "{report}");
    assert_state(endpoint.record("1").await, "free, 0");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_the_settlements() {
    let endpoint = InboxEndpoint::new();
    endpoint.store.fail(Operation::Settle, Fault::BeforeApplying, 4);
    endpoint.store("1").await;
    let worker = endpoint.worker(succeed).start();
    super::worker::until(async || endpoint.store.calls(Operation::Settle) >= 1).await;
    let report = worker.drain(10 * SECOND).await;
    assert!(report.remaining().is_empty(), "{report}");
    assert_state(endpoint.record("1").await, "handled");
}

#[tokio::test(start_paused = true)]
async fn a_drain_whose_store_is_gone_ends_and_says_what_is_not_recorded() {
    let endpoint = InboxEndpoint::new();
    endpoint
        .store
        .fail(Operation::Settle, Fault::HangBeforeApplying, usize::MAX);
    endpoint.store("1").await;
    let worker = endpoint.worker(succeed).start();
    super::worker::until(async || endpoint.store.calls(Operation::Settle) >= 1).await;
    let began = Instant::now();
    let report = worker.drain(SECOND).await;
    assert!(began.elapsed() <= 10 * SECOND, "{:?}", began.elapsed());
    let [remaining] = report.remaining() else {
        panic!("one is not recorded: {report}")
    };
    assert_eq!(remaining.state(), RemainingState::Unrecorded);
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_becomes_of_a_suspect() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    for crash in 0..3 {
        assert_eq!(endpoint.take_and_die(crash > 0, SECOND).await.len(), 1);
        sleep(SECOND).await;
    }
    endpoint.store.fail(Operation::Settle, Fault::BeforeApplying, 3);
    let worker = endpoint.worker(succeed).start();
    super::worker::until(async || endpoint.store.calls(Operation::Settle) >= 1).await;
    drop(worker.drain(10 * SECOND).await);
    assert_eq!(endpoint.letter("1").await.entry.stage, Stage::Dead);
}
