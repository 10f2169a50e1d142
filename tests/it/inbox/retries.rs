//! What becomes of a delivery whose handler fails.

use tokio::time::{Instant, sleep};
use tower_webhook::{
    HandlerError,
    dwolla::Dwolla,
    inbox::{Filter, InboxAdmin as _, Retries},
    store::{IdempotencyStore as _, Stage},
};

use super::{
    inbox_endpoint::{InboxEndpoint, Runs},
    worker::until,
};
use crate::{
    endpoint::key,
    fixtures::{SECOND, assert_state, claim_request_of_another_process, succeed},
};

/// 10 s, then 100 s, without jitter.
fn two_pauses() -> Retries {
    Retries::new([10 * SECOND, 100 * SECOND])
        .jitter(0)
        .max_attempts(4)
        .allow_shorter_than_provider()
}

/// What goes wrong, by its name in the history.
async fn run_until_dead(outcome: &str, fail: impl Fn() -> Result<(), HandlerError> + Clone + Send + Sync + 'static) {
    let endpoint = InboxEndpoint::new();
    let times: std::sync::Arc<std::sync::Mutex<Vec<Instant>>> = std::sync::Arc::default();
    let handler = {
        let times = times.clone();
        move |_| {
            times.lock().unwrap().push(Instant::now());
            let fail = fail.clone();
            async move { fail() }
        }
    };
    endpoint.store("1").await;
    let worker = endpoint.worker(handler).name("test").retries(two_pauses()).start();
    endpoint.all_ended().await;
    sleep(1000 * SECOND).await;
    let runs = times.lock().unwrap().clone();
    let pauses: Vec<_> = runs.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [10, 100, 100], "{outcome}");
    let letter = endpoint.letter("1").await;
    assert_eq!((letter.entry.stage, letter.entry.attempts), (Stage::Dead, 4));
    let history: Vec<_> = letter
        .history
        .iter()
        .map(|past| {
            (
                past.attempt.number,
                past.attempt.outcome.as_str(),
                past.attempt.worker.as_str(),
            )
        })
        .collect();
    assert_eq!(history, [1, 2, 3, 4].map(|number| (number, outcome, "test")));
    // The body is there for an operator, who runs it again.
    endpoint.store.inner().replay(&key("1")).await.unwrap();
    endpoint.all_ended().await;
    assert_eq!(times.lock().unwrap().len(), 8);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_repeated_by_the_schedule_and_dead_after_its_last_attempt() {
    run_until_dead("handler-failed", || Err(HandlerError::retry("the bank is closed"))).await;
}

#[tokio::test(start_paused = true)]
async fn so_is_one_that_panics() {
    run_until_dead("handler-panicked", || panic!("by design")).await;
}

#[tokio::test(start_paused = true)]
async fn a_run_beyond_its_cap_is_cancelled_and_repeated() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let worker = endpoint
        .worker(|_| async {
            sleep(1000 * SECOND).await;
            Ok(())
        })
        .handler_timeout(30 * SECOND)
        .retries(two_pauses())
        .start();
    let began = Instant::now();
    endpoint.all_ended().await;
    let took = began.elapsed().as_secs();
    assert!(
        (330..340).contains(&took),
        "4 runs of 30 s, and 210 s of pauses: {took}"
    );
    let letter = endpoint.letter("1").await;
    assert_eq!(letter.history[0].attempt.outcome, "handler-timeout");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn the_history_says_why() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let worker = endpoint
        .worker(|_| async { Err(HandlerError::retry("the bank\u{0} is closed")) })
        .retries(two_pauses())
        .start();
    endpoint.all_ended().await;
    let letter = endpoint.letter("1").await;
    // Without what a database refuses.
    assert_eq!(letter.history[0].attempt.error, "the bank\\u{0} is closed");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_handler_says_when_it_is_due_again() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async { Err(HandlerError::retry_after(1234 * SECOND, "rate limit")) });
    endpoint.store("1").await;
    let worker = endpoint.worker(handler).retries(two_pauses()).start();
    sleep(1230 * SECOND).await;
    assert_eq!(runs.count(), 1);
    sleep(10 * SECOND).await;
    assert_eq!(runs.count(), 2);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_permanent_error_ends_the_event_at_once() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let worker = endpoint
        .worker(|_| async { Err(HandlerError::permanent("no such account")) })
        .start();
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "rejected");
    let letter = endpoint.letter("1").await;
    assert_eq!(letter.history[0].attempt.outcome, "rejected");
    assert_eq!(letter.history[0].attempt.error, "no such account");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn an_event_recovers_and_its_history_stays() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = {
        let runs = runs.clone();
        move |delivery| {
            runs.note(&delivery);
            let result = if runs.count() < 3 {
                Err(HandlerError::retry("later"))
            } else {
                Ok(())
            };
            async { result }
        }
    };
    endpoint.store("1").await;
    let worker = endpoint.worker(handler).retries(two_pauses()).start();
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    assert_eq!(endpoint.letter("1").await.history.len(), 2);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn the_schedule_survives_a_restart_of_the_worker() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async { Err(HandlerError::retry("later")) });
    endpoint.store("1").await;
    let began = Instant::now();
    for _ in 0..4 {
        let worker = endpoint.worker(handler.clone()).retries(two_pauses()).start();
        let before = runs.count();
        until(async || runs.count() > before).await;
        drop(worker.drain(SECOND).await);
    }
    let took = began.elapsed().as_secs();
    assert!((210..215).contains(&took), "{took}");
    assert_eq!(endpoint.letter("1").await.entry.stage, Stage::Dead);
}

