//! What an event says, in every form that Dwolla has sent, and with fields that are odd.

#![cfg(test)] // for clippy

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tower_webhook::dwolla::{Event, Topic};

use super::{CONNECT, DELIVERED, DOCUMENTED, EVENTS_API, FORMS, event, refusal, with};

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
fn an_event_of_connect_has_its_own_links() {
    let event = event(CONNECT);
    assert_eq!(event.topic(), &Topic::ConnectExternalPartyCreated);
    assert_eq!(event.link("external-party"), event.resource_href());
    assert_eq!(event.customer_href(), None);
    assert_eq!(event.is_sandbox(), Some(false));
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
fn of_two_links_of_one_name_the_last_counts() {
    let body = r#"{"id":"1","topic":"t","created":"c","_links":{"a":"first","a":"last","a":7}}"#;
    assert_eq!(event(body).link("a"), Some("last"));
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
