//! The examples of Stripe's documents.

use std::time::{Duration, SystemTime};

use tower_webhook_reconcile::{ErrorKind, Time};

use crate::support::{Server, json, stripe, with_header};

fn event(id: &str) -> String {
    format!(
        r#"{{"id": "{id}", "object": "event", "api_version": "2019-02-19", "created": 1686089970,
  "data": {{"object": {{"id": "seti_1NG8Du2eZvKYlo2C9XMqbR0x", "object": "setup_intent", "amount": 1.50}}}},
  "livemode": false, "pending_webhooks": 2, "request": {{"id": null, "idempotency_key": null}},
  "type": "setup_intent.created"}}"#
    )
}

fn page(ids: &[&str], has_more: bool) -> String {
    let events: Vec<String> = ids.iter().map(|id| event(id)).collect();
    format!(
        r#"{{"object":"list","url":"/v1/events","has_more":{has_more},"data":[{}]}}"#,
        events.join(",")
    )
}

#[tokio::test]
async fn events_are_listed_page_after_page_with_their_json() {
    let server = Server::start(|request| match request.parameter("starting_after").as_deref() {
        None => json(200, page(&["evt_3", "evt_2"], true)),
        Some("evt_2") => json(200, page(&["evt_1"], false)),
        other => panic!("{other:?}"),
    })
    .await;
    let events = stripe(&server).events().list().collect().await.unwrap();

    assert_eq!(
        server.lines(),
        [
            "GET /v1/events?limit=100",
            "GET /v1/events?limit=100&starting_after=evt_2"
        ]
    );
    assert_eq!(server.calls()[0].header("authorization"), "Bearer sk_test_the_key");
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["evt_3", "evt_2", "evt_1"]);
    assert_eq!(events[0].json, event("evt_3"));
    assert_eq!(events[0].topic.as_deref(), Some("setup_intent.created"));
    assert_eq!(events[0].created, Some(Time::new("1686089970")));
    assert_eq!((events[0].livemode, events[0].pending_webhooks), (Some(false), Some(2)));
    let shown = format!("{:?}", events[0]);
    assert!(!shown.contains("seti_1NG8"), "{shown}");
}

#[tokio::test]
async fn events_are_filtered_by_time_success_and_type() {
    let server = Server::start(|_| json(200, page(&[], false))).await;
    let from = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_900);
    let until = from + Duration::from_secs(60);
    let api = stripe(&server).on_behalf_of("acct_1").unwrap();
    let events = api
        .events()
        .limit(3)
        .created_from(from)
        .created_until(until)
        .delivery_success(false);
    events
        .types(["payout.paid", "invoice.paid"])
        .list()
        .collect()
        .await
        .unwrap();

    let [call] = server.calls().try_into().unwrap();
    assert_eq!(call.header("stripe-account"), "acct_1");
    let query: Vec<(String, String)> = url::form_urlencoded::parse(call.query.as_bytes())
        .into_owned()
        .collect();
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(
        query,
        [
            ("limit", "3"),
            ("created[gte]", "1700000000"),
            ("created[lte]", "1700000060"),
            ("delivery_success", "false"),
            ("types[]", "payout.paid"),
            ("types[]", "invoice.paid"),
        ]
    );
}

#[tokio::test]
async fn filters_stay_on_every_page() {
    let server =
        Server::start(|request| json(200, page(&["evt_1"], request.parameter("starting_after").is_none()))).await;
    stripe(&server)
        .events()
        .delivery_success(false)
        .types(["payout.paid"])
        .list()
        .collect()
        .await
        .unwrap();
    assert_eq!(
        server.lines()[1],
        "GET /v1/events?limit=100&delivery_success=false&types%5B%5D=payout.paid&starting_after=evt_1"
    );
}

#[tokio::test]
async fn an_event_is_fetched() {
    let server = Server::start(|_| json(200, event("evt_1"))).await;
    let fetched = stripe(&server).event("evt_1").await.unwrap();
    assert_eq!(server.lines(), ["GET /v1/events/evt_1"]);
    assert_eq!(fetched.json, event("evt_1"));
}

#[tokio::test]
async fn an_error_names_its_code_and_never_the_key() {
    let server = Server::start(|_| {
        let body = r#"{"error":{"code":"resource_missing","message":"No such event for sk_test_the_key","type":"invalid_request_error"}}"#;
        with_header(json(404, body), "request-id", "req_1")
    })
    .await;
    let error = stripe(&server).event("evt_1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.code(), error.request_id()),
        (ErrorKind::NotFound, Some("resource_missing"), Some("req_1"))
    );
    assert_eq!(
        error.to_string(),
        "Stripe responded 404 Not Found to GET /v1/events/evt_1 (code resource_missing): \
         \"No such event for [..]\"; expected a success: check the id, and that the credentials show it"
    );
    assert!(!format!("{error:?}").contains("the_key"));
}

#[tokio::test]
async fn stripes_word_about_retries_is_followed() {
    let server = Server::start(|_| with_header(json(500, "{}"), "stripe-should-retry", "false")).await;
    stripe(&server).event("evt_1").await.unwrap_err();
    assert_eq!(server.calls().len(), 1);
}
