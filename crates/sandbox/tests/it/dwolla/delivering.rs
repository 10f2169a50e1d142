//! When and how often Dwolla sends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;
use tower_webhook_sandbox::{Failure, Provider};

use crate::support::{DAY, HOUR, MINUTE, Receiver, SECRET, dwolla, fire_dwolla, minutes, still, subscribed};

/// From the event, in minutes.
const RETRIES: [u64; 9] = [0, 15, 60, 180, 360, 720, 1440, 2880, 4320];

#[tokio::test]
async fn eight_retries_are_counted_from_the_event() {
    let receiver = Receiver::start(500).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    let event = fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(10 * DAY).await;

    let attempts = sandbox.attempts();
    assert_eq!(minutes(&attempts), RETRIES);
    assert!(
        attempts
            .iter()
            .all(|attempt| attempt.event_id == event && attempt.status == Some(500))
    );
    // Neither body nor signature is made again.
    let first = receiver.received()[0].clone();
    for other in receiver.received() {
        assert_eq!((other.body, other.headers), (first.body.clone(), first.headers.clone()));
    }
}

#[tokio::test]
async fn an_old_event_is_retried_every_15_minutes_until_it_has_caught_up() {
    let receiver = Receiver::start(503).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    // Four hours before the start.
    let event = r#"{"id":"old","topic":"transfer_created","created":"2026-09-21T10:13:20.000Z"}"#;
    sandbox.fire(Provider::Dwolla, event).unwrap();
    sandbox.advance(10 * DAY).await;
    let expected = [0, 15, 30, 45, 360 - 240, 720 - 240, 1440 - 240, 2880 - 240, 4320 - 240];
    assert_eq!(minutes(&sandbox.attempts()), expected);
}

#[tokio::test]
async fn a_success_ends_the_retries() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(30 * MINUTE).await;
    receiver.respond(204);
    sandbox.advance(DAY).await;
    assert_eq!(minutes(&sandbox.attempts()), [0, 15, 60]);
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert_eq!((webhook.attempts.len(), webhook.is_delivered()), (3, true));
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_is_neither_followed_nor_retried() {
    let receiver = Receiver::start(307).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(10 * DAY).await;
    assert_eq!(receiver.received().len(), 1);
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert_eq!(webhook.attempts[0].response.as_ref().unwrap().status_code, Some(307));
    assert!(!webhook.is_delivered());
}

#[tokio::test]
async fn a_receiver_that_is_too_slow_has_failed() {
    let receiver = Receiver::responding(|| async { std::future::pending::<()>().await }).await;
    let sandbox = still()
        .response_timeout(Duration::from_millis(40))
        .start()
        .await
        .unwrap();
    let api = dwolla(&sandbox);
    let subscription = api.create_subscription(&receiver.url, SECRET).await.unwrap();
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(15 * MINUTE).await;
    let attempts = sandbox.attempts();
    assert_eq!(minutes(&attempts), [0, 15]);
    assert_eq!(attempts[0].failure, Some(Failure::Timeout));
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert!(webhook.attempts[0].response.is_none());
}

#[tokio::test]
async fn a_receiver_has_ten_seconds() {
    let receiver = Receiver::responding(|| async { std::future::pending::<()>().await }).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    // From here on, whatever is waited for is due.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(sandbox.attempts()[0].failure, Some(Failure::Timeout));
}

#[tokio::test]
async fn ten_are_on_their_way_at_once_and_no_more() {
    let arrived = Arc::<AtomicUsize>::default();
    let (open, opened) = watch::channel(false);
    let counted = Arc::clone(&arrived);
    let receiver = Receiver::responding(move || {
        let (arrived, mut opened) = (Arc::clone(&counted), opened.clone());
        async move {
            arrived.fetch_add(1, Ordering::SeqCst);
            opened.wait_for(|is_open| *is_open).await.unwrap();
        }
    })
    .await;
    let (sandbox, api, _) = subscribed(&receiver).await;
    for _ in 0..12 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    while arrived.load(Ordering::SeqCst) < 10 {
        tokio::task::yield_now().await;
    }
    // What goes elsewhere does not wait for them; and had there been room for another, it would
    // have begun before this one.
    let other = Receiver::start(200).await;
    api.create_subscription(&other.url, SECRET).await.unwrap();
    fire_dwolla(&sandbox, "transfer_created");
    while other.received().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(arrived.load(Ordering::SeqCst), 10);
    open.send(true).unwrap();
    sandbox.idle().await;
    assert_eq!(arrived.load(Ordering::SeqCst), 13);
}

