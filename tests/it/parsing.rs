//! Authentic bytes that are an event, or none, or one that is too old.

use std::time::Duration;

use tower_webhook::RefusalKind;

use crate::{
    endpoint::{Endpoint, signed},
    fixtures::{SECOND, assert_state, succeed},
    wire::Via,
};

pub(crate) async fn an_authentic_body_that_is_no_event_is_400_and_is_not_marked_as_seen(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for body in [
        "not json",
        "[]",
        "{}",
        r#"{"id":7,"topic":"customer_created","created":"x"}"#,
    ] {
        let answer = endpoint.send(signed(body)).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
    }
    assert_eq!((endpoint.parsed(), endpoint.store_calls(), endpoint.runs()), (4, 0, 0));
}

pub(crate) async fn authentic_json_that_is_no_event_is_400_and_leaves_the_store_alone(via: Via) {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let with_id =
        |id: &str| format!(r#"{{"id":{id},"topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}}"#);
    let good = with_id(r#""1""#);
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("white space", b" \n".to_vec()),
        ("null", b"null".to_vec()),
        (
            "an array of the fields",
            br#"["1","customer_created","2019-02-04T14:58:45.144Z"]"#.to_vec(),
        ),
        ("doubled id", good.replacen('{', r#"{"id":"2","#, 1).into()),
        ("escaped twin of id", good.replacen('{', r#"{"\u0069d":"2","#, 1).into()),
        ("doubled topic", good.replacen('{', r#"{"topic":"x","#, 1).into()),
        (
            "depth in an unknown field",
            good.replacen('{', &format!(r#"{{"x":{},"#, deep(100_000)), 1).into(),
        ),
        (
            "depth in a known field",
            good.replacen('{', &format!(r#"{{"_links":{},"#, deep(100_000)), 1)
                .into(),
        ),
        ("depth alone", deep(100_000).into()),
        ("open depth", "{\"a\":".repeat(30_000).into()),
        ("invalid UTF-8", [good.as_bytes(), b"\xff"].concat()),
        (
            "invalid UTF-8 in a string",
            good.as_bytes()
                .iter()
                .map(|byte| if *byte == b'1' { 0xff } else { *byte })
                .collect(),
        ),
        ("two objects", format!("{good}{good}").into()),
        ("a number for an id", with_id("7").into()),
        ("null for an id", with_id("null").into()),
        ("an object for an id", with_id("{}").into()),
        ("an empty id", with_id(r#""""#).into()),
        ("300 bytes of id", with_id(&format!("{:?}", "x".repeat(300))).into()),
        ("an id with NUL", with_id(r#""a\u0000b""#).into()),
        ("an id with a newline", with_id(r#""a\nb""#).into()),
    ];
    for (name, body) in bodies {
        let endpoint = Endpoint::new(succeed).over(via).await;
        let answer = endpoint.send(signed(&body)).await;
        assert_eq!(answer.status.as_u16(), 400, "{name}");
        answer.assert_refused(400, RefusalKind::NotAnEvent);
        assert_eq!((endpoint.store_calls(), endpoint.runs()), (0, 0), "{name}");
    }
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.send(signed(&good)).await.assert_acknowledged();
}

pub(crate) async fn an_id_of_the_longest_length_and_of_any_language_is_taken(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    for id in ["x".repeat(255), "ключ'\"; DROP TABLE--%_".to_owned(), " a ".to_owned()] {
        endpoint.deliver(&id).await.assert_acknowledged();
        assert!(endpoint.record(&id).await.is_some());
    }
    assert_eq!(endpoint.runs(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_event_older_than_the_oldest_accepted_is_400_and_leaves_no_trace() {
    let age = Duration::from_secs(31 * 24 * 3600);
    let endpoint = Endpoint::with(succeed, |builder| builder.max_event_age(age));
    tokio::time::advance(age).await;
    // Created a fraction of a second after the clock's start.
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::advance(SECOND).await;
    let answer = endpoint.deliver("2").await;
    answer.assert_refused(400, RefusalKind::TooOld);
    assert_state(endpoint.record("2").await, "absent");
}

#[tokio::test(start_paused = true)]
async fn an_event_of_exactly_the_oldest_age_is_taken() {
    let age = Duration::from_secs(31 * 24 * 3600);
    let endpoint = Endpoint::with(succeed, |builder| builder.max_event_age(age));
    // The event's time is 144 ms after the clock's start.
    tokio::time::advance(age + Duration::from_millis(144)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    tokio::time::advance(Duration::from_millis(1)).await;
    endpoint.deliver("2").await.assert_refused(400, RefusalKind::TooOld);
}
