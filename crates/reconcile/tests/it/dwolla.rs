//! The examples of Dwolla's documents, and the odd forms of them.

use std::time::{Duration, SystemTime};

use tower_webhook_reconcile::{ErrorKind, Time};

use crate::support::{HAL, dwolla, dwolla_server, empty, json, with_header};

const SUBSCRIPTION: &str = r#"{
  "_links": {
    "self": {"href": "https://api.dwolla.com/webhook-subscriptions/077dfffb-4852-412f-96b6-0fe668066589"},
    "webhooks": {"href": "https://api.dwolla.com/webhook-subscriptions/077dfffb-4852-412f-96b6-0fe668066589/webhooks"}
  },
  "id": "077dfffb-4852-412f-96b6-0fe668066589",
  "url": "http://myapplication.com/webhooks",
  "paused": true,
  "created": "2022-10-28T16:20:47+00:00"
}"#;

const WEBHOOK: &str = r#"{
  "_links": {
    "self": {"href": "https://api.dwolla.com/webhooks/9ece9660-aa34-41eb-80d7-0125d53b45e8"},
    "subscription": {"href": "https://api.dwolla.com/webhook-subscriptions/a0943041-7a5c-4e8f-92de-b55711ef3a83"},
    "retry": {"href": "https://api.dwolla.com/webhooks/9ece9660-aa34-41eb-80d7-0125d53b45e8/retries"},
    "event": {"href": "https://api.dwolla.com/events/03c7e14c-7f15-44a2-bcf7-83f2f7e95d50"}
  },
  "id": "9ece9660-aa34-41eb-80d7-0125d53b45e8",
  "topic": "transfer_created",
  "accountId": "ca32853c-48fa-40be-ae75-77b37504581b",
  "eventId": "03c7e14c-7f15-44a2-bcf7-83f2f7e95d50",
  "subscriptionId": "a0943041-7a5c-4e8f-92de-b55711ef3a83",
  "attempts": [{
    "id": "d4d16621-c6b0-40cb-8dc3-0469fa9dc4e8",
    "request": {
      "timestamp": "2022-10-27T17:07:34.304Z",
      "url": "https://myapp.runscope.net",
      "headers": [
        {"name": "X-Dwolla-Topic", "value": "transfer_created"},
        {"name": "X-Request-Signature-SHA-256", "value": "0b75e1a0"}
      ],
      "body": "id:03c7e14c-7f15-44a2-bcf7-83f2f7e95d50resourceId:81BA6F36topic:transfer_created"
    },
    "response": {
      "timestamp": "2022-10-27T17:07:34.308Z",
      "headers": [{"name": "Date", "value": "Tue 27 Oct 2022 17:07:34 GMT"}],
      "statusCode": 200,
      "body": "body:id:03c7e14c"
    }
  }]
}"#;

const EVENT: &str = r#"{
  "_links": {"self": {"href": "https://api.dwolla.com/events/81f6e13c-557c-4449-9331-da5c65e61095"},
             "resource": {"href": "https://api.dwolla.com/transfers/09A166BC-1B74-E511-80DB-0AA34A9B2388"}},
  "id": "81f6e13c-557c-4449-9331-da5c65e61095",
  "created": "2015-10-16T15:37:02.000Z",
  "topic": "customer_transfer_created",
  "resourceId": "09A166BC-1B74-E511-80DB-0AA34A9B2388"
}"#;

