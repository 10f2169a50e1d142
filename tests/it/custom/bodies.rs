//! Paths into a body, and hostile bodies.

#![cfg(test)] // for clippy

use super::*;

// ---- paths ----

#[test]
fn paths_lead_into_nested_objects_and_share_their_beginnings() {
    let nested = provider()
        .id(FieldPath::body("event.meta.id"))
        .topic(FieldPath::body("event.type"))
        .time(FieldPath::keys(["event", "meta", "at.utc"]))
        .payload(FieldPath::body("event"));
    let body = r#"{"id":7,"event":{"type":"ping","meta":{"at.utc":1782907200,"id":"evt_1","other":{"id":"no"}},"name":"Ada"}}"#;
    let event = event(nested, body);
    assert_eq!((event.id().unwrap().as_str(), event.topic()), ("evt_1", "ping"));
    assert_eq!(
        event.time(),
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_782_907_200))
    );
    assert_eq!(event.payload::<User>().unwrap().name, "Ada");
}

#[test]
fn a_path_that_leads_nowhere_names_the_whole_path() {
    let nested = provider()
        .id(FieldPath::body("event.id"))
        .topic(FieldPath::body("event.type"));
    for (body, message) in [
        (
            "{}",
            "the event's event.id is missing; expected a string of 1 to 255 bytes or a whole number",
        ),
        (
            r#"{"event":{"id":"1"}}"#,
            "the event's event.type is missing; expected a string of 1 to 255 bytes",
        ),
        (
            r#"{"event":["private"]}"#,
            "the event's event is an array; expected an object at line 1 column 10",
        ),
        (
            r#"{"event":"private"}"#,
            "the event's event is a string; expected an object at line 1 column 18",
        ),
        (
            r#"{"event":{"id":{"private":1}}}"#,
            "the event's event.id is an object; expected a string of 1 to 255 bytes or a whole number at line 1 column 29",
        ),
    ] {
        assert_refused(nested.clone(), body, message);
    }
}

#[test]
fn times_are_rfc_3339_or_whole_seconds() {
    let noon = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_782_907_200));
    for time in [
        json!("2026-07-01T12:00:00Z"),
        json!("2026-07-01T12:00:00.000000000+00:00"),
        json!("2026-07-01T14:00:00+02:00"),
        json!("2026-07-01T02:30:00-09:30"),
        json!(1_782_907_200),
        json!(1_782_907_200_000_u64),
        json!(1_782_907_200_000.0),
    ] {
        let body = json!({"id": "1", "type": "ping", "created_at": time}).to_string();
        assert_eq!(event(example(), &body).time(), noon, "{time}");
    }
}

