//! Stripe: endpoints by hand, events by the reconciler's client.

use serde_json::{Value, json};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    signature::Secrets,
    stripe::{self, Stripe},
};
use tower_webhook_reconcile::{
    ErrorKind, Options,
    stripe::{Event, Events, StripeApi},
};
use tower_webhook_sandbox::{Provider, Sandbox};

use crate::support::{DAY, HOUR, Receiver, Reply, call, id_of, minutes, receiver_of, sandbox, start};

const KEY: &str = "Authorization: Bearer sk_test_any";

async fn api(sandbox: &Sandbox, line: &str, form: &str) -> Reply {
    let (method, path) = line.split_once(' ').unwrap();
    call(sandbox, &format!("{method} /stripe/v1{path}"), &[KEY], form).await
}

/// The id and secret of an endpoint that wants these events.
async fn endpoint(sandbox: &Sandbox, url: &str, events: &[&str]) -> (String, String) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("url", url);
    for event in events {
        form.append_pair("enabled_events[]", event);
    }
    let reply = api(sandbox, "POST /webhook_endpoints", &form.finish()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let text = |name: &str| reply.json()[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn client(sandbox: &Sandbox) -> StripeApi {
    StripeApi::with_options(&sandbox.url(Provider::Stripe), "sk_test_any", Options::new()).unwrap()
}

async fn ids(events: Events) -> Vec<String> {
    let events: Vec<Event> = events.list().collect().await.unwrap();
    events.into_iter().map(|event| event.id).collect()
}

fn fire(sandbox: &Sandbox, topic: &str) -> String {
    let event = json!({ "type": topic, "data": { "object": { "id": "in_1" } } });
    id_of(&sandbox.fire(Provider::Stripe, event.to_string()).unwrap())
}

#[tokio::test]
async fn an_endpoint_is_created_read_changed_and_deleted() {
    let sandbox = sandbox().await;
    let form = "url=http://127.0.0.1:9/&enabled_events[0]=invoice.paid&enabled_events[1]=charge.failed";
    let created = api(&sandbox, "POST /webhook_endpoints", form).await.json();
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("we_") && created["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(created["enabled_events"], json!(["invoice.paid", "charge.failed"]));
    assert_eq!(
        (&created["status"], &created["created"]),
        (&json!("enabled"), &json!(1_790_000_000))
    );

    let path = format!("/webhook_endpoints/{id}");
    let shown = api(&sandbox, &format!("GET {path}"), "").await.json();
    // The secret is shown once.
    assert_eq!(
        (&shown["url"], shown.get("secret")),
        (&json!("http://127.0.0.1:9/"), None)
    );
    let list = api(&sandbox, "GET /webhook_endpoints", "").await.json();
    assert_eq!((&list["object"], &list["data"]), (&json!("list"), &json!([shown])));

    let changed = api(&sandbox, &format!("POST {path}"), "disabled=true&enabled_events[]=*")
        .await
        .json();
    assert_eq!(
        (&changed["status"], &changed["enabled_events"]),
        (&json!("disabled"), &json!(["*"]))
    );
    let deleted = api(&sandbox, &format!("DELETE {path}"), "").await.json();
    assert_eq!(
        deleted,
        json!({ "id": id, "object": "webhook_endpoint", "deleted": true })
    );
    assert_eq!(api(&sandbox, &format!("GET {path}"), "").await.status, 404);
}

#[tokio::test]
async fn an_endpoint_may_bring_its_secret() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    let form = format!("url={}&enabled_events[]=*&secret=whsec_mine", receiver.url);
    assert_eq!(
        api(&sandbox, "POST /webhook_endpoints", &form).await.json()["secret"],
        "whsec_mine"
    );
    fire(&sandbox, "invoice.paid");
    sandbox.idle().await;
    let received = &receiver.received()[0];
    let secrets = Secrets::new("whsec_mine").unwrap();
    assert!(tower_webhook::verify(&stripe::scheme(), &secrets, &received.headers, &received.body).is_ok());
}

#[tokio::test]
async fn attempts_go_on_for_three_days_and_each_is_signed_anew() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(500).await;
    let (_, secret) = endpoint(&sandbox, &receiver.url, &["*"]).await;
    fire(&sandbox, "invoice.paid");
    sandbox.advance(10 * DAY).await;
    let expected = [0, 5, 35, 155, 455, 1055, 1775, 2495, 3215, 3935];
    assert_eq!(minutes(&sandbox.attempts()), expected);
    assert!(expected.last().unwrap() * 60 <= 3 * 24 * 3600);
    let secrets = Secrets::new(secret).unwrap();
    for received in receiver.received() {
        // In the world's time, which the receiver's clock tells: the sandbox's is years away.
        assert!(tower_webhook::verify(&stripe::scheme(), &secrets, &received.headers, &received.body).is_ok());
        assert_eq!(received.body, receiver.received()[0].body);
    }
}

#[tokio::test]
async fn an_event_is_delivered_in_stripes_form_and_listed_with_what_is_pending() {
    let sandbox = sandbox().await;
    let (good, bad) = (Receiver::start(200).await, Receiver::start(500).await);
    endpoint(&sandbox, &good.url, &["invoice.paid"]).await;
    let (failing, _) = endpoint(&sandbox, &bad.url, &["*"]).await;
    let fired = sandbox
        .fire(
            Provider::Stripe,
            r#"{"type":"invoice.paid","data":{"object":{"amount":1.50}}}"#,
        )
        .unwrap();
    sandbox.idle().await;
    assert_eq!(good.received()[0].body, fired);
    let id = id_of(&fired);
    let expected = format!(
        r#"{{"id":"{id}","object":"event","api_version":"2026-08-27","created":1790000000,"data":{{"object":{{"amount":1.50}}}},"livemode":false,"pending_webhooks":2,"request":{{"id":null,"idempotency_key":null}},"type":"invoice.paid"}}"#
    );
    assert_eq!(fired, expected);

    let event = client(&sandbox).event(&id).await.unwrap();
    assert_eq!(event.pending_webhooks, Some(1));
    assert_eq!(
        event.json,
        expected.replace(r#""pending_webhooks":2"#, r#""pending_webhooks":1"#)
    );
    assert_eq!(event.created.as_ref().unwrap().to_system_time(), Some(start()));
    assert_eq!(client(&sandbox).events().list().next().await.unwrap().unwrap(), event);

    // An endpoint that is gone waits for nothing.
    api(&sandbox, &format!("DELETE /webhook_endpoints/{failing}"), "").await;
    assert_eq!(client(&sandbox).event(&id).await.unwrap().pending_webhooks, Some(0));
    let sent = bad.received().len();
    sandbox.advance(DAY).await;
    assert_eq!(bad.received().len(), sent);
}

#[tokio::test]
async fn events_are_filtered_by_success_time_and_type() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(200).await;
    endpoint(&sandbox, &receiver.url, &["*"]).await;
    let paid = fire(&sandbox, "invoice.paid");
    sandbox.advance(HOUR).await;
    receiver.respond(500);
    let failed = fire(&sandbox, "invoice.voided");
    sandbox.advance(HOUR).await;
    receiver.respond(200);
    let charged = fire(&sandbox, "charge.failed");
    sandbox.idle().await;

    let events = || client(&sandbox).events();
    assert_eq!(ids(events()).await, [charged.clone(), failed.clone(), paid.clone()]);
    assert_eq!(
        ids(events().delivery_success(false)).await,
        std::slice::from_ref(&failed)
    );
    assert_eq!(
        ids(events().delivery_success(true)).await,
        [charged.clone(), paid.clone()]
    );
    assert_eq!(
        ids(events().created_from(start() + HOUR)).await,
        [charged.clone(), failed.clone()]
    );
    assert_eq!(
        ids(events().created_until(start() + HOUR)).await,
        [failed.clone(), paid.clone()]
    );
    assert_eq!(
        ids(events().types(["invoice.paid", "charge.failed"])).await,
        [charged.clone(), paid.clone()]
    );

    let second = 1_790_000_000 + 3600;
    for (query, expected) in [
        (format!("created={second}"), vec![&failed]),
        (format!("created[gt]={second}"), vec![&charged]),
        (format!("created[lt]={second}"), vec![&paid]),
        ("type=invoice.*".to_owned(), vec![&failed, &paid]),
        ("type=charge.failed".to_owned(), vec![&charged]),
    ] {
        let reply = api(&sandbox, &format!("GET /events?{query}"), "").await.json();
        let found: Vec<&str> = reply["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["id"].as_str().unwrap())
            .collect();
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_in_both_directions() {
    let sandbox = sandbox().await;
    let mut fired: Vec<String> = (0..12).map(|_| fire(&sandbox, "invoice.paid")).collect();
    fired.reverse();
    assert_eq!(ids(client(&sandbox).events()).await, fired);
    assert_eq!(ids(client(&sandbox).events().limit(5)).await, fired);

    let page = async |query: &str| {
        let reply = api(&sandbox, &format!("GET /events?{query}"), "").await.json();
        let data = reply["data"].as_array().unwrap().clone();
        let ids: Vec<String> = data
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect();
        (ids, reply["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("").await, (fired[..10].to_vec(), true));
    assert_eq!(
        page(&format!("starting_after={}", fired[9])).await,
        (fired[10..].to_vec(), false)
    );
    let before = format!("limit=3&ending_before={}", fired[6]);
    assert_eq!(page(&before).await, (fired[3..6].to_vec(), true));
    let before = format!("limit=3&ending_before={}", fired[3]);
    assert_eq!(page(&before).await, (fired[..3].to_vec(), false));
}

#[tokio::test]
async fn after_30_days_events_are_gone() {
    let sandbox = sandbox().await;
    let old = fire(&sandbox, "invoice.paid");
    sandbox.advance(30 * DAY).await;
    client(&sandbox).event(&old).await.unwrap();
    sandbox.advance(HOUR).await;
    assert_eq!(
        client(&sandbox).event(&old).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert!(ids(client(&sandbox).events()).await.is_empty());
}

#[tokio::test]
async fn a_disabled_endpoint_gets_nothing() {
    let sandbox = sandbox().await;
    let receiver = Receiver::start(500).await;
    let (id, _) = endpoint(&sandbox, &receiver.url, &["*"]).await;
    fire(&sandbox, "invoice.paid");
    sandbox.idle().await;
    api(&sandbox, &format!("POST /webhook_endpoints/{id}"), "disabled=true").await;
    fire(&sandbox, "invoice.paid");
    sandbox.advance(DAY).await;
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn bad_input_gets_stripes_errors() {
    let sandbox = sandbox().await;
    for headers in [vec![], vec!["Authorization: Basic Og=="]] {
        let reply = call(&sandbox, "GET /stripe/v1/events", &headers, "").await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["type"]), (401, &json!("invalid_request_error")));
        assert!(
            error["message"]
                .as_str()
                .unwrap()
                .starts_with("You did not provide an API key.")
        );
        assert!(reply.header("request-id").unwrap().starts_with("req_"));
    }
    // A key may be a user without a password, and Stripe's own clients know no path before theirs.
    let basic = "Authorization: Basic c2tfdGVzdF9hbnk6";
    assert_eq!(call(&sandbox, "GET /v1/events", &[basic], "").await.status, 200);

    for (line, form, status, param) in [
        ("GET /events?limit=0", "", 400, json!("limit")),
        ("GET /events?limit=101", "", 400, json!("limit")),
        ("GET /events?limit=many", "", 400, json!("limit")),
        ("GET /events?created[gte]=yesterday", "", 400, json!("created")),
        ("GET /events?created[after]=7", "", 400, json!("created")),
        ("GET /events?delivery_success=maybe", "", 400, json!("delivery_success")),
        ("GET /events?starting_after=evt_none", "", 404, json!("starting_after")),
        ("GET /events/evt_none", "", 404, json!("id")),
        ("GET /webhook_endpoints/we_none", "", 404, json!("webhook_endpoint")),
        ("DELETE /webhook_endpoints/we_none", "", 404, json!("webhook_endpoint")),
        ("POST /webhook_endpoints", "enabled_events[]=*", 400, json!("url")),
        (
            "POST /webhook_endpoints",
            "url=nowhere&enabled_events[]=*",
            400,
            json!("url"),
        ),
        (
            "POST /webhook_endpoints",
            "url=http://127.0.0.1/",
            400,
            json!("enabled_events"),
        ),
        (
            "POST /webhook_endpoints",
            "url=http://127.0.0.1/&enabled_events[]=a+b",
            400,
            json!("enabled_events"),
        ),
        (
            "POST /webhook_endpoints",
            "url=http://127.0.0.1/&enabled_events[]=*&secret=",
            400,
            json!("secret"),
        ),
        (
            "POST /webhook_endpoints/we_none",
            "disabled=perhaps",
            400,
            json!("disabled"),
        ),
        ("GET /charges", "", 404, Value::Null),
    ] {
        let reply = api(&sandbox, line, form).await;
        let error = &reply.json()["error"];
        assert_eq!((reply.status, &error["param"]), (status, &param), "{line} {form}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    let missing = api(&sandbox, "GET /events/evt_none", "").await.json();
    assert_eq!(missing["error"]["code"], "resource_missing");
    assert_eq!(missing["error"]["message"], "No such event: 'evt_none'");
}

#[tokio::test]
async fn what_is_no_event_is_refused_and_a_whole_one_delivered_as_it_is() {
    let sandbox = sandbox().await;
    let expected = "expected {\"type\": …, \"data\": {\"object\": {…}}}, with \"id\" a whole event";
    let error = sandbox.fire(Provider::Stripe, "{}").unwrap_err();
    assert_eq!(error.to_string(), format!("type is missing; {expected}"));

    let receiver = Receiver::start(200).await;
    endpoint(&sandbox, &receiver.url, &["*"]).await;
    let thin = r#"{ "id":"evt_test_65", "object":"v2.core.event", "type":"v1.billing", "n": 1e999, "half": "\ud83d" }"#;
    sandbox.fire(Provider::Stripe, thin).unwrap();
    sandbox.idle().await;
    assert_eq!(receiver.received()[0].body, thin.as_bytes());
    let shown = api(&sandbox, "GET /events/evt_test_65", "").await;
    assert_eq!(shown.body, thin);
    assert!(api(&sandbox, "GET /events", "").await.body.contains(thin));
}

#[tokio::test]
async fn a_receiver_made_with_the_library_handles_each_event_once() {
    let (tx, mut handled) = tokio::sync::mpsc::unbounded_channel();
    let topics = TopicRouter::new().on("invoice.paid", move |event: stripe::Event| {
        let id = tower_webhook::event::Event::id(&event).unwrap().to_string();
        let tx = tx.clone();
        async move { tx.send(id).map_err(std::io::Error::other) }
    });
    let layer = WebhookLayer::new(Stripe::new("whsec_mine").unwrap(), MemoryStore::new()).topics(topics);
    let (url, server) = receiver_of(axum::Router::new().route_service("/webhooks", layer)).await;
    let sandbox = sandbox().await;
    // Two endpoints with one URL: the same event comes twice.
    let form = format!("url={url}&enabled_events[]=*&secret=whsec_mine");
    for _ in 0..2 {
        assert_eq!(api(&sandbox, "POST /webhook_endpoints", &form).await.status, 200);
    }
    let event = fire(&sandbox, "invoice.paid");
    sandbox.idle().await;
    assert_eq!(
        sandbox.attempts().iter().filter(|attempt| attempt.is_success()).count(),
        2
    );
    assert_eq!(handled.recv().await, Some(event));
    assert!(handled.try_recv().is_err());
    server.abort();
}

#[tokio::test]
async fn a_client_is_told_the_sandboxes_time() {
    let sandbox = sandbox().await;
    let client = client(&sandbox);
    assert_eq!(client.provider_time(), None);
    sandbox.advance(DAY).await;
    client.events().list().collect().await.unwrap();
    let told = client.provider_time().unwrap();
    // In whole seconds.
    assert!(sandbox.now().duration_since(told).unwrap().as_secs() < 5);
}
