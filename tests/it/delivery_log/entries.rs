use std::time::{Duration, SystemTime};

use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, TopicRouter, WebhookLayer,
    delivery_log::{DeliveryLog, DeliveryLogEntry},
    event::Source,
    inbox::Retries,
    signature::Secrets,
    stripe::{self, Stripe},
    testing::{Fault, Operation},
};

use super::{all, ended, endings, log};
use crate::{
    endpoint::{Endpoint, Event, SECRET, TestClock, event, event_of, signed, with_body},
    fixtures::{LONG, SECOND, succeed, work},
    inbox::inbox_endpoint::InboxEndpoint,
};

#[tokio::test(start_paused = true)]
async fn a_handled_delivery_has_an_entry_with_all_that_is_known_of_it() {
    let (given, log) = log();
    let endpoint = Endpoint::with(work(SECOND), |builder| {
        builder.delivery_log(given).namespace("payments")
    });
    endpoint.deliver("a").await.assert_acknowledged();

    let mut expected = DeliveryLogEntry::new(
        SystemTime::UNIX_EPOCH + TestClock::START + SECOND,
        "dwolla",
        "payments",
        Source::Delivered,
        "handled",
    );
    expected.id = Some("a".into());
    expected.topic = Some("customer_created".into());
    expected.attempt = Some(1);
    expected.status = Some(200);
    expected.duration = SECOND;
    expected.size = Some(event("a").len() as u64);
    expected.secret_index = Some(0);
    assert_eq!(all(&*log).await, [expected]);
}

