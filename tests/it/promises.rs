//! What must always hold: one test for each situation a delivery can get into, at the boundary. Here the service is called directly,
//! in paused time; what needs no clock is in `cases.rs`.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full, StreamBody};
use tokio::{sync::Notify, time::sleep};
use tower_webhook::{
    Delivery, HandlerError, RefusalKind,
    layer::RemainingState,
    store::{Effect, IdempotencyStore, State},
    testing::{Fault, Operation},
};

use crate::{
    cases::{assert_state, claim_request_of_another_process, succeed},
    endpoint::{Answer, Endpoint, Event, event, signature, with_body},
};

const SECOND: Duration = Duration::from_secs(1);

/// A handler that works this long, then succeeds.
fn work(time: Duration) -> impl Fn(Delivery<Event>) -> futures::Work + Clone + Send + Sync + 'static {
    move |_| {
        Box::pin(async move {
            sleep(time).await;
            Ok(())
        })
    }
}

mod futures {
    use std::{future::Future, pin::Pin};

    pub(super) type Work = Pin<Box<dyn Future<Output = Result<(), tower_webhook::HandlerError>> + Send>>;
}

mod shared {
    //! The cases that need no clock, called directly.
    crate::cases::for_every_case!(
        #[tokio::test(start_paused = true)]
        crate::wire::Via::Service
    );
}

// ---- before the signature is verified -------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_in_time_is_408() {
    let endpoint = Endpoint::new(succeed);
    let started = tokio::time::Instant::now();
    let stalled = StreamBody::new(tokio_stream_pending());
    let answer = endpoint.send(with_body(signature(b"{}"), stalled)).await;
    answer.assert_refused(408, RefusalKind::TooSlow);
    assert_eq!(started.elapsed().as_secs(), 5, "the body's deadline, not the answer's");
    endpoint.assert_untouched();
}

/// A stream of frames that never has one.
fn tokio_stream_pending() -> impl futures_core::Stream<Item = Result<http_body::Frame<Bytes>, std::io::Error>> + Send {
    struct Pending;
    impl futures_core::Stream for Pending {
        type Item = Result<http_body::Frame<Bytes>, std::io::Error>;
        fn poll_next(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Self::Item>> {
            std::task::Poll::Pending
        }
    }
    Pending
}

#[tokio::test(start_paused = true)]
async fn unauthenticated_bytes_over_their_cap_are_503_and_are_given_back() {
    let body = event("1");
    let room = body.len();
    let endpoint = Endpoint::with(succeed, |builder| {
        builder.body_limit(room).max_unauthenticated_bytes(room)
    });
    // A stranger sends all the bytes there is room for, except the end of the body.
    let held = endpoint.clone();
    let bytes = Bytes::from(body.clone());
    let stranger = tokio::spawn(async move {
        use http_body_util::BodyExt as _;
        let some = Full::from(bytes).map_err(|never| match never {});
        held.send(with_body(signature(b"{}"), ThenPending(some.boxed_unsync())))
            .await
    });
    tokio::task::yield_now().await;
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::Overloaded);
    stranger.await.unwrap().assert_refused(408, RefusalKind::TooSlow);
    endpoint.deliver("1").await.assert_acknowledged();
}

/// A body that never ends.
struct ThenPending(http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>);

impl http_body::Body for ThenPending {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        match std::pin::Pin::new(&mut self.0).poll_frame(cx) {
            std::task::Poll::Ready(None) => std::task::Poll::Pending,
            other => other,
        }
    }
}

// ---- authentic -------------------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn an_event_is_remembered_for_its_whole_retention() {
    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::advance(Duration::from_secs(35 * 24 * 3600 - 2)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
    tokio::time::advance(Duration::from_secs(4)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 2);
}

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
    answer.assert_refused(503, RefusalKind::Waiting);
    assert!(answer.retry_after().is_some());
    for one in waiting {
        one.await.unwrap().assert_acknowledged();
    }
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_process_runs_is_503_with_retry_after() {
    let endpoint = Endpoint::new(succeed);
    let theirs = claim_request_of_another_process("1");
    endpoint.store.claim(&theirs).await.unwrap();
    tokio::time::advance(10 * SECOND).await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert_eq!(answer.retry_after(), Some(50));
    assert_state(endpoint.record("1").await, "claimed, 1");
    assert_eq!(endpoint.store.renew(&theirs).await.unwrap(), Effect::Applied);
    assert_eq!(endpoint.runs(), 0);
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
async fn a_handler_that_panics_before_its_first_await_or_when_dropped_is_500_too() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("on purpose");
            }
        }
    }
    let at_once = Endpoint::new(|_| -> futures::Work { panic!("on purpose") });
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

