//! Deliveries through the layer: ids, topics, payloads and headers.

#![cfg(test)] // for clippy

use super::*;

// ---- the guide's provider ----

#[tokio::test]
async fn an_event_of_the_guides_provider_runs_once_and_its_copies_are_acknowledged() {
    let endpoint = Endpoint::noting(example());
    for _ in 0..3 {
        assert_eq!(endpoint.post(&body("evt_1", "user.created")).await, 200);
    }
    assert_eq!(endpoint.post(&body("evt_2", "user.created")).await, 200);
    assert_eq!(endpoint.seen(), ["user.created evt_1", "user.created evt_2"]);
    let key = Key::new("example", EventId::new("evt_1").unwrap());
    assert!(endpoint.store.get(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_tampered_body_a_wrong_prefix_and_a_missing_signature_are_all_401() {
    let endpoint = Endpoint::noting(example());
    let body = body("evt_1", "user.created");
    let tampered = signed(&body, &[]).map(|_| Full::from(body.replace("Ada", "Eve")));
    let mut prefixed = signed(&body, &[]);
    let tag = prefixed.headers()["x-webhook-signature"]
        .to_str()
        .unwrap()
        .replace("sha256=", "sha512=");
    prefixed
        .headers_mut()
        .insert("x-webhook-signature", tag.parse().unwrap());
    let mut unsigned = signed(&body, &[]);
    unsigned.headers_mut().clear();
    for request in [tampered, prefixed, unsigned] {
        assert_eq!(endpoint.send(request).await.0, 401);
    }
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn the_headers_that_repeat_the_event_are_not_read() {
    let endpoint = Endpoint::noting(example());
    for id in ["wh_1", "wh_2", ""] {
        let request = signed(
            &body("evt_1", "user.created"),
            &[("x-webhook-id", id), ("x-webhook-event", "user.deleted")],
        );
        assert_eq!(endpoint.send(request).await.0, 200);
    }
    assert_eq!(endpoint.seen(), ["user.created evt_1"]);
}

#[tokio::test]
async fn a_beginning_of_a_topic_gets_all_that_follows_a_dot() {
    fn note(what: &'static str) -> impl Fn(Seen, Event) -> std::future::Ready<()> + Clone + Send + Sync + 'static {
        move |seen, event| {
            seen.note(format!("{what}: {}", event.topic()));
            std::future::ready(())
        }
    }
    let endpoint = Endpoint::new(example(), |topics| {
        topics
            .on(TopicPattern::from("user.created"), note("created"))
            .on("team", note("team"))
            .on("team.member.removed", note("removed"))
    });
    let topics = [
        "user.created",
        "user.updated",
        "team.member.role_changed",
        "team.member.removed",
        "teams.created",
        "team",
    ];
    for (number, topic) in topics.iter().enumerate() {
        assert_eq!(endpoint.post(&body(&number.to_string(), topic)).await, 200, "{topic}");
    }
    let expected = [
        "created: user.created",
        "team: team.member.role_changed",
        "removed: team.member.removed",
        "team: team",
    ];
    assert_eq!(endpoint.seen(), expected);
}

#[tokio::test]
async fn an_event_whose_topic_has_no_handler_is_acknowledged_and_not_recorded() {
    let endpoint = Endpoint::new(example(), |topics| {
        topics.on("user.created", async |_: Seen, _: Event| ())
    });
    assert_eq!(endpoint.post(&body("evt_1", "project.updated")).await, 200);
    assert!(endpoint.store.is_empty());
}

#[tokio::test]
async fn another_event_under_a_known_id_is_a_conflict() {
    let endpoint = Endpoint::noting(example());
    assert_eq!(endpoint.post(&body("evt_1", "user.created")).await, 200);
    let (status, rejection, _) = endpoint.send(signed(&body("evt_1", "user.deleted"), &[])).await;
    assert_eq!((status, rejection.unwrap().kind()), (500, RefusalKind::Conflict));
    assert_eq!(endpoint.seen(), ["user.created evt_1"]);
}

/// A body that counts its attempts, and has no time: each delivery has facts of its own.
#[tokio::test]
async fn a_retry_whose_facts_differ_is_handled_after_a_run_that_failed() {
    let counting = || provider().id(FieldPath::body("id")).topic(FieldPath::body("type"));
    let endpoint = Endpoint::new(counting(), |topics| {
        topics.fallback(async |seen: Seen, delivery: Delivery<Event>| {
            seen.note(String::from_utf8_lossy(delivery.event().body()));
            match delivery.claim().attempt() {
                1 => Err(HandlerError::retry("the ledger is down")),
                _ => Ok(()),
            }
        })
    });
    let [first, retry] = ["[]", "[1]"].map(|attempts| format!(r#"{{"id":"c","type":"x","attempts":{attempts}}}"#));
    assert_eq!(endpoint.post(&first).await, 500);
    assert_eq!(endpoint.post(&retry).await, 200);
    assert_eq!(endpoint.post(&retry).await, 200);
    assert_eq!(endpoint.seen(), [first, retry]);
}

#[tokio::test]
async fn a_delivery_whose_facts_differ_waits_while_another_process_runs_the_id() {
    let endpoint = Endpoint::noting(example());
    let theirs = ClaimRequest::new(
        Key::new("example", EventId::new("evt_1").unwrap()),
        Token::random(),
        Fingerprint::of(["other facts"]),
    )
    .with_lease(Duration::from_secs(60))
    .with_retention(8 * HOUR)
    .with_retry_window(8 * HOUR);
    endpoint.store.claim(&theirs).await.unwrap();
    let request = signed(&body("evt_1", "user.created"), &[]);
    let response = endpoint.service.clone().oneshot(request).await.unwrap();
    let refused = response.extensions().get::<Refusal>().unwrap();
    assert_eq!(
        (response.status().as_u16(), refused.kind()),
        (503, RefusalKind::InFlight)
    );
    let retry_after = response.headers()["retry-after"].to_str().unwrap().parse::<u64>();
    assert!(retry_after.is_ok_and(|seconds| (1..=60).contains(&seconds)));

    endpoint.store.release(&theirs).await.unwrap();
    assert_eq!(endpoint.post(&body("evt_1", "user.created")).await, 200);
    assert_eq!(endpoint.seen(), ["user.created evt_1"]);
}

// ---- the payload ----

#[tokio::test]
async fn handlers_take_the_payload_as_their_own_type_with_and_without_the_state() {
    async fn created(Payload(user): Payload<User>) -> Result<(), String> {
        Err(format!("so that the test sees it: {}", user.name))
    }
    async fn updated(seen: Seen, Payload(user): Payload<User>) {
        seen.note(user.name);
    }
    async fn deleted(seen: Seen, delivery: Delivery<Event>) -> Result<(), HandlerError> {
        let user: User = delivery.event().payload()?;
        seen.note(format!("{} at attempt {}", user.name, delivery.claim().attempt()));
        Ok(())
    }
    let endpoint = Endpoint::new(example(), |topics| {
        topics
            .on("user.created", created)
            .on("user.updated", updated)
            .on("user.deleted", deleted)
    });
    let (status, rejection, _) = endpoint.send(signed(&body("1", "user.created"), &[])).await;
    let reason = rejection.unwrap().reason().to_owned();
    assert_eq!((status, reason.as_str()), (500, "so that the test sees it: Ada"));
    assert_eq!(endpoint.post(&body("2", "user.updated")).await, 200);
    assert_eq!(endpoint.post(&body("3", "user.deleted")).await, 200);
    assert_eq!(endpoint.seen(), ["Ada", "Ada at attempt 1"]);
}

#[derive(Deserialize)]
struct Invoice {
    #[expect(dead_code, reason = "never read: the payload does not fit")]
    total: u64,
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_retried_and_never_repeated() {
    async fn paid(seen: Seen, _: Payload<Invoice>) {
        seen.note("ran");
    }
    let endpoint = Endpoint::new(example(), |topics| topics.on("invoice.paid", paid));
    let cases = [
        (
            r#"{"total":"private"}"#,
            "the event's data.total has another type than expected at line 1 column 57",
        ),
        (r#"{"private":1}"#, "missing field `total` at line 1 column 52"),
        (
            r#"{"total":1,"total":2}"#,
            "duplicate field `total` at line 1 column 57",
        ),
        (
            r#""private""#,
            "the event's data has another type than expected at line 1 column 48",
        ),
        ("null", "the event's data is missing"),
    ];
    for (attempt, (data, expected)) in cases.into_iter().enumerate() {
        let body = format!(r#"{{"id":"{attempt}","type":"invoice.paid","data":{data}}}"#);
        let body = if data == "null" {
            body.replace("data", "nodata")
        } else {
            body
        };
        for _ in 0..2 {
            let (status, rejection, answer) = endpoint.send(signed(&body, &[])).await;
            let rejection = rejection.unwrap();
            assert_eq!((status, rejection.kind()), (500, RefusalKind::HandlerFailed));
            assert_eq!(
                rejection.reason(),
                format!("the payload does not fit it::custom::deliveries::Invoice: {expected}")
            );
            assert!(!answer.contains("private"));
        }
        let key = Key::new("example", EventId::new(&attempt.to_string()).unwrap());
        let record = endpoint.store.get(&key).await.unwrap().unwrap();
        assert!(matches!(record.state, State::Free { attempts: 2, .. }), "{record:?}");
    }
    assert!(endpoint.seen().is_empty());
}

#[tokio::test]
async fn a_handler_can_reject_a_payload_that_does_not_fit() {
    let endpoint = Endpoint::new(example(), |topics| {
        topics.fallback(async |seen: Seen, event: Event| -> Result<(), HandlerError> {
            seen.note("ran");
            let _: u64 = event.payload().permanent()?;
            Ok(())
        })
    });
    for _ in 0..2 {
        assert_eq!(endpoint.post(&body("1", "user.created")).await, 200);
    }
    assert_eq!(endpoint.seen(), ["ran"]);
}

#[test]
fn the_payload_is_the_whole_body_or_the_part_that_was_named() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Whole {
        #[serde(rename = "type")]
        kind: String,
        data: User,
    }
    let ada = || User { name: "Ada".to_owned() };
    let body = body("1", "user.created");
    let whole = provider().id(FieldPath::body("id")).topic(FieldPath::body("type"));
    let data = ada();
    assert_eq!(
        event(whole.clone(), &body).payload(),
        Ok(Whole {
            kind: "user.created".to_owned(),
            data
        })
    );
    assert_eq!(event(example(), &body).payload(), Ok(ada()));
    assert_eq!(
        event(whole.payload(FieldPath::body("data.name")), &body).payload(),
        Ok("Ada".to_owned())
    );
}

#[test]
fn a_payload_that_is_missing_is_null_to_who_can_take_it() {
    let without = r#"{"id":"1","type":"ping"}"#;
    assert_eq!(event(example(), without).payload::<Option<User>>(), Ok(None));
    assert_eq!(event(example(), without).payload::<()>(), Ok(()));
    let deep = example().payload(FieldPath::body("data.object.user"));
    assert_eq!(event(deep.clone(), without).payload::<Option<User>>(), Ok(None));
    for null_on_the_way in [r#""data":null"#, r#""data":{"object":null}"#] {
        let body = without.replacen('{', &format!("{{{null_on_the_way},"), 1);
        assert_eq!(event(deep.clone(), &body).payload::<Option<User>>(), Ok(None), "{body}");
    }
    let error = event(deep, r#"{"id":"1","type":"ping","data":{}}"#)
        .payload::<u64>()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the payload does not fit u64: the event's data.object.user is missing"
    );
}

#[test]
fn the_body_of_an_event_is_as_it_was_signed() {
    let text = "{ \"id\":\"1\",\n\"type\" : \"ping\", \"n\": 1e400 }";
    assert_eq!(event(example(), text).body(), text);
}

// ---- headers ----

#[tokio::test]
async fn a_captured_body_under_a_new_header_id_runs_nothing_a_second_time_in_strict_mode() {
    let endpoint = Endpoint::strict(in_headers());
    for id in ["first", "second", "", "a\tb"] {
        let request = signed("{\"n\":1}", &[("x-webhook-id", id), ("x-webhook-event", "ping")]);
        assert_eq!(endpoint.send(request).await.0, 200);
    }
    // Under another topic, which is not signed either, the same bytes are a conflict: a replay, or
    // two topics that no key can tell apart.
    let without = signed("{\"n\":1}", &[("x-webhook-event", "another.topic")]);
    assert_eq!(endpoint.send(without).await.0, 500);
    assert_eq!(endpoint.seen(), ["ping -"]);

    let another = signed("{\"n\":2}", &[("x-webhook-id", "first"), ("x-webhook-event", "ping")]);
    assert_eq!(endpoint.send(another).await.0, 200);
    assert_eq!(endpoint.seen().len(), 2);
}

#[tokio::test]
async fn two_events_with_one_body_under_two_header_ids_both_run() {
    let endpoint = Endpoint::noting(in_headers());
    for (id, topic) in [
        ("1", "ping"),
        ("2", "ping"),
        ("1", "ping"),
        ("1", "pong"),
        ("1", "pong"),
    ] {
        let request = signed("{\"n\":1}", &[("x-webhook-id", id), ("x-webhook-event", topic)]);
        assert_eq!(endpoint.send(request).await.0, 200);
    }
    assert_eq!(endpoint.seen().len(), 3);
}

/// A body that counts its attempts is the same event each time, as its topic and time are.
#[tokio::test]
async fn a_retry_may_differ_from_the_first_delivery_where_the_event_has_a_time() {
    let endpoint = Endpoint::noting(example());
    let attempt = |n: u32, topic: &str| {
        format!(r#"{{"id":"1","type":"{topic}","created_at":"2026-07-01T12:00:00Z","attempt":{n},"data":{{}}}}"#)
    };
    for n in 1..4 {
        assert_eq!(endpoint.post(&attempt(n, "ping")).await, 200, "{n}");
    }
    assert_eq!(endpoint.seen().len(), 1);
    assert_eq!(endpoint.post(&attempt(1, "pong")).await, 500); // another event under the id
    assert_eq!(endpoint.seen().len(), 1);
}

#[tokio::test]
async fn a_provider_without_ids_goes_by_the_digest_of_the_body() {
    let endpoint = Endpoint::noting(provider().without_id().topic(FieldPath::body("type")));
    for body in [
        r#"{"type":"ping","n":1}"#,
        r#"{"type":"ping","n":1}"#,
        r#"{"type":"ping","n":2}"#,
    ] {
        assert_eq!(endpoint.post(body).await, 200);
    }
    assert_eq!(endpoint.seen(), ["ping -", "ping -"]);
}

/// The same scheme with a time and an id beside the body, which it signs.
#[test]
fn a_signed_header_id_is_the_key() {
    let scheme = scheme()
        .timestamp_header(name("x-webhook-time"), Duration::from_secs(300))
        .id_header(name("x-webhook-id"));
    let provider = Custom::builder("example", scheme.clone())
        .secrets(SECRET)
        .policy(DeliveryPolicy::new(Duration::from_secs(10), 8 * HOUR))
        .signed_id()
        .topic(FieldPath::body("type"))
        .build()
        .unwrap();
    let body = Bytes::from_static(br#"{"type":"ping"}"#);
    let secrets = Secrets::new(SECRET).unwrap();
    let headers = scheme.sign_at(&secrets, "msg_1", SystemTime::now(), &body).unwrap();
    let event = provider.event(&headers, &body).unwrap();
    assert_eq!(event.id().map(EventId::as_str), Some("msg_1"));
    assert_eq!(event.unsigned_id(), None);
    assert!(provider.event(&HeaderMap::new(), &body).is_err());
}

#[tokio::test]
async fn a_header_that_repeats_the_topic_agrees_with_the_body_or_the_request_is_refused() {
    let endpoint = Endpoint::noting(example().topic_repeated_in(name("x-webhook-event")));
    for (repeated, status) in [("pong", 400), ("", 400), ("Ping", 400), ("ping", 200)] {
        let request = signed(&body("1", "ping"), &[("x-webhook-event", repeated)]);
        assert_eq!(endpoint.send(request).await.0, status, "{repeated}");
    }
    assert_eq!(endpoint.post(&body("2", "ping")).await, 200); // none is no contradiction
    assert_eq!(endpoint.seen().len(), 2);
}

#[test]
fn a_header_id_is_reachable_and_marked_as_unsigned() {
    let provider = in_headers().build().unwrap();
    let read = |ids: &[&'static [u8]]| {
        let mut headers = HeaderMap::from_iter([(name("x-webhook-event"), HeaderValue::from_static("ping"))]);
        for id in ids {
            headers.append("x-webhook-id", HeaderValue::from_bytes(id).unwrap());
        }
        let event = provider.event(&headers, &Bytes::from_static(b"{}")).unwrap();
        assert_eq!(event.id(), None);
        event.unsigned_id().map(|id| id.into_unsigned().to_owned())
    };
    assert_eq!(read(&[b"evt_1"]).as_deref(), Some("evt_1"));
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[b"evt_1", b"evt_1"]).as_deref(), Some("evt_1"));
    assert_eq!(read(&[b"evt_1", b"evt_2"]), None);
    assert_eq!(read(&[b""]), None);
    assert_eq!(read(&[b"\xff"]), None);
    assert_eq!(event(example(), &body("1", "ping")).unsigned_id(), None);
}

#[tokio::test]
async fn a_topic_header_has_one_value_in_the_form_of_a_topic() {
    let endpoint = Endpoint::noting(in_headers());
    let long: &'static str = "x".repeat(256).leak();
    for (values, reason) in [
        (
            vec![],
            "the event's header x-webhook-event is missing; expected it once",
        ),
        (
            vec!["a", "b", "a"],
            "the event's header x-webhook-event is there 3 times with different values; expected one value",
        ),
        (
            vec![""],
            "the event's header x-webhook-event is empty; expected 1 to 255 bytes",
        ),
        (
            vec!["privaté"],
            "the event's header x-webhook-event is not printable ASCII; expected 1 to 255 bytes of it",
        ),
        (
            vec!["a\tb"],
            "the event's header x-webhook-event has a control character at position 1; expected none",
        ),
        (
            vec![long],
            "the event's header x-webhook-event has 256 bytes; expected 1 to 255",
        ),
    ] {
        let headers: Vec<_> = values.into_iter().map(|value| ("x-webhook-event", value)).collect();
        endpoint.assert_no_event(endpoint.send(signed("{}", &headers)).await, reason);
    }
}
