//! The examples of the providers' documents, and that the sandbox's responses have their fields,
//! each of the same type: what reads the documents' form reads the sandbox's.
//!
//! Dwolla's are those of its OpenAPI, GitHub's of its REST description, Stripe's of its reference.

use serde_json::{Value, json};
use tower_webhook_sandbox::{Provider, Sandbox};

use crate::support::{Receiver, SECRET, call, fire_dwolla, sandbox, subscribed};

/// What the example has and the response has not, or has as another type. A field whose example is
/// null may be anything.
fn differences(example: &Value, found: &Value, at: &str, differs: &mut Vec<String>) {
    match (example, found) {
        (Value::Null, _) => {}
        (Value::Object(fields), Value::Object(found)) => {
            for (name, example) in fields {
                let at = format!("{at}/{name}");
                match found.get(name) {
                    Some(found) => differences(example, found, &at, differs),
                    None => differs.push(format!("{at} is missing")),
                }
            }
        }
        (Value::Array(examples), Value::Array(found)) => {
            if let Some(example) = examples.first() {
                if found.is_empty() {
                    differs.push(format!("{at} is empty"));
                }
                for (index, found) in found.iter().enumerate() {
                    differences(example, found, &format!("{at}/{index}"), differs);
                }
            }
        }
        (example, found) if std::mem::discriminant(example) == std::mem::discriminant(found) => {}
        (example, found) => differs.push(format!("{at} is {found}, not as {example}")),
    }
}

/// The names at the top that no example has.
fn unknown<'a>(example: &Value, found: &'a Value) -> Vec<&'a str> {
    let names = found.as_object().unwrap().keys().map(String::as_str);
    names.filter(|name| example.get(name).is_none()).collect()
}

#[track_caller]
fn agrees(example: &Value, found: &Value) {
    let mut differs = Vec::new();
    differences(example, found, "", &mut differs);
    assert!(differs.is_empty(), "{differs:?} in {found}");
    assert_eq!(unknown(example, found), [""; 0], "{found}");
}

fn subscription() -> Value {
    json!({
        "_links": {
            "self": { "href": "https://api.dwolla.com/webhook-subscriptions/077dfffb-4852-412f-96b6-0fe668066589" },
            "webhooks": { "href": "https://api.dwolla.com/webhook-subscriptions/077dfffb-4852-412f-96b6-0fe668066589/webhooks" },
        },
        "id": "077dfffb-4852-412f-96b6-0fe668066589",
        "url": "http://myapplication.com/webhooks",
        "paused": true,
        "created": "2022-10-28T16:20:47+00:00",
    })
}

fn webhook() -> Value {
    json!({
        "_links": {
            "self": { "href": "https://api.dwolla.com/webhooks/9ece9660-aa34-41eb-80d7-0125d53b45e8" },
            "subscription": { "href": "https://api.dwolla.com/webhook-subscriptions/a0943041-7a5c-4e8f-92de-b55711ef3a83" },
            "retry": { "href": "https://api.dwolla.com/webhooks/9ece9660-aa34-41eb-80d7-0125d53b45e8/retries" },
            "event": { "href": "https://api.dwolla.com/events/03c7e14c-7f15-44a2-bcf7-83f2f7e95d50" },
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
                "headers": [{ "name": "X-Dwolla-Topic", "value": "transfer_created" }],
                "body": "id:03c7e14c-7f15-44a2-bcf7-83f2f7e95d50resourceId:81BA6F36-CD7C-E511-80DB-0AA34A9B2388",
            },
            "response": {
                "timestamp": "2022-10-27T17:07:34.308Z",
                // Since 2019 none are recorded: the example is older.
                "headers": [],
                "statusCode": 200,
                "body": "body:id:03c7e14c-7f15-44a2-bcf7-83f2f7e95d50",
            },
        }],
    })
}

fn event() -> Value {
    let link = json!({ "href": "https://api.dwolla.com", "type": "application/vnd.dwolla.v1.hal+json" });
    json!({
        "_links": { "self": link, "account": link, "resource": link, "customer": link },
        "id": "81f6e13c-557c-4449-9331-da5c65e61095",
        "created": "2015-10-16T15:37:02.000Z",
        "topic": "customer_transfer_created",
        "resourceId": "09A166BC-1B74-E511-80DB-0AA34A9B2388",
    })
}

