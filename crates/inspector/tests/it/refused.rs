//! Refused requests: captured, looked at, explained.

use std::time::Duration;

use axum::body::Body;
use http::Request;
use tower_webhook::{dwolla, signature::Secrets};

use crate::support::{SECRET, World, event};

/// A request signed with this secret, and what then became of its body.
fn signed(secret: &str, body: &str, sent: &str) -> Request<Body> {
    let headers = dwolla::scheme()
        .sign(&Secrets::raw_key(secret.as_bytes()).unwrap(), body.as_bytes())
        .unwrap();
    let mut request = Request::post("/webhooks/dwolla")
        .body(Body::from(sent.to_owned()))
        .unwrap();
    *request.headers_mut() = headers;
    request
}

#[tokio::test]
async fn each_of_five_broken_requests_is_explained() {
    let world = World::new();
    world.captures.start(Duration::from_secs(600));
    let body = event("1", "customer_created");
    let mut elsewhere = signed(SECRET, &body, &body);
    let tag = elsewhere.headers_mut().remove("x-request-signature-sha-256").unwrap();
    elsewhere.headers_mut().insert("x-signature", tag);
    let length = body.len().to_string();
    elsewhere
        .headers_mut()
        .insert("content-length", length.parse().unwrap());
    let broken = [
        (signed(&format!("{SECRET}\n"), &body, &body), "newline"),
        (signed(SECRET, &body, &body.replace("\":", "\": ")), "compact JSON"),
        (signed(SECRET, &body, &format!("{body}\n")), "last newline"),
        (
            elsewhere,
            "x-signature holds what looks like a tag; the body was not read",
        ),
        (
            signed("another secret of nobody's", &body, &body),
            "none of the usual mistakes matches",
        ),
    ];
    let page = world.page();
    for (number, (request, expected)) in broken.into_iter().enumerate() {
        assert_eq!(world.send(request).await, 401, "{expected}");
        let captured = world.captured();
        let seen = page.get(&format!("/request?number={captured}")).await;
        let found = seen
            .text
            .split("class=\"found\">")
            .nth(1)
            .unwrap()
            .split('<')
            .next()
            .unwrap();
        assert!(found.contains(expected), "expected {expected:?}: {found}");
        seen.has_not(SECRET);
        // What is missing of a body that was never read is not the provider's mistake.
        if expected.contains("the body was not read") {
            seen.has("was not read: the request was refused for its headers");
        } else {
            seen.has("bytes were read");
        }
        page.get(&format!("/delivery?number={number}"))
            .await
            .has(&format!("request?number={captured}"));
    }
    assert_eq!(page.get("/refused").await.rows(), 5);
}

#[tokio::test]
async fn capturing_is_switched_on_and_off_each_confirmed() {
    let world = World::new();
    let page = world.page();
    assert_eq!(world.forge(&event("1", "customer_created")).await, 401);
    page.get("/refused")
        .await
        .has("Nothing is captured now.")
        .has("confirm?verb=start-capture");
    page.get("/delivery?number=0").await.has("It was not captured.");
    page.confirm("/confirm?verb=start-capture", &[])
        .await
        .has("captured for the next 10 min");
    assert!(world.captures.is_on());
    assert!(world.captures.remaining().unwrap() <= Duration::from_secs(600));

    assert_eq!(world.forge(&event("2", "customer_created")).await, 401);
    assert_eq!(page.get("/refused").await.rows(), 1);
    let request = format!("/request?number={}", world.captured());
    page.get(&request).await.has("customer_created");
    page.confirm("/confirm?verb=stop-capture", &[])
        .await
        .has("what was captured is forgotten");
    assert!(!world.captures.is_on());
    assert_eq!(page.get(&request).await.status, 404);
    page.get("/delivery?number=1")
        .await
        .has("It was captured, and is forgotten since.");
}

#[tokio::test]
async fn without_secrets_the_page_says_that_it_cannot_look() {
    use tower_webhook_inspector::{Access, Endpoint, Inspector};
    let world = World::new();
    world.captures.start(Duration::from_secs(600));
    assert_eq!(world.forge(&event("1", "customer_created")).await, 401);
    let app = Inspector::builder(Access::loopback_only())
        .captures(&world.captures)
        .endpoint(Endpoint::new("dwolla"))
        .build()
        .unwrap();
    crate::support::Page::new(app)
        .get(&format!("/request?number={}", world.captured()))
        .await
        .has("Endpoint::explain");
}
