//! What is configured, and how it fares.

use std::time::{Duration, SystemTime};

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
async fn of_each_secret_the_last_match_is_told() {
    let world = World::new();
    let now = SystemTime::now();
    for hours in [3_u64, 2, 1] {
        world.record("stored", |entry| {
            entry.time = now - Duration::from_secs(hours * 3600);
            entry.secret_index = Some(0);
        });
    }
    let endpoint = Endpoint::new("dwolla").secrets(2);
    let app = Inspector::builder(Access::loopback_only())
        .log(world.log.clone())
        .endpoint(endpoint)
        .build()
        .unwrap();
    let seen = Page::new(app).get("/endpoints").await;
    let last = humantime::format_rfc3339_seconds(now - Duration::from_secs(3600));
    seen.has(&format!("Number 1: matched last <time datetime=\"{last}\">"));
    // While a secret is rotated, whether the old one is still in use is the question.
    seen.has("Number 2: <span class=\"quiet\">matched none of the newest deliveries");
    seen.has_not("Number 3");
}

#[tokio::test]
async fn what_is_no_2xx_is_a_failure_and_what_the_log_left_out_is_told() {
    let world = World::new();
    world.record("stored", |entry| entry.left_out = 7);
    world.record("inner-response", |entry| entry.status = Some(302));
    let seen = world.page().get("/endpoints").await;
    seen.has("1 of 2 deliveries within 1 h: 50 %; 7 unauthenticated ones are not in the log");
    seen.has("1 in a row, since");
}

#[tokio::test]
async fn of_a_limit_of_two_conditions_both_must_be_reached() {
    let world = World::new();
    let now = SystemTime::now();
    for hours in [12_u64, 0] {
        world.record("store", |entry| entry.time = now - Duration::from_secs(hours * 3600));
    }
    let day = Duration::from_secs(24 * 3600);
    let endpoint = Endpoint::new("dwolla").failure_limit(FailureLimit::InARowWithoutSuccess(2, day));
    let app = Inspector::builder(Access::loopback_only())
        .log(world.log.clone())
        .endpoint(endpoint)
        .build()
        .unwrap();
    let seen = Page::new(app).get("/endpoints").await;
    seen.has("50 % of the limit: 2 failures in a row, and no success for 1 d");
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