/// A page of a list: 25 of 176 entries, the second 25 come next.
fn page(of: &str, name: &str, entry: Value) -> Value {
    let link = |query: &str| json!({ "href": format!("https://api.dwolla.com/{of}{query}") });
    json!({
        "_links": {
            "self": link(""),
            "first": link("?limit=25&offset=0"),
            "last": link("?limit=25&offset=150"),
            "next": link("?limit=25&offset=25"),
        },
        "_embedded": { name: [entry] },
        "total": 176,
    })
}

fn whole_list(of: &str, name: &str, entry: Value) -> Value {
    let itself = json!({ "href": format!("https://api.dwolla.com/{of}") });
    json!({ "_links": { "self": itself }, "_embedded": { name: [entry] }, "total": 1 })
}

fn retry() -> Value {
    let webhook = "https://api.dwolla.com/webhooks/9ece9660-aa34-41eb-80d7-0125d53b45e8";
    json!({
        "_links": {
            "self": { "href": format!("{webhook}/retries/5aa27a0f-cf99-418d-a3ee-67c0ff99a494") },
            "webhook": { "href": webhook },
        },
        "id": "5aa27a0f-cf99-418d-a3ee-67c0ff99a494",
        "timestamp": "2022-11-02T17:43:26.000Z",
    })
}

/// A resource of Dwolla's, by the path within the API.
async fn of_dwolla(sandbox: &Sandbox, path: &str) -> Value {
    let basic = "Authorization: Basic aWQ6c2VjcmV0";
    let token = call(sandbox, "POST /dwolla/token", &[basic], "grant_type=client_credentials").await;
    let bearer = token.json()["access_token"].as_str().unwrap().to_owned();
    let headers = [
        &format!("Authorization: Bearer {bearer}"),
        "Accept: application/vnd.dwolla.v1.hal+json",
    ];
    let reply = call(sandbox, &format!("GET /dwolla{path}"), &headers, "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("application/vnd.dwolla.v1.hal+json"));
    reply.json()
}

#[tokio::test]
async fn dwollas_resources_have_the_fields_of_its_examples() {
    let receiver = Receiver::start(200).await;
    let (sandbox, api, id) = subscribed(&receiver).await;
    for _ in 0..26 {
        fire_dwolla(&sandbox, "customer_transfer_created");
    }
    sandbox.idle().await;
    let of_subscription = format!("/webhook-subscriptions/{id}");

    agrees(&subscription(), &of_dwolla(&sandbox, &of_subscription).await);
    let list = whole_list("webhook-subscriptions", "webhook-subscriptions", subscription());
    agrees(&list, &of_dwolla(&sandbox, "/webhook-subscriptions").await);

    let listed = of_dwolla(&sandbox, &format!("{of_subscription}/webhooks")).await;
    agrees(
        &page("webhook-subscriptions/a/webhooks", "webhooks", webhook()),
        &listed,
    );
    let entries = listed["_embedded"]["webhooks"].as_array().unwrap();
    assert_eq!((entries.len(), &listed["total"]), (25, &json!(26)));
    let first = entries[0]["id"].as_str().unwrap();
    agrees(&webhook(), &of_dwolla(&sandbox, &format!("/webhooks/{first}")).await);

    let asked = api.retry(first).await.unwrap();
    let retries = format!("/webhooks/{first}/retries");
    agrees(
        &whole_list("webhooks/a/retries", "retries", retry()),
        &of_dwolla(&sandbox, &retries).await,
    );
    agrees(&retry(), &of_dwolla(&sandbox, &format!("{retries}/{asked}")).await);

    agrees(
        &page("events", "events", event()),
        &of_dwolla(&sandbox, "/events").await,
    );
    let happened = entries[0]["eventId"].as_str().unwrap();
    agrees(&event(), &of_dwolla(&sandbox, &format!("/events/{happened}")).await);

    let links = ["account", "events", "webhook-subscriptions"];
    let root = of_dwolla(&sandbox, "/").await;
    assert!(
        links.iter().all(|name| root["_links"][name]["href"].is_string()),
        "{root}"
    );
}

fn delivery() -> Value {
    json!({
        "id": 12_345_678,
        "guid": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
        "delivered_at": "2019-06-03T00:57:16Z",
        "redelivery": false,
        "duration": 0.27,
        "status": "OK",
        "status_code": 200,
        "event": "issues",
        "action": "opened",
        "installation_id": 123,
        "repository_id": 456,
        "throttled_at": null,
    })
}

/// Without two headers of the request: the signature by SHA-1, which nobody should look at, and the
/// repository's id beside that of the payload.
fn delivery_in_full() -> Value {
    let mut full = delivery();
    full["url"] = json!("https://www.example.com");
    full["request"] = json!({
        "headers": {
            "X-GitHub-Delivery": "0b989ba4-242f-11e5-81e1-c7b6966d2516",
            "X-Hub-Signature-256": "sha256=6dcb09b5b57875f334f61aebed695e2e4193db5e",
            "Accept": "*/*",
            "X-GitHub-Hook-ID": "42",
            "User-Agent": "GitHub-Hookshot/b8c71d8",
            "X-GitHub-Event": "issues",
            "X-GitHub-Hook-Installation-Target-Type": "repository",
            "Content-Type": "application/json",
        },
        "payload": { "action": "opened", "issue": { "body": "foo" }, "repository": { "id": 123 } },
    });
    full["response"] = json!({ "headers": { "content-type": "text/html;charset=utf-8" }, "payload": "ok" });
    full
}

#[tokio::test]
async fn githubs_deliveries_have_the_fields_of_its_examples() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let token = "Authorization: token any";
    for of in ["repos/octocat/hello", "orgs/octocat"] {
        let config = json!({ "url": receiver.url, "content_type": "json", "secret": SECRET });
        let body = json!({ "name": "web", "config": config, "events": ["issues"] }).to_string();
        let hook = call(&sandbox, &format!("POST /github/{of}/hooks"), &[token], &body).await;
        let id = hook.json()["id"].as_u64().unwrap();
        let payload = json!({
            "action": "opened",
            "issue": { "body": "foo" },
            "repository": { "id": 456, "full_name": "octocat/hello" },
            "installation": { "id": 123 },
        });
        let event = json!({ "event": "issues", "payload": payload }).to_string();
        sandbox.fire(Provider::GitHub, event).unwrap();
        sandbox.idle().await;

        let deliveries = format!("GET /github/{of}/hooks/{id}/deliveries");
        let listed = call(&sandbox, &deliveries, &[token], "").await.json();
        let entry = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["event"] == "issues");
        let entry = entry.unwrap();
        agrees(&delivery(), entry);
        let one = call(&sandbox, &format!("{deliveries}/{}", entry["id"]), &[token], "").await;
        agrees(&delivery_in_full(), &one.json());
    }
}

