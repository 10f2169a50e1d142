//! Deliveries that something else runs by their keys.

use tokio::time::sleep;
use tower_webhook::{
    HandlerError,
    inbox::{InboxAdmin as _, Retries, RunOutcome},
    testing::{Fault, Operation},
};

use super::inbox_endpoint::{InboxEndpoint, Runs};
use crate::{
    endpoint::key,
    fixtures::{LONG, SECOND, assert_state, succeed},
};

const SWEEP: std::time::Duration = std::time::Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn a_triggered_delivery_runs_once_however_often_it_is_triggered() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async { Ok(()) });
    let worker = endpoint.worker(handler).triggered(SWEEP).start();
    sleep(SECOND).await;
    endpoint.store("1").await;
    sleep(100 * SECOND).await;
    assert_eq!(runs.count(), 0);
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Done);
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Done);
    assert_eq!(runs.count(), 1);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn what_no_trigger_ran_is_swept_up() {
    let endpoint = InboxEndpoint::new();
    let worker = endpoint.worker(succeed).triggered(SWEEP).start();
    sleep(SECOND).await;
    endpoint.store("1").await;
    sleep(SWEEP).await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_hears_how_the_run_ended() {
    let endpoint = InboxEndpoint::new();
    let pauses = Retries::new([10 * SECOND])
        .jitter(0)
        .max_attempts(2)
        .allow_shorter_than_provider();
    let worker = endpoint
        .worker(|_| async { Err(HandlerError::retry("later")) })
        .retries(pauses)
        .triggered(SWEEP)
        .start();
    sleep(SECOND).await;
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Unknown);
    endpoint.store("1").await;
    let again = RunOutcome::Again { after: 10 * SECOND };
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), again);
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), again);
    sleep(10 * SECOND).await;
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Dead);
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Dead);
    endpoint.store.inner().replay(&key("1")).await.unwrap();
    endpoint.take_and_die(false, LONG).await;
    assert_eq!(worker.run_one(&key("1")).await.unwrap(), RunOutcome::Elsewhere);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_namespace_runs_nothing() {
    let endpoint = InboxEndpoint::new();
    let worker = endpoint.worker(succeed).triggered(SWEEP).start();
    sleep(SECOND).await;
    endpoint.store("1").await;
    let other = tower_webhook::store::Key::new("stripe", key("1").id().clone());
    assert_eq!(worker.run_one(&other).await.unwrap(), RunOutcome::Unknown);
    assert_state(endpoint.record("1").await, "free, 0");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_trigger_hears_of_a_store_that_fails_and_may_go_away() {
    let endpoint = InboxEndpoint::new();
    let worker = endpoint.worker(succeed).triggered(SWEEP).start();
    sleep(SECOND).await;
    endpoint.store("1").await;
    endpoint.store.fail(Operation::Take, Fault::BeforeApplying, 1);
    assert!(worker.run_one(&key("1")).await.is_err());
    {
        let one = key("1");
        let run = std::pin::pin!(worker.run_one(&one));
        assert!(tokio::time::timeout(std::time::Duration::ZERO, run).await.is_err());
    }
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
    endpoint.store("2").await;
    assert!(matches!(
        worker.run_one(&key("2")).await.unwrap(),
        RunOutcome::Again { .. }
    ));
    assert_state(endpoint.record("2").await, "free, 0");
}

#[tokio::test(start_paused = true)]
async fn of_those_whose_process_died_triggers_run_one_at_a_time() {
    let endpoint = InboxEndpoint::new();
    for id in ["1", "2", "3"] {
        endpoint.store(id).await;
    }
    assert_eq!(endpoint.take_and_die(false, SECOND).await.len(), 3);
    let runs = Runs::default();
    let handler = {
        let runs = runs.clone();
        move |_| {
            let working = runs.working();
            async move {
                sleep(SECOND).await;
                drop(working);
                Ok(())
            }
        }
    };
    let worker = endpoint.worker(handler).triggered(SWEEP).start();
    sleep(SECOND / 2).await;
    sleep(SECOND).await;
    let keys = [key("1"), key("2"), key("3")];
    let (first, second, third) = tokio::join!(
        worker.run_one(&keys[0]),
        worker.run_one(&keys[1]),
        worker.run_one(&keys[2])
    );
    assert_eq!(runs.most(), 1);
    assert_eq!(first.unwrap(), RunOutcome::Done);
    for end in [second, third] {
        assert_eq!(end.unwrap(), RunOutcome::Again { after: 5 * SECOND });
    }
    assert_eq!(worker.run_one(&keys[1]).await.unwrap(), RunOutcome::Done);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_whose_response_was_lost_is_nobody_elses() {
    for (attempts, expected) in [(2, RunOutcome::Again { after: 10 * SECOND }), (1, RunOutcome::Dead)] {
        let endpoint = InboxEndpoint::new();
        endpoint.store.fail(Operation::Settle, Fault::AfterApplying, 1);
        let pauses = Retries::new([10 * SECOND]).jitter(0).max_attempts(attempts);
        let worker = endpoint
            .worker(|_| async { Err(HandlerError::retry("later")) })
            .retries(pauses.allow_shorter_than_provider())
            .triggered(SWEEP)
            .start();
        sleep(SECOND).await;
        endpoint.store("1").await;
        assert_eq!(worker.run_one(&key("1")).await.unwrap(), expected);
        drop(worker.drain(SECOND).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_a_trigger_has_just_taken() {
    let endpoint = InboxEndpoint::new();
    endpoint
        .store
        .fail(Operation::Take, Fault::RespondLate(SECOND), usize::MAX);
    let worker = endpoint.worker(succeed).triggered(SWEEP).start();
    sleep(10 * SECOND).await;
    endpoint.store("1").await;
    let running = tokio::spawn({
        let worker = worker.clone();
        async move { worker.run_one(&key("1")).await }
    });
    sleep(SECOND / 2).await;
    assert_state(endpoint.record("1").await, "claimed, 1");
    drop(worker.drain(10 * SECOND).await);
    assert_state(endpoint.record("1").await, "free, 0");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_fast_makes_no_trigger_spin() {
    let endpoint = InboxEndpoint::new();
    let fast = tower_webhook::testing::ManualClock::at(std::time::SystemTime::now() + 365 * 24 * 3600 * SECOND);
    let worker = endpoint
        .worker(|_| async { Err(HandlerError::retry("later")) })
        .clock(fast)
        .triggered(SWEEP)
        .start();
    sleep(SECOND).await;
    endpoint.store("1").await;
    let _ = worker.run_one(&key("1")).await.unwrap();
    let again = worker.run_one(&key("1")).await.unwrap();
    assert!(
        matches!(again, RunOutcome::Again { after } if after >= SECOND),
        "{again:?}"
    );
    drop(worker.drain(SECOND).await);
}
