//! Deliveries: sent once, listed, and asked for again.

use std::time::Duration;

use serde_json::{Value, json};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    github::{self, GitHub},
    signature::Secrets,
};
use tower_webhook_reconcile::ErrorKind;
use tower_webhook_sandbox::Provider;

use super::{all, api, deliveries, fire, hook};
use crate::support::{DAY, HOUR, Receiver, Reply, SECRET, receiver_of, sandbox, start, still};

#[tokio::test]
async fn a_delivery_is_signed_and_its_record_verifies_too() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(202).await;
    let id = hook(&sandbox, &receiver.url, json!(["issues"])).await;
    let payload = r#"{"action":"opened", "issue":{"body":"foo","n":1.0},"repository":{"id":456,"full_name":"Octocat/Hello"},"installation":{"id":123}}"#;
    let event = format!(r#"{{"event":"issues","payload":{payload}}}"#);
    let fired = sandbox.fire(Provider::GitHub, event).unwrap();
    let guid = serde_json::from_slice::<Value>(&fired).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        std::str::from_utf8(&fired)
            .unwrap()
            .ends_with(&format!(r#""payload":{payload}}}"#))
    );
    sandbox.idle().await;

    let received = receiver.received()[1].clone();
    assert_eq!(received.body, payload.as_bytes());
    assert_eq!(received.headers["x-github-delivery"], *guid);
    assert_eq!(received.headers["x-github-event"], "issues");
    assert_eq!(received.headers["x-github-hook-id"], id.to_string());
    assert_eq!(received.headers["x-github-hook-installation-target-type"], "repository");
    let secrets = Secrets::new(SECRET).unwrap();
    assert!(tower_webhook::verify(&github::scheme(), &secrets, &received.headers, &received.body).is_ok());

    let delivery = all(&deliveries(&sandbox, id)).await[0].clone();
    assert_eq!(delivery.guid.as_deref(), Some(guid.as_str()));
    assert_eq!(
        (delivery.status.as_deref(), delivery.status_code),
        (Some("OK"), Some(202))
    );
    assert_eq!(
        (delivery.event.as_deref(), delivery.action.as_deref()),
        (Some("issues"), Some("opened"))
    );
    assert_eq!(
        (delivery.installation_id, delivery.repository_id),
        (Some(123), Some(456))
    );
    assert_eq!(delivery.delivered_at.as_ref().unwrap().to_system_time(), Some(start()));
    assert!(!delivery.redelivery);

    let detail = deliveries(&sandbox, id).get(&delivery.id).await.unwrap();
    assert_eq!(detail.delivery, delivery);
    assert_eq!(detail.url.as_deref(), Some(receiver.url.as_str()));
    assert_eq!(detail.response_body.as_deref(), Some("the response's body"));
    assert_eq!(
        detail.response_headers.get("location"),
        Some("http://127.0.0.1:1/elsewhere")
    );
    let body = detail.body.unwrap();
    let headers = detail.headers.to_header_map();
    assert!(tower_webhook::verify(&github::scheme(), &secrets, &headers, &body).is_ok());
}

#[tokio::test]
async fn nothing_is_retried_but_everything_can_be_asked_for() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(500).await;
    let id = hook(&sandbox, &receiver.url, json!(["*"])).await;
    let guid = fire(&sandbox, json!({ "topic": "issues.opened" }));
    sandbox.advance(2 * DAY).await;
    assert_eq!(receiver.received().len(), 2);

    let failed = all(&deliveries(&sandbox, id).failed()).await;
    assert_eq!(failed.len(), 2);
    let missed = failed
        .iter()
        .find(|delivery| delivery.guid.as_ref() == Some(&guid))
        .unwrap();
    assert_eq!(
        (missed.status.as_deref(), missed.status_code),
        (Some("Internal Server Error"), Some(500))
    );
    receiver.respond(200);
    deliveries(&sandbox, id).redeliver(&missed.id).await.unwrap();
    sandbox.idle().await;

    // The same bytes under the same GUID, as another delivery.
    let received = receiver.received();
    let again = received
        .iter()
        .filter(|request| request.headers["x-github-delivery"] == *guid);
    let again: Vec<_> = again.collect();
    assert_eq!((&again[0].body, &again[0].headers), (&again[1].body, &again[1].headers));
    let latest = all(&deliveries(&sandbox, id)).await[0].clone();
    assert_eq!(
        (latest.guid.as_ref(), latest.redelivery, latest.is_success()),
        (Some(&guid), true, true)
    );
    assert_ne!(latest.id, missed.id);
    assert_eq!(all(&deliveries(&sandbox, id).failed()).await.len(), 2);

    let only = |query: &str| format!("GET /repos/octocat/hello/hooks/{id}/deliveries?{query}");
    let count = |reply: Reply| reply.json().as_array().unwrap().len();
    assert_eq!(count(api(&sandbox, &only("redelivery=true"), Value::Null).await), 1);
    assert_eq!(count(api(&sandbox, &only("redelivery=false"), Value::Null).await), 2);
    assert_eq!(count(api(&sandbox, &only("status=success"), Value::Null).await), 1);
}