#[tokio::test(start_paused = true)]
async fn each_way_to_end_has_an_entry() {
    let (given, log) = log();
    let fails = |delivery: Delivery<Event>| async move {
        match delivery.event().id().as_str() {
            "fails" => Err(HandlerError::retry("the ledger is down")),
            "never" => Err(HandlerError::permanent("no such customer")),
            _ => Ok(()),
        }
    };
    let endpoint = Endpoint::with(fails, |builder| builder.delivery_log(given));
    endpoint.deliver("a").await.assert_acknowledged();
    endpoint.deliver("a").await.assert_acknowledged();
    endpoint.deliver("fails").await;
    endpoint.deliver("never").await.assert_acknowledged();
    endpoint
        .send(signed(event_of("u", "unknown")))
        .await
        .assert_acknowledged();
    endpoint.send(signed("no JSON")).await;
    endpoint.store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    endpoint.deliver("b").await;
    endpoint
        .send(with_body(http::HeaderMap::new(), http_body_util::Full::from("{}")))
        .await;

    assert_eq!(
        endings(&log).await,
        ended([
            ("handled", Some(200)),
            ("duplicate", Some(200)),
            ("handler-failed", Some(500)),
            ("rejected", Some(200)),
            ("unhandled", Some(200)),
            ("not-an-event", Some(400)),
            ("store", Some(503)),
            ("signature", Some(401)),
        ])
    );
    let entries = all(&*log).await;
    let reasons: Vec<_> = entries.iter().map(|entry| entry.reason.as_str()).collect();
    assert_eq!(reasons[0], "");
    assert!(reasons[2].contains("the ledger is down"), "{reasons:?}");
    assert!(reasons[3].contains("no such customer"), "{reasons:?}");
    assert!(reasons[7].contains("x-request-signature-sha-256"), "{reasons:?}");
    let failures: Vec<_> = entries.iter().map(DeliveryLogEntry::is_failure).collect();
    assert_eq!(failures, [false, false, true, true, false, true, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_waited_and_a_response_that_was_due_have_entries_of_their_own() {
    let (given, log) = log();
    let endpoint = Endpoint::with(work(SECOND * 20), |builder| builder.delivery_log(given));
    let first = endpoint.spawn("a");
    endpoint.begun(1).await;
    sleep(SECOND * 18).await; // the first is given up before its handler ends, the second is not
    let second = endpoint.spawn("a");
    assert_eq!(first.await.unwrap().status, 503);
    second.await.unwrap().assert_acknowledged();

    assert_eq!(
        endings(&log).await,
        ended([
            ("still-running", Some(503)),
            ("handled", Some(503)),
            ("duplicate", Some(200))
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_workers_runs_have_entries_beside_that_of_the_delivery() {
    let (given, log) = log();
    let endpoint = InboxEndpoint::with(|builder| builder.delivery_log(given), |service| service);
    endpoint.store("a").await;
    let failed_once = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let handle = endpoint
        .worker(move |_| {
            let is_second = failed_once.swap(true, std::sync::atomic::Ordering::SeqCst);
            async move {
                if is_second {
                    Ok(())
                } else {
                    Err(HandlerError::retry_after(SECOND, "not yet"))
                }
            }
        })
        .retries(Retries::default())
        .start();
    endpoint.all_ended().await;
    drop(handle.drain(LONG).await);

    let entries = all(&*log).await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry.source, &*entry.outcome, entry.attempt, entry.status))
        .collect();
    assert_eq!(
        told,
        [
            (Source::Delivered, "stored", None, Some(200)),
            (Source::Stored, "handler-failed", Some(1), None),
            (Source::Stored, "handled", Some(2), None),
        ]
    );
    assert!(entries.iter().all(|entry| entry.id.as_deref() == Some("a")));
    assert!(entries.iter().all(|entry| entry.size == Some(event("a").len() as u64)));
    assert_eq!(entries[1].reason, "not yet");
}

#[tokio::test(start_paused = true)]
async fn what_is_fetched_has_an_entry() {
    let (given, log) = log();
    let layer = WebhookLayer::builder(
        tower_webhook::dwolla::Dwolla::new(SECRET).unwrap(),
        MemoryStore::builder().capacity(100).build(),
    )
    .delivery_log(given)
    .build()
    .unwrap();
    let processor = layer.processor(TopicRouter::new().on("customer_created", succeed));
    let event = Event::from_json(event("a").as_bytes()).unwrap();
    let _ = processor.process(event).await;

    let entries = all(&*log).await;
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (entry.source, &*entry.outcome, entry.status),
        (Source::Fetched, "handled", None)
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_says_when_the_request_was_signed_and_with_which_secret() {
    let (given, log) = log();
    let clock = TestClock::start();
    let secrets = Secrets::new(["whsec_old-old-old-old", "whsec_new-new-new-new"]).unwrap();
    let layer = WebhookLayer::builder(
        Stripe::new(secrets).unwrap(),
        MemoryStore::builder().capacity(100).build(),
    )
    .clock(clock)
    .delivery_log(given)
    .build()
    .unwrap();
    let service = layer.topics(TopicRouter::new());
    let body = r#"{"id":"evt_1","object":"event","type":"invoice.paid","created":1549292325,"data":{"object":{}}}"#;
    let signed_at = SystemTime::UNIX_EPOCH + TestClock::START - Duration::from_secs(7);
    let second = Secrets::new("whsec_new-new-new-new").unwrap();
    let headers = stripe::scheme()
        .sign_at(&second, "", signed_at, body.as_bytes())
        .unwrap();
    let _ = service
        .oneshot(with_body(headers, http_body_util::Full::from(body)))
        .await;

    let entries = all(&*log).await;
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (entry.secret_index, entry.signed_at),
        (Some(1), Some(signed_at)),
        "{entry:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn long_texts_are_cut() {
    let (given, log) = log();
    let endpoint = Endpoint::with(
        |_: Delivery<Event>| async { Err(HandlerError::retry("ß".repeat(10_000))) },
        |builder| builder.delivery_log(given),
    );
    endpoint.deliver("a").await;
    let topic = "t".repeat(5_000);
    endpoint.send(signed(event_of("b", &topic))).await.assert_acknowledged();

    let entries = all(&*log).await;
    let reason = &entries[0].reason;
    assert!(
        reason.len() <= DeliveryLogEntry::MAX_REASON + '…'.len_utf8(),
        "{}",
        reason.len()
    );
    assert!(reason.starts_with('ß') && reason.ends_with('…'), "{reason}");
    let topic = entries[1].topic.as_deref().unwrap();
    assert_eq!(topic.len(), DeliveryLogEntry::MAX_NAME + '…'.len_utf8());
}

#[tokio::test(start_paused = true)]
async fn an_entry_holds_no_secret_no_signature_and_no_body() {
    let (given, log) = log();
    let endpoint = Endpoint::with(succeed, |builder| builder.delivery_log(given));
    let request = signed(event("a"));
    let signature = request.headers()["x-request-signature-sha-256"]
        .to_str()
        .unwrap()
        .to_owned();
    endpoint.send(request).await.assert_acknowledged();
    let mut forged = signed(event("b"));
    *forged.body_mut() = with_body(http::HeaderMap::new(), http_body_util::Full::from("a forged body")).into_body();
    let claimed = forged.headers()["x-request-signature-sha-256"]
        .to_str()
        .unwrap()
        .to_owned();
    endpoint.send(forged).await;

    let said = format!("{:?}", all(&*log).await);
    for secret in [SECRET, &signature, &claimed, "6c57f372", "a forged body"] {
        assert!(!said.contains(secret), "{secret} is in {said}");
    }
}

/// A log that panics each time.
struct Panics;

impl DeliveryLog for Panics {
    fn record(&self, _: DeliveryLogEntry) {
        panic!("the disk is full");
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_panics_changes_no_response() {
    let endpoint = Endpoint::with(succeed, |builder| builder.delivery_log(Panics));
    endpoint.deliver("a").await.assert_acknowledged();
    endpoint.deliver("a").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
    let refused = endpoint
        .send(with_body(http::HeaderMap::new(), http_body_util::Full::from("{}")))
        .await;
    assert_eq!(refused.status, 401);
}
