//! What a provider gets for each situation of its event, and what is stored then.

use std::time::Duration;

use http::{HeaderMap, HeaderName};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::ServiceExt as _;
use tower_webhook::{
    HandlerError, RefusalKind, WebhookLayer,
    custom::{Custom, FieldPath},
    event::EventId,
    inbox::{Inbox as _, InboxAdmin as _},
    process::Outcome,
    provider::DeliveryPolicy,
    signature::{Algorithm, Encoding, Scheme, Secrets},
    slack::{self, Slack},
    store::{Completion, IdempotencyStore as _, Key, Stage},
    testing::{Fault, MemoryInbox, Operation},
};

use super::inbox_endpoint::{InboxEndpoint, Runs, topics};
use crate::{
    endpoint::{Answer, Event, SECRET, event, event_of, key, signature, signed, with_body},
    fixtures::{LONG, SECOND, SHORT, assert_state, claim_request_of_another_process, succeed},
};

#[tokio::test(start_paused = true)]
async fn a_delivery_is_stored_and_acknowledged_before_anything_runs() {
    let endpoint = InboxEndpoint::new();
    let answer = endpoint.deliver("1").await;
    answer.assert_acknowledged();
    assert_eq!(answer.outcome, Some(Outcome::Stored));
    assert_state(endpoint.record("1").await, "free, 0");
    assert_eq!(endpoint.backlog().await.due, 1);
    let letter = endpoint.letter("1").await;
    assert_eq!(letter.delivery.body, event("1"));
    assert_eq!(letter.delivery.topic, "customer_created");
    // One operation before the response.
    assert_eq!(endpoint.store.calls(Operation::Deposit), 1);
    assert_eq!(
        endpoint.store.calls(Operation::Claim) + endpoint.store.calls(Operation::Get),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_acknowledged_at_once_in_every_stage_and_changes_nothing() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let deliver_again = async |stage| {
        let before = endpoint.record("1").await;
        let began = Instant::now();
        let answer = endpoint.deliver("1").await;
        answer.assert_acknowledged();
        assert_eq!(answer.outcome, Some(Outcome::StoredBefore(stage)));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(endpoint.record("1").await, before);
    };
    deliver_again(Stage::Waiting).await;
    let taken = endpoint.take_and_die(false, LONG).await;
    deliver_again(Stage::Running).await;
    let request = &taken[0].claim_request;
    endpoint
        .store
        .inner()
        .complete(request, Completion::Handled)
        .await
        .unwrap();
    deliver_again(Stage::Done).await;
    endpoint.store.inner().replay(&key("1")).await.unwrap();
    endpoint.store.inner().bury(&key("1"), "by hand").await.unwrap();
    deliver_again(Stage::Dead).await;
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_with_handlers_says_that_a_delivery_is_dead_and_runs_nothing() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    endpoint.store.inner().bury(&key("1"), "by hand").await.unwrap();
    #[cfg(feature = "tracing")]
    let capture = crate::logs::Capture::start();
    let runs = Runs::default();
    let handlers = endpoint.layer.topics(topics(runs.handler(|| async { Ok(()) })));
    let response = handlers.oneshot(signed(event("1"))).await.unwrap();
    assert_eq!(response.status(), 200);
    let outcome = response.extensions().get::<Outcome>();
    assert_eq!(outcome, Some(&Outcome::StoredBefore(Stage::Dead)));
    assert_eq!(runs.count(), 0);
    #[cfg(feature = "tracing")]
    assert!(capture.text().contains("WARN"), "{}", capture.text());
}

#[tokio::test]
async fn of_a_hundred_copies_at_once_one_is_stored_and_all_are_acknowledged() {
    let endpoint = InboxEndpoint::new();
    let copies: Vec<_> = (0..100)
        .map(|_| tokio::spawn(endpoint.service.clone().oneshot(signed(event("1")))))
        .collect();
    let mut stored = 0;
    for copy in copies {
        let response = copy.await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        stored += usize::from(response.extensions().get() == Some(&Outcome::Stored));
    }
    assert_eq!(stored, 1);
    assert_eq!(endpoint.backlog().await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_another_process_handles_before_its_response_is_503_for_the_rest_of_its_lease() {
    let endpoint = InboxEndpoint::new();
    endpoint
        .store
        .claim(&claim_request_of_another_process("1"))
        .await
        .unwrap();
    sleep(20 * SECOND).await;
    let answer = endpoint.deliver("1").await;
    answer.assert_refused(503, RefusalKind::InFlight);
    assert_eq!(answer.retry_after(), Some(40));
    assert_eq!(endpoint.backlog().await.unfinished(), 0);
    assert_state(endpoint.record("1").await, "claimed, 1");
}

#[tokio::test(start_paused = true)]
async fn other_facts_under_a_stored_id_are_acknowledged_where_ids_are_unique_and_change_nothing() {
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    let answer = endpoint.send(signed(event_of("1", "customer_verified"))).await;
    answer.assert_acknowledged();
    assert_eq!(answer.outcome, Some(Outcome::OtherFacts));
    assert_eq!(endpoint.letter("1").await.delivery.topic, "customer_created");
}

#[tokio::test(start_paused = true)]
async fn other_facts_under_a_stored_id_are_500_where_the_id_may_be_the_wrong_field() {
    let scheme = Scheme::new(
        HeaderName::from_static("x-build-signature"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    );
    let provider = Custom::builder("build-server", scheme.clone())
        .secrets([SECRET])
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("status"))
        .policy(DeliveryPolicy::new(10 * SECOND, 3600 * SECOND))
        .build()
        .unwrap();
    let store = MemoryInbox::new();
    let service = WebhookLayer::new(provider, store.clone()).inbox();
    let send = async |body: &'static str| {
        let headers = scheme.sign(&Secrets::new(SECRET).unwrap(), body.as_bytes()).unwrap();
        let response = service
            .clone()
            .oneshot(with_body(headers, Full::from(body)))
            .await
            .unwrap();
        Answer::of(response).await
    };
    send(r#"{"id":"7","status":"passed"}"#).await.assert_acknowledged();
    let other = send(r#"{"id":"7","status":"failed"}"#).await;
    other.assert_refused(500, RefusalKind::Conflict);
    let key = Key::new("build-server", EventId::new("7").unwrap());
    let letter = store.letter(&key).await.unwrap().unwrap();
    assert_eq!(letter.delivery.topic, "passed");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_503_and_the_next_attempt_is_stored_or_a_copy() {
    for (fault, then) in [
        (Fault::BeforeApplying, Outcome::Stored),
        (Fault::AfterApplying, Outcome::StoredBefore(Stage::Waiting)),
        (Fault::HangBeforeApplying, Outcome::Stored),
        (Fault::HangAfterApplying, Outcome::StoredBefore(Stage::Waiting)),
        (Fault::Panic, Outcome::Stored),
        (Fault::ApplyLate(10 * SECOND), Outcome::Stored),
    ] {
        let endpoint = InboxEndpoint::new();
        endpoint.store.fail(Operation::Deposit, fault, 1);
        let began = Instant::now();
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(503, RefusalKind::Store);
        assert_eq!(answer.retry_after(), Some(5), "{fault:?}");
        assert!(began.elapsed() <= 2 * SECOND, "{fault:?}");
        assert_eq!(endpoint.deliver("1").await.outcome, Some(then), "{fault:?}");
        sleep(20 * SECOND).await;
        assert_eq!(endpoint.backlog().await.due, 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_refuses_new_deliveries_and_waits_for_those_that_are_being_stored() {
    let endpoint = InboxEndpoint::new();
    endpoint.store.fail(Operation::Deposit, Fault::ApplyLate(SECOND), 1);
    let first = tokio::spawn(endpoint.service.clone().oneshot(signed(event("1"))));
    sleep(SHORT).await;
    let meanwhile = async {
        endpoint.deliver("2").await.assert_refused(503, RefusalKind::Draining);
    };
    let (report, ()) = tokio::join!(endpoint.drain.drain(LONG), meanwhile);
    assert!(report.remaining().is_empty(), "{report}");
    assert_eq!(first.await.unwrap().unwrap().status(), 503);
    assert_eq!(endpoint.backlog().await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_authentic_or_no_event_is_not_stored() {
    let endpoint = InboxEndpoint::new();
    let forged = with_body(signature(b"{}"), Full::from(event("1")));
    endpoint.send(forged).await.assert_refused(401, RefusalKind::Signature);
    endpoint
        .send(with_body(HeaderMap::new(), Full::from(event("1"))))
        .await
        .assert_refused(401, RefusalKind::Signature);
    endpoint
        .send(signed("{}"))
        .await
        .assert_refused(400, RefusalKind::NotAnEvent);
    assert_eq!(endpoint.store.calls(Operation::Deposit), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_is_responded_to_and_never_stored() {
    let store = MemoryInbox::new();
    let service = WebhookLayer::new(Slack::new(SECRET).unwrap(), store.clone()).inbox();
    let body = r#"{"type":"url_verification","token":"t","challenge":"3eZbrw1a"}"#;
    let headers = slack::scheme()
        .sign(&Secrets::new(SECRET).unwrap(), body.as_bytes())
        .unwrap();
    let response = service.oneshot(with_body(headers, Full::from(body))).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Outcome::Handshake));
    assert_eq!(store.backlog("slack", 10).await.unwrap().unfinished(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_nobody_handles_is_stored_unless_only_what_is_handled_is_wanted() {
    let endpoint = InboxEndpoint::new();
    let other = || signed(event_of("1", "customer_suspended"));
    assert_eq!(endpoint.send(other()).await.outcome, Some(Outcome::Stored));
    let endpoint = InboxEndpoint::with(|builder| builder, |service| service.only(&topics(succeed)));
    let answer = endpoint.send(other()).await;
    answer.assert_acknowledged();
    assert_eq!(answer.outcome, Some(Outcome::Unhandled));
    assert_eq!(endpoint.store.calls(Operation::Deposit), 0);
    assert_eq!(endpoint.deliver("2").await.outcome, Some(Outcome::Stored));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_up_meanwhile_changes_nothing() {
    let endpoint = InboxEndpoint::new();
    endpoint.store.fail(Operation::Deposit, Fault::ApplyLate(SECOND), 1);
    let call = endpoint.service.clone().oneshot(signed(event("1")));
    assert!(tokio::time::timeout(SHORT, call).await.is_err());
    sleep(2 * SECOND).await;
    assert_eq!(endpoint.backlog().await.due, 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_handles_before_its_response_runs_what_waits_and_no_worker_runs_it_again() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let topics = topics(runs.handler(|| async { Ok::<_, HandlerError>(()) }));
    endpoint.store("1").await;
    let handles_first = endpoint.layer.topics(topics.clone());
    let response = handles_first.clone().oneshot(signed(event("1"))).await.unwrap();
    assert_eq!(response.extensions().get(), Some(&Outcome::Handled));
    let worker = endpoint.layer.worker(topics).start();
    sleep(10 * SECOND).await;
    assert_eq!(runs.count(), 1);
    // And the other way round: what a worker has handled is a duplicate for it.
    endpoint.store("2").await;
    endpoint.all_ended().await;
    let response = handles_first.oneshot(signed(event("2"))).await.unwrap();
    assert_eq!(
        response.extensions().get(),
        Some(&Outcome::Duplicate(Completion::Handled))
    );
    assert_eq!(runs.count(), 2);
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_an_endpoint_lost_without_a_body_is_taken_over_by_the_next_delivery() {
    let endpoint = InboxEndpoint::new();
    endpoint
        .store
        .claim(&claim_request_of_another_process("1"))
        .await
        .unwrap();
    sleep(61 * SECOND).await;
    assert_eq!(endpoint.deliver("1").await.outcome, Some(Outcome::Stored));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_a_minute_delays_no_response() {
    let endpoint = InboxEndpoint::new();
    let runs = Runs::default();
    let worker = endpoint
        .worker(runs.handler(|| async {
            sleep(60 * SECOND).await;
            Ok(())
        }))
        .start();
    let began = Instant::now();
    endpoint.store("1").await;
    assert!(began.elapsed() < Duration::from_millis(10));
    endpoint.all_ended().await;
    assert_eq!(runs.count(), 1);
    assert_state(endpoint.record("1").await, "handled");
    drop(worker.drain(SECOND).await);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_handed_in_is_stored_once_beside_its_delivery() {
    let endpoint = InboxEndpoint::new();
    let service = endpoint.layer.inbox().only(&topics(succeed));
    let processor = service.processor();
    let fetched = |id| Event::from_json(event(id).as_bytes()).unwrap();
    assert!(processor.wants("customer_created") && !processor.wants("customer_verified"));

    assert_eq!(processor.process_raw(fetched("1"), event("1")).await, Outcome::Stored);
    assert_eq!(endpoint.letter("1").await.delivery.body, event("1"));
    let answer = endpoint.deliver("1").await;
    assert_eq!(answer.outcome, Some(Outcome::StoredBefore(Stage::Waiting)));

    endpoint.deliver("2").await;
    let again = processor.process_raw(fetched("2"), event("2")).await;
    assert_eq!(again, Outcome::StoredBefore(Stage::Waiting));
    assert_eq!(endpoint.backlog().await.due, 2);

    // A worker could not read it again.
    let outcome = processor.process(fetched("3")).await;
    assert_eq!(
        outcome.refusal().map(|refusal| refusal.kind()),
        Some(RefusalKind::NotAnEvent)
    );
    assert_eq!(endpoint.record("3").await, None);
}
