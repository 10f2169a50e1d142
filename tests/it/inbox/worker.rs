//! How a worker runs what is stored.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_webhook::{
    Delivery, HandlerError, TopicRouter,
    dwolla::Dwolla,
    event::Source,
    inbox::Worker,
    testing::{Fault, Operation},
};

use super::inbox_endpoint::{InboxEndpoint, Runs, topics};
use crate::{
    endpoint::{Event, event, event_of, signed},
    fixtures::{Held, LONG, SECOND, assert_state, succeed},
};

/// Waits until this holds.
pub(crate) async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    while !holds().await {
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stored_delivery_is_handled_once_and_done() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async { Ok(()) });
    for id in ["1", "2", "3"] {
        endpoint.store(id).await;
    }
    let worker = endpoint.worker(handler).start();
    endpoint.all_ended().await;
    sleep(LONG).await;
    let mut ids = runs.ids();
    ids.sort();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_state(endpoint.record("1").await, "handled");
    assert!(worker.drain(SECOND).await.remaining().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_what_it_would_have_got_from_the_request() {
    let endpoint = InboxEndpoint::new();
    let seen: Arc<Mutex<Option<Delivery<Event>>>> = Arc::default();
    let handler = {
        let seen = Arc::clone(&seen);
        move |delivery| {
            *seen.lock().unwrap() = Some(delivery);
            async { Ok(()) }
        }
    };
    let mut request = signed(event("1"));
    request
        .headers_mut()
        .insert("x-trace", http::HeaderValue::from_static("7"));
    endpoint.send(request).await.assert_acknowledged();
    let worker = endpoint.worker(handler).start();
    endpoint.all_ended().await;
    let delivery = seen.lock().unwrap().take().unwrap();
    assert_eq!(delivery.event().id().as_str(), "1");
    assert_eq!(delivery.body(), &event("1"));
    assert_eq!(delivery.headers()["x-trace"], "7");
    assert_eq!(delivery.source(), Source::Stored);
    assert_eq!((delivery.claim().attempt(), delivery.claim().generation()), (1, 1));
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_in_this_process_is_picked_up_at_once() {
    let endpoint = InboxEndpoint::new();
    let worker = endpoint.worker(succeed).poll_interval(1000 * SECOND).start();
    sleep(10 * SECOND).await;
    let began = Instant::now();
    endpoint.store("1").await;
    endpoint.all_ended().await;
    assert!(began.elapsed() <= Duration::from_millis(10), "{:?}", began.elapsed());
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_without_port_or_secret_handles_what_an_endpoint_stores() {
    let endpoint = InboxEndpoint::new();
    // A process without port or secret, over the same inbox.
    let worker = Worker::new(Dwolla::reader(), endpoint.store.clone(), topics(succeed)).start();
    endpoint.store("1").await;
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn no_more_handlers_run_at_once_than_allowed() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = {
        let runs = runs.clone();
        move |delivery| {
            runs.note(&delivery);
            let working = runs.working();
            async move {
                sleep(SECOND).await;
                drop(working);
                Ok(())
            }
        }
    };
    for id in 0..40 {
        endpoint.store(&id.to_string()).await;
    }
    let worker = endpoint.worker(handler).concurrency(8).start();
    let began = Instant::now();
    endpoint.all_ended().await;
    assert_eq!((runs.count(), runs.most()), (40, 8));
    assert!(began.elapsed() < 6 * SECOND, "{:?}", began.elapsed());
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_for_a_place_is_not_taken_yet() {
    let endpoint = InboxEndpoint::new();
    let held = Held::new();
    let worker = endpoint.worker(held.handler()).concurrency(2).start();
    for id in 0..10 {
        endpoint.store(&id.to_string()).await;
    }
    held.started(2).await;
    sleep(10 * SECOND).await;
    let backlog = endpoint.backlog().await;
    assert_eq!((backlog.due, backlog.running), (8, 2));
    held.end(10);
    endpoint.all_ended().await;
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn the_lease_is_renewed_while_the_handler_runs() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async {
        sleep(200 * SECOND).await;
        Ok(())
    });
    endpoint.store("1").await;
    let workers: Vec<_> = (0..2)
        .map(|_| endpoint.worker(handler.clone()).lease(15 * SECOND, 5 * SECOND).start())
        .collect();
    endpoint.all_ended().await;
    assert_eq!(runs.count(), 1);
    assert!(endpoint.store.calls(Operation::Renew) >= 30);
    for worker in workers {
        drop(worker.drain(SECOND).await);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_store_are_pauses() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    endpoint.store.fail(Operation::Take, Fault::BeforeApplying, 20);
    let worker = endpoint.worker(succeed).start();
    endpoint.all_ended().await;
    assert_state(endpoint.record("1").await, "handled");
    // 100 ms, doubling to 5 s, for each of two loops.
    assert!(endpoint.store.calls(Operation::Take) >= 20);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_took_and_did_not_respond_gives_the_delivery_back_when_the_lease_ends() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    endpoint.store.fail(Operation::Take, Fault::AfterApplying, 1);
    let began = Instant::now();
    let worker = endpoint.worker(succeed).lease(15 * SECOND, 5 * SECOND).start();
    endpoint.all_ended().await;
    let took = began.elapsed();
    assert!((15 * SECOND..18 * SECOND).contains(&took), "{took:?}");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn runs_that_end_together_are_settled_together() {
    let endpoint = InboxEndpoint::new();
    let held = Held::new();
    for id in 0..16 {
        endpoint.store(&id.to_string()).await;
    }
    let worker = endpoint.worker(held.handler()).concurrency(16).start();
    held.started(16).await;
    held.end(16);
    endpoint.all_ended().await;
    assert!(
        endpoint.store.calls(Operation::Settle) <= 4,
        "{} for 16 runs",
        endpoint.store.calls(Operation::Settle)
    );
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_fails_is_repeated_and_the_event_does_not_run_again() {
    for fault in [
        Fault::BeforeApplying,
        Fault::AfterApplying,
        Fault::HangBeforeApplying,
        Fault::HangAfterApplying,
        Fault::Panic,
    ] {
        let endpoint = InboxEndpoint::new();
        let runs = Runs::default();
        let handler = runs.handler(|| async { Ok(()) });
        endpoint.store.fail(Operation::Settle, fault, 3);
        let worker = endpoint.worker(handler).start();
        endpoint.store("1").await;
        endpoint.all_ended().await;
        assert!(worker.drain(10 * SECOND).await.remaining().is_empty(), "{fault:?}");
        assert_eq!(runs.count(), 1, "{fault:?}");
        assert_state(endpoint.record("1").await, "handled");
    }
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_fails_holds_no_other_up() {
    let endpoint = InboxEndpoint::new();
    endpoint.store.fail(Operation::Settle, Fault::BeforeApplying, 5);
    let worker = endpoint.worker(succeed).start();
    endpoint.store("1").await;
    until(async || endpoint.store.calls(Operation::Settle) >= 1).await;
    endpoint.store.heal();
    let began = Instant::now();
    endpoint.store("2").await;
    until(
        async || matches!(endpoint.record("2").await, Some(record) if format!("{:?}", record.state).starts_with("Done")),
    )
    .await;
    assert!(began.elapsed() <= Duration::from_millis(20));
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_topic_without_a_handler_is_put_back_for_a_minute_and_is_no_attempt() {
    let endpoint = InboxEndpoint::new();
    for id in ["1", "2"] {
        endpoint
            .send(signed(event_of(id, "customer_suspended")))
            .await
            .assert_acknowledged();
    }
    let worker = endpoint.worker(succeed).start();
    sleep(590 * SECOND).await;
    assert_state(endpoint.record("1").await, "free, 0");
    assert_eq!(endpoint.backlog().await.scheduled, 2);
    drop(worker.drain(SECOND).await);
    // The version that handles it.
    let topics = TopicRouter::new().on("customer_suspended", succeed);
    let worker = endpoint.layer.worker(topics).start();
    let began = Instant::now();
    endpoint.all_ended().await;
    assert!(began.elapsed() <= 61 * SECOND);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
#[cfg(feature = "tracing")]
async fn a_topic_without_a_handler_is_shouted_about_once() {
    let capture = crate::logs::Capture::start();
    let endpoint = InboxEndpoint::new();
    for id in ["1", "2"] {
        endpoint
            .send(signed(event_of(id, "customer_suspended")))
            .await
            .assert_acknowledged();
    }
    let worker = endpoint.worker(succeed).start();
    sleep(600 * SECOND).await;
    drop(worker.drain(SECOND).await);
    let said = capture.text();
    assert_eq!(
        said.matches("`customer_suspended`, which no handler of this worker takes")
            .count(),
        1,
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_workers_share_the_deliveries_and_run_none_twice() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let handler = runs.handler(|| async {
        sleep(Duration::from_millis(3)).await;
        Ok::<_, HandlerError>(())
    });
    let workers: Vec<_> = (0..2).map(|_| endpoint.worker(handler.clone()).start()).collect();
    for id in 0..500 {
        endpoint.store(&id.to_string()).await;
    }
    endpoint.all_ended().await;
    let mut ids = runs.ids();
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), runs.count()), (500, 500));
    for worker in workers {
        drop(worker.drain(SECOND).await);
    }
}