#[tokio::test(start_paused = true)]
async fn replays_are_spread_over_a_time() {
    let endpoint = InboxEndpoint::new();
    for id in 0..60 {
        endpoint.store(&id.to_string()).await;
        endpoint
            .store
            .inner()
            .bury(&key(&id.to_string()), "by hand")
            .await
            .unwrap();
    }
    let runs = Runs::default();
    let handler = runs.handler(|| async { Ok(()) });
    let worker = endpoint.worker(handler).start();
    let dead = Filter::new("dwolla").stage(Stage::Dead);
    assert_eq!(endpoint.store.inner().replay_all(&dead, 60 * SECOND).await.unwrap(), 60);
    sleep(30 * SECOND).await;
    assert!((28..=33).contains(&runs.count()), "{}", runs.count());
    endpoint.all_ended().await;
    assert_eq!(runs.count(), 60);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn retries_that_end_before_the_providers_own_are_refused() {
    let endpoint = InboxEndpoint::new();
    let short = Retries::new([SECOND]).max_attempts(3);
    let error = endpoint
        .worker(|_| async { Ok(()) })
        .retries(short.clone())
        .try_start()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the retries end after 2 s, but dwolla itself retries for 259200 s: an event would be given up earlier than without an \
         inbox; expected more attempts or longer pauses, or `Retries::allow_shorter_than_provider`"
    );
    let allowed = short.allow_shorter_than_provider();
    assert!(
        endpoint
            .worker(|_| async { Ok(()) })
            .retries(allowed)
            .try_start()
            .is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn the_default_retries_outlive_every_provider() {
    use tower_webhook::{
        github::GitHub, linear::Linear, paddle::Paddle, shopify::Shopify, slack::Slack, square::Square,
        standard_webhooks::StandardWebhooks, stripe::Stripe, svix::Svix, zoom::Zoom,
    };
    let inbox = || tower_webhook::testing::MemoryInbox::new();
    macro_rules! starts {
        ($($reader:expr),*) => {
            $(assert!(tower_webhook::inbox::Worker::new($reader, inbox(), tower_webhook::TopicRouter::new()).try_start().is_ok());)*
        };
    }
    starts!(
        Dwolla::reader(),
        GitHub::reader(),
        Linear::reader(),
        Paddle::reader(),
        Shopify::reader(),
        Slack::reader(),
        Square::reader(),
        StandardWebhooks::reader(),
        Stripe::reader(),
        Svix::reader(),
        Zoom::reader()
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_before_the_inbox_took_over_leave_the_worker_its_own() {
    let endpoint = InboxEndpoint::new();
    for _ in 0..4 {
        let request = claim_request_of_another_process("1");
        endpoint.store.claim(&request).await.unwrap();
        endpoint.store.release(&request).await.unwrap();
    }
    assert_state(endpoint.record("1").await, "free, 4");
    endpoint.store("1").await;
    let worker = endpoint.worker(succeed).retries(two_pauses()).start();
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}
