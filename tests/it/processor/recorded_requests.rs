//! Requests that the provider has recorded.

#![cfg(test)] // for clippy

use super::*;

/// Whether a service, given this request, responds 200.
async fn accepts<S>(service: S, headers: &HeaderMap, body: &str) -> bool
where
    S: Service<
            http::Request<http_body_util::Full<Bytes>>,
            Response = http::Response<tower_webhook::layer::ResponseBody>,
        >,
    S::Error: std::fmt::Debug,
{
    let mut request = http::Request::post("/")
        .body(http_body_util::Full::from(body.to_owned()))
        .unwrap();
    *request.headers_mut() = headers.clone();
    service.oneshot(request).await.unwrap().status() == StatusCode::OK
}

#[tokio::test(start_paused = true)]
async fn a_recorded_request_has_the_key_of_its_delivery_and_is_verified() {
    let runs = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&runs);
    let topics = TopicRouter::new().on("push", move |event: github::Event| {
        *counted.lock().unwrap() += 1;
        assert_eq!(event.topic(), "push");
        std::future::ready(())
    });
    let layer = WebhookLayer::new(GitHub::new(secrets()).unwrap(), MemoryStore::new());
    let (service, processor) = (layer.topics(topics.clone()), layer.processor(topics));

    let body = r#"{"ref":"refs/heads/main"}"#;
    let mut headers = github::scheme().sign(&secrets(), body.as_bytes()).unwrap();
    headers.insert("x-github-event", HeaderValue::from_static("push"));
    headers.insert("x-github-delivery", HeaderValue::from_static("72d3162e"));

    let forged = processor.process_request(headers.clone(), "{}").await;
    assert_refused(&forged, RefusalKind::Signature);
    let unsigned = processor.process_request(HeaderMap::new(), body).await;
    assert_refused(&unsigned, RefusalKind::Signature);
    assert_eq!(*runs.lock().unwrap(), 0);

    assert_eq!(processor.process_request(headers.clone(), body).await, Outcome::Handled);
    assert!(accepts(service, &headers, body).await);
    assert_eq!(*runs.lock().unwrap(), 1, "the delivery is a duplicate");

    let signed_nonsense = github::scheme().sign(&secrets(), b"nonsense").unwrap();
    let nonsense = processor.process_request(signed_nonsense, "nonsense").await;
    assert_refused(&nonsense, RefusalKind::NotAnEvent);
}

#[tokio::test(start_paused = true)]
async fn a_recorded_request_may_be_older_than_the_window_of_its_signature() {
    let long_ago = SystemTime::now() - Duration::from_secs(30 * 24 * 3600);
    let body = r#"{"id":"evt_1","type":"invoice.paid","created":1782907200}"#;
    let headers = stripe::scheme()
        .sign_at(&secrets(), "evt_1", long_ago, body.as_bytes())
        .unwrap();
    let topics = TopicRouter::new().on("invoice.paid", async |_: stripe::Event| {});
    let layer = WebhookLayer::new(Stripe::new(secrets()).unwrap(), MemoryStore::new());
    assert!(!accepts(layer.topics(topics.clone()), &headers, body).await, "too old");
    let processor = layer.processor(topics);
    assert_eq!(processor.process_request(headers.clone(), body).await, Outcome::Handled);

    // The time is signed: another one is another content.
    let other = stripe::scheme().sign_at(&secrets(), "evt_1", SystemTime::now(), body.as_bytes());
    let time = |headers: &HeaderMap| {
        headers["stripe-signature"]
            .to_str()
            .unwrap()
            .split_once(',')
            .unwrap()
            .0
            .to_owned()
    };
    let old_tag = headers["stripe-signature"]
        .to_str()
        .unwrap()
        .split_once(',')
        .unwrap()
        .1
        .to_owned();
    let mut moved = headers;
    moved.insert(
        "stripe-signature",
        format!("{},{old_tag}", time(&other.unwrap())).parse().unwrap(),
    );
    assert_refused(&processor.process_request(moved, body).await, RefusalKind::Signature);
}

#[tokio::test(start_paused = true)]
async fn a_signed_time_in_the_body_may_be_old_too() {
    let body = r#"{"type":"Issue","action":"create","data":{"id":"1"},"webhookTimestamp":1600000000000}"#;
    let mut headers = linear::scheme().sign(&secrets(), body.as_bytes()).unwrap();
    headers.insert("linear-delivery", HeaderValue::from_static("234d1a4e"));
    let topics = TopicRouter::new().fallback(async |_: linear::Event| {});
    let layer = WebhookLayer::new(Linear::new(secrets()).unwrap(), MemoryStore::new());
    assert!(!accepts(layer.topics(topics.clone()), &headers, body).await, "too old");
    assert_eq!(
        layer.processor(topics).process_request(headers, body).await,
        Outcome::Handled
    );
}
