//! What goes wrong on purpose, and that a receiver made with the library copes with all of it.

use std::time::Duration;

use tower_webhook_sandbox::{Attempt, Chaos, Failure, Provider, Sandbox};

use crate::support::{
    DAY, HOUR, Handled, MINUTE, Receiver, SECRET, call, dwolla as api_of, fire_dwolla, id_of, receiver_of, start, still,
};

async fn chaotic(chaos: Chaos, url: &str) -> (Sandbox, String) {
    let sandbox = still().chaos(chaos).start().await.unwrap();
    let subscription = api_of(&sandbox).create_subscription(url, SECRET).await.unwrap();
    (sandbox, subscription)
}

fn offset(attempt: &Attempt) -> Duration {
    attempt.sent_at.duration_since(start()).unwrap()
}

#[tokio::test]
async fn a_seed_decides_what_happens_to_each_event() {
    async fn fates(seed: u64) -> Vec<Vec<(Duration, Option<Failure>, usize)>> {
        let receiver = Receiver::start(200).await;
        let (sandbox, _) = chaotic(Chaos::with_seed(seed), &receiver.url).await;
        let fired: Vec<String> = (0..60).map(|_| fire_dwolla(&sandbox, "transfer_created")).collect();
        sandbox.advance(10 * DAY).await;
        let attempts = sandbox.attempts();
        let fate = |id: &String| {
            let for_event = attempts.iter().filter(|attempt| attempt.event_id == *id);
            let mut fate: Vec<_> = for_event
                .map(|attempt| (offset(attempt), attempt.failure.clone(), attempt.headers.len()))
                .collect();
            fate.sort_by_key(|(at, failure, _)| (*at, failure.is_some()));
            fate
        };
        fired.iter().map(fate).collect()
    }
    let first = fates(7).await;
    assert_eq!(first, fates(7).await);
    assert_ne!(first, fates(8).await);
}

#[tokio::test]
async fn a_duplicate_comes_within_three_seconds() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _) = chaotic(Chaos::none(1).duplicate(1.0), &receiver.url).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(10 * DAY).await;
    let [first, second] = &sandbox.attempts()[..] else {
        panic!()
    };
    assert_eq!((&first.body, &first.headers), (&second.body, &second.headers));
    assert!(offset(second) <= Duration::from_secs(3));
}

#[tokio::test]
async fn what_is_dropped_is_listed_but_neither_sent_nor_retried() {
    let receiver = Receiver::start(200).await;
    let (sandbox, subscription) = chaotic(Chaos::none(1).drop(1.0), &receiver.url).await;
    let event = fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(10 * DAY).await;
    assert!(receiver.received().is_empty());
    let api = api_of(&sandbox);
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert_eq!((webhook.event_id, webhook.attempts.len()), (Some(event), 0));
    // Whoever asks gets it.
    api.retry(&webhook.id).await.unwrap();
    sandbox.idle().await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn what_the_guides_provider_drops_has_failed() {
    let receiver = Receiver::start(200).await;
    let sandbox = still().chaos(Chaos::none(1).drop(1.0)).start().await.unwrap();
    let body = format!(r#"{{"url":"{}","events":["*"],"secret":"s"}}"#, receiver.url);
    let key = "Authorization: Bearer key";
    let webhook = call(&sandbox, "POST /example/v1/webhooks", &[key], &body).await.json();
    sandbox.fire(Provider::Example, r#"{"type":"user.created"}"#).unwrap();
    let path = format!(
        "GET /example/v1/webhooks/{}/deliveries",
        webhook["id"].as_str().unwrap()
    );
    let deliveries = call(&sandbox, &path, &[key], "").await.json();
    assert_eq!(deliveries["data"][0]["status"], "failed");
}

#[tokio::test]
async fn delays_and_overtaking_have_their_limits() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _) = chaotic(Chaos::none(1).delay(1.0), &receiver.url).await;
    for _ in 0..50 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    sandbox.advance(HOUR).await;
    let offsets: Vec<Duration> = sandbox.attempts().iter().map(offset).collect();
    assert_eq!(offsets.len(), 50);
    assert!(offsets.iter().max().unwrap() > &(30 * MINUTE));

    let (sandbox, _) = chaotic(Chaos::none(1).reorder(1.0), &receiver.url).await;
    let fired: Vec<String> = (0..50).map(|_| fire_dwolla(&sandbox, "transfer_created")).collect();
    sandbox.advance(Duration::from_secs(10)).await;
    let sent: Vec<String> = sandbox.attempts().into_iter().map(|attempt| attempt.event_id).collect();
    assert_eq!(sent.len(), 50);
    assert_ne!(sent, fired);
}

#[tokio::test]
async fn after_a_hang_up_the_schedule_goes_on() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _) = chaotic(Chaos::none(1).hang_up(1.0), &receiver.url).await;
    for _ in 0..20 {
        fire_dwolla(&sandbox, "transfer_created");
    }
    sandbox.idle().await;
    let hung_up = sandbox.attempts();
    assert_eq!(hung_up.len(), 20);
    assert!(hung_up.iter().all(|attempt| attempt.failure == Some(Failure::HungUp)));
    // Some of them within the body, which then is no request.
    assert!(receiver.received().len() < 20);
    sandbox.advance(15 * MINUTE).await;
    let retried = &sandbox.attempts()[20..];
    assert_eq!(retried.len(), 20);
    assert!(retried.iter().all(Attempt::is_success));
}

#[tokio::test]
async fn what_was_delivered_is_sent_again_within_a_day() {
    let receiver = Receiver::start(500).await;
    let (sandbox, _) = chaotic(Chaos::none(1).resend_late(1.0), &receiver.url).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(10 * MINUTE).await;
    receiver.respond(200);
    sandbox.advance(10 * DAY).await;
    let [failed, delivered, late] = &sandbox.attempts()[..] else {
        panic!("{:?}", sandbox.attempts())
    };
    assert_eq!((failed.status, offset(delivered)), (Some(500), 15 * MINUTE));
    assert!(offset(late) > offset(delivered) && offset(late) <= offset(delivered) + DAY);
}

#[tokio::test]
async fn a_thousand_events_in_chaos_are_handled_once_each() {
    let handled = Handled::default();
    let (url, server) = receiver_of(handled.dwolla()).await;
    let chaos = Chaos::new();
    println!("the seed is {}", chaos.seed());
    let (sandbox, subscription) = chaotic(chaos, &url).await;
    let mut fired = Vec::new();
    for round in 0..10 {
        // A stretch during which the subscription is paused.
        let api = api_of(&sandbox);
        if round == 4 {
            api.pause(&subscription).await.unwrap();
        }
        for _ in 0..100 {
            fired.push(id_of(
                &sandbox
                    .fire(Provider::Dwolla, r#"{"topic":"customer_created"}"#)
                    .unwrap(),
            ));
        }
        sandbox.advance(HOUR).await;
        if round == 4 {
            api.unpause(&subscription).await.unwrap();
        }
    }
    sandbox.advance(10 * DAY).await;
    let delivered = handled.count();
    assert!(delivered < 1000, "nothing was lost");

    // What never came is in the API, and comes when it is asked for.
    let api = api_of(&sandbox);
    let mut webhooks = api.webhooks(&subscription).list();
    let mut asked = 0;
    while let Some(webhook) = webhooks.next().await {
        let webhook = webhook.unwrap();
        if !webhook.is_delivered() {
            api.retry(&webhook.id).await.unwrap();
            asked += 1;
        }
    }
    sandbox.idle().await;
    println!("{delivered} were delivered, {asked} asked for");
    handled.each_once(&fired);
    server.abort();
}
