//! Deliveries whose process died.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::time::{Instant, sleep};
use tower_webhook::{
    HandlerError, TopicRouter,
    store::Stage,
    testing::{Fault, Operation},
};

use super::{
    inbox_endpoint::{InboxEndpoint, Runs},
    worker::until,
};
use crate::{
    endpoint::{Event, key},
    fixtures::{SECOND, assert_state},
};

/// As long as a lease of the worker that dies.
const LEASE: std::time::Duration = std::time::Duration::from_secs(15);

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_held_runs_when_its_lease_is_over() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    assert_eq!(endpoint.take_and_die(false, LEASE).await.len(), 1);
    let began = Instant::now();
    let worker = endpoint.worker(|_| async { Ok(()) }).start();
    endpoint.all_ended().await;
    let took = began.elapsed();
    assert!((LEASE..LEASE + 2 * SECOND).contains(&took), "{took:?}");
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_buried_after_its_third_run_without_an_end() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    endpoint.store("1").await;
    for crash in 0..3 {
        assert_eq!(endpoint.take_and_die(crash > 0, LEASE).await.len(), 1);
        sleep(LEASE).await;
    }
    let worker = endpoint.worker(runs.handler(|| async { Ok(()) })).name("test").start();
    endpoint.all_ended().await;
    assert_eq!(runs.count(), 0);
    let letter = endpoint.letter("1").await;
    assert_eq!(letter.entry.stage, Stage::Dead);
    let last = &letter.history[0].attempt;
    assert_eq!((last.outcome.as_str(), last.worker.as_str()), ("dead", "test"));
    assert!(
        last.error.starts_with("its last 3 runs were never settled"),
        "{}",
        last.error
    );
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_well_or_badly_clears_the_suspicion() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    for crash in 0..2 {
        assert_eq!(endpoint.take_and_die(crash > 0, LEASE).await.len(), 1);
        sleep(LEASE).await;
    }
    let worker = endpoint.worker(|_| async { Err(HandlerError::retry("later")) }).start();
    until(async || endpoint.letter("1").await.history.len() == 1).await;
    drop(worker.drain(SECOND).await);
    assert_eq!(endpoint.letter("1").await.entry.crashes, 0);
    // Two crashes more do not bury it.
    sleep(100 * SECOND).await;
    for crash in 0..2 {
        assert_eq!(endpoint.take_and_die(crash > 0, LEASE).await.len(), 1);
        sleep(LEASE).await;
    }
    let worker = endpoint.worker(|_| async { Ok(()) }).start();
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn suspects_run_one_at_a_time_beside_the_others() {
    let endpoint = InboxEndpoint::new();
    for id in 0..5 {
        endpoint.store(&format!("suspect-{id}")).await;
    }
    assert_eq!(endpoint.take_and_die(false, LEASE).await.len(), 5);
    sleep(LEASE).await;
    for id in 0..32 {
        endpoint.store(&format!("fresh-{id}")).await;
    }
    let (suspects, fresh) = (Runs::default(), Runs::default());
    let handler = {
        let (suspects, fresh) = (suspects.clone(), fresh.clone());
        move |delivery: tower_webhook::Delivery<crate::endpoint::Event>| {
            let is_suspect = delivery.event().id().as_str().starts_with("suspect");
            let runs = if is_suspect { &suspects } else { &fresh };
            runs.note(&delivery);
            let working = runs.working();
            async move {
                sleep(SECOND).await;
                drop(working);
                Ok(())
            }
        }
    };
    let worker = endpoint.worker(handler).concurrency(32).start();
    until(async || fresh.count() == 32).await;
    assert!(suspects.count() <= 1);
    endpoint.all_ended().await;
    assert_eq!((suspects.count(), suspects.most()), (5, 1));
    assert_eq!(fresh.most(), 32);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn more_attempts_than_allowed_are_buried_before_they_run() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    endpoint.store("1").await;
    // Attempts that ended by themselves, by a worker with other settings.
    for _ in 0..5 {
        let taken = endpoint.take_and_die(false, LEASE).await;
        let settlement = tower_webhook::inbox::Settlement::new(
            taken[0].claim_request.clone(),
            tower_webhook::inbox::Action::PutBack {
                after: std::time::Duration::ZERO,
                is_counted: true,
            },
        );
        tower_webhook::inbox::Inbox::settle(endpoint.store.inner(), &[settlement])
            .await
            .unwrap();
    }
    let retries = tower_webhook::inbox::Retries::default()
        .max_attempts(3)
        .allow_shorter_than_provider();
    let worker = endpoint
        .worker(runs.handler(|| async { Ok(()) }))
        .retries(retries)
        .start();
    endpoint.all_ended().await;
    assert_eq!(runs.count(), 0);
    assert_eq!(endpoint.letter("1").await.entry.stage, Stage::Dead);
    assert_eq!(endpoint.letter("1").await.entry.key, key("1"));
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lease_was_lost_does_not_run_a_second_time_in_its_process() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async {
        sleep(98 * SECOND).await;
        Ok(())
    });
    use tower_webhook::testing::{Fault, Operation};
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, usize::MAX);
    endpoint.store("1").await;
    let worker = endpoint.worker(handler).lease(LEASE, LEASE / 3).start();
    endpoint.all_ended().await;
    assert_eq!(runs.count(), 1);
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_too_late_is_no_crash() {
    let endpoint = InboxEndpoint::new();
    endpoint
        .store
        .fail(Operation::Take, Fault::RespondLate(3 * SECOND), usize::MAX);
    endpoint.store("1").await;
    let worker = endpoint.worker(|_| async { Ok(()) }).start();
    sleep(600 * SECOND).await;
    assert_eq!(endpoint.letter("1").await.entry.crashes, 0);
    endpoint.store.heal();
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

/// A router's state that cannot be cloned at times.
struct Fragile(Arc<AtomicBool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.0.load(Ordering::SeqCst), "on purpose");
        Self(Arc::clone(&self.0))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_handler_is_a_failed_attempt_and_no_crash() {
    async fn created(_: Fragile, _: Event) {}

    let endpoint = InboxEndpoint::new();
    let breaks = Arc::new(AtomicBool::new(false));
    let topics = TopicRouter::with_state(Fragile(Arc::clone(&breaks))).on("customer_created", created);
    let worker = endpoint.layer.worker(topics).start();
    breaks.store(true, Ordering::SeqCst);
    endpoint.store("1").await;
    sleep(SECOND).await;
    let letter = endpoint.letter("1").await;
    assert_eq!(letter.entry.stage, Stage::Waiting);
    let [past] = &letter.history[..] else {
        panic!("one has failed: {:?}", letter.history)
    };
    assert!(
        past.attempt.error.ends_with("panicked: on purpose"),
        "{}",
        past.attempt.error
    );
    breaks.store(false, Ordering::SeqCst);
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}
