//! What the reconciler found.

use std::time::{Duration, SystemTime};

use tower_webhook_inspector::{Reports, RunReport};

use crate::support::World;

#[tokio::test]
async fn a_run_is_listed_with_its_items() {
    let world = World::new();
    let page = world.page();
    page.get("/reports").await.has("No run has ended yet.");
    let until = SystemTime::now();
    let mut run = RunReport::new("dwolla", (until - Duration::from_secs(3600), until), "complete")
        .tally("known", 1234, [])
        .tally("handled", 3, ["evt-1 · customer_created".to_owned()]);
    run.is_settled = true;
    world.reports.push(run);
    page.get("/reports")
        .await
        .has("1,234 known, 3 handled")
        .has("✓</span> complete");
    page.get("/report?number=0")
        .await
        .has("evt-1 · customer_created")
        .has("And 2 more.");
    assert_eq!(page.get("/report?number=1").await.status, 404);
}

/// A provider that has recorded one event, which cannot be fetched.
#[cfg(feature = "reconcile")]
#[tokio::test]
async fn the_reconcilers_own_report_is_taken_as_it_is() {
    use tower_webhook::{
        MemoryStore, TopicRouter, WebhookLayer,
        dwolla::{self, Dwolla},
        event::EventId,
    };
    use tower_webhook_reconcile::{
        Pages,
        reconciler::{Item, Reconciler, Source, Window},
    };

    struct One;

    impl Source for One {
        type Event = dwolla::Event;

        fn name(&self) -> String {
            "dwolla/one".to_owned()
        }

        fn retention(&self) -> Duration {
            Duration::from_secs(3600)
        }

        fn overlap(&self) -> Duration {
            Duration::from_secs(60)
        }

        fn list(&self, _: Window) -> Pages<Item<dwolla::Event>> {
            Pages::fetched((), |()| async {
                let item = Item::new("0ea5c5f1").topic("customer_created");
                Ok((vec![item.event_id(EventId::new("evt-1").unwrap())], None))
            })
        }
    }

    let world = World::new();
    let layer = WebhookLayer::new(Dwolla::new(crate::support::SECRET).unwrap(), MemoryStore::new());
    let topics = TopicRouter::new().fallback(async |_: dwolla::Event| {});
    let report = Reconciler::new(One, layer.processor(topics)).run_once().await;
    world.reports.record(&report);
    let page = world.page();
    page.get("/reports")
        .await
        .has("dwolla/one")
        .has("1 not-fetchable")
        .has("✓</span> complete");
    page.get("/report?number=0")
        .await
        .has("0ea5c5f1 · customer_created · the source has nothing else to hand in");
}

#[tokio::test]
async fn the_newest_reports_are_kept() {
    let world = World::new();
    let now = SystemTime::now();
    for number in 0..Reports::MAX_REPORTS + 5 {
        world
            .reports
            .push(RunReport::new(format!("source-{number}."), (now, now), "complete"));
    }
    let seen = world.page().get("/reports").await;
    assert_eq!(seen.rows(), Reports::MAX_REPORTS);
    seen.has("source-104.").has_not("source-4.");
}
