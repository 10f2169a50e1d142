//! Lists in pages: by link, by offset, by cursor; lists that shift, and lists that do not end.

use std::sync::atomic::{AtomicUsize, Ordering};

use tower_webhook_reconcile::{ErrorKind, dwolla::DwollaApi, stripe::StripeApi};

use crate::support::{Received, Server, TestTimer, dwolla, dwolla_server, json, options};

fn number(request: &Received, name: &str) -> usize {
    request.parameter(name).map_or(0, |value| value.parse().unwrap())
}

fn page(ids: impl IntoIterator<Item = usize>, links: &str, total: usize) -> String {
    let entries: Vec<String> = ids.into_iter().map(|id| format!(r#"{{"id":"w{id}"}}"#)).collect();
    format!(
        r#"{{"_links":{links},"_embedded":{{"webhooks":[{}]}},"total":{total}}}"#,
        entries.join(",")
    )
}

fn next(address: &str) -> String {
    format!(r#"{{"next":{{"href":"{address}"}}}}"#)
}

async fn ids(api: &DwollaApi) -> Vec<String> {
    let webhooks = api.webhooks("s1").limit(25).list().collect().await.unwrap();
    webhooks.into_iter().map(|webhook| webhook.id).collect()
}

fn expected(ids: impl IntoIterator<Item = usize>) -> Vec<String> {
    ids.into_iter().map(|id| format!("w{id}")).collect()
}

#[tokio::test]
async fn links_lead_from_page_to_page() {
    let server = dwolla_server(|request| {
        let offset = number(request, "offset");
        let links = match offset {
            50 => "{}".to_owned(),
            _ => next(&format!("{}?limit=25&offset={}", request.path, offset + 25)),
        };
        json(200, page(offset..(offset + 25).min(60), &links, 60))
    })
    .await;
    assert_eq!(ids(&dwolla(&server)).await, expected(0..60));
    assert_eq!(server.calls().len(), 3);
}

#[tokio::test]
async fn cursors_lead_from_page_to_page() {
    let server = dwolla_server(|request| match request.parameter("cursor").as_deref() {
        None => json(200, page(0..25, &next(&format!("{}?cursor=abc", request.path)), 30)),
        Some("abc") => json(200, page(25..30, "{}", 30)),
        other => panic!("{other:?}"),
    })
    .await;
    assert_eq!(ids(&dwolla(&server)).await, expected(0..30));
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn without_links_the_offset_is_counted_up_to_the_total() {
    let server = dwolla_server(|request| {
        let offset = number(request, "offset");
        json(200, page(offset..(offset + 25).min(60), "{}", 60))
    })
    .await;
    let webhooks = dwolla(&server).webhooks("s1").limit(25).start_date("2026-01-01").list();
    assert_eq!(webhooks.collect().await.unwrap().len(), 60);
    let path = "GET /webhook-subscriptions/s1/webhooks";
    assert_eq!(
        server.lines(),
        [
            format!("{path}?limit=25&startDate=2026-01-01"),
            format!("{path}?limit=25&startDate=2026-01-01&offset=25"),
            format!("{path}?limit=25&startDate=2026-01-01&offset=50"),
        ]
    );
}

/// Three events arrive at the head of the list between two pages: the next page begins with three
/// that were on the last.
#[tokio::test]
async fn an_entry_that_shifts_to_the_next_page_comes_once() {
    let read = AtomicUsize::new(0);
    let server = dwolla_server(move |request| {
        let offset = number(request, "offset");
        let shift = 3 * read.fetch_add(1, Ordering::SeqCst);
        // Newest first: at offset 0 of the first page stands 100.
        let newest = 100 + shift;
        let ids = (offset..(offset + 25).min(101 + shift)).map(move |position| newest - position);
        json(200, page(ids, "{}", 101 + shift))
    })
    .await;
    let ids = ids(&dwolla(&server)).await;
    assert_eq!(ids, expected((0..=100).rev()));
}

/// What has been listed is remembered for 1,024 entries, however long the list is.
#[tokio::test]
async fn an_entry_that_comes_again_is_left_out_for_a_thousand_entries_and_no_longer() {
    let server = dwolla_server(|request| {
        let cursor = number(request, "cursor");
        // 40 new entries, and one of 25 pages ago, or of 26.
        let again = if request.path.contains("/near/") { 25 } else { 26 };
        let ids = (cursor * 40..(cursor + 1) * 40).chain((cursor == 27).then_some(40 * (27 - again)));
        let links = match cursor {
            27 => "{}".to_owned(),
            _ => next(&format!("{}?cursor={}", request.path, cursor + 1)),
        };
        json(200, page(ids, &links, 28 * 40))
    })
    .await;
    let count = async |subscription: &str| {
        let webhooks = dwolla(&server).webhooks(subscription).list();
        webhooks.collect().await.unwrap().len()
    };
    assert_eq!(count("near").await, 28 * 40);
    assert_eq!(count("far").await, 28 * 40 + 1);
}

#[tokio::test]
async fn entries_are_fetched_only_when_they_are_taken() {
    let server = dwolla_server(|request| {
        let offset = number(request, "offset");
        json(200, page(offset..offset + 25, "{}", 1000))
    })
    .await;
    let mut webhooks = dwolla(&server).webhooks("s1").limit(25).list();
    assert!(server.received().is_empty());
    for _ in 0..25 {
        webhooks.next().await.unwrap().unwrap();
    }
    assert_eq!(server.calls().len(), 1);
    webhooks.next().await.unwrap().unwrap();
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn a_fetch_that_was_dropped_goes_on_with_the_next_call() {
    let server = dwolla_server(|request| {
        let offset = number(request, "offset");
        json(200, page(offset..offset + 25, "{}", 50))
    })
    .await;
    let mut webhooks = dwolla(&server).webhooks("s1").limit(25).list();
    // Polled once: the request is under way.
    assert!(futures_util::FutureExt::now_or_never(webhooks.next()).is_none());
    assert_eq!(webhooks.next().await.unwrap().unwrap().id, "w0");
    let mut rest = 0;
    while let Some(webhook) = webhooks.next().await {
        webhook.unwrap();
        rest += 1;
    }
    assert_eq!((rest, server.calls().len()), (49, 2));
}

#[tokio::test]
async fn a_list_that_leads_back_to_a_page_ends_with_an_error() {
    let server = dwolla_server(|request| {
        let offset = number(request, "offset");
        let links = next(&format!("{}?offset={}", request.path, (offset + 25) % 75));
        json(200, page(offset..offset + 25, &links, 75))
    })
    .await;
    let error = dwolla(&server).webhooks("s1").list().collect().await.unwrap_err();
    assert_eq!((error.kind(), server.calls().len()), (ErrorKind::Endless, 4));
    assert_eq!(
        error.to_string(),
        "the list of /webhook-subscriptions/s1/webhooks leads back to a page that was read before; \
         expected each page once"
    );
}

#[tokio::test]
async fn pages_that_bring_nothing_new_end_with_an_error() {
    for ids in [0..0, 0..25] {
        let server = dwolla_server(move |request| {
            let cursor = number(request, "cursor");
            json(
                200,
                page(
                    ids.clone(),
                    &next(&format!("{}?cursor={}", request.path, cursor + 1)),
                    25,
                ),
            )
        })
        .await;
        let error = dwolla(&server).webhooks("s1").list().collect().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Endless);
        assert!(server.calls().len() <= 4, "{}", server.calls().len());
        assert_eq!(
            error.to_string(),
            "3 pages of the list in a row brought nothing new; expected it to end"
        );
    }
}

#[tokio::test]
async fn a_list_that_never_ends_is_cut_off() {
    let server = dwolla_server(|request| {
        let cursor = number(request, "cursor");
        let links = next(&format!("{}?cursor={}", request.path, cursor + 25));
        json(200, page(cursor..cursor + 25, &links, usize::MAX))
    })
    .await;
    let limited = options(&TestTimer::new()).max_pages(40);
    let api = DwollaApi::with_options(&server.base, "id", "secret", limited).unwrap();
    let mut webhooks = api.webhooks("s1").list();
    let mut count = 0;
    let error = loop {
        match webhooks.next().await.unwrap() {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(
        (error.kind(), count, server.calls().len()),
        (ErrorKind::Endless, 1000, 40)
    );
    assert!(webhooks.next().await.is_none());
    assert_eq!(
        error.to_string(),
        "the list of /webhook-subscriptions/s1/webhooks has more than 40 pages; expected it to end: \
         narrow it, or raise Options::max_pages"
    );
}

#[tokio::test]
async fn a_stripe_list_that_says_more_after_the_last_ends() {
    let server = Server::start(|request| {
        let data = if request.parameter("starting_after").is_some() {
            ""
        } else {
            r#"{"id":"evt_1"}"#
        };
        json(200, format!(r#"{{"has_more":true,"data":[{data}]}}"#))
    })
    .await;
    let api = StripeApi::with_options(&server.base, "sk_test", options(&TestTimer::new())).unwrap();
    assert_eq!(api.events().list().collect().await.unwrap().len(), 1);
    assert_eq!(server.calls().len(), 2);
}

#[tokio::test]
async fn an_entry_can_be_taken_through_the_stream_trait() {
    use futures_util::StreamExt as _;
    let server = dwolla_server(|_| json(200, page(0..3, "{}", 3))).await;
    let ids: Vec<String> = dwolla(&server)
        .webhooks("s1")
        .list()
        .map(|webhook| webhook.unwrap().id)
        .collect()
        .await;
    assert_eq!(ids, expected(0..3));
}
