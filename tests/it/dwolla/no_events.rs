//! Bodies that are no events: how each is refused, and that no refusal repeats the body.

#![cfg(test)] // for clippy

use serde_json::{Value, json};
use tower_webhook::event::EventErrorKind;

use super::{DOCUMENTED, refusal, without};

#[track_caller]
fn assert_refused(body: impl AsRef<[u8]>, kind: EventErrorKind, message: &str) {
    let error = refusal(body);
    assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
}

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
