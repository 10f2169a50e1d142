//! What an event looks like, delivered and in the API, and what makes one.

use serde_json::{Value, json};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
};
use tower_webhook_sandbox::{ErrorKind, Provider, Sandbox};

use crate::support::{Receiver, SECRET, call, dwolla as api_of, fire_dwolla, id_of, receiver_of, sandbox, subscribed};

#[tokio::test]
async fn a_delivery_has_dwollas_headers_and_form() {
    let receiver = Receiver::start(200).await;
    let (sandbox, _, _) = subscribed(&receiver).await;
    let event = fire_dwolla(&sandbox, "customer_transfer_created");
    sandbox.idle().await;
    let received = &receiver.received()[0];
    let header = |name: &str| received.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("content-length"), received.body.len().to_string());
    assert_eq!(header("user-agent"), "dwolla-webhooks/1.1");
    assert_eq!(header("x-dwolla-topic"), "customer_transfer_created");
    assert_eq!(header("x-request-signature-sha-256").len(), 64);

    let body = std::str::from_utf8(&received.body).unwrap();
    let order = [
        "\"id\"",
        "\"resourceId\"",
        "\"topic\"",
        "\"timestamp\"",
        "\"_links\"",
        "\"created\"",
    ];
    let places: Vec<usize> = order.iter().map(|name| body.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{body}");
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["id"], event);
    assert_eq!(body["created"], "2026-09-21T14:13:20.000Z");
    assert_eq!(body["timestamp"], body["created"]);
    let resource = body["resourceId"].as_str().unwrap();
    let dwolla = sandbox.url(Provider::Dwolla);
    let links = &body["_links"];
    assert_eq!(links["self"], json!({ "href": format!("{dwolla}/events/{event}") }));
    assert_eq!(
        links["resource"],
        json!({ "href": format!("{dwolla}/transfers/{resource}") })
    );
    assert!(
        links["customer"]["href"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{dwolla}/customers/"))
    );
    assert!(
        links["account"]["href"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{dwolla}/accounts/"))
    );
}

#[tokio::test]
async fn the_api_tells_the_same_facts_in_other_bytes() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, _) = subscribed(&receiver).await;
    let happening = r#"{"topic":"customer_transfer_failed","resourceId":"r","correlationId":"order-7"}"#;
    let delivered = sandbox.fire(Provider::Dwolla, happening).unwrap();
    let listed = api.event(&id_of(&delivered)).await.unwrap();
    assert_ne!(listed.json, delivered);
    let (one, other) = (
        dwolla::Event::from_json(&delivered).unwrap(),
        dwolla::Event::from_json(&listed.json).unwrap(),
    );
    assert_eq!(one.id(), other.id());
    assert_eq!(one.topic(), other.topic());
    assert_eq!(one.created(), other.created());
    assert_eq!((one.resource_id(), other.resource_id()), (Some("r"), Some("r")));
    assert_eq!(one.customer_href(), other.customer_href());
    assert_eq!(
        (one.correlation_id(), other.correlation_id()),
        (Some("order-7"), Some("order-7"))
    );
    let listed: Value = serde_json::from_slice(&listed.json).unwrap();
    assert!(listed.get("timestamp").is_none());
    let hal = "application/vnd.dwolla.v1.hal+json";
    assert_eq!(listed["_links"]["self"]["type"], hal);
    assert_eq!(listed["_links"]["customer"]["resource-type"], "customer");
    assert!(listed["_links"]["resource"].get("resource-type").is_none());
}

#[tokio::test]
async fn every_known_topic_can_be_fired_and_points_where_it_should() {
    let sandbox = sandbox().await;
    for topic in Topic::all() {
        let event = sandbox
            .fire(Provider::Dwolla, json!({ "topic": topic.as_str() }).to_string())
            .unwrap();
        let event = dwolla::Event::from_json(&event).unwrap();
        assert_eq!(event.topic(), topic);
        let resource = event.resource_href().unwrap();
        if let Some(collection) = topic.resource() {
            assert!(resource.contains(&format!("/{collection}/")), "{topic}: {resource}");
        }
        assert!(resource.ends_with(event.resource_id().unwrap()), "{topic}");
        assert_eq!(event.customer_href().is_some(), topic.is_customer(), "{topic}");
    }
}

#[tokio::test]
async fn a_whole_event_is_delivered_as_it_is() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, _) = subscribed(&receiver).await;
    let whole = r#"{ "topic":"customer_created",  "id":"BB6531A2","_links":{"self":"a text"}, "timestamp":"?" }"#;
    let returned = sandbox.fire(Provider::Dwolla, whole).unwrap();
    sandbox.idle().await;
    assert_eq!(returned, whole);
    assert_eq!(receiver.received()[0].body, whole.as_bytes());
    let listed = api.event("BB6531A2").await.unwrap();
    assert_eq!(listed.topic.as_deref(), Some("customer_created"));
}

