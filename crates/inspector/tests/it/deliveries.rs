//! The list, its filters and its chart.

use std::time::{Duration, SystemTime};

use tower_webhook::{delivery_log::DeliveryLogEntry, event::Tenant};

use crate::support::{World, event};

#[tokio::test]
async fn a_delivery_is_listed_with_how_it_ended_and_why() {
    let world = World::new();
    let page = world.page();
    page.get("/deliveries").await.has("No delivery has come yet.");
    assert_eq!(world.deliver(&event("evt-1", "customer_created")).await, 200);
    assert_eq!(world.forge(&event("evt-2", "customer_created")).await, 401);
    let seen = page.get("/deliveries").await;
    assert_eq!(seen.rows(), 2);
    seen.has("stored")
        .has("customer_created")
        .has("event?namespace=dwolla&amp;id=evt-1");
    seen.has("⊘</span> signature")
        .has("401")
        .has("1 went well")
        .has("1 refused")
        .has("0 failed");
    // What stands in a refused body is nobody's word.
    seen.has_not("evt-2");
    let details = page.get("/delivery?number=0").await;
    details.has("as a request of the provider").has("number 1 matched");
    assert_eq!(page.get("/delivery?number=99").await.status, 404);
    assert_eq!(page.get("/delivery?number=x").await.status, 404);
}

#[tokio::test]
async fn each_filter_lets_its_own_through() {
    let world = World::new();
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    world.record("handled", |entry| entry.topic = Some("of-a-topic".into()));
    world.record("handled", |entry| entry.id = Some("of-an-id".into()));
    world.record("handler-failed", |entry| entry.reason = "of-a-failure".into());
    world.record("signature", |entry| entry.reason = "of-a-signature".into());
    world.record("handled", |entry| {
        entry.tenant = Some(Tenant::new("acme").unwrap());
        entry.topic = Some("of-a-tenant".into());
    });
    world.record("handled", |entry| {
        entry.provider = "stripe".into();
        entry.namespace = "stripe-eu".into();
        entry.topic = Some("of-a-provider".into());
    });
    world.record("duplicate", |entry| {
        entry.time = now - 2 * hour;
        entry.topic = Some("of-a-time".into());
    });
    let page = world.page();
    assert_eq!(page.get("/deliveries").await.rows(), 7);
    let at = |time: SystemTime| humantime::format_rfc3339_seconds(time).to_string();
    let until = format!("until={}", at(now - hour));
    let since_and_until = format!(
        "since={}&until={}",
        at(now - 3 * hour).trim_end_matches('Z'),
        at(now - hour)
    );
    for (query, expected, rows) in [
        ("topic=of-a-topic", "of-a-topic", 1),
        ("topic=%20of-a-topic%20", "of-a-topic", 1),
        ("id=of-an-id", "of-an-id", 1),
        ("outcome=handler-failed", "of-a-failure", 1),
        ("outcome=failures", "of-a-signature", 2),
        ("tenant=acme", "of-a-tenant", 1),
        ("provider=stripe", "of-a-provider", 1),
        ("namespace=stripe-eu", "of-a-provider", 1),
        ("last=1h", "of-a-topic", 6),
        ("provider=dwolla&outcome=duplicate", "of-a-time", 1),
        (until.as_str(), "of-a-time", 1),
        (since_and_until.as_str(), "of-a-time", 1),
    ] {
        let seen = page.get(&format!("/deliveries?{query}")).await;
        assert_eq!(seen.rows(), rows, "{query}");
        let list = seen.text.rsplit("<tbody").next().unwrap();
        assert!(list.contains(expected), "{query}");
    }
    let none = page.get("/deliveries?topic=of-nothing").await;
    none.has("No delivery is like this.").has("value=\"of-nothing\"");
    assert_eq!(none.rows(), 0);
    page.get("/deliveries?since=yesterday")
        .await
        .has("since is &quot;yesterday&quot;; expected a time in UTC");
}

#[tokio::test]
async fn pages_follow_each_other_and_keep_the_filter() {
    let world = World::new();
    for number in 0..120 {
        let outcome = if number % 2 == 0 { "handled" } else { "store" };
        world.record(outcome, |entry| entry.id = Some(format!("evt-{number}.")));
    }
    let page = world.page();
    for (first, pages, step) in [
        ("deliveries?outcome=handled", &[50, 10][..], 2),
        ("deliveries", &[50, 50, 20], 1),
    ] {
        let (mut path, mut seen_ids) = (first.to_owned(), Vec::new());
        for (index, expected) in pages.iter().enumerate() {
            let seen = page.get(&format!("/{path}")).await;
            assert_eq!(seen.rows(), *expected, "{path}");
            let ids = seen.text.split("class=\"id\" href=\"").skip(1);
            seen_ids.extend(ids.map(|rest| rest.split(['>', '<']).nth(1).unwrap().to_owned()));
            if index + 1 < pages.len() {
                let next = seen.text.split("rel=\"next\"").next().unwrap();
                let next = next.rsplit("href=\"").next().unwrap().split('"').next().unwrap();
                path = next.replace("&amp;", "&");
            } else {
                seen.has("Newest").has_not("rel=\"next\"");
            }
        }
        let all = (0..120).rev().filter(|number| number % step == 0);
        let expected: Vec<_> = all.map(|number| format!("evt-{number}.")).collect();
        assert_eq!(seen_ids, expected, "{first}");
    }
}

