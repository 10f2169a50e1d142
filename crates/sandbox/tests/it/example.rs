//! The provider by the book.

use serde_json::{Value, json};
use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets};
use tower_webhook_sandbox::{Provider, Sandbox};

use crate::support::{DAY, Receiver, Reply, SECRET, call, id_of, minutes, sandbox};

const KEY: &str = "Authorization: Bearer any-key";
const JSON: &str = "Content-Type: application/json";

async fn api(sandbox: &Sandbox, line: &str, body: Value) -> Reply {
    let (method, path) = line.split_once(' ').unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    call(sandbox, &format!("{method} /example/v1{path}"), &[KEY, JSON], &body).await
}

/// The id of a webhook that wants these events.
async fn webhook(sandbox: &Sandbox, receiver: &Receiver, events: Value) -> String {
    let body = json!({ "url": receiver.url, "events": events, "secret": SECRET });
    let reply = api(sandbox, "POST /webhooks", body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["id"].as_str().unwrap().to_owned()
}

async fn deliveries(sandbox: &Sandbox, webhook: &str) -> Vec<Value> {
    let reply = api(sandbox, &format!("GET /webhooks/{webhook}/deliveries"), Value::Null).await;
    assert_eq!(reply.status, 200);
    reply.json()["data"].as_array().unwrap().clone()
}

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, &reply.json()["error"]["code"]),
        (status, &json!(code)),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn a_webhook_is_created_read_changed_and_deleted() {
    let sandbox = sandbox().await;
    let body = json!({ "url": "http://127.0.0.1:9/", "events": ["user.created"], "secret": "s" });
    let created = api(&sandbox, "POST /webhooks", body).await;
    let webhook = created.json();
    let id = webhook["id"].as_str().unwrap();
    let expected = json!({
        "id": id,
        "url": "http://127.0.0.1:9/",
        "events": ["user.created"],
        "status": "active",
        "created_at": "2026-09-21T14:13:20Z",
    });
    assert_eq!((created.status, &webhook), (201, &expected));
    let location = format!("{}/webhooks/{id}", sandbox.url(Provider::Example));
    assert_eq!(created.header("location"), Some(location.as_str()));

    let path = format!("/webhooks/{id}");
    assert_eq!(
        api(&sandbox, &format!("GET {path}"), Value::Null).await.json(),
        expected
    );
    assert_eq!(
        api(&sandbox, "GET /webhooks", Value::Null).await.json(),
        json!({ "data": [expected] })
    );

    let change = json!({ "events": ["user.deleted", "*"], "status": "paused" });
    let changed = api(&sandbox, &format!("PATCH {path}"), change).await.json();
    assert_eq!(
        (&changed["events"], &changed["status"]),
        (&json!(["user.deleted", "*"]), &json!("paused"))
    );
    let changed = api(&sandbox, &format!("PATCH {path}"), json!({ "status": "active" }))
        .await
        .json();
    assert_eq!(
        (&changed["events"], &changed["status"]),
        (&json!(["user.deleted", "*"]), &json!("active"))
    );

    let deleted = api(&sandbox, &format!("DELETE {path}"), Value::Null).await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    refused(
        &api(&sandbox, &format!("GET {path}"), Value::Null).await,
        404,
        "not_found",
    );
}

#[tokio::test]
async fn without_a_key_there_is_401() {
    let sandbox = sandbox().await;
    for headers in [
        vec![],
        vec!["Authorization: Basic a2V5Og=="],
        vec!["Authorization: Bearer "],
    ] {
        refused(
            &call(&sandbox, "GET /example/v1/webhooks", &headers, "").await,
            401,
            "unauthorized",
        );
    }
}

