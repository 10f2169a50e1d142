//! What is configured, and how it fares.

use std::time::Duration;

use tower_webhook_inspector::{Access, Endpoint, FailureLimit, Inspector};

use crate::support::{Page, World, event};

#[tokio::test]
async fn an_endpoint_shows_its_secrets_clocks_and_failures() {
    let world = World::new();
    let page = world.page();
    page.get("/endpoints")
        .await
        .has("none in the log")
        .has("waits 10 s for a response");
    assert_eq!(world.deliver(&event("1", "customer_created")).await, 200);
    for _ in 0..3 {
        world.record("handler-failed", |entry| {
            entry.secret_index = Some(1);
            entry.signed_at = Some(entry.time - Duration::from_secs(90));
        });
    }
    let seen = page.get("/endpoints").await;
    seen.has("3 of 4 deliveries within 1 h: 75 %").has("3 in a row, since");
    seen.has("Number 1: matched last").has("Number 2: matched last");
    seen.has("signed 1 min 30 s before it came (the median of 3)")
        .has("look at the clocks");
    seen.has("400 failures in a row, and no success for 1 d").has("<meter");
    seen.has("stored first, in an inbox");
}

#[tokio::test]
async fn a_limit_is_told_as_the_provider_has_it() {
    let world = World::new();
    for _ in 0..4 {
        world.record("signature", |entry| {
            entry.provider = "shopify".into();
            entry.namespace = "shopify".into();
        });
    }
    let app = Inspector::builder(Access::loopback_only())
        .log(world.log.clone())
        .endpoint(Endpoint::new("shopify"))
        .endpoint(Endpoint::new("github"))
        .endpoint(Endpoint::new("own").failure_limit(FailureLimit::InARow(3)))
        .build()
        .unwrap();
    let seen = Page::new(app).get("/endpoints").await;
    seen.has("50 % of the limit: 8 failures in a row");
    assert_eq!(
        FailureLimit::documented("slack"),
        Some(FailureLimit::Percent(95, Duration::from_secs(3600)))
    );
}
