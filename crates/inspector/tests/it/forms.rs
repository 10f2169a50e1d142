//! Forms: each is this page's own, for this session, and for this action.

use tower_webhook::{inbox::InboxAdmin as _, store::Stage};

use crate::support::{World, key};

const REPLAY: &str = "/confirm?verb=replay&namespace=dwolla&id=1";

async fn stage(world: &World, id: &str) -> Option<Stage> {
    world
        .inbox
        .letter(&key(id))
        .await
        .unwrap()
        .map(|letter| letter.entry.stage)
}

#[tokio::test]
async fn looking_at_a_question_changes_nothing() {
    let world = World::new();
    world.dead("1").await;
    let page = world.page();
    page.get(REPLAY)
        .await
        .has("<h1>Replay 1 event?</h1>")
        .has("customer_created")
        .has("dead after 1 attempt");
    assert_eq!(page.get("/do?verb=replay&namespace=dwolla&id=1").await.status, 405);
    assert_eq!(stage(&world, "1").await, Some(Stage::Dead));
}

#[tokio::test]
async fn a_form_without_its_token_or_with_another_ones_does_nothing() {
    let world = World::new();
    world.dead("1").await;
    world.dead("2").await;
    let page = world.page();
    let asked = page.get(REPLAY).await;
    let visitor = page.keeping(&asked);
    let fields = asked.fields();
    let without: Vec<_> = fields.iter().filter(|(name, _)| name != "token").cloned().collect();
    let changed = |name: &str, value: &str| {
        let mut fields = fields.clone();
        for field in &mut fields {
            if field.0 == name {
                field.1 = value.to_owned();
            }
        }
        fields
    };
    let mut more = fields.clone();
    more.push(("id".to_owned(), "2".to_owned()));
    for (what, fields) in [
        ("no token", without),
        ("another token", changed("token", &"0".repeat(64))),
        ("an empty token", changed("token", "")),
        ("another event", changed("id", "2")),
        ("another verb", changed("verb", "forget")),
        ("another namespace", changed("namespace", "stripe")),
        ("one event more", more),
    ] {
        let seen = visitor.post("/do", &fields).await;
        assert_eq!(seen.status, 403, "{what}");
        seen.has("Not done");
    }
    // The same form from another browser, or from one without the cookie.
    let other = page.keeping(&page.get("/deliveries").await);
    assert_eq!(other.post("/do", &fields).await.status, 403);
    assert_eq!(page.post("/do", &fields).await.status, 403);
    assert_eq!(stage(&world, "1").await, Some(Stage::Dead));
    assert_eq!(stage(&world, "2").await, Some(Stage::Dead));

    assert_eq!(visitor.post("/do", &fields).await.status, 303);
    assert_eq!(stage(&world, "1").await, Some(Stage::Waiting));
}

#[tokio::test]
async fn a_form_that_another_site_has_sent_does_nothing() {
    let world = World::new();
    world.dead("1").await;
    let page = world.page();
    let asked = page.get(REPLAY).await;
    let (visitor, fields) = (page.keeping(&asked), asked.fields());
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://example.com"),
        ("origin", "http://localhost:3001"),
        ("origin", "null"),
    ] {
        let seen = visitor.clone().with(name, value).post("/do", &fields).await;
        assert_eq!(seen.status, 403, "{name}: {value}");
    }
    assert_eq!(stage(&world, "1").await, Some(Stage::Dead));
    let own = visitor
        .with("sec-fetch-site", "same-origin")
        .with("origin", "http://localhost:3000");
    assert_eq!(own.post("/do", &fields).await.status, 303);
    assert_eq!(stage(&world, "1").await, Some(Stage::Waiting));
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused() {
    let page = World::new().page();
    let large = vec![("id".to_owned(), "1".repeat(200_000))];
    assert_eq!(page.post("/do", &large).await.status, 413);
}