#[tokio::test]
async fn bad_input_is_refused_and_changes_nothing() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let url = "http://127.0.0.1:9/";
    for body in [
        json!({}),
        json!({ "url": "nowhere", "events": ["*"], "secret": "s" }),
        json!({ "url": url, "events": [], "secret": "s" }),
        json!({ "url": url, "events": ["a b"], "secret": "s" }),
        json!({ "url": url, "events": "*", "secret": "s" }),
        json!({ "url": url, "events": ["*"] }),
        json!({ "url": url, "events": ["*"], "secret": "" }),
        json!([]),
        json!([url, ["*"], "s"]),
    ] {
        refused(&api(&sandbox, "POST /webhooks", body).await, 400, "invalid_request");
    }
    let id = webhook(&sandbox, &receiver, json!(["*"])).await;
    let path = format!("PATCH /webhooks/{id}");
    for change in [
        json!({ "status": "asleep" }),
        json!([["user.created"], "paused"]),
        json!({ "status": "paused", "events": [] }),
        json!({ "events": ["user.created"], "status": "asleep" }),
    ] {
        refused(&api(&sandbox, &path, change).await, 400, "invalid_request");
    }
    let unchanged = api(&sandbox, &format!("GET /webhooks/{id}"), Value::Null).await.json();
    assert_eq!(
        (&unchanged["events"], &unchanged["status"]),
        (&json!(["*"]), &json!("active"))
    );
    let limited = format!("GET /webhooks/{id}/deliveries?limit=many");
    refused(&api(&sandbox, &limited, Value::Null).await, 400, "invalid_request");
    refused(&api(&sandbox, "GET /nothing", Value::Null).await, 404, "not_found");
    refused(
        &api(&sandbox, "POST /webhooks/none/test", Value::Null).await,
        404,
        "not_found",
    );
    let wrong = api(&sandbox, &format!("PUT /webhooks/{id}"), json!({})).await;
    refused(&wrong, 405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("GET, PATCH, DELETE"));
}

#[tokio::test]
async fn a_delivery_is_signed_and_names_webhook_and_event() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let id = webhook(&sandbox, &receiver, json!(["user.created"])).await;
    let fired = sandbox
        .fire(
            Provider::Example,
            r#"{"type":"user.created","data":{"name":"Ada","n":1.50}}"#,
        )
        .unwrap();
    sandbox.idle().await;
    let received = &receiver.received()[0];
    assert_eq!(received.body, fired);
    let header = |name: &str| received.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("x-webhook-id"), id);
    assert_eq!(header("x-webhook-event"), "user.created");
    let scheme = Scheme::new(
        "x-webhook-signature".parse().unwrap(),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
    .prefix("sha256=".parse().unwrap());
    let secrets = Secrets::new(SECRET).unwrap();
    assert!(tower_webhook::verify(&scheme, &secrets, &received.headers, &received.body).is_ok());
    let text = std::str::from_utf8(&received.body).unwrap();
    let event = id_of(&fired);
    // Numbers and texts of the data stay as they were written.
    let expected = format!(
        r#"{{"id":"{event}","type":"user.created","created_at":"2026-09-21T14:13:20Z","data":{{"name":"Ada","n":1.50}}}}"#
    );
    assert_eq!(text, expected);

    let [delivery] = &deliveries(&sandbox, &id).await[..] else {
        panic!()
    };
    assert_eq!(
        (&delivery["event_id"], &delivery["status"]),
        (&json!(event), &json!("delivered"))
    );
    assert_eq!(
        (&delivery["response_code"], &delivery["created_at"]),
        (&json!(200), &json!("2026-09-21T14:13:20Z"))
    );
    assert!(delivery["response_time_ms"].is_u64());
    assert!(delivery["id"].as_str().unwrap().starts_with("dlv_"));
}

#[tokio::test]
async fn six_attempts_are_made_and_then_it_has_failed() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(500).await;
    let id = webhook(&sandbox, &receiver, json!(["*"])).await;
    sandbox.fire(Provider::Example, r#"{"type":"user.created"}"#).unwrap();
    let hour = std::time::Duration::from_secs(3600);
    sandbox.advance(2 * hour).await;
    let pending = &deliveries(&sandbox, &id).await[0];
    assert_eq!(
        (&pending["status"], &pending["attempts"]),
        (&json!("pending"), &json!(5))
    );
    sandbox.advance(DAY).await;
    // At once, then 1, 5, 30, 60 and 360 minutes after the one before.
    assert_eq!(minutes(&sandbox.attempts()), [0, 1, 6, 36, 96, 456]);
    let failed = &deliveries(&sandbox, &id).await[0];
    assert_eq!(
        (&failed["status"], &failed["response_code"]),
        (&json!("failed"), &json!(500))
    );
    let first = receiver.received()[0].clone();
    assert!(
        receiver
            .received()
            .iter()
            .all(|other| other.body == first.body && other.headers == first.headers)
    );
}

