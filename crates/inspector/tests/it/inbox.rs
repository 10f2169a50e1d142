//! The inbox, and an operator's verbs.

use std::sync::atomic::Ordering;

use tower_webhook::{
    inbox::{Filter, InboxAdmin as _},
    store::{IdempotencyStore as _, Stage},
};

use crate::support::{World, event, key};

async fn stage(world: &World, id: &str) -> Option<Stage> {
    world
        .inbox
        .letter(&key(id))
        .await
        .unwrap()
        .map(|letter| letter.entry.stage)
}

#[tokio::test]
async fn a_failed_event_is_found_replayed_and_handled() {
    let world = World::new();
    world.dead("evt-1").await;
    let page = world.page();
    let inbox = page.get("/inbox?stage=dead").await;
    inbox.has("dead after 1 attempt").has("evt-1");
    let seen = page.get("/event?namespace=dwolla&id=evt-1").await;
    seen.has("Attempt 1")
        .has("the ledger &lt;b&gt;is&lt;/b&gt; closed")
        .has("&quot;topic&quot;: &quot;customer_created&quot;");
    seen.has("confirm?verb=replay&amp;namespace=dwolla&amp;id=evt-1")
        .has_not("verb=bury");

    let done = page
        .confirm("/confirm?verb=replay&namespace=dwolla&id=evt-1", &[])
        .await;
    done.has("<h1>Done</h1>").has("1 event replayed: due now, as if new.");
    done.has("event?namespace=dwolla&amp;id=evt-1");
    assert_eq!(stage(&world, "evt-1").await, Some(Stage::Waiting));
    world.run("evt-1").await;
    let seen = page.get("/event?namespace=dwolla&id=evt-1").await;
    seen.has("✓</span> done").has("✓</span> handled").has("by a worker");
}

#[tokio::test]
async fn a_selection_is_replayed_and_what_could_not_be_is_said() {
    let world = World::new();
    world.dead("1").await;
    world.dead("2").await;
    world.dead("3").await;
    let page = world.page();
    let asked = page.get("/confirm?namespace=dwolla&verb=replay&id=1&id=3&id=4").await;
    asked.has("<h1>Replay 3 events?</h1>").has("not in the inbox");
    let done = page
        .confirm("/confirm?namespace=dwolla&verb=replay&id=1&id=3&id=4", &[])
        .await;
    done.has("Not all was done")
        .has("2 of 3 events replayed")
        .has("the inbox does not know it");
    assert_eq!(stage(&world, "1").await, Some(Stage::Waiting));
    assert_eq!(stage(&world, "2").await, Some(Stage::Dead));
    assert_eq!(stage(&world, "3").await, Some(Stage::Waiting));
    let none = page.get("/confirm?namespace=dwolla&verb=replay").await;
    assert_eq!(none.status, 400);
    none.has("No event is selected");
}

#[tokio::test]
async fn all_that_match_are_replayed_and_no_others() {
    let world = World::new();
    world.dead("1").await;
    world.dead("2").await;
    assert_eq!(world.deliver(&event("3", "customer_created")).await, 200);
    world.run("3").await;
    let page = world.page();
    let path = "/confirm?verb=replay-all&namespace=dwolla&stage=dead";
    page.get(path).await.has("that are dead").has("2 events match");
    page.confirm(path, &[("over", "10m")])
        .await
        .has("2 events replayed: due over the next 10 min.");
    let mut due = Vec::new();
    for id in ["1", "2"] {
        let letter = world.inbox.letter(&key(id)).await.unwrap().unwrap();
        due.push(letter.entry.due_at.unwrap());
    }
    due.sort();
    let apart = due[1].duration_since(due[0]).unwrap();
    assert!((60..=600).contains(&apart.as_secs()), "{apart:?}");
    let left = world
        .inbox
        .list(&Filter::new("dwolla").stage(Stage::Dead), None, 10)
        .await
        .unwrap();
    assert!(left.entries.is_empty());
    assert_eq!(stage(&world, "3").await, Some(Stage::Done));
    page.confirm(path, &[]).await.has("Nothing was replayed");
    page.get("/confirm?verb=replay-all&namespace=dwolla")
        .await
        .has("those that are done included");
}

