//! The layer in axum apps.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    routing::{get, post},
};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
};

use crate::endpoint::{SECRET, event, signature};

fn webhooks() -> WebhookLayer<Dwolla, MemoryStore> {
    WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new())
}

fn request(body: &str) -> Request<Body> {
    let mut request = Request::post("/webhooks/dwolla")
        .body(Body::from(body.to_owned()))
        .unwrap();
    *request.headers_mut() = signature(body.as_bytes());
    request
}

async fn answer(app: &Router, request: Request<Body>) -> (StatusCode, String) {
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn topics_are_a_service_for_one_route() {
    let topics = TopicRouter::new().on(Topic::CustomerCreated, async |event: dwolla::Event| {
        assert_eq!(event.topic(), &Topic::CustomerCreated);
    });
    let app = Router::new()
        .route_service("/webhooks/dwolla", webhooks().topics(topics))
        .route("/healthz", get(async || "ok"));
    assert_eq!(
        answer(&app, request(&event("1"))).await,
        (StatusCode::OK, String::new())
    );
    let healthz = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(answer(&app, healthz).await, (StatusCode::OK, "ok".to_owned()));
}

#[tokio::test]
async fn a_handler_behind_the_layer_gets_the_delivery_by_extractor() {
    async fn receive(delivery: Delivery<dwolla::Event>, body: String) -> (StatusCode, String) {
        assert_eq!(body.as_bytes(), delivery.body());
        (StatusCode::ACCEPTED, delivery.event().id().to_string())
    }
    let app: Router = Router::new().route("/webhooks/dwolla", post(receive).layer(webhooks()));
    assert_eq!(
        answer(&app, request(&event("1"))).await,
        (StatusCode::ACCEPTED, "1".to_owned())
    );
    assert_eq!(
        answer(&app, request(&event("1"))).await,
        (StatusCode::OK, String::new())
    );
    let forged = request(&event("1")).map(|_| Body::from(event("2")));
    assert_eq!(answer(&app, forged).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_delivery_without_the_layer_is_500_and_names_the_missing_layer() {
    async fn receive(_: Delivery<dwolla::Event>) {}
    let app: Router = Router::new().route("/webhooks/dwolla", post(receive));
    let (status, body) = answer(&app, request(&event("1"))).await;
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, problem["code"].as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, Some("missing-layer"))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert_eq!(
        detail,
        "This route is not behind a WebhookLayer. The receiver's log says more."
    );
}

#[tokio::test]
async fn a_rejection_is_in_the_extensions_for_layers_further_out() {
    use tower_webhook::{Refusal, RefusalKind};
    let app = Router::new().route_service("/webhooks/dwolla", webhooks().topics(TopicRouter::new()));
    let unsigned = Request::post("/webhooks/dwolla").body(Body::empty()).unwrap();
    let response = app.oneshot(unsigned).await.unwrap();
    assert_eq!(
        response.extensions().get::<Refusal>().map(Refusal::kind),
        Some(RefusalKind::Signature)
    );
}

#[tokio::test]
async fn all_services_of_a_layer_share_its_store_and_its_drain() {
    let layer = webhooks();
    let one = layer.topics(TopicRouter::new().on("customer_created", async |_: dwolla::Event| ()));
    let app = Router::new().route_service("/one", one).route(
        "/webhooks/dwolla",
        post(async || StatusCode::IM_A_TEAPOT).layer(layer.clone()),
    );
    let mut first = request(&event("1"));
    *first.uri_mut() = "/one".parse().unwrap();
    assert_eq!(answer(&app, first).await.0, StatusCode::OK);
    assert_eq!(
        answer(&app, request(&event("1"))).await.0,
        StatusCode::OK,
        "seen at /one"
    );
    assert!(
        layer
            .drain_handle()
            .drain(std::time::Duration::from_secs(1))
            .await
            .remaining()
            .is_empty()
    );
    assert_eq!(
        answer(&app, request(&event("2"))).await.0,
        StatusCode::SERVICE_UNAVAILABLE
    );
}
