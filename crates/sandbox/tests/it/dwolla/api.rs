//! The reconciler's client drives the sandbox: subscriptions, webhooks, retries.

use serde_json::json;
use tower_webhook_reconcile::ErrorKind;

use crate::support::{Receiver, SECRET, dwolla, fire_dwolla, sandbox, start, subscribed};

#[tokio::test]
async fn a_subscription_is_created_listed_paused_and_deleted() {
    let sandbox = sandbox().await;
    let api = dwolla(&sandbox);
    let url = "http://127.0.0.1:9/webhooks";
    let id = api.create_subscription(url, SECRET).await.unwrap();

    let one = api.subscription(&id).await.unwrap();
    assert_eq!(
        (one.id.as_str(), one.url.as_deref(), one.paused),
        (id.as_str(), Some(url), Some(false))
    );
    assert_eq!(one.created.as_ref().unwrap().as_str(), "2026-09-21T14:13:20+00:00");
    let listed = api.subscriptions().next().await.unwrap().unwrap();
    assert_eq!(listed, one);

    assert_eq!(api.pause(&id).await.unwrap().paused, Some(true));
    assert_eq!(api.subscription(&id).await.unwrap().paused, Some(true));
    assert_eq!(api.unpause(&id).await.unwrap().paused, Some(false));

    api.delete_subscription(&id).await.unwrap();
    let error = api.subscription(&id).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NotFound")));
    assert!(api.subscriptions().next().await.is_none());
}

#[tokio::test]
async fn a_refusal_reaches_the_client_with_its_code() {
    let sandbox = sandbox().await;
    let error = dwolla(&sandbox)
        .create_subscription("nowhere", SECRET)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::Refused, Some("ValidationError"))
    );
    assert!(error.to_string().contains("/url: Url must be a valid url."), "{error}");
}

#[tokio::test]
async fn a_webhook_tells_what_was_sent_and_what_came_back() {
    let receiver = Receiver::start(202).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    let event = fire_dwolla(&sandbox, "customer_transfer_completed");
    sandbox.idle().await;

    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert_eq!(webhook, api.webhook(&webhook.id).await.unwrap());
    assert_eq!(webhook.event_id.as_deref(), Some(event.as_str()));
    assert_ne!(webhook.id, event);
    assert_eq!(webhook.topic.as_deref(), Some("customer_transfer_completed"));
    assert_eq!(webhook.subscription_id.as_deref(), Some(subscription.as_str()));
    assert!(webhook.is_delivered());

    let [attempt] = &webhook.attempts[..] else {
        panic!("{webhook:?}")
    };
    let (request, response) = (attempt.request.as_ref().unwrap(), attempt.response.as_ref().unwrap());
    let received = &receiver.received()[0];
    assert_eq!(request.body.as_deref().unwrap().as_bytes(), received.body);
    assert_eq!(request.url.as_deref(), Some(receiver.url.as_str()));
    assert_eq!(request.timestamp.as_ref().unwrap().to_system_time(), Some(start()));
    assert_eq!(response.status_code, Some(202));
    assert_eq!(response.body.as_deref(), Some(""));
}

#[tokio::test]
async fn what_the_api_recorded_verifies_like_the_delivery() {
    let receiver = Receiver::start(500).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_failed");
    sandbox.idle().await;

    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    let request = webhook.attempts[0].request.clone().unwrap();
    let secrets = tower_webhook::signature::Secrets::new(SECRET).unwrap();
    let body = request.body.as_deref().unwrap().as_bytes();
    let headers = request.headers.to_header_map();
    assert!(tower_webhook::verify(&tower_webhook::dwolla::scheme(), &secrets, &headers, body).is_ok());
    let mut forged = body.to_vec();
    forged[10] ^= 1;
    assert!(tower_webhook::verify(&tower_webhook::dwolla::scheme(), &secrets, &headers, &forged).is_err());
}

#[tokio::test]
async fn a_retry_sends_the_first_bytes_again() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, subscription) = subscribed(&receiver).await;
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();

    let retry = api.retry(&webhook.id).await.unwrap();
    sandbox.idle().await;
    let [first, second] = &receiver.received()[..] else {
        panic!()
    };
    assert_eq!((&first.body, &first.headers), (&second.body, &second.headers));
    assert_eq!(api.webhook(&webhook.id).await.unwrap().attempts.len(), 2);
    let listed = api.retries(&webhook.id).next().await.unwrap().unwrap();
    assert_eq!(listed.id, retry);
    assert_eq!(listed.timestamp.unwrap().to_system_time(), Some(start()));
    let itself = format!("{}/dwolla/webhooks/{}/retries/{retry}", sandbox.base_url(), webhook.id);
    assert_eq!(listed.other.get("_links").unwrap()["self"]["href"], json!(itself));
}

#[tokio::test]
async fn a_webhook_without_a_response_has_none() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    let sandbox = sandbox().await;
    let api = dwolla(&sandbox);
    let subscription = api.create_subscription(&url, SECRET).await.unwrap();
    fire_dwolla(&sandbox, "transfer_created");
    sandbox.idle().await;
    let webhook = api.webhooks(&subscription).list().next().await.unwrap().unwrap();
    assert!(webhook.attempts[0].response.is_none());
    assert!(!webhook.is_delivered());
}