#[tokio::test]
async fn stripes_events_have_the_fields_of_its_example() {
    let example = json!({
        "id": "evt_1NG8Du2eZvKYlo2CUI79vXWy",
        "object": "event",
        "api_version": "2019-02-19",
        "created": 1_686_089_970,
        "data": { "object": { "id": "seti_1NG8Du2eZvKYlo2C9XMqbR0x", "object": "setup_intent" } },
        "livemode": false,
        "pending_webhooks": 0,
        "request": { "id": null, "idempotency_key": null },
        "type": "setup_intent.created",
    });
    let sandbox = sandbox().await;
    let fired = json!({ "type": "setup_intent.created", "data": example["data"] });
    let fired = sandbox.fire(Provider::Stripe, fired.to_string()).unwrap();
    let fired: Value = serde_json::from_slice(&fired).unwrap();
    agrees(&example, &fired);

    let key = "Authorization: Bearer sk_test_any";
    let path = format!("GET /stripe/v1/events/{}", fired["id"].as_str().unwrap());
    agrees(&example, &call(&sandbox, &path, &[key], "").await.json());
    let list = json!({ "object": "list", "url": "/v1/events", "has_more": false, "data": [example] });
    agrees(&list, &call(&sandbox, "GET /stripe/v1/events", &[key], "").await.json());
}

#[test]
fn a_field_that_is_missing_or_of_another_type_is_found() {
    let example = json!({ "a": [{ "b": 1 }], "c": "text", "d": null });
    let found = json!({ "a": [{ "b": 2 }, {}], "c": 3, "d": [], "e": true });
    let mut differs = Vec::new();
    differences(&example, &found, "", &mut differs);
    assert_eq!(differs, ["/a/1/b is missing", "/c is 3, not as \"text\""]);
    assert_eq!(unknown(&example, &found), ["e"]);
    differences(&example, &json!({ "a": [], "c": "", "d": 1 }), "", &mut differs);
    assert_eq!(differs.last().unwrap(), "/a is empty");
}
