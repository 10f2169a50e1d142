//! What becomes of an event whose handler succeeds, fails, fails for good or panics.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tower_webhook::{Delivery, HandlerError, RefusalKind, ResultExt};

use crate::{
    endpoint::{Endpoint, Event, event_of, signed},
    fixtures::{SECOND, Work, assert_state, succeed},
    wire::Via,
};

pub(crate) async fn a_topic_without_a_handler_is_acknowledged_and_not_recorded(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint
        .send(signed(event_of("1", "customer_suspended")))
        .await
        .assert_acknowledged();
    endpoint
        .send(signed(event_of("2", "a_topic_of_tomorrow")))
        .await
        .assert_acknowledged();
    assert_eq!((endpoint.store_calls(), endpoint.runs()), (0, 0));
}

pub(crate) async fn a_handler_that_fails_is_500_and_its_event_runs_again(via: Via) {
    let failures = Arc::new(AtomicUsize::new(2));
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let failures = Arc::clone(&failures);
        async move {
            let left = failures.load(Ordering::SeqCst);
            assert_eq!(delivery.claim().attempt() as usize, 3 - left);
            if left > 0 {
                failures.store(left - 1, Ordering::SeqCst);
                return Err(HandlerError::retry("the ledger is down: account 12345"));
            }
            Ok(())
        }
    })
    .over(via)
    .await;
    for attempts in 1..=2 {
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(500, RefusalKind::HandlerFailed);
        assert!(
            !answer.body.contains("ledger"),
            "a handler's error is not the provider's business: {}",
            answer.body
        );
        if via == Via::Service {
            assert_eq!(answer.rejection.unwrap().reason(), "the ledger is down: account 12345");
        }
        assert_state(endpoint.record("1").await, &format!("free, {attempts}"));
    }
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 3);
}

pub(crate) async fn a_handler_that_asks_for_time_is_503_with_retry_after(via: Via) {
    let endpoint = Endpoint::new(async |_| Err("not yet").retry_after(Duration::from_millis(29_001)))
        .over(via)
        .await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::HandlerFailed);
    assert_eq!(answer.retry_after(), Some(30), "rounded up");
    assert_state(endpoint.record("1").await, "free, 1");
}

pub(crate) async fn a_handler_that_panics_is_500_and_its_event_runs_again(via: Via) {
    let panics = Arc::new(AtomicBool::new(true));
    let endpoint = Endpoint::new(move |_| {
        let panics = Arc::clone(&panics);
        async move {
            tokio::task::yield_now().await;
            assert!(!panics.swap(false, Ordering::SeqCst), "on purpose");
            Ok(())
        }
    })
    .over(via)
    .await;
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerPanicked);
    assert_state(endpoint.record("1").await, "free, 1");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 2);
}

pub(crate) async fn a_handler_that_rejects_for_good_is_200_and_never_runs_again(via: Via) {
    let endpoint = Endpoint::new(async |_| Err("no such customer").permanent())
        .over(via)
        .await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_state(endpoint.record("1").await, "rejected");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_reason_for_the_log_names_the_cause_behind_a_handlers_error() {
    #[derive(Debug)]
    struct Booking(std::io::Error);
    impl std::fmt::Display for Booking {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("booking the transfer")
        }
    }
    impl std::error::Error for Booking {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let endpoint = Endpoint::new(async |_| Err(Booking(std::io::Error::other("connection refused")).into()));
    let answer = endpoint.deliver("1").await;
    assert_eq!(
        answer.rejection.unwrap().reason(),
        "booking the transfer: connection refused"
    );
}

#[tokio::test(start_paused = true)]
async fn the_reason_for_the_log_says_a_cause_once() {
    fn lost() -> tower_webhook::store::StoreError {
        tower_webhook::store::StoreError::not_held("the lease is over")
    }
    let endpoint = Endpoint::new(async |_| Err(lost().into()));
    let answer = endpoint.deliver("1").await;
    assert_eq!(
        answer.rejection.unwrap().reason(),
        "the claim is not held: the lease is over"
    );
    assert_eq!(lost().get_ref().to_string(), "the lease is over");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_before_its_first_await_or_when_dropped_is_500_too() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("on purpose");
            }
        }
    }
    let at_once = Endpoint::new(|_| -> Work { panic!("on purpose") });
    at_once
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerPanicked);
    assert_state(at_once.record("1").await, "free, 1");

    let dropped = Endpoint::with(
        async |_| {
            let _guard = PanicsWhenDropped;
            pending().await
        },
        |builder| builder.handler_timeout(SECOND),
    );
    dropped
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerPanicked);
    assert_state(dropped.record("1").await, "free, 1");
}

/// An error whose text or whose end panics.
#[derive(Debug)]
struct Bomb {
    when_displayed: bool,
    when_dropped: bool,
}

impl std::fmt::Display for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        assert!(!self.when_displayed, "on purpose");
        f.write_str("a bomb")
    }
}

impl std::error::Error for Bomb {}

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.when_dropped || std::thread::panicking(), "on purpose");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_displayed_or_dropped_ends_as_its_handler_meant_it() {
    for (when_displayed, when_dropped) in [(true, false), (false, true), (true, true)] {
        let failed = Endpoint::new(move |_| async move {
            Err(HandlerError::retry(Bomb {
                when_displayed,
                when_dropped,
            }))
        });
        failed
            .deliver("1")
            .await
            .assert_refused(500, RefusalKind::HandlerFailed);
        assert_state(failed.record("1").await, "free, 1");
        let rejected = Endpoint::new(move |_| async move {
            Err(HandlerError::permanent(Bomb {
                when_displayed,
                when_dropped,
            }))
        });
        rejected.deliver("1").await.assert_acknowledged();
        assert_state(rejected.record("1").await, "rejected");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_when_dropped_is_500_all_the_same() {
    let endpoint = Endpoint::new(|_| -> Work {
        std::panic::panic_any(Bomb {
            when_displayed: false,
            when_dropped: true,
        })
    });
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerPanicked);
    assert_state(endpoint.record("1").await, "free, 1");
}