#[tokio::test]
async fn only_the_wanted_types_are_sent() {
    let sandbox = sandbox().await;
    let (some, all) = (Receiver::start(200).await, Receiver::start(200).await);
    webhook(&sandbox, &some, json!(["user.created", "user.deleted"])).await;
    webhook(&sandbox, &all, json!(["*"])).await;
    for kind in ["user.created", "user.changed", "user.created.twice"] {
        sandbox
            .fire(Provider::Example, json!({ "type": kind }).to_string())
            .unwrap();
    }
    sandbox.idle().await;
    assert_eq!((some.received().len(), all.received().len()), (1, 3));
}

#[tokio::test]
async fn a_test_is_sent_to_one_webhook_whatever_it_wants() {
    let sandbox = sandbox().await;
    let (one, other) = (Receiver::start(200).await, Receiver::start(200).await);
    let id = webhook(&sandbox, &one, json!(["user.created"])).await;
    webhook(&sandbox, &other, json!(["*"])).await;
    let reply = api(&sandbox, &format!("POST /webhooks/{id}/test"), Value::Null).await;
    assert_eq!((reply.status, &reply.json()["status"]), (202, &json!("pending")));
    sandbox.idle().await;
    assert_eq!((one.received().len(), other.received().len()), (1, 0));
    assert_eq!(one.received()[0].headers["x-webhook-event"], "webhook.test");
    let delivery = &deliveries(&sandbox, &id).await[0];
    assert_eq!(
        (&delivery["id"], &delivery["status"]),
        (&reply.json()["id"], &json!("delivered"))
    );
}

#[tokio::test]
async fn a_paused_webhook_gets_nothing_and_what_was_waiting_has_failed() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(500).await;
    let id = webhook(&sandbox, &receiver, json!(["*"])).await;
    sandbox.fire(Provider::Example, r#"{"type":"one"}"#).unwrap();
    sandbox.idle().await;
    api(
        &sandbox,
        &format!("PATCH /webhooks/{id}"),
        json!({ "status": "paused" }),
    )
    .await;
    refused(
        &api(&sandbox, &format!("POST /webhooks/{id}/test"), Value::Null).await,
        409,
        "webhook_paused",
    );
    sandbox.fire(Provider::Example, r#"{"type":"two"}"#).unwrap();
    sandbox.advance(DAY).await;
    api(
        &sandbox,
        &format!("PATCH /webhooks/{id}"),
        json!({ "status": "active" }),
    )
    .await;
    sandbox.advance(DAY).await;
    assert_eq!(receiver.received().len(), 1);
    let [only] = &deliveries(&sandbox, &id).await[..] else {
        panic!()
    };
    assert_eq!(only["status"], "failed");
}

#[tokio::test]
async fn deliveries_are_listed_newest_first_and_kept_for_30_days() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let id = webhook(&sandbox, &receiver, json!(["*"])).await;
    let mut fired = Vec::new();
    for _ in 0..3 {
        fired.push(id_of(&sandbox.fire(Provider::Example, r#"{"type":"one"}"#).unwrap()));
        sandbox.advance(DAY).await;
    }
    fired.reverse();
    let listed: Vec<Value> = deliveries(&sandbox, &id).await;
    let ids: Vec<&str> = listed
        .iter()
        .map(|delivery| delivery["event_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, fired);
    let limited = api(&sandbox, &format!("GET /webhooks/{id}/deliveries?limit=2"), Value::Null).await;
    assert_eq!(limited.json()["data"].as_array().unwrap().len(), 2);
    sandbox.advance(29 * DAY).await;
    assert_eq!(deliveries(&sandbox, &id).await.len(), 1);
}

#[tokio::test]
async fn a_whole_event_is_delivered_as_it_is() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    webhook(&sandbox, &receiver, json!(["*"])).await;
    let whole = r#"{ "type":"user.created", "id":"evt_mine", "more": 1e999 }"#;
    let error = sandbox
        .fire(Provider::Example, r#"{"type":"user.created","id":""}"#)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("id is not 1 to 255 printable characters of ASCII without blanks; "),
        "{error}"
    );
    sandbox.fire(Provider::Example, whole).unwrap();
    sandbox.idle().await;
    assert_eq!(receiver.received()[0].body, whole.as_bytes());
}
