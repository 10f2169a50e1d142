//! The check against this project's own receiver.

#![cfg(test)] // for clippy

use std::time::Duration;

use axum::Router;
use http::{HeaderName, HeaderValue};
use tower_webhook::{
    MemoryStore, Provider, TopicRouter, WebhookLayer,
    custom::{Custom, FieldPath},
    dwolla::Dwolla,
    github::GitHub,
    linear::Linear,
    paddle::Paddle,
    provider::DeliveryPolicy,
    shopify::Shopify,
    signature::{Algorithm, Encoding, Scheme, Secrets},
    slack::Slack,
    square::Square,
    standard_webhooks::StandardWebhooks,
    stripe::Stripe,
    svix::Svix,
    zoom::Zoom,
};

use crate::support::{BASE64_SECRET, Runs, SECRET, check, serve};

const URL: &str = "https://example.com/hooks";

/// A receiver whose handler counts, and runs for the topic alone.
fn app<P: Provider>(provider: P, topic: &'static str, runs: &Runs) -> Router {
    let runs = runs.clone();
    let topics = TopicRouter::new().on(topic, move |_: tower_webhook::Delivery<P::Event>| {
        let runs = runs.clone();
        async move { runs.add() }
    });
    let layer = WebhookLayer::new(provider, MemoryStore::new());
    Router::new().route_service("/hooks", layer.topics(topics))
}

async fn all_pass<P: Provider>(name: &str, topic: &'static str, provider: P) {
    let runs = Runs::default();
    let address = serve(app(provider, topic, &runs), &runs).await;
    let more = if name == "square" {
        vec!["--signed-url", URL]
    } else {
        Vec::new()
    };
    let checked = check(address, "/hooks", name, &more).await;
    assert_eq!(checked.failures(), <[String; 0]>::default(), "{name}");
    assert_eq!(checked.code, 0, "{name}");
    let cases = checked.report["cases"].as_array().unwrap().len();
    assert!(cases >= 120, "{name}: {cases}");
    assert_eq!(checked.report["passed"], cases);
}

#[tokio::test(flavor = "multi_thread")]
async fn dwolla_passes() {
    all_pass("dwolla", "customer_created", Dwolla::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_webhooks_passes() {
    let provider = StandardWebhooks::new(BASE64_SECRET).unwrap();
    all_pass("standard-webhooks", "invoice.paid", provider).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn svix_passes() {
    all_pass("svix", "user.created", Svix::new(BASE64_SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stripe_passes() {
    all_pass("stripe", "payment_intent.succeeded", Stripe::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn github_passes() {
    all_pass("github", "issues.opened", GitHub::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slack_passes() {
    all_pass("slack", "app_mention", Slack::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shopify_passes() {
    all_pass("shopify", "orders/create", Shopify::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn square_passes() {
    all_pass("square", "payment.updated", Square::new(URL, SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paddle_passes() {
    all_pass("paddle", "transaction.completed", Paddle::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linear_passes() {
    all_pass("linear", "Issue.create", Linear::new(SECRET).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn zoom_passes() {
    all_pass("zoom", "meeting.started", Zoom::new(SECRET).unwrap()).await;
}

fn example() -> Custom {
    let header = HeaderName::from_static("x-webhook-signature");
    let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="));
    Custom::builder("example", scheme)
        .secrets(SECRET)
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .topic_repeated_in(HeaderName::from_static("x-webhook-event"))
        .time(FieldPath::body("created_at"))
        .payload(FieldPath::body("data"))
        .policy(DeliveryPolicy::new(
            Duration::from_secs(10),
            Duration::from_secs(8 * 3600),
        ))
        .build()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_described_provider_passes() {
    all_pass("example", "user.created", example()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_secret_of_a_rotation_is_tried_and_a_receiver_without_it_is_found() {
    for (secrets, code) in [(vec![SECRET, "the newer one of this machine"], 0), (vec![SECRET], 1)] {
        let runs = Runs::default();
        let provider = Stripe::new(Secrets::several(secrets).unwrap()).unwrap();
        let address = serve(app(provider, "payment_intent.succeeded", &runs), &runs).await;
        let more = ["--secret", "the newer one of this machine", "--only", "secret number"];
        let checked = check(address, "/hooks", "stripe", &more).await;
        assert_eq!(checked.code, code, "{:?}", checked.report);
        if code == 1 {
            let found = ["signed with secret number 2"];
            assert_eq!(checked.with("refuses the legitimate"), found);
        }
    }
}
