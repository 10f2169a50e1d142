//! What came from outside is text, wherever it is shown.

use http::Request;
use tower_webhook_inspector::RunReport;

use crate::support::{Seen, World, event};

/// It would run, close what it stands in, or turn the text around it.
const NASTY: &str = "</title></pre><script>alert(1)</script>\\\"'><img src=x onerror=alert(2)>\u{202e}";

#[track_caller]
fn is_text(seen: &Seen) {
    seen.has_not("<script>alert")
        .has_not("<img")
        .has_not("\u{202e}")
        .has("&lt;script&gt;alert(1)&lt;/script&gt;");
}

#[tokio::test]
async fn markup_in_any_field_of_a_delivery_stays_text() {
    let world = World::new();
    world.record("handler-failed", |entry| {
        entry.topic = Some(NASTY.to_owned());
        entry.id = Some(NASTY.to_owned());
        entry.reason = NASTY.to_owned();
        entry.provider = NASTY.into();
        entry.namespace = NASTY.into();
        entry.outcome = NASTY.into();
    });
    let page = world.page();
    let seen = page.get("/deliveries").await;
    is_text(&seen);
    is_text(&page.get("/delivery?number=0").await);
    let query: String = form_urlencoded::byte_serialize(NASTY.as_bytes()).collect();
    for path in [
        format!(
            "/deliveries?topic={query}&outcome={query}&provider={query}&namespace={query}&tenant={query}&id={query}"
        ),
        format!("/event?namespace={query}&id={query}"),
        format!("/confirm?verb=replay&namespace=dwolla&id={query}"),
        format!("/deliveries?since={query}"),
    ] {
        let seen = page.get(&path).await;
        seen.has_not("<script>alert")
            .has_not("<img")
            .has("&lt;script&gt;alert(1)&lt;/script&gt;");
    }
}

#[tokio::test]
async fn markup_in_a_stored_event_stays_text_and_its_body_is_a_file() {
    let world = World::new();
    let body = event("evt-1", "<script>alert(1)</script>").replace("}", r#","note":"<script>alert(1)</script>"}"#);
    assert_eq!(world.deliver(&body).await, 200);
    let page = world.page();
    is_text(&page.get("/event?namespace=dwolla&id=evt-1").await);
    is_text(&page.get("/inbox").await);
    let raw = page.get("/body?namespace=dwolla&id=evt-1").await;
    assert_eq!(raw.text, body);
    assert_eq!(raw.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(raw.headers["content-disposition"], "attachment; filename=\"body.txt\"");
    assert_eq!(raw.headers["x-content-type-options"], "nosniff");
}

#[tokio::test]
async fn markup_in_a_refused_request_stays_text() {
    let world = World::new();
    world.captures.start(std::time::Duration::from_secs(600));
    let request = Request::post("/webhooks/dwolla")
        .header("x-request-signature-sha-256", "0".repeat(64))
        .header("x-note", "<script>alert(1)</script>")
        .body(axum::body::Body::from(NASTY))
        .unwrap();
    assert_eq!(world.send(request).await, 401);
    let page = world.page();
    let number = world.captured();
    is_text(&page.get(&format!("/request?number={number}")).await);
    page.get("/refused").await.has_not("<script>alert");
    let raw = page.get(&format!("/request-body?number={number}")).await;
    assert_eq!(raw.text, NASTY);
    assert_eq!(raw.headers["content-type"], "text/plain; charset=utf-8");
}

#[tokio::test]
async fn markup_in_a_report_stays_text() {
    let world = World::new();
    let now = std::time::SystemTime::now();
    world
        .reports
        .push(RunReport::new(NASTY, (now, now), NASTY).tally(NASTY, 1, [NASTY.to_owned()]));
    let page = world.page();
    is_text(&page.get("/reports").await);
    is_text(&page.get("/report?number=0").await);
}

/// What the templates do not escape is nothing.
#[test]
fn no_template_leaves_a_text_unescaped() {
    fn walk(folder: &std::path::Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                assert!(
                    !code.into_iter().any(|line| line.contains("PreEscaped")),
                    "{}",
                    path.display()
                );
            }
        }
    }
    walk(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
}