fn list(name: &str, entries: &[&str]) -> String {
    let entries = entries.join(",");
    format!(r#"{{"_links":{{}},"_embedded":{{"{name}":[{entries}]}},"total":1}}"#)
}

#[tokio::test]
async fn a_token_is_fetched_with_the_credentials_and_sent_with_each_call() {
    let server = dwolla_server(|_| json(200, SUBSCRIPTION)).await;
    let api = dwolla(&server);
    api.subscription("077dfffb").await.unwrap();
    api.subscription("077dfffb").await.unwrap();

    let [token, first, second] = server.received().try_into().unwrap();
    assert_eq!(token.line(), "POST /token");
    assert_eq!(
        token.header("authorization"),
        "Basic dGhlIGNsaWVudCBpZDp0aGUgY2xpZW50IHNlY3JldA=="
    );
    assert_eq!(token.header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(token.header("accept"), "application/json");
    assert_eq!(token.body, "grant_type=client_credentials");
    for call in [first, second] {
        assert_eq!(call.header("authorization"), "Bearer the-access-token");
        assert_eq!(call.header("accept"), HAL);
        assert!(call.header("user-agent").starts_with("tower-webhook-reconcile/"));
    }
}

#[tokio::test]
async fn subscriptions_are_listed() {
    let server = dwolla_server(|_| json(200, list("webhook-subscriptions", &[SUBSCRIPTION]))).await;
    let subscriptions = dwolla(&server).subscriptions().collect().await.unwrap();

    assert_eq!(server.lines(), ["GET /webhook-subscriptions"]);
    let [subscription] = subscriptions.try_into().unwrap();
    assert_eq!(subscription.id, "077dfffb-4852-412f-96b6-0fe668066589");
    assert_eq!(subscription.url.as_deref(), Some("http://myapplication.com/webhooks"));
    assert_eq!(subscription.paused, Some(true));
    assert_eq!(subscription.created, Some(Time::new("2022-10-28T16:20:47+00:00")));
    assert_eq!(subscription.other.names().collect::<Vec<_>>(), ["_links"]);
}

#[tokio::test]
async fn a_subscription_is_created_with_an_idempotency_key_and_known_by_its_location() {
    let server = dwolla_server(|_| {
        let location = "https://api.dwolla.com/webhook-subscriptions/077dfffb-4852-412f-96b6-0fe668066589";
        with_header(empty(201), "location", location)
    })
    .await;
    let api = dwolla(&server);
    let id = api
        .create_subscription("https://example.com/hooks", "the secret")
        .await
        .unwrap();
    api.create_subscription("https://example.com/hooks", "the secret")
        .await
        .unwrap();

    assert_eq!(id, "077dfffb-4852-412f-96b6-0fe668066589");
    let [first, second] = server.calls().try_into().unwrap();
    assert_eq!(first.line(), "POST /webhook-subscriptions");
    assert_eq!(first.header("content-type"), HAL);
    let body: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"url": "https://example.com/hooks", "secret": "the secret"})
    );
    assert_eq!(first.header("idempotency-key").len(), 32);
    assert_ne!(first.header("idempotency-key"), second.header("idempotency-key"));
}

