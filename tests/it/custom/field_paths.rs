//! What a description can say about ids, topics, times, forms and handshakes.

#![cfg(test)] // for clippy

use super::*;

// ---- ids ----

#[tokio::test]
async fn a_whole_number_is_an_id_as_good_as_its_digits() {
    let endpoint = Endpoint::noting(
        provider()
            .id(FieldPath::body("id"))
            .topic(FieldPath::body("type"))
            .unique_ids(),
    );
    let post = |id: &str| format!(r#"{{"id":{id},"type":"x"}}"#);
    // The last two are one float.
    for id in ["7", r#""7""#, "-7", "36893488147419103232", "36893488147419103233"] {
        assert_eq!(endpoint.post(&post(id)).await, 200, "{id}");
    }
    let expected = ["x 7", "x -7", "x 36893488147419103232", "x 36893488147419103233"];
    assert_eq!(endpoint.seen(), expected);
    let long = "1".repeat(256);
    for id in ["7.0", "7e0", "1e999", &long] {
        assert_eq!(endpoint.post(&post(id)).await, 400, "{id}");
    }
}

#[tokio::test]
async fn an_event_without_its_optional_id_goes_by_its_body() {
    let endpoint = Endpoint::noting(
        provider()
            .optional_id(FieldPath::body("id"))
            .topic(FieldPath::body("type")),
    );
    for body in [
        r#"{"type":"a"}"#,
        r#"{"type":"a"}"#,
        r#"{"type":"a","id":null}"#,
        r#"{"type":"a","id":"1"}"#,
    ] {
        assert_eq!(endpoint.post(body).await, 200, "{body}");
    }
    assert_eq!(endpoint.seen(), ["a -", "a -", "a 1"]);
}

#[tokio::test]
async fn one_id_in_two_scopes_is_two_events() {
    let scoped = provider()
        .id(FieldPath::body("id"))
        .scope(FieldPath::body("account"))
        .topic(FieldPath::body("type"));
    let endpoint = Endpoint::noting(scoped);
    let long = format!("\"{}\"", "a".repeat(200));
    let id = "i".repeat(200);
    for account in ["1", "2", "\"1\"", &long, "null"] {
        let body = format!(r#"{{"id":"{id}","account":{account},"type":"x"}}"#);
        assert_eq!(
            endpoint.post(&body).await,
            if account == "\"1\"" { 500 } else { 200 },
            "{account}"
        );
    }
    assert_eq!(endpoint.seen().len(), 4);
    let key = Key::new("example", EventId::new(&format!("1:{id}")).unwrap());
    assert!(endpoint.store.get(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn an_unsigned_scope_joins_the_key_and_not_in_strict_mode() {
    let scoped = |id: FieldPath| {
        provider()
            .id(id)
            .scope(FieldPath::unsigned_header(name("x-shop")))
            .topic(FieldPath::body("type"))
    };
    let header_id = || FieldPath::unsigned_header(name("x-id"));
    for (id, strict, runs) in [
        (header_id(), false, 2),
        (header_id(), true, 1),
        (FieldPath::body("id"), false, 2),
        (FieldPath::body("id"), true, 1),
    ] {
        let endpoint = match strict {
            true => Endpoint::strict(scoped(id)),
            false => Endpoint::noting(scoped(id)),
        };
        for shop in ["a", "b", "a"] {
            let request = signed(r#"{"id":"1","type":"x"}"#, &[("x-shop", shop), ("x-id", "1")]);
            assert_eq!(endpoint.send(request).await.0, 200);
        }
        assert_eq!(endpoint.seen().len(), runs, "strict: {strict}");
    }
}

#[tokio::test]
async fn other_facts_under_an_id_that_is_unique_are_a_duplicate() {
    for (builder, status) in [(example(), 500), (example().unique_ids(), 200)] {
        let endpoint = Endpoint::noting(builder);
        assert_eq!(endpoint.post(&body("1", "a")).await, 200);
        assert_eq!(endpoint.post(&body("1", "b")).await, status);
        assert_eq!(endpoint.seen(), ["a 1"]);
    }
}

// ---- topics ----

#[tokio::test]
async fn a_topic_is_at_the_first_path_that_has_one() {
    let several = || {
        provider()
            .without_id()
            .topic(FieldPath::body("a"))
            .or_topic(FieldPath::body("b.c"))
            .action(FieldPath::body("action"))
    };
    let endpoint = Endpoint::noting(several());
    for (body, status) in [
        (r#"{"b":{"c":"second"},"a":"first"}"#, 200),
        (r#"{"b":{"c":"second"}}"#, 200),
        (r#"{"b":{"c":"second"},"a":7,"action":"done"}"#, 200),
        (r#"{"b":"x"}"#, 400),
        ("[]", 400),
    ] {
        assert_eq!(endpoint.post(body).await, status, "{body}");
    }
    assert_eq!(endpoint.seen(), ["first -", "second -", "second.done -"]);

    let or_header = Endpoint::noting(several().or_topic(FieldPath::unsigned_header(name("x-topic"))));
    for (headers, status) in [(vec![("x-topic", "third")], 200), (vec![], 400)] {
        assert_eq!(or_header.send(signed("{}", &headers)).await.0, status);
    }
    assert_eq!(or_header.seen(), ["third -"]);
}

#[tokio::test]
async fn an_event_without_a_topic_goes_to_the_fallback() {
    let in_header = FieldPath::unsigned_header(name("x-topic"));
    for builder in [
        provider().without_id().optional_topic(FieldPath::body("type")),
        provider().without_id().optional_topic(in_header),
        provider().without_id().without_topic(),
    ] {
        let endpoint = Endpoint::noting(builder);
        for body in ["{}", "[1]", r#"{"type":7}"#] {
            assert_eq!(endpoint.post(body).await, 200, "{body}");
        }
        assert_eq!(endpoint.seen(), [" -", " -", " -"]);
    }
}

// ---- payloads ----

#[test]
fn a_payload_is_at_the_first_path_that_has_something() {
    let several = || {
        provider()
            .without_id()
            .without_topic()
            .payload(FieldPath::body("p.object"))
            .or_payload(FieldPath::body("p"))
    };
    for (body, name) in [
        (r#"{"p":{"object":{"name":"a"}}}"#, Some("a")),
        (r#"{"p":{"object":null,"name":"b"}}"#, Some("b")),
        (r#"{"name":"c"}"#, None),
    ] {
        let found = event(several(), body).payload::<Option<User>>().unwrap();
        assert_eq!(found.as_ref().map(|user| user.name.as_str()), name, "{body}");
    }
    let or_whole = several().or_payload(FieldPath::whole_body());
    let users: Vec<User> = event(or_whole.clone(), r#"[{"name":"d"}]"#).payload().unwrap();
    assert_eq!(users, [User { name: "d".to_owned() }]);
    assert_eq!(event(or_whole, r#"{"name":"c"}"#).payload::<User>().unwrap().name, "c");
}

// ---- times ----

#[tokio::test]
async fn a_signing_time_in_the_body_must_be_near_enough_to_now() {
    let builder = || {
        provider()
            .id(FieldPath::body("id"))
            .without_topic()
            .signed_at(FieldPath::body("meta.sent"), Duration::from_secs(300))
    };
    let endpoint = Endpoint::noting(builder());
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let rfc3339 = humantime(now);
    let cases = [
        (now.to_string(), 200),
        ((now * 1000).to_string(), 200),
        (format!("{now}000.0"), 200),
        (format!("\"{rfc3339}\""), 200),
        ((now - 400).to_string(), 401),
        (((now + 400) * 1000).to_string(), 401),
        ("\"2026-01-01T00:00:00Z\"".to_owned(), 401),
        ("\"now\"".to_owned(), 401),
        ("null".to_owned(), 401),
        ("{}".to_owned(), 401),
    ];
    for (number, (sent, status)) in cases.iter().enumerate() {
        let body = format!(r#"{{"id":{number},"meta":{{"sent":{sent}}}}}"#);
        assert_eq!(endpoint.post(&body).await, *status, "{sent}");
    }
    assert_eq!(endpoint.post(r#"{"id":"none"}"#).await, 401);
    assert_eq!(endpoint.seen().len(), 4);
    let window = builder().build().unwrap().signature_window();
    assert_eq!(window, Some(Duration::from_secs(300)));
    // A record must live for as long as the signature.
    let short = builder()
        .signed_at(FieldPath::body("sent"), 10_000 * HOUR)
        .build()
        .unwrap();
    let layer = WebhookLayer::builder(short, MemoryStore::new()).retention(HOUR * 24);
    assert!(layer.build().unwrap_err().to_string().contains("signature"));
}

fn humantime(seconds: u64) -> String {
    let days = seconds / 86_400;
    // Civil from days: the algorithm of Howard Hinnant.
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + u64::from(month <= 2);
    let rest = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

// ---- forms ----

#[tokio::test]
async fn forms_are_read_as_the_json_in_a_field_or_as_their_fields() {
    let in_field = || provider().id(FieldPath::body("id")).topic(FieldPath::body("type"));
    let json = r#"{"id":"1","type":"x"}"#;
    let form = "a=b&payload=%7B%22id%22%3A%221%22%2C%22type%22%3A%22x%22%7D";
    for (builder, body, noted) in [
        (in_field(), form, None),
        (in_field().form_field("payload"), form, Some("x 1")),
        (in_field().form_field("payload"), json, Some("x 1")),
        (in_field().form_field("other"), form, None),
        (in_field().form_fields(), "id=1&type=%2Fdeploy&id=2", Some("/deploy 1")),
        (in_field().form_fields(), form, None),
        (in_field().form_field("payload").form_fields(), form, Some("x 1")),
        (
            in_field().form_field("payload").form_fields(),
            "id=1&type=y",
            Some("y 1"),
        ),
    ] {
        let endpoint = Endpoint::noting(builder);
        assert_eq!(
            endpoint.post(body).await,
            if noted.is_some() { 200 } else { 400 },
            "{body}"
        );
        assert_eq!(endpoint.seen(), noted.into_iter().collect::<Vec<_>>(), "{body}");
    }
}

// ---- handshakes ----

#[tokio::test]
async fn a_handshake_gets_its_response_and_reaches_no_handler() {
    let challenge = || FieldPath::body("challenge");
    let builder = || {
        provider()
            .optional_id(FieldPath::body("id"))
            .optional_topic(FieldPath::body("type"))
            .handshake("verify", HandshakeResponse::text(challenge()))
            .handshake("json", HandshakeResponse::json("the \"key\"", challenge()))
            .handshake("ping", HandshakeResponse::acknowledge())
            .handshake("", HandshakeResponse::json("challenge", challenge()))
    };
    let endpoint = Endpoint::noting(builder());
    let long = "x".repeat(256);
    for (body, answer) in [
        (
            r#"{"type":"verify","challenge":"a-_.+/=9"}"#.to_owned(),
            "a-_.+/=9".to_owned(),
        ),
        (r#"{"type":"verify.now","challenge":"a"}"#.to_owned(), "a".to_owned()),
        (format!(r#"{{"type":"verify","challenge":"{long}"}}"#), long.clone()),
        (
            r#"{"type":"json","challenge":"a"}"#.to_owned(),
            r#"{"the \"key\"":"a"}"#.to_owned(),
        ),
        (r#"{"type":"ping"}"#.to_owned(), String::new()),
        (r#"{"challenge":"a"}"#.to_owned(), r#"{"challenge":"a"}"#.to_owned()),
    ] {
        let (status, _, found) = endpoint.send(signed(&body, &[])).await;
        assert_eq!((status, found), (200, answer), "{body}");
    }
    for challenge in [r#""""#, r#""<b>""#, r#""a b""#, "7", "null", &format!("\"{long}x\"")] {
        let body = format!(r#"{{"type":"verify","challenge":{challenge}}}"#);
        let (status, _, found) = endpoint.send(signed(&body, &[])).await;
        assert_eq!(status, 400, "{challenge}");
        assert!(!found.contains("<b>"));
    }
    assert!(endpoint.seen().is_empty());
    assert!(endpoint.store.is_empty());
    // Events: by their id, by another topic, or because there is nothing to echo.
    for body in [
        r#"{"id":"1","type":"verify","challenge":"a"}"#,
        r#"{"type":"verifying","challenge":"a"}"#,
        r#"{"n":1}"#,
    ] {
        assert_eq!(endpoint.post(body).await, 200, "{body}");
    }
    assert_eq!(endpoint.seen(), ["verify 1", "verifying -", " -"]);
    // Unsigned, nothing is echoed.
    let forged = Request::post("/")
        .body(Full::from(r#"{"type":"verify","challenge":"a"}"#))
        .unwrap();
    assert_eq!(endpoint.send(forged).await.0, 401);
}
