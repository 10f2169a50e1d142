//! Dwolla: its topics, its bodies in every form, its signatures, and hostile ones.

#![cfg(test)] // for clippy, which takes helpers for test code where this stands

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_webhook::{
    dwolla::{self, Dwolla, Event, Topic},
    event::{Event as _, EventError, EventErrorKind, Fingerprint},
    provider::Provider as _,
    signature::{SecretErrorKind, Secrets, SignatureError, SignatureErrorKind, Verified, verify},
};

const DOCUMENTED: &[u8] = include_bytes!("../fixtures/dwolla/documented.json");
const DELIVERED: &[u8] = include_bytes!("../fixtures/dwolla/delivered.json");
const DELIVERED_TYPED_LINKS: &[u8] = include_bytes!("../fixtures/dwolla/delivered_typed_links.json");
const EVENTS_API: &[u8] = include_bytes!("../fixtures/dwolla/events_api.json");
const WIRE_2015: &[u8] = include_bytes!("../fixtures/dwolla/wire_2015.json");
const GUIDE_2015: &[u8] = include_bytes!("../fixtures/dwolla/guide_2015.json");
const CONNECT: &[u8] = include_bytes!("../fixtures/dwolla/connect.json");

/// The same event in every form that Dwolla has sent, documented or listed.
const FORMS: [&[u8]; 6] = [
    DOCUMENTED,
    DELIVERED,
    DELIVERED_TYPED_LINKS,
    EVENTS_API,
    WIRE_2015,
    GUIDE_2015,
];

const NEWER: &str = "x-request-signature-sha-256";
const OLDER: &str = "x-request-signature";

#[track_caller]
fn event(body: impl AsRef<[u8]>) -> Event {
    Event::from_json(body.as_ref()).unwrap()
}

#[track_caller]
fn refusal(body: impl AsRef<[u8]>) -> EventError {
    Event::from_json(body.as_ref()).unwrap_err()
}