#[tokio::test]
async fn a_refused_subscription_says_why_and_hides_the_secret() {
    let server = dwolla_server(|_| {
        let body = r#"{"code":"ValidationError","message":"Validation error(s) present. See embedded errors list for more details.",
            "_embedded":{"errors":[{"code":"InvalidFormat","message":"the secret must be 128 or fewer characters.","path":"/secret","_links":{}}]}}"#;
        with_header(json(400, body), "x-request-id", "5d4bd6ae")
    })
    .await;
    let error = dwolla(&server)
        .create_subscription("https://example.com", "the secret")
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.status().unwrap().as_u16(), 400);
    assert_eq!(error.code(), Some("ValidationError"));
    assert_eq!(error.request_id(), Some("5d4bd6ae"));
    assert_eq!(
        error.to_string(),
        "Dwolla responded 400 Bad Request to POST /webhook-subscriptions (code ValidationError): \
         \"Validation error(s) present. See embedded errors list for more details.; \
         /secret: [..] must be 128 or fewer characters.\"; expected a success"
    );
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_subscription_is_paused_unpaused_and_deleted() {
    let server = dwolla_server(|_| json(200, SUBSCRIPTION)).await;
    let api = dwolla(&server);
    assert_eq!(api.pause("077dfffb").await.unwrap().paused, Some(true));
    api.unpause("077dfffb").await.unwrap();
    api.delete_subscription("077dfffb").await.unwrap();

    let calls = server.calls();
    assert_eq!(
        server.lines(),
        [
            "POST /webhook-subscriptions/077dfffb",
            "POST /webhook-subscriptions/077dfffb",
            "DELETE /webhook-subscriptions/077dfffb",
        ]
    );
    assert_eq!(calls[0].body, r#"{"paused":true}"#);
    assert_eq!(calls[1].body, r#"{"paused":false}"#);
}

#[tokio::test]
async fn the_documents_webhook_is_read() {
    let server = dwolla_server(|_| json(200, WEBHOOK)).await;
    let webhook = dwolla(&server)
        .webhook("9ece9660-aa34-41eb-80d7-0125d53b45e8")
        .await
        .unwrap();

    assert_eq!(server.lines(), ["GET /webhooks/9ece9660-aa34-41eb-80d7-0125d53b45e8"]);
    assert_eq!(
        webhook.event_id.as_deref(),
        Some("03c7e14c-7f15-44a2-bcf7-83f2f7e95d50")
    );
    assert_eq!(
        webhook.subscription_id.as_deref(),
        Some("a0943041-7a5c-4e8f-92de-b55711ef3a83")
    );
    assert!(webhook.is_delivered());
    let attempt = &webhook.attempts[0];
    let request = attempt.request.as_ref().unwrap();
    assert_eq!(request.headers.get("x-dwolla-topic"), Some("transfer_created"));
    assert_eq!(
        request.headers.to_header_map()["x-request-signature-sha-256"],
        "0b75e1a0"
    );
    assert!(request.body.as_ref().unwrap().starts_with("id:03c7e14c"));
    assert_eq!(request.timestamp, Some(Time::new("2022-10-27T17:07:34.304Z")));
    assert_eq!(attempt.response.as_ref().unwrap().status_code, Some(200));
}

#[tokio::test]
async fn no_signature_and_no_body_is_in_debug() {
    let server = dwolla_server(|_| json(200, WEBHOOK)).await;
    let shown = format!("{:?}", dwolla(&server).webhook("9ece9660").await.unwrap());
    assert!(shown.contains("X-Request-Signature-SHA-256"), "{shown}");
    for hidden in ["0b75e1a0", "resourceId:81BA6F36", "body:id", "runscope"] {
        assert!(!shown.contains(hidden), "{hidden} in {shown}");
    }
}

/// `created` for `timestamp`, no response, no body, links that are empty or texts, numbers as
/// texts, fields that nobody knows.
#[tokio::test]
async fn odd_forms_of_a_webhook_are_read() {
    let odd = r#"{
      "_links": {"self": "https://api.dwolla.com/webhooks/w1", "event": {"href": "https://api.dwolla.com/events/e1?x=1"},
                 "subscription": {}},
      "attempts": [
        {"id": 7, "request": {"created": "2018-11-29 21:00:59 UTC", "headers": null, "body": {"id": "e1"}}},
        {"request": null, "response": {"statusCode": "503", "headers": [], "body": "", "timestamp": null}},
        "nonsense"
      ],
      "topic": "transfer_created", "accountId": null, "invented": [1, 2]
    }"#;
    let server = dwolla_server(move |_| json(200, odd)).await;
    let webhook = dwolla(&server).webhook("w1").await.unwrap();

    assert_eq!((webhook.id.as_str(), webhook.event_id.as_deref()), ("w1", Some("e1")));
    assert_eq!((webhook.account_id, webhook.subscription_id), (None, None));
    let [first, second] = webhook.attempts.try_into().unwrap();
    assert_eq!(first.id.as_deref(), Some("7"));
    let request = first.request.unwrap();
    let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_543_525_259);
    assert_eq!(request.timestamp.unwrap().to_system_time(), Some(expected));
    assert_eq!((request.headers.iter().count(), request.body), (0, None));
    assert!(first.response.is_none());
    assert!(second.request.is_none());
    assert_eq!(second.response.unwrap().status_code, Some(503));
    assert_eq!(webhook.other.get("invented"), Some(&serde_json::json!([1, 2])));
}