#[tokio::test]
async fn among_those_that_wait_no_order_is_kept() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    let fired: Vec<String> = (0..100).map(|_| fire_dwolla(&sandbox, "transfer_created")).collect();
    sandbox.idle().await;
    let sent: Vec<String> = sandbox.attempts().into_iter().map(|attempt| attempt.event_id).collect();
    assert_eq!(sent.len(), 100);
    assert_ne!(sent, fired);
}

#[tokio::test]
async fn what_is_created_during_a_pause_is_sent_only_when_asked_for() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    api.pause(&subscription).await.unwrap();
    let event = fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(DAY).await;
    api.unpause(&subscription).await.unwrap();
    sandbox.advance(10 * DAY).await;
    assert!(receiver.received().is_empty());

    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert_eq!(
        (webhook.event_id.as_deref(), webhook.attempts.len()),
        (Some(event.as_str()), 0)
    );
    api.retry(&webhook.id).await.unwrap();
    sandbox.idle().await;
    assert_eq!(receiver.received().len(), 1);
    assert!(api.webhook(&webhook.id).await.unwrap().is_delivered());
}

#[tokio::test]
async fn a_pause_loses_the_retries_that_were_waiting() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(MINUTE).await;
    api.pause(&subscription).await.unwrap();
    api.unpause(&subscription).await.unwrap();
    sandbox.advance(10 * DAY).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn a_deleted_subscription_gets_nothing_and_has_no_history() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    api.delete_subscription(&subscription).await.unwrap();
    sandbox.advance(10 * DAY).await;
    assert_eq!(receiver.received().len(), 1);
    api.webhook(&webhook.id).await.unwrap_err();
}

#[tokio::test]
async fn each_subscription_signs_with_its_own_secret() {
    let (one, other) = (Receiver::start(200).await, Receiver::start(200).await);
    let (sandbox, api, _) = subscribed(&one).await;
    api.create_subscription(&other.url, "another secret").await.unwrap();
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    let (one, other) = (one.received()[0].clone(), other.received()[0].clone());
    assert_eq!(one.body, other.body);
    let scheme = tower_webhook::dwolla::scheme();
    for (received, secret) in [(one, SECRET), (other, "another secret")] {
        let secrets = tower_webhook::signature::Secrets::new(secret).unwrap();
        assert!(tower_webhook::verify(&scheme, &secrets, &received.headers, &received.body).is_ok());
    }
}

#[tokio::test]
async fn four_hundred_failures_and_a_day_without_success_pause_a_subscription() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    for _ in 0..100 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    // 6 attempts each within 12 hours: 600 failures, but half a day only.
    sandbox.advance(23 * HOUR).await;
    assert_eq!(receiver.received().len(), 600);
    assert_eq!(api.subscription(&subscription).await.unwrap().paused, Some(false));
    sandbox.advance(HOUR).await;
    assert_eq!(api.subscription(&subscription).await.unwrap().paused, Some(true));
    // The pause has lost what was waiting.
    let sent = receiver.received().len();
    sandbox.advance(10 * DAY).await;
    assert_eq!(receiver.received().len(), sent);
}

#[tokio::test]
async fn it_takes_four_hundred_failures_and_not_one_less() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    for _ in 0..57 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    // 7 attempts each.
    sandbox.advance(DAY).await;
    assert_eq!(receiver.received().len(), 399);
    assert_eq!(api.subscription(&subscription).await.unwrap().paused, Some(false));
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    assert_eq!(api.subscription(&subscription).await.unwrap().paused, Some(true));
}

#[tokio::test]
async fn a_success_in_between_keeps_a_subscription() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    for _ in 0..100 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    sandbox.advance(23 * HOUR).await;
    receiver.respond(200);
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    receiver.respond(500);
    sandbox.advance(2 * HOUR).await;
    assert_eq!(api.subscription(&subscription).await.unwrap().paused, Some(false));
    // A day without another, but 200 failures only: the count has begun anew.
    sandbox.advance(DAY).await;
    assert_eq!(api.subscription(&subscription).await.unwrap().paused, Some(false));
}