#[tokio::test]
async fn what_is_no_event_is_refused() {
    let sandbox = sandbox().await;
    let expected = "expected {\"topic\": …}, with \"id\" a whole event";
    for (body, what) in [
        ("{}", "topic is missing"),
        (
            r#"{"topic":"a b"}"#,
            "topic is not 1 to 255 printable characters of ASCII without blanks",
        ),
        (
            r#"{"topic":"a\r\nX-Injected: 1"}"#,
            "topic is not 1 to 255 printable characters of ASCII without blanks",
        ),
        (
            r#"{"topic":"transfer_created","outcome":"vanished"}"#,
            "outcome is vanished, which ends no transfer_created",
        ),
        (
            r#"{"topic":"customer_verified","outcome":"failed"}"#,
            "outcome is failed, which ends no customer_verified",
        ),
        (
            r#"{"topic":"a","id":7}"#,
            "id is not 1 to 255 printable characters of ASCII without blanks",
        ),
    ] {
        let error = sandbox.fire(Provider::Dwolla, body).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Event, format!("{what}; {expected}"))
        );
    }
    sandbox.fire(Provider::Dwolla, "no JSON").unwrap_err();
    sandbox
        .fire(Provider::Dwolla, r#"{"topic":"a","resourceId":7}"#)
        .unwrap_err();
}

async fn simulate(sandbox: &Sandbox) -> Value {
    let basic = "Authorization: Basic aWQ6c2VjcmV0";
    let token = call(sandbox, "POST /dwolla/token", &[basic], "grant_type=client_credentials").await;
    let bearer = format!(
        "Authorization: Bearer {}",
        token.json()["access_token"].as_str().unwrap()
    );
    let accept = "Accept: application/vnd.dwolla.v1.hal+json";
    let reply = call(sandbox, "POST /dwolla/sandbox-simulations", &[accept, &bearer], "").await;
    assert_eq!(reply.status, 200);
    reply.json()
}

#[tokio::test]
async fn a_simulation_ends_what_is_pending() {
    let sandbox = sandbox().await;
    let api = api_of(&sandbox);
    for event in [
        r#"{"topic":"customer_bank_transfer_created","resourceId":"one","correlationId":"c"}"#,
        r#"{"topic":"bank_transfer_created","resourceId":"two","outcome":"failed"}"#,
        r#"{"topic":"customer_microdeposits_added","resourceId":"three"}"#,
        r#"{"topic":"customer_verified"}"#,
    ] {
        sandbox.fire(Provider::Dwolla, event).unwrap();
    }
    assert_eq!(simulate(&sandbox).await["total"], 3);
    let mut ended = Vec::new();
    let mut events = api.events().list();
    for _ in 0..3 {
        let event = events.next().await.unwrap().unwrap();
        ended.push((event.topic.unwrap(), event.resource_id.unwrap(), event.correlation_id));
    }
    let expected = [
        ("customer_microdeposits_completed".to_owned(), "three".to_owned(), None),
        ("bank_transfer_failed".to_owned(), "two".to_owned(), None),
        (
            "customer_bank_transfer_completed".to_owned(),
            "one".to_owned(),
            Some("c".to_owned()),
        ),
    ];
    assert_eq!(ended, expected);
    // Each ends once.
    assert_eq!(simulate(&sandbox).await["total"], 0);
}

#[tokio::test]
async fn a_simulation_ends_the_last_five_hundred() {
    let sandbox = sandbox().await;
    for number in 0..501 {
        let event = format!(r#"{{"topic":"bank_transfer_created","resourceId":"{number}"}}"#);
        sandbox.fire(Provider::Dwolla, event).unwrap();
    }
    assert_eq!(simulate(&sandbox).await["total"], 500);
    assert_eq!(simulate(&sandbox).await["total"], 1);
    let newest = api_of(&sandbox).events().list().next().await.unwrap().unwrap();
    assert_eq!(
        (newest.topic.as_deref(), newest.resource_id.as_deref()),
        (Some("bank_transfer_completed"), Some("0"))
    );
}

#[tokio::test]
async fn a_receiver_made_with_the_library_handles_each_event_once() {
    let (tx, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let topics = TopicRouter::new().on(Topic::CustomerCreated, move |event: dwolla::Event| {
        let tx = tx.clone();
        async move { tx.send(event.id().to_string()).map_err(std::io::Error::other) }
    });
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new()).topics(topics);
    let (url, server) = receiver_of(axum::Router::new().route_service("/webhooks", layer)).await;
    let sandbox = sandbox().await;
    let api = api_of(&sandbox);
    let subscription = api.create_subscription(&url, SECRET).await.unwrap();
    let event = fire_dwolla(&sandbox, "customer_created");
    sandbox.idle().await;
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert!(webhook.is_delivered(), "{:?}", sandbox.attempts());
    api.retry(&webhook.id).await.unwrap();
    sandbox.idle().await;
    server.abort();
    assert_eq!(
        sandbox.attempts().iter().filter(|attempt| attempt.is_success()).count(),
        2
    );
    assert_eq!(handled.recv().await, Some(event));
    assert!(handled.try_recv().is_err());
}