/// However much has come, and however long and odd its texts are.
#[tokio::test]
async fn a_page_has_its_size_whatever_the_log_holds() {
    let now = SystemTime::now();
    let week = Duration::from_secs(7 * 24 * 3600);
    let paths = [
        "/deliveries",
        "/deliveries?last=7d",
        "/deliveries?outcome=failures&last=7d",
        "/deliveries?before=900",
        "/event?namespace=dwolla&id=evt",
        "/delivery?number=10",
        "/endpoints",
    ];
    let mut sizes: Vec<Vec<usize>> = Vec::new();
    for (entries, name, reason) in [
        (
            40_000_u32,
            "customer_created".to_owned(),
            "the ledger is closed".to_owned(),
        ),
        (
            200_000,
            "customer_created".to_owned(),
            "the ledger is closed".to_owned(),
        ),
        // What becomes longest in HTML, at its full length.
        (
            200_000,
            "\"".repeat(DeliveryLogEntry::MAX_NAME),
            "\"".repeat(DeliveryLogEntry::MAX_REASON),
        ),
    ] {
        let world = World::new();
        for number in 0..entries {
            let outcome = if number % 3 == 0 { "handler-failed" } else { "handled" };
            world.record(outcome, |entry| {
                entry.time = now - week.mul_f64(f64::from(entries - number) / f64::from(entries));
                entry.id = Some("evt".to_owned());
                entry.topic = Some(name.clone());
                entry.reason = reason.clone();
            });
        }
        let page = world.page();
        let mut of_pages = Vec::new();
        for path in paths {
            let seen = page.get(path).await;
            assert_eq!(seen.status, 200, "{path}");
            assert!(seen.rows() <= 100, "{path}: {} rows", seen.rows());
            of_pages.push(seen.text.len());
        }
        sizes.push(of_pages);
    }
    for (index, path) in paths.into_iter().enumerate() {
        let [few, many, long] = [0, 1, 2].map(|world| sizes[world][index]);
        // Numbers are longer.
        assert!(
            many < few + 2_000,
            "{path}: {few} bytes with 40,000, {many} with 200,000"
        );
        assert!(long < 1_000_000, "{path}: {long} bytes");
    }
}

#[tokio::test]
async fn the_chart_is_a_picture_and_a_table() {
    let world = World::new();
    for minutes in [0, 0, 1, 1] {
        world.record("handled", |entry| {
            entry.time = SystemTime::now() - Duration::from_secs(minutes * 60);
            entry.topic = Some("of-a-topic".to_owned());
        });
    }
    world.record("rejected", |_| {});
    let seen = world.page().get("/deliveries").await;
    seen.has("role=\"img\" aria-label=\"5 deliveries: 4 went well, 0 refused, 1 failed\"");
    seen.has("handled</span></th><td>4</td>")
        .has("rejected</span></th><td>1</td>");
    // It is of what is filtered.
    world
        .page()
        .get("/deliveries?topic=of-a-topic")
        .await
        .has("aria-label=\"4 deliveries: 4 went well, 0 refused, 0 failed\"");
    seen.has("<caption>How many ended how</caption>")
        .has("The same as tables");
    seen.has("<rect class=\"well\"").has("<rect class=\"failed\"");
    // The policy allows none, and none is needed.
    seen.has_not("style=\"").has_not("<script>").has_not("onclick");
}

#[tokio::test]
async fn a_page_without_a_log_says_how_to_give_it_one() {
    use tower_webhook_inspector::{Access, Inspector};
    let app = Inspector::builder(Access::loopback_only()).build().unwrap();
    let page = crate::support::Page::new(app);
    page.get("/deliveries").await.has("WebhookLayerBuilder::delivery_log");
    assert_eq!(page.get("/inbox").await.status, 404);
    assert_eq!(page.get("/refused").await.status, 404);
    page.get("/endpoints").await.has("InspectorBuilder::endpoint");
}

#[tokio::test]
async fn a_log_that_does_not_respond_is_said() {
    use tower_webhook::delivery_log::{DeliveryLogFilter, DeliveryLogReader, Numbered, PerMinute, Reading};
    use tower_webhook::store::StoreError;
    use tower_webhook_inspector::{Access, Endpoint, Inspector};

    #[derive(Debug)]
    struct Down;

    impl DeliveryLogReader for Down {
        fn list<'a>(&'a self, _: &'a DeliveryLogFilter, _: Option<u64>, _: usize) -> Reading<'a, Vec<Numbered>> {
            Box::pin(async { Err(StoreError::config("the disk is <gone>")) })
        }

        fn per_minute<'a>(&'a self, _: &'a DeliveryLogFilter) -> Reading<'a, Vec<PerMinute>> {
            Box::pin(async { Err(StoreError::config("the disk is <gone>")) })
        }
    }

    let app = Inspector::builder(Access::loopback_only())
        .log(Down)
        .endpoint(Endpoint::new("dwolla"))
        .build()
        .unwrap();
    let page = crate::support::Page::new(app);
    for path in [
        "/deliveries",
        "/delivery?number=1",
        "/event?namespace=dwolla&id=1",
        "/endpoints",
    ] {
        page.get(path)
            .await
            .has("The delivery log did not respond")
            .has("&lt;gone&gt;");
    }
}

#[tokio::test]
async fn an_event_with_many_deliveries_says_that_there_are_more() {
    let world = World::new();
    let page = world.page();
    for number in 1..=101 {
        world.record("store", |entry| entry.id = Some("evt".to_owned()));
        let seen = page.get("/event?namespace=dwolla&id=evt").await;
        if number <= 100 {
            seen.has("All that the log has of this event").has_not("All of them");
        } else {
            seen.has("The newest that the log has of this event")
                .has("href=\"deliveries?namespace=dwolla&amp;id=evt\"");
            assert_eq!(seen.rows(), 100);
        }
    }
}