/// What JSON allows and serde_json's values cannot hold: it costs neither the page nor its entry.
#[tokio::test]
async fn half_an_emoji_and_a_huge_number_cost_no_page() {
    let odd = r#"{"id": "w2", "eventId": "e2", "note": "\"cut\" \ud83d", "pair": "\ud83d\ude00 \u00e9 \\ud83d \n",
      "low": "\ude00", "amounts": [1e999, {"deep": [-1e999, "\ud83dx"]}],
      "bad name": {"\ud83d": 1}, "attempts": [{"response": {"statusCode": 200, "body": "\ud83d"}}]}"#;
    let server = dwolla_server(move |_| json(200, list("webhooks", &[WEBHOOK, odd]))).await;
    let webhooks = dwolla(&server).webhooks("a0943041").list().collect().await.unwrap();
    let [_, odd] = &webhooks[..] else {
        panic!("{webhooks:?}")
    };
    assert_eq!((odd.event_id.as_deref(), odd.is_delivered()), (Some("e2"), true));
    let other = |name: &str| odd.other.get(name).unwrap().clone();
    assert_eq!(other("note"), "\"cut\" \u{fffd}");
    assert_eq!(other("pair"), "\u{1f600} \u{e9} \\ud83d \n");
    assert_eq!(other("low"), "\u{fffd}");
    assert_eq!(
        other("amounts"),
        serde_json::json!([null, { "deep": [null, "\u{fffd}x"] }])
    );
    // A name that is no text costs the object that has it.
    assert_eq!(other("bad name"), serde_json::Value::Null);
}

/// However deep it is and whatever follows: an error or a value, and no overflow of the stack.
#[tokio::test]
async fn odd_values_are_looked_for_no_deeper_than_serde_json_reads() {
    let deep = format!("{}1e999{}", "[".repeat(100_000), "]".repeat(100_000));
    let webhook = format!(r#"{{"id":"w1","deep":{deep}}}"#);
    let server = dwolla_server(move |_| json(200, webhook.clone())).await;
    let read = dwolla(&server).webhook("w1").await.unwrap();
    assert_eq!(read.id, "w1");
    for broken in [
        r#"{"id":"w1","a":"\ud83d}"#,
        r#"{"id":"w1","a":"\ud83"}"#,
        r#"{"id":"w1","a":"\ud83d"#,
    ] {
        let server = dwolla_server(move |_| json(200, broken)).await;
        let error = dwolla(&server).webhook("w1").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable, "{broken}");
    }
}