#[tokio::test]
async fn all_of_a_tenant_are_replayed_and_no_others() {
    let world = World::new();
    world.dead("acme/1").await;
    world.dead("acme2/1").await;
    let page = world.page();
    let listed = page.get("/inbox?tenant=acme").await;
    listed.has("acme/1").has_not("acme2/1").has("value=\"acme\"");
    listed.has("confirm?namespace=dwolla&amp;tenant=acme&amp;verb=replay-all");
    let path = "/confirm?verb=replay-all&namespace=dwolla&stage=dead&tenant=acme";
    page.get(path).await.has("of the tenant acme").has("1 event matches");
    page.confirm(path, &[]).await;
    assert_eq!(stage(&world, "acme/1").await, Some(Stage::Waiting));
    assert_eq!(stage(&world, "acme2/1").await, Some(Stage::Dead));
    // A name that none has is refused: without it, all would be meant.
    page.get("/inbox?tenant=a%2Fb").await.has("No tenant has this name");
    let refused = page
        .get("/confirm?verb=replay-all&namespace=dwolla&stage=dead&tenant=a%2Fb")
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn a_burial_has_a_reason_in_the_events_history() {
    let world = World::new();
    assert_eq!(world.deliver(&event("1", "customer_created")).await, 200);
    let page = world.page();
    let path = "/confirm?verb=bury&namespace=dwolla&id=1";
    page.get(path).await.has("<h1>Bury 1 event?</h1>");
    page.confirm(path, &[("reason", "a test of ours")])
        .await
        .has("1 event buried");
    assert_eq!(stage(&world, "1").await, Some(Stage::Dead));
    page.get("/event?namespace=dwolla&id=1").await.has("a test of ours");
    page.confirm(path, &[])
        .await
        .has("Not all was done")
        .has("it is finished, dead already");
}

#[tokio::test]
async fn what_is_forgotten_is_gone() {
    let world = World::new();
    world.dead("1").await;
    let page = world.page();
    page.confirm("/confirm?verb=forget&namespace=dwolla&id=1", &[])
        .await
        .has("1 event forgotten");
    assert!(world.inbox.get(&key("1")).await.unwrap().is_none());
    page.get("/event?namespace=dwolla&id=1")
        .await
        .has("The store does not know this event.");
    page.confirm("/confirm?verb=forget&namespace=dwolla&id=1", &[])
        .await
        .has("the store does not know it");
}

#[tokio::test]
async fn a_result_is_told_again_and_not_done_again() {
    let world = World::new();
    world.dead("1").await;
    let page = world.page();
    page.confirm("/confirm?verb=replay&namespace=dwolla&id=1", &[]).await;
    world.fails.store(true, Ordering::SeqCst);
    world.run("1").await;
    page.get("/result?number=0").await.has("1 event replayed");
    assert_eq!(stage(&world, "1").await, Some(Stage::Dead));
    assert_eq!(page.get("/result?number=1").await.status, 404);
}

#[tokio::test]
async fn how_much_waits_is_counted() {
    let world = World::new();
    world.dead("1").await;
    for id in ["2", "3"] {
        assert_eq!(world.deliver(&event(id, "customer_created")).await, 200);
    }
    let seen = world.page().get("/inbox").await;
    seen.has("data-label=\"Due\"><a href=\"inbox?namespace=dwolla&amp;stage=waiting\">2</a>");
    seen.has("data-label=\"Dead\"><a href=\"inbox?namespace=dwolla&amp;stage=dead\">1</a>");
    assert_eq!(seen.rows(), 3);
    assert_eq!(world.page().get("/inbox?stage=waiting").await.rows(), 2);
    world.page().get("/inbox?topic=transfer_completed").await.has("None.");
    assert_eq!(world.page().get("/inbox?namespace=nobody").await.status, 404);
}

#[tokio::test]
async fn an_inbox_is_filtered_by_time() {
    let world = World::new();
    world.dead("1").await;
    world.dead("2").await;
    let page = world.page();
    for (query, events) in [
        ("since=2999-01-01T00:00", 0),
        ("before=2000-01-01T00:00", 0),
        ("since=2000-01-01T00:00&before=2999-01-01T00:00", 2),
    ] {
        let listed = page.get(&format!("/inbox?stage=dead&{query}")).await;
        if events == 0 {
            listed.has("None.");
        } else {
            assert_eq!(listed.rows(), events, "{query}");
        }
        let path = format!("/confirm?verb=replay-all&namespace=dwolla&stage=dead&{query}");
        page.get(&path).await.has(&format!("{events} events match"));
        let done = page.confirm(&path, &[]).await;
        if events == 0 {
            done.has("Nothing was replayed");
            assert_eq!(stage(&world, "1").await, Some(Stage::Dead), "{query}");
        }
    }
    assert_eq!(stage(&world, "1").await, Some(Stage::Waiting));
}

#[tokio::test]
async fn pages_of_an_inbox_follow_each_other() {
    let world = World::new();
    for id in 0..60 {
        assert_eq!(
            world.deliver(&event(&format!("evt-{id}"), "customer_created")).await,
            200
        );
    }
    let page = world.page();
    let first = page.get("/inbox").await;
    assert_eq!(first.rows(), 50);
    let next = first.text.split("rel=\"next\"").next().unwrap();
    let next = next
        .rsplit("href=\"")
        .next()
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    let second = page.get(&format!("/{next}")).await;
    assert_eq!(second.rows(), 10);
    second.has("First page").has_not("rel=\"next\"");
}

#[tokio::test]
async fn an_endpoint_with_a_plain_store_shows_and_forgets_records() {
    use tower::ServiceExt as _;
    use tower_webhook::{
        MemoryStore, TopicRouter, WebhookLayer,
        dwolla::{self, Dwolla},
        store::AnyStore,
        testing::SignedRequest,
    };
    use tower_webhook_inspector::{Access, Endpoint, Inspector};

    let store = AnyStore::new(MemoryStore::new());
    let dwolla = Dwolla::new(crate::support::SECRET).unwrap();
    let request = SignedRequest::of(&dwolla, event("1", "customer_created")).build();
    let layer = WebhookLayer::new(dwolla, store.clone());
    let service = layer.topics(TopicRouter::new().fallback(async |_: dwolla::Event| {}));
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    let endpoint = Endpoint::new("dwolla").store(store.clone());
    let app = Inspector::builder(Access::loopback_only())
        .endpoint(endpoint)
        .build()
        .unwrap();
    let page = crate::support::Page::new(app);
    page.get("/event?namespace=dwolla&id=1")
        .await
        .has("handled")
        .has_not("verb=replay");
    page.confirm("/confirm?verb=replay&namespace=dwolla&id=1", &[])
        .await
        .has("the page has no store for this");
    page.confirm("/confirm?verb=forget&namespace=dwolla&id=1", &[])
        .await
        .has("1 event forgotten");
    assert!(store.get(&key("1")).await.unwrap().is_none());
}