#[test]
fn an_odd_time_costs_the_time_and_not_the_event() {
    for time in [
        json!("yesterday"),
        json!(""),
        json!("é026-07-01T12:00:00Z"),
        json!("2026-07-01T12:00:00+0:000"),
        json!("2026-07-01T12:00:00++2:00"),
        json!("2026-07-01T12:00:00+24:00"),
        json!("2026-07-01"),
        json!("1782907200"),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1.5),
        json!(null),
        json!(true),
        json!([1]),
        json!({"seconds": 1}),
    ] {
        let body = json!({"id": "1", "type": "ping", "created_at": time}).to_string();
        assert_eq!(event(example(), &body).time(), None, "{time}");
    }
    assert_eq!(event(example(), r#"{"id":"1","type":"ping"}"#).time(), None);
    let under_a_text = example().time(FieldPath::body("meta.at"));
    assert_eq!(
        event(under_a_text, r#"{"id":"1","type":"ping","meta":"x"}"#).time(),
        None
    );
}

#[test]
fn debug_prints_id_and_topic_alone() {
    assert_eq!(
        format!("{:?}", event(example(), &body("1", "ping"))),
        r#"Event { id: Some("1"), topic: "ping", .. }"#
    );
    assert!(!format!("{:?} {:?}", example(), example().build().unwrap()).contains(SECRET));
}

// ---- hostile bodies ----

#[tokio::test]
async fn what_is_authentic_but_no_event_is_400_and_touches_nothing() {
    let endpoint = Endpoint::noting(example());
    let deep = format!(
        r#"{{"id":"1","type":"ping","data":{}1{}}}"#,
        "[".repeat(64),
        "]".repeat(64)
    );
    let (long, text) = ("x".repeat(256), "expected a string of 1 to 255 bytes");
    let id = format!("{text} or a whole number");
    for (body, reason) in [
        ("", "the body is empty; expected a JSON object".to_owned()),
        (
            r#"["id","private"]"#,
            "the body is not a JSON object; expected one".to_owned(),
        ),
        ("\"private\"", "the body is not a JSON object; expected one".to_owned()),
        (
            r#"{"id":"1","type":"private"} x"#,
            "the body is not valid JSON at line 1 column 29".to_owned(),
        ),
        (
            r#"{"id":"1","type":"private""#,
            "the body is not valid JSON at line 1 column 26".to_owned(),
        ),
        (
            &deep,
            "the body nests more than 64 levels deep; expected an event".to_owned(),
        ),
        (r#"{"type":"private"}"#, format!("the event's id is missing; {id}")),
        (r#"{"id":"private"}"#, format!("the event's type is missing; {text}")),
        (
            r#"{"id":0.7}"#,
            format!("the event's id is a number; {id} at line 1 column 10"),
        ),
        (
            r#"{"id":null}"#,
            format!("the event's id is null; {id} at line 1 column 11"),
        ),
        (
            r#"{"id":true}"#,
            format!("the event's id is a boolean; {id} at line 1 column 11"),
        ),
        (
            r#"{"id":["private"]}"#,
            format!("the event's id is an array; {id} at line 1 column 18"),
        ),
        (
            r#"{"id":{"private":1}}"#,
            format!("the event's id is an object; {id} at line 1 column 20"),
        ),
        (
            r#"{"id":""}"#,
            "the event's id is empty; expected 1 to 255 bytes at line 1 column 9".to_owned(),
        ),
        (
            &format!(r#"{{"id":"{long}"}}"#),
            "the event's id has 256 bytes; expected 1 to 255 at line 1 column 265".to_owned(),
        ),
        (
            r#"{"id":"private\u0000"}"#,
            "the event's id has a control character at position 7; expected none at line 1 column 22".to_owned(),
        ),
        (
            r#"{"id":"1","type":["private"]}"#,
            format!("the event's type is an array; {text} at line 1 column 18"),
        ),
        (
            r#"{"id":"1","type":""}"#,
            "the event's type is empty; expected 1 to 255 bytes at line 1 column 19".to_owned(),
        ),
    ] {
        endpoint.assert_no_event(endpoint.send(signed(body, &[])).await, &reason);
    }
}

#[test]
fn a_key_on_a_named_path_is_there_once_however_it_is_spelled() {
    for (body, message) in [
        (
            r#"{"id":"1","type":"a","id":"1"}"#,
            "the event's id is there twice; expected it once at line 1 column 25",
        ),
        (
            r#"{"id":"1","type":"a","\u0069d":"2"}"#,
            "the event's id is there twice; expected it once at line 1 column 30",
        ),
        (
            r#"{"id":"1","type":"a","typ\u0065":"b"}"#,
            "the event's type is there twice; expected it once at line 1 column 32",
        ),
        (
            r#"{"id":"1","type":"a","created_at":1,"created_at":2}"#,
            "the event's created_at is there twice; expected it once at line 1 column 48",
        ),
        (
            r#"{"id":"1","type":"a","data":1,"data":2}"#,
            "the event's data is there twice; expected it once at line 1 column 36",
        ),
    ] {
        assert_refused(example(), body, message);
    }
    let nested = provider()
        .id(FieldPath::body("a.id"))
        .topic(FieldPath::body("type"))
        .payload(FieldPath::body("b.c"));
    for (body, message) in [
        (
            r#"{"type":"x","a":{"id":"1"},"a":{"id":"2"}}"#,
            "the event's a is there twice; expected it once at line 1 column 30",
        ),
        (
            r#"{"type":"x","a":{"id":"1","id":"2"}}"#,
            "the event's a.id is there twice; expected it once at line 1 column 30",
        ),
        (
            r#"{"type":"x","a":{"id":"1"},"b":{"c":1,"\u0063":2}}"#,
            "the event's b.c is there twice; expected it once at line 1 column 46",
        ),
    ] {
        assert_refused(nested.clone(), body, message);
    }
}

#[test]
fn what_no_path_leads_to_may_be_anything_any_number_of_times() {
    let body =
        r#"{"x":1,"x":[{}],"id":"1","y":{"id":2,"id":3},"type":"ping","":null,"data":{"id":1,"id":2,"n":1e999}}"#;
    assert_eq!(event(example(), body).topic(), "ping");
}

#[test]
fn an_escaped_key_is_the_key() {
    let event = event(
        example(),
        r#"{"\u0069\u0064":"\u0031","type":"ping","d\u0061ta":{"n\u0061me":"Ada"}}"#,
    );
    assert_eq!(event.id().unwrap().as_str(), "1");
    assert_eq!(event.payload::<User>().unwrap().name, "Ada");
}
