//! The sandbox's own API: firing events, moving the time, and what was sent.

use std::time::Duration;

use serde_json::json;
use tower_webhook_sandbox::{Chaos, ErrorKind, Provider, Sandbox, Settings};

use crate::support::{Receiver, SECRET, call, dwolla, fire_dwolla, minutes, sandbox, start, still, subscribed};

#[tokio::test]
async fn an_event_is_fired_by_a_request_and_returned() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    let reply = call(
        &sandbox,
        "POST /sandbox/dwolla/events",
        &[],
        r#"{"topic":"transfer_created"}"#,
    )
    .await;
    assert_eq!(reply.status, 201);
    sandbox.idle().await;
    assert_eq!(receiver.received()[0].body, reply.body.as_bytes());

    let reply = call(
        &sandbox,
        "POST /sandbox/example/events",
        &[],
        r#"{"type":"user.created"}"#,
    )
    .await;
    assert_eq!((reply.status, &reply.json()["type"]), (201, &json!("user.created")));
}

#[tokio::test]
async fn what_cannot_be_fired_is_refused() {
    let sandbox = sandbox().await;
    let reply = call(&sandbox, "POST /sandbox/example/events", &[], "{}").await;
    let expected = "type is missing; \
                    expected {\"type\": …, \"data\": …}, with \"id\" a whole event";
    assert_eq!((reply.status, reply.json()), (400, json!({ "error": expected })));
    assert_eq!(
        call(&sandbox, "POST /sandbox/nobody/events", &[], "{}").await.status,
        404
    );
    assert_eq!(call(&sandbox, "POST /nothing", &[], "{}").await.status, 404);
    let reply = call(&sandbox, "GET /sandbox/dwolla/events", &[], "").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    assert_eq!(call(&sandbox, "GET /sandbox/clock", &[], "").await.status, 405);
    let before = sandbox.now();
    for body in [
        r#"{"advance_seconds":-1}"#,
        r#"{"advance_seconds":18446744073709551615}"#,
        "[900]",
        "{}",
    ] {
        let reply = call(&sandbox, "POST /sandbox/clock", &[], body).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    assert_eq!(sandbox.now(), before);
}

#[tokio::test]
async fn the_time_is_moved_by_a_hundred_years_and_no_further() {
    let receiver = Receiver::start(500).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    let begun = sandbox.now();
    sandbox.advance(Duration::MAX).await;
    let moved = sandbox.now().duration_since(begun).unwrap();
    assert_eq!(moved, Duration::from_secs(100 * 365 * 24 * 3600));
    // A retry whose time cannot come keeps nobody waiting.
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(Duration::from_secs(3600)).await;
    assert_eq!(sandbox.attempts().len(), 1);
}

#[tokio::test]
async fn a_request_moves_the_time_and_returns_when_all_is_sent() {
    let receiver = Receiver::start(500).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    let reply = call(&sandbox, "POST /sandbox/clock", &[], r#"{"advance_seconds":900}"#).await;
    assert_eq!(
        (reply.status, &reply.json()["now"]),
        (200, &json!("2026-09-21T14:28:20.000Z"))
    );
    assert_eq!(minutes(&sandbox.attempts()), [0, 15]);

    let listed = call(&sandbox, "GET /sandbox/attempts", &[], "").await.json();
    let attempt = &listed["data"][0];
    assert_eq!(
        (&attempt["status"], &attempt["provider"]),
        (&json!(500), &json!("dwolla"))
    );
    assert_eq!(attempt["sent_at"], "2026-09-21T14:28:20.000Z");
    assert_eq!(
        attempt["body"].as_str().unwrap().as_bytes(),
        receiver.received()[1].body
    );
}

#[tokio::test]
async fn the_overview_names_the_providers_and_the_seed() {
    let sandbox = still().chaos(Chaos::none(7)).start().await.unwrap();
    let overview = call(&sandbox, "GET /sandbox", &[], "").await.json();
    assert_eq!(
        overview["providers"]["dwolla"],
        format!("{}/dwolla", sandbox.base_url())
    );
    assert_eq!(
        overview["providers"]["example"],
        format!("{}/example/v1", sandbox.base_url())
    );
    assert_eq!((&overview["chaos_seed"], &overview["speed"]), (&json!(7), &json!(0.0)));
    for provider in Provider::ALL {
        assert_eq!(overview["providers"][provider.as_str()], sandbox.url(*provider));
    }
}

#[tokio::test]
async fn at_a_speed_the_time_runs_by_itself() {
    let (tx, mut attempts) = tokio::sync::mpsc::unbounded_channel();
    // 15 minutes in a millisecond, 72 hours in a third of a second.
    let sandbox = Settings::new()
        .speed(900_000.0)
        .on_attempt(move |attempt| tx.send(attempt.clone()).unwrap())
        .start()
        .await
        .unwrap();
    let receiver = Receiver::start(500).await;
    dwolla(&sandbox)
        .create_subscription(&receiver.url, SECRET)
        .await
        .unwrap();
    // The schedule counts from the event, however late the first attempt is.
    let before = sandbox.now();
    fire_dwolla(&sandbox, "transfer_created");
    let mut last = before;
    for _ in 0..9 {
        last = attempts.recv().await.unwrap().sent_at;
    }
    assert!(last.duration_since(before).unwrap() >= Duration::from_secs(72 * 3600));
}

#[tokio::test]
async fn links_lead_to_the_public_url() {
    let sandbox = still().public_url("http://sandbox.test/base/").start().await.unwrap();
    assert_eq!(sandbox.base_url(), "http://sandbox.test/base");
    let event = sandbox
        .fire(Provider::Dwolla, r#"{"topic":"transfer_created"}"#)
        .unwrap();
    let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
    let link = event["_links"]["self"]["href"].as_str().unwrap();
    assert!(link.starts_with("http://sandbox.test/base/dwolla/events/"), "{link}");
}

#[tokio::test]
async fn settings_out_of_their_range_are_refused() {
    for (settings, message) in [
        (still().speed(-1.0), "the speed is -1; expected 0 to 1000000"),
        (still().speed(f64::NAN), "the speed is NaN; expected 0 to 1000000"),
        (
            still().chaos(Chaos::new().drop(1.5)),
            "chaos's rate drop is 1.5; expected 0 to 1",
        ),
        (
            still().public_url("nowhere"),
            "the public URL is nowhere; expected http://… or https://…",
        ),
    ] {
        let error = settings.start().await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Settings, message)
        );
    }
    let sandbox = sandbox().await;
    let error = still().listen(sandbox.address()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Listen);
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_dropped_sandbox_is_gone() {
    let sandbox = Sandbox::start().await.unwrap();
    let address = sandbox.address();
    drop(sandbox);
    // The port is free again as soon as the task has noticed.
    while tokio::net::TcpListener::bind(address).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_attempt_reads_as_one_line_and_hides_its_body() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    let event = fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    let attempt = &sandbox.attempts()[0];
    let line = attempt.to_string();
    assert!(
        line.starts_with(&format!("dwolla transfer_created {event} -> {}: 200 in ", receiver.url)),
        "{line}"
    );
    assert!(!format!("{attempt:?}").contains(attempt.header("x-request-signature-sha-256").unwrap()));
    assert_eq!(attempt.sent_at, start());
}

#[tokio::test]
async fn an_observer_that_panics_loses_no_attempt_and_keeps_nobody_waiting() {
    let receiver = Receiver::start(200).await;
    let sandbox = still()
        .on_attempt(|_| panic!("the observer's own"))
        .start()
        .await
        .unwrap();
    let api = dwolla(&sandbox);
    api.create_subscription(&receiver.url, SECRET).await.unwrap();
    for _ in 0..20 {
        fire_dwolla(&sandbox, "customer_created");
    }
    sandbox.idle().await;
    assert_eq!((sandbox.attempts().len(), receiver.received().len()), (20, 20));
}