#[track_caller]
fn assert_refused(body: impl AsRef<[u8]>, kind: EventErrorKind, message: &str) {
    let error = refusal(body);
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

/// The documented event with one field set.
#[track_caller]
fn with(field: &str, value: Value) -> Event {
    let mut body: Value = serde_json::from_slice(DOCUMENTED).unwrap();
    body[field] = value;
    event(body.to_string())
}

/// The documented event with these fields left out.
fn without(fields: &[&str]) -> String {
    let mut body: Value = serde_json::from_slice(DOCUMENTED).unwrap();
    body.as_object_mut()
        .unwrap()
        .retain(|name, _| !fields.contains(&name.as_str()));
    body.to_string()
}

#[track_caller]
fn fingerprint(body: impl AsRef<[u8]>) -> Fingerprint {
    event(body).fingerprint().unwrap()
}

// Topics

#[derive(serde::Deserialize)]
struct Row {
    topic: String,
    variant: String,
    category: String,
    scope: String,
    status: String,
    resource: Option<String>,
}

fn rows() -> Vec<Row> {
    serde_json::from_slice(include_bytes!("../fixtures/dwolla/topics.json")).unwrap()
}

#[test]
fn the_topics_are_exactly_the_documented_ones() {
    let documented: BTreeSet<String> = rows().into_iter().map(|row| row.topic).collect();
    let known: BTreeSet<String> = Topic::all().iter().map(Topic::to_string).collect();
    assert_eq!(known, documented);
    assert_eq!(Topic::all().len(), known.len(), "each topic once");
}

#[test]
fn there_are_73_listed_topics_4_from_other_pages_and_10_of_connect() {
    let mut counts = BTreeMap::new();
    for row in rows() {
        *counts.entry(row.status).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(
        counts,
        [("connect", 10), ("current", 73), ("current-outside-main-list", 4)]
    );
}

#[test]
fn each_topic_has_its_name_category_resource_and_scope() {
    let words = |text: &str| text.replace('_', "");
    for row in rows() {
        let topic = Topic::from(row.topic.as_str());
        assert_eq!(format!("{topic:?}"), row.variant);
        let category = format!("{:?}", topic.category().unwrap()).to_lowercase();
        assert_eq!(category, words(&row.category), "{topic}");
        assert_eq!(topic.resource(), row.resource.as_deref(), "{topic}");
        assert_eq!(topic.is_customer(), row.scope == "customer", "{topic}");
        assert_eq!(row.variant.starts_with("Connect"), row.scope == "connect", "{topic}");
    }
}

#[test]
fn a_known_topic_is_the_same_however_it_is_made() {
    for known in Topic::all() {
        let text = known.as_str();
        let json = serde_json::to_string(known).unwrap();
        assert_eq!(json, format!("{text:?}"));
        let made = [
            Topic::from(text),
            Topic::from(text.to_owned()),
            text.parse().unwrap(),
            serde_json::from_str(&json).unwrap(),
            serde_json::from_value(Value::from(text)).unwrap(),
        ];
        assert!(!matches!(known, Topic::Unknown(_)), "{text}");
        assert!(made.iter().all(|topic| topic == known), "{text}");
        assert_eq!(HashSet::from(made).len(), 1, "{text}");
    }
}

#[test]
fn a_topic_that_others_invented_or_dwolla_gave_up_is_unknown_and_keeps_its_text() {
    for text in [
        "customer_transfer_returned",
        "transfer_returned",
        "account_transfer_completed",
        "customer_funding_source_created",
        "customer_micro_deposits_added",
        "transfer_reclaimed",
        "masspay_created",
        "customer_kba_verification_approved",
        "card_transfer_completed",
    ] {
        let topic = Topic::from(text);
        assert!(matches!(&topic, Topic::Unknown(unknown) if unknown.as_str() == text));
        assert_eq!((topic.as_str(), topic.category(), topic.resource()), (text, None, None));
    }
}

#[test]
fn topics_are_compared_exactly() {
    for text in [
        "",
        "Customer_created",
        "CUSTOMER_CREATED",
        " customer_created",
        "customer_created\0",
        "CustomerCreated",
    ] {
        assert!(matches!(Topic::from(text), Topic::Unknown(_)), "{text:?}");
    }
}

#[test]
fn the_accounts_and_the_customers_topic_differ() {
    assert_ne!(
        Topic::from("transfer_created"),
        Topic::from("customer_transfer_created")
    );
    assert_ne!(Topic::from("transfer_created"), Topic::from("transfer:created"));
}

// Bodies

#[test]
fn the_documented_event_tells_everything() {
    let event = event(DOCUMENTED);
    assert_eq!(event.id().as_str(), "bb6531a2-5b13-4815-a83d-ed7a1fc70bd8");
    assert_eq!(event.topic(), &Topic::CustomerCreated);
    assert_eq!(event.resource_id(), Some("6c57f372-e9a0-47d4-91f3-ab2b3aae56f0"));
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_549_292_325_144);
    assert_eq!(event.created(), Some(time));
    assert_eq!(event.created_text(), Some("2019-02-04T14:58:45.144Z"));
    assert_eq!(event.correlation_id(), None);
    assert_eq!(event.is_sandbox(), Some(true));
    let base = "https://api-sandbox.dwolla.com";
    let href = |path: &str, id: &str| Some(format!("{base}/{path}/{id}"));
    assert_eq!(
        event.self_href().map(str::to_owned),
        href("events", "bb6531a2-5b13-4815-a83d-ed7a1fc70bd8")
    );
    assert_eq!(
        event.account_href().map(str::to_owned),
        href("accounts", "ad5f2162-404a-4c4c-994e-6ab6c3a13254")
    );
    let customer = href("customers", "6c57f372-e9a0-47d4-91f3-ab2b3aae56f0");
    assert_eq!(event.resource_href().map(str::to_owned), customer);
    assert_eq!(event.customer_href().map(str::to_owned), customer);
    let names: Vec<_> = event.links().map(|(name, _)| name).collect();
    assert_eq!(names, ["self", "account", "resource", "customer"]);
}

#[test]
fn the_layer_sees_what_the_accessors_tell() {
    fn seen<E: tower_webhook::event::Event>(event: &E) -> (Option<&str>, &str, Option<SystemTime>) {
        (event.id().map(|id| id.as_str()), event.topic(), event.time())
    }
    let event = event(DELIVERED);
    assert_eq!(
        seen(&event),
        (Some(event.id().as_str()), "customer_created", event.created())
    );
}

#[test]
fn every_form_of_an_event_has_one_fingerprint() {
    let forms: HashSet<_> = FORMS.map(fingerprint).into_iter().collect();
    assert_eq!(forms.len(), 1);
    // no `resourceId`: the link names the resource
    assert_eq!(fingerprint(without(&["resourceId"])), fingerprint(DOCUMENTED));
    assert_eq!(fingerprint(without(&["_links"])), fingerprint(DOCUMENTED));
}

#[test]
fn every_form_of_an_event_tells_the_same() {
    for form in FORMS {
        let event = event(form);
        assert_eq!(event.topic(), &Topic::CustomerCreated);
        assert_eq!(event.created_text(), Some("2019-02-04T14:58:45.144Z"));
        assert_eq!(event.is_sandbox(), Some(true));
        assert!(event.customer_href().is_some() && event.customer_href() == event.resource_href());
        let lower = "6c57f372-e9a0-47d4-91f3-ab2b3aae56f0";
        assert!(event.resource_id().is_some_and(|id| id.eq_ignore_ascii_case(lower)));
    }
}

#[test]
fn another_topic_resource_or_time_is_another_fingerprint() {
    let changed = [
        with("topic", json!("customer_verified")),
        with("topic", json!("not_yet_known")),
        with("resourceId", json!("7c57f372-e9a0-47d4-91f3-ab2b3aae56f0")),
        with("created", json!("2019-02-04T14:58:45.145Z")),
        with("created", json!("an odd time")),
        with("created", json!("another odd time")),
    ];
    let mut all: HashSet<_> = changed.iter().map(|event| event.fingerprint().unwrap()).collect();
    all.insert(fingerprint(DOCUMENTED));
    assert_eq!(all.len(), changed.len() + 1);
}

#[test]
fn the_fingerprint_leaves_out_what_a_resent_body_may_change() {
    let same = [
        with("id", json!("another id")),
        with("timestamp", json!("2020-01-01T00:00:00.000Z")),
        with("correlationId", json!("order-5")),
        with("new", json!({"field": [1]})),
        with("resourceId", json!("6C57F372-E9A0-47D4-91F3-AB2B3AAE56F0")),
    ];
    for event in same {
        assert_eq!(event.fingerprint().unwrap(), fingerprint(DOCUMENTED), "{event:?}");
    }
}

#[test]
fn a_time_written_in_another_way_is_the_same_event() {
    let at = |time: &str| fingerprint(format!(r#"{{"id":"1","topic":"customer_created","created":"{time}"}}"#));
    for twin in [
        "2019-02-04T14:58:45.144+00:00",
        "2019-02-04T14:58:45.1440Z",
        "2019-02-04 14:58:45.144 UTC",
    ] {
        assert_eq!(at(twin), at("2019-02-04T14:58:45.144Z"), "{twin}");
    }
    assert_ne!(at("2019-02-04T14:58:45.145Z"), at("2019-02-04T14:58:45.144Z"));
    assert_ne!(at("yesterday"), at("the day before"));
}

#[test]
fn a_stored_fingerprint_stays_what_it_was() {
    // Stores keep it for weeks: a change here makes every known event a conflict after an upgrade.
    assert_eq!(
        format!("{:?}", fingerprint(DOCUMENTED)),
        "Fingerprint(79144f384be0600cdd6a867a1f2ad078)"
    );
}

#[test]
fn an_event_of_connect_has_its_own_links() {
    let event = event(CONNECT);
    assert_eq!(event.topic(), &Topic::ConnectExternalPartyCreated);
    assert_eq!(event.link("external-party"), event.resource_href());
    assert_eq!(event.customer_href(), None);
    assert_eq!(event.is_sandbox(), Some(false));
}

#[test]
fn an_unknown_topic_is_an_event() {
    let event = with("topic", json!("customer_not_yet_known"));
    assert_eq!(event.topic().as_str(), "customer_not_yet_known");
}

#[test]
fn an_optional_field_of_another_type_counts_as_missing() {
    for odd in [
        json!(5),
        json!(-5),
        json!(0.5),
        json!(null),
        json!(true),
        json!([[1]]),
        json!({"a": {"b": []}}),
        json!(""),
    ] {
        assert_eq!(with("correlationId", odd.clone()).correlation_id(), None);
        let same = with("resourceId", odd.clone());
        assert_eq!(
            same.resource_id(),
            Some("6c57f372-e9a0-47d4-91f3-ab2b3aae56f0"),
            "read from the link"
        );
        let bare = with("_links", odd.clone());
        assert_eq!(
            (bare.resource_href(), bare.links().count(), bare.is_sandbox()),
            (None, 0, None)
        );
        let odd_link = with(
            "_links",
            json!({"resource": odd, "customer": {"href": "https://api.dwolla.com/customers/7"}}),
        );
        assert_eq!(odd_link.resource_href(), None);
        assert_eq!(odd_link.customer_href(), Some("https://api.dwolla.com/customers/7"));
        let odd_href = with("_links", json!({"resource": {"href": odd, "type": 7}}));
        assert_eq!(odd_href.resource_href(), None);
    }
}

#[test]
fn a_correlation_id_is_read() {
    assert_eq!(
        with("correlationId", json!("order-5.a_b")).correlation_id(),
        Some("order-5.a_b")
    );
}

#[test]
fn a_link_is_an_object_or_a_text() {
    let event = with(
        "_links",
        json!({"a": "https://x.example/1", "b": {"type": "t", "href": "https://x.example/2"}}),
    );
    let links: Vec<_> = event.links().collect();
    assert_eq!(links, [("a", "https://x.example/1"), ("b", "https://x.example/2")]);
}

#[test]
fn the_resource_is_the_last_segment_of_its_link() {
    for (href, id) in [
        ("https://api.dwolla.com/transfers/7", Some("7")),
        ("https://api.dwolla.com/transfers/7/", Some("7")),
        ("https://api.dwolla.com/transfers/7?a=b/c#d/e", Some("7")),
        ("https://api.dwolla.com/", None),
        ("https://api.dwolla.com", None),
        ("https://", None),
        ("://", None),
        ("7", None),
        ("é://é/é", Some("é")),
    ] {
        let body = json!({"id": "1", "topic": "t", "created": "c", "_links": {"resource": href}});
        assert_eq!(event(body.to_string()).resource_id(), id, "{href}");
    }
}

#[test]
fn the_host_of_the_links_tells_the_sandbox() {
    let sandbox = |links: Value| with("_links", links).is_sandbox();
    assert_eq!(sandbox(json!({"self": "https://api.dwolla.com/events/1"})), Some(false));
    assert_eq!(
        sandbox(json!({"self": "https://api-sandbox.dwolla.com/events/1"})),
        Some(true)
    );
    assert_eq!(
        sandbox(json!({"self": "https://api-uat.dwolla.com/events/1"})),
        Some(true)
    );
    assert_eq!(
        sandbox(json!({"self": "https://api.dwolla.com.example/events/1"})),
        None
    );
    assert_eq!(
        sandbox(json!({"self": "https://example/?https://api.dwolla.com/"})),
        None
    );
    assert_eq!(
        sandbox(json!({"a": "https://api.dwolla.com/1", "b": "https://api-sandbox.dwolla.com/1"})),
        None
    );
    assert_eq!(sandbox(json!({})), None);
}

#[test]
fn times_are_read_as_dwolla_writes_them() {
    let seconds = |text: &str| {
        with("created", json!(text))
            .created()
            .map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64())
    };
    assert_eq!(seconds("2019-05-30T18:21:11.490Z"), Some(1_559_240_471.49));
    assert_eq!(seconds("2022-01-20T16:20:47+00:00"), Some(1_642_695_647.0));
    assert_eq!(seconds("2018-11-29 21:00:59 UTC"), Some(1_543_525_259.0));
}

#[test]
fn an_odd_time_costs_the_time_and_not_the_event() {
    let texts = [
        "yesterday",
        " UTC",
        "2019-02-04",
        "2019-02-30T00:00:00Z",
        "2019-02-04T14:58:45.144-06:00",
        "２０１９-02-04T14:58:45Z",
        "\u{0}",
    ];
    for text in texts {
        let event = with("created", json!(text));
        assert_eq!((event.created(), event.created_text()), (None, Some(text)));
    }
    let long = "2".repeat(100_000);
    assert_eq!(with("created", json!(long)).created(), None);
    for odd in [json!(1_549_292_325), json!(null), json!(""), json!([]), json!({})] {
        let event = with("created", odd);
        assert_eq!((event.created(), event.created_text()), (None, None));
    }
}

#[test]
fn a_time_that_cannot_be_read_leaves_the_other_one() {
    let body =
        |created: Value| json!({"id": "1", "topic": "t", "created": created, "timestamp": "2019-02-04T14:58:45.144Z"});
    for odd in [json!(7), json!("yesterday")] {
        assert_eq!(event(body(odd).to_string()).created(), event(DOCUMENTED).created());
    }
}

#[test]
fn debug_prints_id_and_topic_alone() {
    let printed = format!("{:?}", event(DOCUMENTED));
    assert_eq!(
        printed,
        r#"Event { id: "bb6531a2-5b13-4815-a83d-ed7a1fc70bd8", topic: CustomerCreated, .. }"#
    );
}

#[test]
fn a_page_of_the_events_api_is_a_list_of_events() {
    let page = format!(
        "[{},{}]",
        str::from_utf8(EVENTS_API).unwrap(),
        str::from_utf8(CONNECT).unwrap()
    );
    let events: Vec<Event> = serde_json::from_str(&page).unwrap();
    assert_eq!(events.len(), 2);
}

// Bodies that are no events

#[test]
fn a_body_without_any_time_is_refused() {
    let message = "the event's created and timestamp are both missing; expected at least one of them";
    assert_refused(without(&["created"]), EventErrorKind::Field, message);
    // A *webhook* of Dwolla's API has an id and a topic too, but the id is not the event's.
    let webhook =
        r#"{"id":"w","topic":"transfer_created","accountId":"a","eventId":"e","subscriptionId":"s","attempts":[]}"#;
    assert_refused(webhook, EventErrorKind::Field, message);
}

#[test]
fn a_body_without_id_or_topic_is_refused() {
    let refused = |fields: &[&str]| refusal(without(fields)).to_string();
    assert!(refused(&["id"]).starts_with("missing field `id` at line 1 column "));
    assert!(refused(&["topic"]).starts_with("missing field `topic` at line 1 column "));
}

#[test]
fn a_field_that_is_there_twice_is_refused() {
    for (name, twin) in [
        ("id", r#""id":"2""#),
        ("id", r#""\u0069d":"2""#),
        ("topic", r#""t\u006fpic":"customer_created""#),
        ("created", r#""created":7"#),
        ("timestamp", r#""timestamp":null,"timestamp":null"#),
        ("resourceId", r#""resourceId":"2""#),
        ("correlationId", r#""correlationId":"2","correlationId":"2""#),
        ("_links", r#""_links":{}"#),
        ("_links", r#""\u005flinks":7"#),
        (
            "href",
            r#""x":1,"timestamp":"t","_links":{"self":{"href":"a","href":"b"}}"#,
        ),
    ] {
        let mut body = String::from_utf8(DOCUMENTED.to_vec()).unwrap();
        if name == "href" {
            body = r#"{"id":"1","topic":"t"}"#.to_owned();
        }
        body.pop();
        let error = refusal(format!("{body},{twin}}}"));
        let start = format!("duplicate field `{name}` at line 1 column ");
        assert!(error.to_string().starts_with(&start), "{error}");
        assert_eq!(error.kind(), EventErrorKind::Field);
    }
}

#[test]
fn an_unknown_field_may_be_anything_any_number_of_times() {
    let mut body = String::from_utf8(DOCUMENTED.to_vec()).unwrap();
    body.pop();
    event(format!(r#"{body},"new":1,"new":[{{}}],"new":1e999,"new":"\ud800"}}"#));
}

#[test]
fn what_no_text_or_number_can_hold_refuses_no_event() {
    for (value, read_as) in [(r#""a\ud800""#, Some("a\u{fffd}")), ("1e999", None), ("-1e999", None)] {
        let body = format!(r#"{{"id":"1","topic":"t","created":"c","correlationId":{value}}}"#);
        assert_eq!(event(&body).correlation_id(), read_as, "{value}");
    }
    // Where an id must be, it is none.
    let error = refusal(r#"{"id":1e999,"topic":"t","created":"c"}"#).to_string();
    assert!(
        error.starts_with("the event's id is null; expected a string"),
        "{error}"
    );
}

#[test]
fn of_two_links_of_one_name_the_last_counts() {
    let body = r#"{"id":"1","topic":"t","created":"c","_links":{"a":"first","a":"last","a":7}}"#;
    assert_eq!(event(body).link("a"), Some("last"));
}

#[test]
fn an_id_of_another_form_is_refused() {
    let refused = |id: Value| refusal(json!({"id": id, "topic": "t", "created": "c"}).to_string()).to_string();
    let cut = |message: String| message.split(" at line").next().unwrap().to_owned();
    for (id, message) in [
        (
            json!(7),
            "the event's id is a number; expected a string of 1 to 255 bytes",
        ),
        (
            json!(null),
            "the event's id is null; expected a string of 1 to 255 bytes",
        ),
        (
            json!(["a"]),
            "the event's id is an array; expected a string of 1 to 255 bytes",
        ),
        (
            json!({"a": 1}),
            "the event's id is an object; expected a string of 1 to 255 bytes",
        ),
        (json!(""), "the event's id is empty; expected 1 to 255 bytes"),
        (
            json!("i".repeat(300)),
            "the event's id has 300 bytes; expected 1 to 255",
        ),
        (
            json!("a\u{0}b"),
            "the event's id has a control character at position 1; expected none",
        ),
    ] {
        assert_eq!(cut(refused(id)), message);
    }
}

#[test]
fn a_topic_of_another_type_is_refused_without_its_value() {
    for (topic, what) in [
        ("4711", "a number"),
        ("-4711", "a number"),
        ("4711.5", "a number"),
        ("null", "null"),
        ("true", "a boolean"),
        (r#"["4711"]"#, "an array"),
        (r#"{"4711":4711}"#, "an object"),
    ] {
        let error = refusal(format!(r#"{{"id":"1","topic":{topic},"created":"c"}}"#)).to_string();
        let start = format!("the event's topic is {what}; expected a string at line 1 column ");
        assert!(error.starts_with(&start) && !error.contains("4711"), "{error}");
    }
}

#[test]
fn what_is_no_json_object_is_refused() {
    use EventErrorKind::{NotAnObject, Syntax};
    let object = "the body is not a JSON object; expected one";
    let array = r#"["bb6531a2","customer_created","2019-02-04T14:58:45.144Z"]"#;
    for body in [array, "7", "null", r#""text""#, "id=1&topic=t"] {
        assert_refused(body, NotAnObject, object);
    }
    assert_refused("", Syntax, "the body is empty; expected a JSON object");
    assert_refused(" \r\n\t", Syntax, "the body is empty; expected a JSON object");
    assert_refused(
        b"{\"id\":\"\xff\"}",
        Syntax,
        "the body is not UTF-8 from byte 7 on; expected JSON in UTF-8",
    );
    assert_refused("{\"id\":\"1\"", Syntax, "the body is not valid JSON at line 1 column 9");
    assert_refused("{'id':'1'}", Syntax, "the body is not valid JSON at line 1 column 2");
    for garbage in ["}", "{}", "\0", "x"] {
        let body = [DOCUMENTED, garbage.as_bytes()].concat();
        let column = DOCUMENTED.len() + 1;
        assert_refused(
            body,
            Syntax,
            &format!("the body is not valid JSON at line 1 column {column}"),
        );
    }
}

#[test]
fn a_deeply_nested_body_is_refused_wherever_it_nests() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let message = "the body nests more than 64 levels deep; expected an event";
    for field in ["id", "topic", "created", "_links", "correlationId", "not_yet_known"] {
        let body = format!(r#"{{"{field}":{deep},"id":"1","topic":"t","created":"c"}}"#);
        assert_refused(body, EventErrorKind::Syntax, message);
    }
    let links = format!(
        r#"{{"id":"1","topic":"t","created":"c","_links":{}{}}}"#,
        r#"{"a":"#.repeat(100_000),
        "}".repeat(100_000)
    );
    assert_refused(links, EventErrorKind::Syntax, message);
}

#[test]
fn a_refusal_never_repeats_the_body() {
    let secret = "s3cr3t-value";
    for body in [
        format!(r#"{{"id":{{"{secret}":"{secret}"}},"topic":"t","created":"c"}}"#),
        format!(r#"{{"id":"{secret}\u0000","topic":"t","created":"c"}}"#),
        format!(r#"{{"id":"1","topic":["{secret}"],"created":"c"}}"#),
        format!(r#"{{"id":"1","topic":"{secret}"}}"#),
        format!(r#"{{"{secret}":"{secret}"}}"#),
        format!(r#"{{"id":"1" {secret}}}"#),
        secret.to_owned(),
    ] {
        let error = refusal(&body);
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
    }
}

// Signatures

#[derive(serde::Deserialize)]
struct Vector {
    secret: String,
    body: String,
    headers: BTreeMap<String, String>,
}

fn vector() -> Vector {
    serde_json::from_slice(include_bytes!("../fixtures/dwolla/signature.json")).unwrap()
}

fn tag() -> String {
    vector().headers[NEWER].clone()
}

/// Verifies the vector's body under these headers.
fn verified(headers: &[(&'static str, &str)]) -> Result<Verified, SignatureError> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
        .collect();
    let vector = vector();
    verify(
        &dwolla::scheme(),
        &Secrets::new(vector.secret).unwrap(),
        &headers,
        vector.body.as_bytes(),
    )
}

#[track_caller]
fn assert_unsigned(headers: &[(&'static str, &str)], kind: SignatureErrorKind, message: &str) {
    let error = verified(headers).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

const SHA1: &str = "0123456789abcdef0123456789abcdef01234567";

#[test]
fn the_signature_that_other_tools_compute_is_taken_and_made() {
    let vector = vector();
    assert_eq!(verified(&[(NEWER, &tag())]).unwrap().secret_index(), 0);
    let made = dwolla::scheme()
        .sign(&Secrets::new(vector.secret).unwrap(), vector.body.as_bytes())
        .unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!(made[NEWER], tag());
}

#[test]
fn the_older_header_is_read_where_the_newer_is_absent() {
    assert!(verified(&[(OLDER, &tag())]).is_ok());
}

#[test]
fn the_older_header_is_ignored_where_the_newer_is_present() {
    assert!(verified(&[(NEWER, &tag()), (OLDER, SHA1)]).is_ok());
    let wrong = "0".repeat(64);
    assert_eq!(
        verified(&[(NEWER, &wrong), (OLDER, &tag())]).unwrap_err().kind(),
        SignatureErrorKind::Mismatch
    );
    assert_eq!(
        verified(&[(NEWER, ""), (OLDER, &tag())]).unwrap_err().kind(),
        SignatureErrorKind::Empty
    );
}

#[test]
fn a_sha_1_tag_is_refused_and_named() {
    assert_unsigned(
        &[(OLDER, SHA1)],
        SignatureErrorKind::Sha1,
        "the tag in x-request-signature has 40 hex digits, the length of a SHA-1 tag; expected HMAC-SHA256: \
         SHA-1 is not accepted, have the provider sign with HMAC-SHA256",
    );
}

#[test]
fn an_empty_header_is_refused() {
    assert_unsigned(
        &[(NEWER, "")],
        SignatureErrorKind::Empty,
        "x-request-signature-sha-256 is empty; expected a tag",
    );
}

#[test]
fn a_signature_of_another_form_is_refused() {
    let tag = tag();
    let prefixed = format!("sha256={tag}");
    for value in [
        tag.to_uppercase().as_str(),
        &prefixed,
        &tag[1..],
        &format!("{tag}0"),
        &"g".repeat(64),
    ] {
        assert_eq!(
            verified(&[(NEWER, value)]).unwrap_err().kind(),
            SignatureErrorKind::Malformed,
            "{value}"
        );
    }
}

// The provider

#[test]
fn the_provider_takes_one_secret_or_several() {
    let several = Dwolla::new(["new", "old"]).unwrap();
    for (secret, position) in [("new", 0), ("old", 1)] {
        let one = Dwolla::new(secret).unwrap();
        let headers = dwolla::scheme()
            .sign(&Secrets::new(secret).unwrap(), DELIVERED)
            .unwrap();
        assert_eq!(one.verifier().verify(&headers, DELIVERED).unwrap().secret_index(), 0);
        assert_eq!(
            several.verifier().verify(&headers, DELIVERED).unwrap().secret_index(),
            position
        );
    }
    assert!(Dwolla::new(String::from("text")).is_ok());
    assert!(Dwolla::new(vec!["new", "old"]).is_ok());
    assert!(Dwolla::new(Secrets::new("text").unwrap()).is_ok());
    assert_eq!(
        Dwolla::new(Vec::<String>::new()).unwrap_err().kind(),
        SecretErrorKind::None
    );
    assert_eq!(
        Dwolla::new("text\n").unwrap_err().kind(),
        SecretErrorKind::TrailingWhitespace
    );
}

#[test]
fn the_provider_prints_no_secret() {
    let printed = format!("{:?}", Dwolla::new(["hush-hush", "quiet"]).unwrap());
    assert!(
        printed.contains("secrets: 2") && !printed.contains("hush") && !printed.contains("quiet"),
        "{printed}"
    );
}

#[test]
fn the_provider_reads_the_topic_from_the_body_not_from_the_header() {
    let mut headers = HeaderMap::new();
    headers.insert("x-dwolla-topic", HeaderValue::from_static("transfer_completed"));
    let event = Dwolla::new("text")
        .unwrap()
        .event(&headers, &Bytes::from_static(DELIVERED))
        .unwrap();
    assert_eq!(event.topic(), &Topic::CustomerCreated);
}

#[test]
fn the_provider_tells_dwollas_terms() {
    let dwolla = Dwolla::new("text").unwrap();
    let (policy, hour) = (dwolla.policy(), Duration::from_secs(3600));
    assert_eq!(dwolla.name(), "dwolla");
    assert_eq!(policy.response_timeout(), Duration::from_secs(10));
    assert_eq!(policy.retry_window(), 72 * hour);
    assert_eq!(policy.redelivery_window(), 30 * 24 * hour);
    assert_eq!(policy.retention(), 35 * 24 * hour);
    assert_eq!(policy.body_limit(), 256 * 1024);
}

// Anything at all

/// Every accessor, on whatever was parsed.
fn read_all(event: &Event) {
    let _ = (
        event.fingerprint(),
        event.time(),
        event.created_text(),
        event.correlation_id(),
        event.resource_id(),
    );
    let _ = (
        event.is_sandbox(),
        event.links().count(),
        event.customer_href(),
        format!("{event:?}"),
    );
}

proptest! {
    #[test]
    fn any_text_makes_a_topic_that_keeps_it(text in ".{0,60}") {
        let topic = Topic::from(text.as_str());
        prop_assert_eq!(topic.as_str(), &text);
        prop_assert_eq!(topic.to_string(), text.clone());
        prop_assert_eq!(&topic, &Topic::from(text));
        let json = serde_json::to_string(&topic).unwrap();
        prop_assert_eq!(serde_json::from_str::<Topic>(&json).unwrap(), topic);
    }

    #[test]
    fn a_known_topic_with_one_byte_changed_is_another(index in 0..87_usize, at in any::<prop::sample::Index>(), byte in b'!'..b'~') {
        let known = &Topic::all()[index];
        let mut text = known.as_str().to_owned().into_bytes();
        let at = at.index(text.len());
        prop_assume!(text[at] != byte);
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        prop_assert_ne!(&Topic::from(text.as_str()), known);
        let topic = Topic::from(text.as_str());
        prop_assert_eq!(topic.as_str(), text);
    }

    #[test]
    fn any_bytes_are_an_event_or_a_refusal(body in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(event) = Event::from_json(&body) {
            read_all(&event);
        }
    }

    #[test]
    fn any_change_to_a_body_makes_an_event_or_a_refusal(
        form in 0..FORMS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut body = FORMS[form].to_vec();
        for (at, byte, how) in changes {
            let at = at.index(body.len());
            match how {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        if let Ok(event) = Event::from_json(&body) {
            read_all(&event);
        }
    }

    #[test]
    fn any_text_as_a_time_or_a_link_is_an_event(time in "[-0-9TZ:.+ UTCé]{0,40}", href in "(https?://)?[a-zé/?#.:]{0,30}") {
        let body = json!({"id": "1", "topic": "t", "created": time, "_links": {"resource": {"href": href}}});
        read_all(&event(body.to_string()));
    }
}
