//! The sources of Dwolla, GitHub and Stripe, over servers of their APIs.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tower_webhook::{
    Delivery, MemoryStore, Processor, TopicRouter, WebhookLayer,
    clock::Clock as _,
    delivery_log::{DeliveryLogFilter, DeliveryLogReader as _, MemoryLog},
    dwolla,
    event::Event,
    github,
    provider::Provider,
    signature::Secrets,
    stripe,
};
use tower_webhook_reconcile::{
    Reconciler,
    github::Hook,
    reconciler::{Ending, Report},
};

use super::support::{DAY, SECRET, TestClock, json as event_json, tallies};
use crate::support::{HAL, Received, Server, dwolla as dwolla_api, dwolla_server, empty, github as github_api};
use crate::support::{json as reply, stripe as stripe_api, with_header};

/// What a handler got: the topic, the body, and whether there were headers.
type Notes = Arc<Mutex<Vec<(String, String, bool)>>>;

/// A receiver of any provider, whose handler of this topic notes what it gets.
fn receiver<P: Provider>(provider: P, topic: &'static str) -> (Processor<P::Event>, Notes)
where
    P::Event: Event,
{
    let notes = Notes::default();
    let noted = Arc::clone(&notes);
    let handler = move |delivery: Delivery<P::Event>| {
        let noted = Arc::clone(&noted);
        async move {
            let body = String::from_utf8(delivery.body().to_vec()).unwrap();
            let topic = delivery.event().topic().to_owned();
            noted
                .lock()
                .unwrap()
                .push((topic, body, !delivery.headers().is_empty()));
        }
    };
    let topics = TopicRouter::new().on(topic, handler);
    (WebhookLayer::new(provider, MemoryStore::new()).processor(topics), notes)
}

fn signed(scheme: &tower_webhook::signature::Scheme, secret: &str, body: &str) -> HeaderMap {
    scheme.sign(&Secrets::new(secret).unwrap(), body.as_bytes()).unwrap()
}

#[track_caller]
fn reason(report: &Report, ending: Ending) -> String {
    report.tally(ending).listed()[0].reason.clone().unwrap()
}

// ------------------------------------------------------------------------------------------ Dwolla

fn webhook(id: &str, topic: &str, attempts: Value) -> Value {
    json!({ "id": format!("webhook-{id}"), "topic": topic, "eventId": id, "attempts": attempts })
}

/// An attempt whose request has this body and a signature by this secret.
fn attempt(body: &str, secret: &str) -> Value {
    let headers = signed(&dwolla::scheme(), secret, body);
    let headers: Vec<Value> = headers
        .iter()
        .map(|(name, value)| json!({ "name": name.as_str(), "value": value.to_str().unwrap() }))
        .collect();
    json!({ "id": "1", "request": { "timestamp": "2023-11-14T22:13:20.000Z", "headers": headers, "body": body } })
}

/// Dwolla's API with these webhooks, and the event of each id that does not begin with `gone`; of
/// `taken` it tells another.
async fn dwolla_with(webhooks: Vec<Value>) -> Server {
    let list = json!({ "_embedded": { "webhooks": webhooks }, "total": webhooks.len() }).to_string();
    dwolla_server(move |request: &Received| {
        let respond = |status, body: String| with_header(reply(status, body), "content-type", HAL);
        if request.path == "/webhook-subscriptions/the-subscription/webhooks" {
            return respond(200, list.clone());
        }
        if request.path == "/events/taken" {
            return respond(200, event_json("another"));
        }
        if let Some(id) = request
            .path
            .strip_prefix("/events/")
            .filter(|id| !id.starts_with("gone"))
        {
            return respond(200, event_json(id));
        }
        if request.method == "POST" && request.path.ends_with("/retries") {
            return with_header(empty(201), "location", "https://api.dwolla.com/webhooks/1/retries/r1");
        }
        respond(404, r#"{"code":"NotFound","message":"Not found."}"#.into())
    })
    .await
}

fn dwolla_reconciler(
    server: &Server,
    door: Processor<dwolla::Event>,
    clock: TestClock,
) -> Reconciler<tower_webhook_reconcile::dwolla::Webhooks> {
    let webhooks = dwolla_api(server).webhooks("the-subscription");
    Reconciler::new(webhooks, door).clock(clock).concurrency(1)
}

#[tokio::test]
async fn dwolla_hands_in_what_was_recorded_and_fetches_what_was_not() {
    let (door, notes) = receiver(dwolla::Dwolla::new(SECRET).unwrap(), "customer_created");
    let spaced = event_json("recorded").replace(',', ", ");
    let server = dwolla_with(vec![
        webhook("recorded", "customer_created", json!([attempt(&spaced, SECRET)])),
        webhook("never-sent", "customer_created", json!([])),
        webhook(
            "old-secret",
            "customer_created",
            json!([attempt(&event_json("old-secret"), "the secret of 2021")]),
        ),
        webhook("mangled", "customer_created", json!([attempt("{id: mangled}", SECRET)])),
        webhook(
            "swapped",
            "customer_created",
            json!([attempt(&event_json("another"), SECRET)]),
        ),
        webhook("other-topic", "customer_verified", json!([])),
        webhook("gone-1", "customer_created", json!([])),
        webhook(
            "gone-2",
            "customer_created",
            json!([attempt(&event_json("gone-2"), "the secret of 2021")]),
        ),
        json!({ "id": "webhook-of-nothing", "topic": "customer_created", "attempts": [] }),
    ])
    .await;
    let clock = TestClock::start();
    let reconciler = dwolla_reconciler(&server, door, clock);
    let report = reconciler.run_once().await;
    assert_eq!(
        tallies(&report),
        "unwanted 1, handled 5, not-fetchable 3",
        "{report:#?}"
    );

    let notes = std::mem::take(&mut *notes.lock().unwrap());
    let handled: Vec<_> = notes
        .iter()
        .map(|(_, body, has_headers)| (body.as_str(), *has_headers))
        .collect();
    let expected = [
        // The bytes that were delivered, with their signature.
        (spaced.as_str(), true),
        (&event_json("never-sent"), false),
        (&event_json("old-secret"), false),
        (&event_json("mangled"), false),
        (&event_json("swapped"), false),
    ];
    assert_eq!(handled, expected);
    let list = "GET /webhook-subscriptions/the-subscription/webhooks?limit=200&startDate=2023-10-14&endDate=2023-11-15";
    let fetched = ["never-sent", "old-secret", "mangled", "swapped", "gone-1", "gone-2"];
    let expected: Vec<String> = [list.to_owned()]
        .into_iter()
        .chain(fetched.iter().map(|id| format!("GET /events/{id}")))
        .collect();
    assert_eq!(server.lines(), expected);
    let reasons: Vec<_> = report
        .tally(Ending::NotFetchable)
        .listed()
        .iter()
        .map(|item| item.reason.as_deref().unwrap())
        .collect();
    assert!(reasons[0].contains("404"), "{reasons:?}");
    assert!(
        reasons[1].starts_with("what the provider recorded was refused: the tag"),
        "{reasons:?}"
    );
    assert_eq!(reasons[2], "the webhook names no event");

    // Again: the page, and what is missing still.
    let again = reconciler.run_once().await;
    assert_eq!(tallies(&again), "known 5, unwanted 1, not-fetchable 3");
    let lines = server.lines().split_off(expected.len());
    assert_eq!(lines.len(), 3);
    // Four days back, for three of retries, and one more for days that begin elsewhere.
    assert!(
        lines[0].ends_with("&startDate=2023-11-09&endDate=2023-11-15"),
        "{lines:?}"
    );
}

/// What has no signature is no forgery: it is not handed in to be refused, which the log would
/// count as one.
#[tokio::test]
async fn dwolla_fetches_what_was_recorded_without_a_signature_and_believes_no_other_event() {
    let unsigned = |id: &str, tag: Value| {
        let headers = match tag {
            Value::Null => json!([{ "name": "Content-Type", "value": "application/json" }]),
            tag => json!([{ "name": "X-Request-Signature-SHA-256", "value": tag }]),
        };
        let request = json!({ "headers": headers, "body": event_json(id) });
        webhook(id, "customer_created", json!([{ "id": "1", "request": request }]))
    };
    let server = dwolla_with(vec![
        unsigned("bare", Value::Null),
        unsigned("empty", json!("")),
        webhook("taken", "customer_created", json!([])),
    ])
    .await;
    let log = MemoryLog::new(10);
    let topics = TopicRouter::new().on("customer_created", |_: dwolla::Event| async {});
    let layer = WebhookLayer::builder(dwolla::Dwolla::new(SECRET).unwrap(), MemoryStore::new())
        .delivery_log(log.clone())
        .build()
        .unwrap();
    let report = dwolla_reconciler(&server, layer.processor(topics), TestClock::start())
        .run_once()
        .await;
    assert_eq!(tallies(&report), "handled 2, not-fetchable 1", "{report:#?}");
    assert_eq!(reason(&report, Ending::NotFetchable), "the API returned another event");
    let entries = log.list(&DeliveryLogFilter::new(), None, 10).await.unwrap();
    let outcomes: Vec<_> = entries.iter().map(|numbered| &*numbered.entry.outcome).collect();
    assert_eq!(outcomes, ["handled", "handled"]);
}

#[tokio::test]
async fn dwolla_is_asked_to_retry_what_is_missing() {
    let (door, notes) = receiver(dwolla::Dwolla::new(SECRET).unwrap(), "customer_created");
    let server = dwolla_with(vec![webhook("1", "customer_created", json!([]))]).await;
    let reconciler = dwolla_reconciler(&server, door, TestClock::start()).redeliver();
    assert_eq!(tallies(&reconciler.run_once().await), "asked 1");
    assert_eq!(server.lines()[1..], ["POST /webhooks/webhook-1/retries"]);
    assert!(notes.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_dwolla_recorded_as_delivered_is_missing_where_the_store_lacks_it_and_says_so() {
    let (door, _) = receiver(dwolla::Dwolla::new(SECRET).unwrap(), "customer_created");
    let attempt = |status: u16| json!([{ "id": "1", "response": { "statusCode": status } }]);
    let webhooks = vec![
        webhook("1", "customer_created", attempt(200)),
        webhook("2", "customer_created", attempt(503)),
        webhook("3", "customer_created", json!([])),
    ];
    let server = dwolla_with(webhooks).await;
    let report = dwolla_reconciler(&server, door, TestClock::start())
        .report_only()
        .run_once()
        .await;
    let missing = report.tally(Ending::Missing).listed().iter();
    let delivered: Vec<bool> = missing.map(|item| item.is_delivered).collect();
    assert_eq!(delivered, [true, false, false]);
}

// ------------------------------------------------------------------------------------------ GitHub

const PAYLOAD: &str = r#"{"action":"opened", "issue":{"n":1.0}}"#;

/// A delivery in a list: its id, its GUID, its status, whether it is a redelivery, its age.
fn delivery(id: u64, guid: &str, status: u16, redelivery: bool, age: Duration) -> Value {
    let at = jiff::Timestamp::try_from(TestClock::start().now() - age).unwrap();
    json!({
        "id": id, "guid": guid, "delivered_at": at.to_string(), "redelivery": redelivery,
        "status": "whatever", "status_code": status, "event": "issues", "action": "opened",
    })
}

/// A delivery with its request: by default as GitHub sent it.
fn detail(id: u64, guid: &str, content_type: &str, sent: &str, payload: &str) -> String {
    let mut headers = signed(&github::scheme(), SECRET, sent);
    headers.insert("x-github-event", HeaderValue::from_static("issues"));
    headers.insert("x-github-delivery", HeaderValue::from_str(guid).unwrap());
    headers.insert("content-type", HeaderValue::from_str(content_type).unwrap());
    let headers: serde_json::Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()))
        .collect();
    let headers = Value::Object(headers);
    format!(
        r#"{{"id":{id},"guid":"{guid}","event":"issues","action":"opened","status_code":500,
            "request":{{"headers":{headers},"payload":{payload}}}}}"#
    )
}