// ---- HTTP behind the layer ----------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_delivery_that_waits_for_an_inner_4xx_gets_its_status() {
    let endpoint = Endpoint::http(async |_| {
        sleep(SECOND).await;
        Ok(Response::builder().status(422).body(Full::from("inner")).unwrap())
    });
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    endpoint
        .deliver("1")
        .await
        .assert_status_and_kind(422, RefusalKind::InnerRefused);
    assert_eq!(first.await.unwrap().body, "inner");
    assert_eq!(endpoint.runs(), 1);
}

impl Answer {
    #[track_caller]
    fn assert_status_and_kind(&self, status: u16, kind: RefusalKind) {
        assert_eq!(
            (
                self.status.as_u16(),
                self.rejection.as_ref().map(|rejection| rejection.kind())
            ),
            (status, Some(kind))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_services_readiness_is_asked_for_after_the_claim_and_strangers_never_reach_it() {
    #[derive(Clone)]
    struct Unready(Arc<AtomicUsize>);
    impl tower::Service<Request<Full<Bytes>>> for Unready {
        type Response = Response<Full<Bytes>>;
        type Error = std::io::Error;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            std::task::Poll::Ready(Err(std::io::Error::other("no permits")))
        }
        fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
            unreachable!("never ready")
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let endpoint = Endpoint::in_front_of(Unready(Arc::clone(&asked)));
    endpoint
        .send(with_body(http::HeaderMap::new(), Empty::new()))
        .await
        .assert_refused(401, RefusalKind::Signature);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    endpoint
        .deliver("1")
        .await
        .assert_refused(500, RefusalKind::HandlerFailed);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_state(endpoint.record("1").await, "free, 1");
}

// ---- time ----------------------------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_handler_that_outlasts_the_answer_runs_on_and_the_retry_finds_it_done() {
    let endpoint = Endpoint::new(work(100 * SECOND));
    let started = tokio::time::Instant::now();
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::StillRunning);
    assert!(answer.retry_after().is_some());
    assert_eq!(started.elapsed(), 8 * SECOND, "Dwolla waits 10 s");
    sleep(82 * SECOND).await; // 90 s after the start: the first lease ended at 60 s
    assert_state(endpoint.record("1").await, "claimed, 1");
    assert_eq!(endpoint.store.calls(Operation::Renew), 4);
    let theirs = claim_request_of_another_process("1");
    assert!(matches!(
        endpoint.store.claim(&theirs).await.unwrap(),
        tower_webhook::store::Claimed::InFlight { .. }
    ));
    sleep(11 * SECOND).await;
    assert_state(endpoint.record("1").await, "handled");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_from_the_call_and_covers_every_step() {
    let endpoint = Endpoint::new(work(7 * SECOND));
    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 0);
    let body = event("1");
    let started = tokio::time::Instant::now();
    // Two seconds for the body, seven for the handler: over the eight together.
    let slow = Late(2 * SECOND, Some(Bytes::from(body.clone())), None);
    let answer = endpoint.send(with_body(signature(body.as_bytes()), slow)).await;
    answer.assert_refused(503, RefusalKind::StillRunning);
    assert_eq!(started.elapsed(), 8 * SECOND);
}

/// A body whose one frame comes late.
struct Late(Duration, Option<Bytes>, Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let delay = self.0;
        let sleeping = self.2.get_or_insert_with(|| Box::pin(sleep(delay)));
        std::task::ready!(std::future::Future::poll(sleeping.as_mut(), cx));
        std::task::Poll::Ready(self.1.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_has_finished_counts_as_finished_at_the_deadline() {
    let endpoint = Endpoint::new(work(7 * SECOND));
    endpoint.store.fail(Operation::Complete, Fault::HangBeforeApplying, 1);
    let started = tokio::time::Instant::now();
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(
        started.elapsed(),
        8 * SECOND,
        "the store has two seconds, the answer only one more"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_over_its_cap_is_cancelled_and_its_event_runs_again() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancelled);
    let endpoint = Endpoint::with(
        move |_| {
            let dropped = Dropped(Arc::clone(&flag));
            async move {
                let _dropped = dropped;
                pending().await
            }
        },
        |builder| builder.handler_timeout(5 * SECOND),
    );
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::HandlerTimeout);
    assert!(cancelled.load(Ordering::SeqCst));
    assert_state(endpoint.record("1").await, "free, 1");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_up_at_any_point_changes_nothing() {
    use std::{future::Future as _, task::Poll};
    for polls in 0..40 {
        let endpoint = Endpoint::new(async |_| {
            for _ in 0..5 {
                tokio::task::yield_now().await;
            }
            Ok(())
        });
        {
            let mut call = std::pin::pin!(endpoint.deliver("1"));
            for _ in 0..polls {
                let polled = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
                if polled {
                    break;
                }
                tokio::task::yield_now().await;
            }
        } // hangs up
        let begun = polls > 0;
        sleep(SECOND).await;
        assert_state(endpoint.record("1").await, if begun { "handled" } else { "absent" });
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1, "{polls} polls");
    }
}

// ---- stores ----------------------------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_at_claim_is_503_and_the_claim_it_may_have_made_is_released() {
    for fault in [Fault::HangBeforeApplying, Fault::HangAfterApplying] {
        let endpoint = Endpoint::new(succeed);
        endpoint.store.fail(Operation::Claim, fault, 1);
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(503, RefusalKind::Store);
        assert!(answer.retry_after().is_some());
        assert_eq!(endpoint.runs(), 0, "never run without a claim");
        sleep(SECOND).await;
        assert!(
            !matches!(
                endpoint.record("1").await.map(|record| record.state),
                Some(State::Claimed { .. })
            ),
            "{fault:?}"
        );
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_fails_is_200_and_retried_in_the_background() {
    for fault in [
        Fault::BeforeApplying,
        Fault::AfterApplying,
        Fault::HangBeforeApplying,
        Fault::HangAfterApplying,
    ] {
        let endpoint = Endpoint::new(succeed);
        endpoint.store.fail(Operation::Complete, fault, 5);
        endpoint.deliver("1").await.assert_acknowledged();
        // A duplicate meanwhile gets the same answer and runs nothing.
        endpoint.deliver("1").await.assert_acknowledged();
        sleep(60 * SECOND).await;
        assert_state(endpoint.record("1").await, "handled");
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_process_died_is_claimed_until_its_lease_ends_and_then_runs() {
    let endpoint = Endpoint::new(succeed);
    endpoint
        .store
        .claim(&claim_request_of_another_process("1"))
        .await
        .unwrap();
    tokio::time::advance(59 * SECOND).await;
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::InFlight);
    tokio::time::advance(2 * SECOND).await;
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_that_its_lease_was_lost_and_to_which_generation() {
    let (seen, told) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (notify, flag) = (Arc::clone(&seen), Arc::clone(&told));
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let (notify, flag) = (Arc::clone(&notify), Arc::clone(&flag));
        async move {
            assert!(!delivery.claim().is_lost());
            assert_eq!(delivery.claim().generation(), 1);
            notify.notified().await;
            flag.store(delivery.claim().is_lost(), Ordering::SeqCst);
            // Works on, for longer than a renewal takes to come round.
            for _ in 0..60 {
                sleep(SECOND).await;
            }
            Ok(())
        }
    });
    // Renewals fail until the lease is over, and another process claims.
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, 45);
    let call = endpoint.spawn("1");
    sleep(61 * SECOND).await;
    let theirs = claim_request_of_another_process("1");
    assert_eq!(
        endpoint.store.claim(&theirs).await.unwrap(),
        tower_webhook::store::Claimed::Acquired {
            generation: 2,
            attempts: 2
        }
    );
    sleep(10 * SECOND).await;
    seen.notify_one();
    sleep(SECOND).await;
    assert!(told.load(Ordering::SeqCst));
    sleep(60 * SECOND).await;
    // It succeeded, so the event is done, whoever held the claim.
    assert_state(endpoint.record("1").await, "handled");
    call.await.unwrap().assert_refused(503, RefusalKind::StillRunning);
}

// ---- age, drain ------------------------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn an_event_older_than_the_oldest_accepted_is_400_and_leaves_no_trace() {
    let age = Duration::from_secs(31 * 24 * 3600);
    let endpoint = Endpoint::with(succeed, |builder| builder.max_event_age(age));
    tokio::time::advance(age).await;
    endpoint.deliver("1").await.assert_acknowledged(); // created a fraction of a second after the clock's start
    tokio::time::advance(SECOND).await;
    let answer = endpoint.deliver("2").await;
    answer.assert_refused(400, RefusalKind::TooOld);
    assert_state(endpoint.record("2").await, "absent");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_settling_in_the_background() {
    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Complete, Fault::BeforeApplying, 3);
    endpoint.deliver("1").await.assert_acknowledged();
    assert!(endpoint.handle.drain(10 * SECOND).await.remaining().is_empty());
    assert_state(endpoint.record("1").await, "handled");

    let stuck = Endpoint::new(succeed);
    stuck.store.fail(Operation::Complete, Fault::BeforeApplying, usize::MAX);
    stuck.deliver("1").await.assert_acknowledged();
    let report = stuck.handle.drain(10 * SECOND).await;
    assert_eq!(report.to_string(), "customer_created 1: handled, but not recorded\n");
}

#[tokio::test(start_paused = true)]
async fn a_drain_says_of_each_delivery_how_far_it_had_come() {
    let state = async |endpoint: Endpoint| {
        let _ = endpoint.deliver("1").await;
        let report = endpoint.handle.drain(SECOND).await;
        report
            .remaining()
            .first()
            .map(|remaining| (remaining.state(), remaining.to_string()))
    };
    let never_told = |operation| {
        let endpoint = if operation == Operation::Complete {
            Endpoint::new(succeed)
        } else {
            Endpoint::new(async |_| Err(HandlerError::retry("on purpose")))
        };
        endpoint.store.fail(operation, Fault::BeforeApplying, usize::MAX);
        endpoint
    };
    let unrecorded = (
        RemainingState::Unrecorded,
        "customer_created 1: handled, but not recorded".to_owned(),
    );
    assert_eq!(state(never_told(Operation::Complete)).await, Some(unrecorded));
    let unreleased = (
        RemainingState::Unreleased,
        "customer_created 1: not handled, and its claim may hold until the lease ends".to_owned(),
    );
    assert_eq!(state(never_told(Operation::Release)).await, Some(unreleased));
}

#[tokio::test(start_paused = true)]
async fn a_drain_leaves_a_cancelled_delivery_time_to_be_released() {
    let endpoint = Endpoint::new(async |_| pending().await);
    endpoint.store.fail(Operation::Release, Fault::BeforeApplying, 2);
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    endpoint.handle.drain(3 * SECOND).await;
    assert_state(endpoint.record("1").await, "free, 1");
    first.await.unwrap().assert_refused(503, RefusalKind::Draining);
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_gave_up_ends_what_settled_in_the_background() {
    let endpoint = Endpoint::new(succeed);
    endpoint
        .store
        .fail(Operation::Complete, Fault::BeforeApplying, usize::MAX);
    endpoint.deliver("1").await.assert_acknowledged();
    endpoint.handle.drain(SECOND).await;
    let calls = endpoint.store.calls(Operation::Complete);
    sleep(600 * SECOND).await;
    assert_eq!(endpoint.store.calls(Operation::Complete), calls);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_granted_after_a_drain_gave_up_runs_nothing() {
    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    endpoint.handle.drain(SECOND).await;
    first.await.unwrap().assert_refused(503, RefusalKind::Store);
    sleep(60 * SECOND).await;
    assert_eq!(endpoint.runs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_body_arrives_while_a_drain_begins_is_not_claimed() {
    let endpoint = Endpoint::new(succeed);
    let body = event("1");
    let slow = Late(SECOND, Some(Bytes::from(body.clone())), None);
    let call = {
        let endpoint = endpoint.clone();
        tokio::spawn(async move { endpoint.send(with_body(signature(body.as_bytes()), slow)).await })
    };
    tokio::task::yield_now().await;
    assert!(endpoint.handle.drain(SECOND).await.remaining().is_empty());
    call.await.unwrap().assert_refused(503, RefusalKind::Draining);
    assert_eq!((endpoint.store_calls(), endpoint.runs()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_draining_layer_reads_no_body() {
    let endpoint = Endpoint::new(succeed);
    endpoint.handle.drain(SECOND).await;
    let started = tokio::time::Instant::now();
    let slow = Late(SECOND, Some(Bytes::new()), None);
    endpoint
        .send(with_body(signature(b"{}"), slow))
        .await
        .assert_refused(503, RefusalKind::Draining);
    assert_eq!(started.elapsed(), Duration::ZERO);
}

// ---- code that is not ours -------------------------------------------------------------------------------------------------------------

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
    let endpoint = Endpoint::new(|_| -> futures::Work {
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

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_a_store_that_fails() {
    let at_claim = Endpoint::new(succeed);
    at_claim.store.fail(Operation::Claim, Fault::Panic, 1);
    at_claim.deliver("1").await.assert_refused(503, RefusalKind::Store);
    sleep(SECOND).await;
    at_claim.deliver("1").await.assert_acknowledged();

    let at_complete = Endpoint::new(succeed);
    at_complete.store.fail(Operation::Complete, Fault::Panic, 3);
    at_complete.deliver("1").await.assert_acknowledged();
    sleep(10 * SECOND).await;
    assert_state(at_complete.record("1").await, "handled");

    let at_renew = Endpoint::new(work(30 * SECOND));
    at_renew.store.fail(Operation::Renew, Fault::Panic, 3);
    at_renew
        .deliver("1")
        .await
        .assert_refused(503, RefusalKind::StillRunning);
    sleep(30 * SECOND).await;
    assert_state(at_renew.record("1").await, "handled");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_the_store_applies_late_is_released_all_the_same() {
    let endpoint = Endpoint::new(succeed);
    endpoint
        .store
        .fail(Operation::Claim, Fault::ApplyLate(Duration::from_millis(2500)), 1);
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::Store);
    sleep(Duration::from_millis(600)).await;
    assert_state(endpoint.record("1").await, "claimed, 1");
    sleep(10 * SECOND).await;
    assert_state(endpoint.record("1").await, "free, 1");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_always_ready_is_capped_and_renewed_all_the_same() {
    let endpoint = Endpoint::with(
        async |_| {
            let (provider, mut receiver) = tokio::sync::mpsc::unbounded_channel();
            for _ in 0..100 {
                // Whenever it yields it has used up the budget that tokio grants a task.
                while tokio::task::coop::has_budget_remaining() {
                    provider.send(()).unwrap();
                    receiver.recv().await.unwrap();
                }
                tokio::time::advance(SECOND).await;
            }
            Ok(())
        },
        |builder| builder.handler_timeout(30 * SECOND).lease(6 * SECOND, 2 * SECOND),
    );
    endpoint
        .deliver("1")
        .await
        .assert_refused(503, RefusalKind::StillRunning);
    while endpoint.store.calls(Operation::Release) == 0 && endpoint.store.calls(Operation::Complete) == 0 {
        tokio::task::yield_now().await;
    }
    assert!(endpoint.store.calls(Operation::Renew) > 3);
    tokio::task::yield_now().await;
    assert_state(endpoint.record("1").await, "free, 1");
}

// ---- boundaries ------------------------------------------------------------------------------------------------------------------------

#[tokio::test(start_paused = true)]
async fn a_result_that_is_due_with_the_cap_counts() {
    let endpoint = Endpoint::with(work(5 * SECOND), |builder| builder.handler_timeout(5 * SECOND));
    endpoint.deliver("1").await.assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn the_body_has_no_longer_than_the_answer() {
    let endpoint = Endpoint::with(succeed, |builder| builder.response_timeout(3 * SECOND));
    let started = tokio::time::Instant::now();
    let stalled = StreamBody::new(tokio_stream_pending());
    endpoint
        .send(with_body(signature(b"{}"), stalled))
        .await
        .assert_refused(408, RefusalKind::TooSlow);
    assert_eq!(started.elapsed(), 3 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn an_event_of_exactly_the_oldest_age_is_taken() {
    let age = Duration::from_secs(31 * 24 * 3600);
    let endpoint = Endpoint::with(succeed, |builder| builder.max_event_age(age));
    // The event's time is 144 ms after the clock's start.
    tokio::time::advance(age + Duration::from_millis(144)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::advance(Duration::from_millis(1)).await;
    endpoint.deliver("2").await.assert_refused(400, RefusalKind::TooOld);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_an_authentic_body_no_longer_count_against_strangers() {
    let room = event("1").len();
    let endpoint = Endpoint::with(work(SECOND), |builder| {
        builder.body_limit(room).max_unauthenticated_bytes(room)
    });
    let (one, two) = (endpoint.spawn("1"), endpoint.spawn("2"));
    one.await.unwrap().assert_acknowledged();
    two.await.unwrap().assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn who_waited_and_hung_up_gives_the_place_back() {
    let endpoint = Endpoint::with(work(5 * SECOND), |builder| builder.max_waiting(1));
    let first = endpoint.spawn("1");
    tokio::task::yield_now().await;
    for _ in 0..3 {
        let waiting = endpoint.spawn("1");
        tokio::task::yield_now().await;
        endpoint.deliver("1").await.assert_refused(503, RefusalKind::Waiting);
        waiting.abort();
        let _ = waiting.await;
    }
    endpoint.deliver("1").await.assert_acknowledged();
    first.await.unwrap().assert_acknowledged();
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_in_doubt_and_is_renewed_is_held_again() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let note = Arc::clone(&note);
        async move {
            for _ in 0..10 {
                sleep(10 * SECOND).await;
                note.lock().unwrap().push(delivery.claim().is_lost());
            }
            Ok(())
        }
    });
    // Renewals are due from 20 s on and fail until after 60 s.
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, 46);
    endpoint
        .deliver("1")
        .await
        .assert_refused(503, RefusalKind::StillRunning);
    sleep(100 * SECOND).await;
    let lost = [false, false, false, false, false, true, false, false, false, false];
    assert_eq!(*seen.lock().unwrap(), lost);
    assert_state(endpoint.record("1").await, "handled");
}

#[tokio::test(start_paused = true)]
async fn one_renewal_that_fails_late_in_a_run_loses_nothing() {
    let lost = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&lost);
    let endpoint = Endpoint::new(move |delivery: Delivery<Event>| {
        let flag = Arc::clone(&flag);
        async move {
            for _ in 0..200 {
                sleep(SECOND).await;
                flag.fetch_or(delivery.claim().is_lost(), Ordering::SeqCst);
            }
            Ok(())
        }
    });
    let call = endpoint.spawn("1");
    sleep(110 * SECOND).await;
    endpoint.store.fail(Operation::Renew, Fault::BeforeApplying, 1);
    sleep(100 * SECOND).await;
    assert!(!lost.load(Ordering::SeqCst));
    call.await.unwrap().assert_refused(503, RefusalKind::StillRunning);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_503_and_leaves_nothing_to_release() {
    let endpoint = Endpoint::with_store(tower_webhook::MemoryStore::builder().capacity(1), succeed);
    endpoint.deliver("1").await.assert_acknowledged();
    let answer = endpoint.deliver("2").await;
    answer.assert_refused(503, RefusalKind::Store);
    assert!(
        answer
            .rejection
            .unwrap()
            .reason()
            .starts_with("the store is full: it holds 1 ids")
    );
    sleep(SECOND).await;
    assert_eq!(endpoint.store.calls(Operation::Release), 0);
}
