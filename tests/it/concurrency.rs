//! Many deliveries at once, on several threads.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_webhook::{Delivery, HandlerError, RefusalKind, testing::Operation};

use crate::{
    endpoint::{Endpoint, Event},
    wire::Via,
};

async fn yield_often(_: Delivery<Event>) -> Result<(), HandlerError> {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn copies(via: Via) {
    let endpoint = Endpoint::new(yield_often).over(via).await;
    let mut copies: JoinSet<_> = (0..100)
        .map(|_| {
            let endpoint = endpoint.clone();
            async move { endpoint.deliver("1").await }
        })
        .collect();
    let mut acknowledged = 0;
    while let Some(answer) = copies.join_next().await {
        answer.unwrap().assert_acknowledged();
        acknowledged += 1;
    }
    assert_eq!((acknowledged, endpoint.runs()), (100, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_hundred_concurrent_copies_run_once_and_get_one_hundred_200s() {
    for _ in 0..20 {
        copies(Via::Service).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_hundred_concurrent_copies_over_sockets_run_once_and_get_one_hundred_200s() {
    for via in [Via::Hyper1, Via::Hyper2, Via::Axum] {
        for _ in 0..3 {
            copies(via).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn copies_that_come_while_the_first_runs_ask_the_store_nothing() {
    let endpoint = Endpoint::new(async |_| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    let copies: Vec<_> = (0..100).map(|_| endpoint.spawn("1")).collect();
    for copy in copies {
        copy.await.unwrap().assert_acknowledged();
    }
    assert_eq!(
        (
            endpoint.runs(),
            endpoint.store.calls(Operation::Claim),
            endpoint.store.calls(Operation::Complete)
        ),
        (1, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_of_many_events_whose_handlers_fail_at_first_each_succeed_once() {
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    };
    let successes: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let count = Arc::clone(&successes);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let count = Arc::clone(&count);
        async move {
            tokio::task::yield_now().await;
            if delivery.claim().attempt() < 3 {
                return Err(HandlerError::retry("not yet"));
            }
            *count
                .lock()
                .unwrap()
                .entry(delivery.event().id().to_string())
                .or_default() += 1;
            Ok(())
        }
    });
    let mut providers: JoinSet<()> = (0..400)
        .map(|provider| {
            let endpoint = endpoint.clone();
            async move {
                let id = format!("event-{}", provider % 40);
                // As a provider does: again until it is acknowledged.
                for _ in 0..100 {
                    let answer = endpoint.deliver(&id).await;
                    if answer.status.is_success() {
                        return;
                    }
                    answer.assert_refused(500, RefusalKind::HandlerFailed);
                }
                panic!("never acknowledged");
            }
        })
        .collect();
    while let Some(provider) = providers.join_next().await {
        provider.unwrap();
    }
    let successes = successes.lock().unwrap();
    assert_eq!(successes.len(), 40);
    assert!(successes.values().all(|runs| *runs == 1), "{successes:?}");
    assert_eq!(endpoint.runs(), 40 * 3);
}