async fn github_with(pages: Vec<Vec<Value>>, details: Vec<(u64, String)>) -> Server {
    Server::start(move |request: &Received| {
        const LIST: &str = "/repos/octocat/hello/hooks/42/deliveries";
        if request.method == "POST" {
            return empty(202);
        }
        if request.path == LIST {
            let page: usize = request.parameter("cursor").map_or(0, |cursor| cursor.parse().unwrap());
            let body = reply(200, Value::from(pages[page].clone()).to_string());
            if page + 1 == pages.len() {
                return body;
            }
            let link = format!(
                "<http://{}{LIST}?cursor={}>; rel=\"next\"",
                request.header("host"),
                page + 1
            );
            return with_header(body, "link", &link);
        }
        let found = details.iter().find(|(id, _)| request.path == format!("{LIST}/{id}"));
        found.map_or_else(
            || reply(404, r#"{"message":"Not Found"}"#),
            |(_, detail)| reply(200, detail.clone()),
        )
    })
    .await
}

fn hook(server: &Server) -> tower_webhook_reconcile::github::Deliveries {
    github_api(server).deliveries(Hook::repository("octocat", "hello", 42))
}

/// The ids of the deliveries that were fetched, or asked for again.
fn details(server: &Server) -> Vec<String> {
    let lines = server.lines();
    let of_one = |line: &String| {
        let (method, path) = line.split_once(' ').unwrap();
        let id = path.strip_prefix("/repos/octocat/hello/hooks/42/deliveries/")?;
        Some(format!("{method} {id}"))
    };
    lines.iter().filter_map(of_one).collect()
}

#[tokio::test]
async fn github_fetches_each_missing_delivery_once_and_believes_its_successes() {
    let (door, notes) = receiver(github::GitHub::new(SECRET).unwrap(), "issues.opened");
    let form: String = std::iter::once("payload=")
        .chain(url::form_urlencoded::byte_serialize(PAYLOAD.as_bytes()))
        .collect();
    let (hour, json_type) = (Duration::from_secs(3600), "application/json");
    let pages = vec![
        vec![
            // Asked for twice: the later attempt failed, too.
            delivery(9, "twice", 500, true, hour),
            delivery(8, "mended", 200, true, hour),
            delivery(7, "once", 502, false, hour * 2),
        ],
        vec![
            delivery(6, "twice", 500, false, hour * 3),
            delivery(5, "mended", 500, false, hour * 3),
            delivery(4, "taken", 200, false, hour * 4),
            delivery(3, "form", 500, false, hour * 5),
            delivery(2, "changed", 500, false, hour * 6),
            delivery(1, "old", 500, false, DAY * 4),
        ],
        // Nobody asks for it: the page before has what is older than the window.
        vec![delivery(0, "older", 500, false, DAY * 5)],
    ];
    let server = github_with(
        pages,
        vec![
            (9, detail(9, "twice", json_type, PAYLOAD, PAYLOAD)),
            (7, detail(7, "once", json_type, PAYLOAD, PAYLOAD)),
            (4, detail(4, "taken", json_type, PAYLOAD, PAYLOAD)),
            (8, detail(8, "mended", json_type, PAYLOAD, PAYLOAD)),
            (5, detail(5, "mended", json_type, PAYLOAD, PAYLOAD)),
            (
                3,
                detail(3, "form", "application/x-www-form-urlencoded", &form, PAYLOAD),
            ),
            (
                2,
                detail(
                    2,
                    "changed",
                    json_type,
                    PAYLOAD,
                    r#"{"action":"opened","issue":{"n":1}}"#,
                ),
            ),
        ],
    )
    .await;
    let clock = TestClock::start();
    let reconciler = Reconciler::new(hook(&server), door.clone()).clock(clock).concurrency(1);
    let report = reconciler.run_once().await;
    // `twice` is in the list twice, and handled once.
    assert_eq!(
        tallies(&report),
        "known 1, delivered 3, handled 3, not-fetchable 1",
        "{report:#?}"
    );
    assert_eq!(details(&server), ["GET 9", "GET 7", "GET 3", "GET 2"]);
    assert!(
        reason(&report, Ending::NotFetchable).contains("refused: the tag"),
        "{report:#?}"
    );
    let bodies: Vec<String> = notes.lock().unwrap().iter().map(|(_, body, _)| body.clone()).collect();
    assert_eq!(bodies, [PAYLOAD, PAYLOAD, &form]);

    // Again, and by another process: the list, and what is not fetchable.
    let lists = |server: &Server| server.lines().len() - details(server).len();
    assert_eq!(lists(&server), 2);
    for process in [
        reconciler,
        Reconciler::new(hook(&server), door.clone()).clock(clock).concurrency(1),
    ] {
        let before = details(&server).len();
        assert_eq!(
            tallies(&process.run_once().await),
            "known 4, delivered 3, not-fetchable 1"
        );
        assert_eq!(details(&server)[before..], ["GET 2"]);
    }
    assert_eq!(lists(&server), 6);
    assert_eq!(notes.lock().unwrap().len(), 3);

    // Whoever does not believe it fetches each success, once.
    let rechecking = Reconciler::new(hook(&server).recheck_delivered(), door)
        .clock(clock)
        .concurrency(1);
    let before = details(&server).len();
    assert_eq!(
        tallies(&rechecking.run_once().await),
        "known 5, handled 2, not-fetchable 1"
    );
    assert_eq!(details(&server)[before..], ["GET 8", "GET 4", "GET 2"]);
    let before = details(&server).len();
    assert_eq!(tallies(&rechecking.run_once().await), "known 7, not-fetchable 1");
    assert_eq!(details(&server)[before..], ["GET 2"]);
}

#[tokio::test]
async fn github_is_asked_to_redeliver_what_failed() {
    let (door, _) = receiver(github::GitHub::new(SECRET).unwrap(), "issues.opened");
    let pages = vec![vec![
        delivery(2, "failed", 500, false, DAY),
        delivery(1, "taken", 200, false, DAY),
    ]];
    let server = github_with(pages, Vec::new()).await;
    let reconciler = Reconciler::new(hook(&server), door)
        .clock(TestClock::start())
        .redeliver();
    assert_eq!(tallies(&reconciler.run_once().await), "delivered 1, asked 1");
    assert_eq!(details(&server), ["POST 2/attempts"]);
}

// ------------------------------------------------------------------------------------------ Stripe

#[tokio::test]
async fn stripe_hands_in_what_the_list_tells_and_makes_no_other_request() {
    let (door, notes) = receiver(stripe::Stripe::new("whsec_for_these_tests").unwrap(), "invoice.paid");
    let event = |id: &str, topic: &str| json!({ "id": id, "object": "event", "type": topic, "created": 1_699_999_000, "data": { "object": {} } });
    let page = json!({
        "object": "list", "has_more": false,
        "data": [event("evt_1", "invoice.paid"), event("evt_2", "invoice.paid"), event("evt_3", "charge.failed")],
    });
    let server = Server::start(move |_| reply(200, page.to_string())).await;
    let clock = TestClock::start();
    let reconciler = Reconciler::new(stripe_api(&server).events(), door).clock(clock);
    assert_eq!(tallies(&reconciler.run_once().await), "unwanted 1, handled 2");
    assert_eq!(tallies(&reconciler.run_once().await), "known 2, unwanted 1");
    let from = |age: Duration| {
        let from = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap() - age;
        format!("GET /v1/events?limit=100&created%5Bgte%5D={}", from.as_secs())
    };
    assert_eq!(server.lines(), [from(DAY * 30), from(DAY * 4)]);
    assert_eq!(notes.lock().unwrap().len(), 2);

    let asking = Reconciler::new(stripe_api(&server).events(), {
        receiver(stripe::Stripe::new("whsec_for_these_tests").unwrap(), "invoice.paid").0
    });
    let report = asking.redeliver().clock(clock).run_once().await;
    assert_eq!(tallies(&report), "unwanted 1, failed 2");
    assert!(
        reason(&report, Ending::Failed).contains("cannot be asked to send again"),
        "{report:#?}"
    );
}