#[tokio::test]
async fn a_webhook_without_any_id_is_unreadable_and_not_left_out() {
    let server = dwolla_server(|_| json(200, list("webhooks", &[WEBHOOK, r#"{"topic":"transfer_created"}"#]))).await;
    let error = dwolla(&server).webhooks("a0943041").list().collect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert_eq!(
        error.to_string(),
        "the response from /webhook-subscriptions/a0943041/webhooks is not what the API documents \
         (Data error at line 0 column 0); expected its JSON: check the base URL"
    );
}

#[tokio::test]
async fn a_list_without_its_list_is_empty() {
    for body in [
        "{}",
        r#"{"_links":{},"_embedded":{},"total":0}"#,
        r#"{"_links":null,"_embedded":{"webhooks":null}}"#,
    ] {
        let server = dwolla_server(move |_| json(200, body)).await;
        let webhooks = dwolla(&server).webhooks("a0943041").list().collect().await.unwrap();
        assert!(webhooks.is_empty(), "{body}");
    }
}

#[tokio::test]
async fn webhooks_are_listed_by_limit_days_and_resource() {
    let server = dwolla_server(|_| json(200, list("webhooks", &[WEBHOOK]))).await;
    let api = dwolla(&server);
    api.webhooks("a0943041").list().collect().await.unwrap();
    let all = api
        .webhooks("a0943041")
        .limit(50)
        .start_date("2026-01-02")
        .end_date("2026-02-03")
        .resource_id("81BA6F36");
    all.list().collect().await.unwrap();
    // 2026-01-10T00:00:00Z and a week later, a day more on each side
    let from = SystemTime::UNIX_EPOCH + Duration::from_secs(1_768_003_200);
    let until = from + Duration::from_secs(7 * 24 * 3600);
    api.webhooks("a0943041")
        .window(from, until)
        .list()
        .collect()
        .await
        .unwrap();

    let path = "GET /webhook-subscriptions/a0943041/webhooks";
    assert_eq!(
        server.lines(),
        [
            format!("{path}?limit=200"),
            format!("{path}?limit=50&startDate=2026-01-02&endDate=2026-02-03&resourceId=81BA6F36"),
            format!("{path}?limit=200&startDate=2026-01-09&endDate=2026-01-18"),
        ]
    );
}

#[tokio::test]
async fn a_retry_is_asked_for_once_and_retries_are_listed() {
    let server = dwolla_server(|request| {
        if request.method == "POST" {
            let location = "https://api.dwolla.com/webhooks/9ece9660/retries/5aa27a0f-cf99-418d-a3ee-67c0ff99a494";
            return with_header(empty(201), "location", location);
        }
        let retry = r#"{"_links":{"self":{"href":"https://api.dwolla.com/webhooks/9ece9660/retries/5aa27a0f"},
            "webhook":{"href":"https://api.dwolla.com/webhooks/9ece9660"}},
            "id":"5aa27a0f","timestamp":"2022-11-02T17:43:26.000Z"}"#;
        json(200, list("retries", &[retry]))
    })
    .await;
    let api = dwolla(&server);
    assert_eq!(
        api.retry("9ece9660").await.unwrap(),
        "5aa27a0f-cf99-418d-a3ee-67c0ff99a494"
    );
    let [retry] = api.retries("9ece9660").collect().await.unwrap().try_into().unwrap();
    assert_eq!(
        (retry.id.as_str(), retry.timestamp),
        ("5aa27a0f", Some(Time::new("2022-11-02T17:43:26.000Z")))
    );

    assert_eq!(
        server.lines(),
        ["POST /webhooks/9ece9660/retries", "GET /webhooks/9ece9660/retries"]
    );
    let calls = server.calls();
    assert_eq!(
        (calls[0].body.as_str(), calls[0].header("idempotency-key").len()),
        ("", 32)
    );
}

#[tokio::test]
async fn an_event_keeps_its_json() {
    let server = dwolla_server(|request| match request.path.as_str() {
        "/events" => json(200, list("events", &[EVENT])),
        _ => json(200, EVENT),
    })
    .await;
    let api = dwolla(&server);
    let event = api.event("81f6e13c-557c-4449-9331-da5c65e61095").await.unwrap();
    assert_eq!(event.id, "81f6e13c-557c-4449-9331-da5c65e61095");
    assert_eq!(event.topic.as_deref(), Some("customer_transfer_created"));
    assert_eq!(
        event.resource_id.as_deref(),
        Some("09A166BC-1B74-E511-80DB-0AA34A9B2388")
    );
    assert_eq!(event.json, EVENT);

    let [listed] = api
        .events()
        .limit(25)
        .list()
        .collect()
        .await
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(listed.id, event.id);
    let (listed, own): (serde_json::Value, serde_json::Value) = (
        serde_json::from_slice(&listed.json).unwrap(),
        serde_json::from_slice(&event.json).unwrap(),
    );
    assert_eq!(listed, own);
    assert_eq!(server.lines()[1], "GET /events?limit=25");
}

#[tokio::test]
async fn an_error_of_the_token_endpoint_names_its_code_and_not_the_secret() {
    let server = crate::support::Server::start(|_| json(401, r#"{"error":"invalid_client"}"#)).await;
    let error = dwolla(&server).subscription("077dfffb").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(error.code(), Some("invalid_client"));
    assert_eq!(
        error.to_string(),
        "Dwolla responded 401 Unauthorized to POST /token (code invalid_client); expected a success: \
         check the credentials, and that the base URL is of the environment they belong to"
    );
}

#[tokio::test]
async fn an_id_cannot_lead_to_another_resource() {
    let server = dwolla_server(|_| json(200, SUBSCRIPTION)).await;
    let api = dwolla(&server);
    for id in ["", ".", ".."] {
        assert_eq!(
            api.delete_subscription(id).await.unwrap_err().kind(),
            ErrorKind::Config,
            "{id:?}"
        );
    }
    assert_eq!(server.received().len(), 0);
    api.subscription("../events?x#y").await.unwrap();
    assert_eq!(server.lines(), ["GET /webhook-subscriptions/..%2Fevents%3Fx%23y"]);
}
