//! Copies that come while the first runs in this process wait for it.

use std::time::Duration;

use tokio::time::sleep;
use tower_webhook::{HandlerError, RefusalKind, testing::Operation};

use crate::{
    endpoint::Endpoint,
    fixtures::{SECOND, work},
};

#[tokio::test(start_paused = true)]
async fn a_second_delivery_while_the_first_runs_waits_for_it() {
    let endpoint = Endpoint::new(work(3 * SECOND));
    let first = endpoint.spawn("1");
    sleep(SECOND).await;
    let started = tokio::time::Instant::now();
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(started.elapsed(), 2 * SECOND);
    first.await.unwrap().assert_acknowledged();
    assert_eq!((endpoint.runs(), endpoint.store.calls(Operation::Claim)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_second_delivery_fails_as_the_first_does() {
    let endpoint = Endpoint::new(async |_| {
        sleep(SECOND).await;
        Err(HandlerError::retry_after(
            Duration::from_secs(30),
            "the ledger is being moved",
        ))
    });
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    let second = endpoint.deliver("1").await;
    for answer in [first.await.unwrap(), second] {
        answer.assert_refused(503, RefusalKind::HandlerFailed);
        assert_eq!(answer.retry_after(), Some(30));
    }
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_delivery_stops_waiting_at_its_own_deadline() {
    let endpoint = Endpoint::new(work(20 * SECOND));
    let first = endpoint.spawn("1");
    sleep(2 * SECOND).await;
    let started = tokio::time::Instant::now();
    let second = endpoint.deliver("1").await;
    second.assert_refused(503, RefusalKind::StillRunning);
    assert!(second.retry_after().is_some());
    assert_eq!(started.elapsed(), 8 * SECOND);
    first.await.unwrap().assert_refused(503, RefusalKind::StillRunning);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_bounded() {
    let endpoint = Endpoint::with(work(SECOND), |builder| builder.max_waiting(2));
    let waiting: Vec<_> = (0..3).map(|_| endpoint.spawn("1")).collect();
    tokio::task::yield_now().await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::TooManyWaiting);
    assert!(answer.retry_after().is_some());
    for one in waiting {
        one.await.unwrap().assert_acknowledged();
    }
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waited_and_hung_up_gives_the_place_back() {
    let endpoint = Endpoint::with(work(5 * SECOND), |builder| builder.max_waiting(1));
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    for _ in 0..3 {
        let waiting = endpoint.spawn("1");
        tokio::task::yield_now().await;
        endpoint
            .deliver("1")
            .await
            .assert_refused(503, RefusalKind::TooManyWaiting);
        waiting.abort();
        let _ = waiting.await;
    }
    endpoint.deliver("1").await.assert_acknowledged();
    first.await.unwrap().assert_acknowledged();
}