#[tokio::test]
async fn what_never_got_a_response_is_listed_as_failed() {
    let receiver = Receiver::responding(|| async { std::future::pending::<()>().await }).await;
    let sandbox = still()
        .response_timeout(Duration::from_millis(40))
        .start()
        .await
        .unwrap();
    let slow = hook(&sandbox, &receiver.url, json!(["push"])).await;
    let nobody = hook(&sandbox, "http://127.0.0.1:9/", json!(["push"])).await;
    sandbox.idle().await;
    for (hook, status, code) in [(slow, "timed out", 504), (nobody, "failed to connect", 502)] {
        let delivery = all(&deliveries(&sandbox, hook).failed()).await[0].clone();
        assert_eq!(
            (delivery.status.as_deref(), delivery.status_code),
            (Some(status), Some(code))
        );
        let detail = deliveries(&sandbox, hook).get(&delivery.id).await.unwrap();
        assert_eq!(detail.response_body, None);
    }
}

#[tokio::test]
async fn pages_follow_each_other_by_cursor_newest_first() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let id = hook(&sandbox, &receiver.url, json!(["push"])).await;
    for _ in 0..6 {
        sandbox.idle().await;
        fire(&sandbox, json!({ "topic": "push" }));
    }
    sandbox.idle().await;
    let whole = all(&deliveries(&sandbox, id)).await;
    assert_eq!(whole.len(), 7);
    assert_eq!(whole.last().unwrap().event.as_deref(), Some("ping"));
    assert_eq!(all(&deliveries(&sandbox, id).per_page(2)).await, whole);
    let path = format!("/repos/octocat/hello/hooks/{id}/deliveries");
    let first = api(&sandbox, &format!("GET {path}?per_page=3&status=success"), Value::Null).await;
    let next = format!(
        "<{}{path}?per_page=3&status=success&cursor=v1_{}>; rel=\"next\"",
        sandbox.url(Provider::GitHub),
        whole[2].id
    );
    assert_eq!(first.header("link"), Some(next.as_str()));
    let last = api(&sandbox, &format!("GET {path}?per_page=7"), Value::Null).await;
    assert_eq!(last.header("link"), None);
}

#[tokio::test]
async fn after_three_days_deliveries_are_gone() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let id = hook(&sandbox, &receiver.url, json!(["push"])).await;
    sandbox.advance(3 * DAY - HOUR).await;
    let old = all(&deliveries(&sandbox, id)).await[0].clone();
    sandbox.advance(2 * HOUR).await;
    assert!(all(&deliveries(&sandbox, id)).await.is_empty());
    let error = deliveries(&sandbox, id).redeliver(&old.id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_receiver_made_with_the_library_takes_json_and_forms() {
    let (tx, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let topics = TopicRouter::new().on("issues.opened", move |event: github::Event| {
        let tx = tx.clone();
        let id = event.delivery_id().unwrap().into_unsigned().to_owned();
        async move { tx.send(id).map_err(std::io::Error::other) }
    });
    let layer = WebhookLayer::new(GitHub::new(SECRET).unwrap(), MemoryStore::new()).topics(topics);
    let (url, server) = receiver_of(axum::Router::new().route_service("/webhooks", layer)).await;
    let sandbox = sandbox().await;
    let id = hook(&sandbox, &url, json!(["*"])).await;
    for content_type in ["json", "form"] {
        let change = json!({ "config": { "content_type": content_type } });
        api(&sandbox, &format!("PATCH /repos/octocat/hello/hooks/{id}"), change).await;
        let guid = fire(&sandbox, json!({ "topic": "issues.opened" }));
        sandbox.idle().await;
        assert_eq!(handled.recv().await, Some(guid));
        // A redelivery is a duplicate.
        let delivery = all(&deliveries(&sandbox, id)).await[0].clone();
        deliveries(&sandbox, id).redeliver(&delivery.id).await.unwrap();
        sandbox.idle().await;
        assert!(handled.try_recv().is_err());
    }
    assert!(
        sandbox.attempts().iter().all(|attempt| attempt.is_success()),
        "{:?}",
        sandbox.attempts()
    );
    server.abort();
}
