//! What an adversary tried: bodies and headers that are authentic, and just beside what is usual.

#![cfg(test)] // for clippy

use std::collections::HashMap;

use serde_json::json;
use tower_webhook::RefusalKind;

use super::{
    replays::{Endpoint, SECRET},
    *,
};

fn slack() -> Slack {
    Slack::new(SECRET).unwrap()
}

// ---- forms ----

/// The check of a command's address names no command. What names one is a command.
#[tokio::test]
async fn a_slack_command_is_not_swallowed_as_a_check_of_its_address() {
    for body in [
        "command=%2Fdeploy&text=now&ssl_check=1",
        "ssl_check=1&command=%2Fdeploy&text=now",
        "ssl_check=0&command=%2Fdeploy&text=now",
        "ssl_check=&command=%2Fdeploy&text=now",
        "command=%2Fdeploy&text=ssl_check%3D1%26x&trigger_id=1",
        "ssl%5Fcheck=1&command=%2Fdeploy",
    ] {
        let endpoint = Endpoint::new(slack());
        for _ in 0..2 {
            endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), ["command./deploy"], "{body}");
    }
    for body in [
        "ssl_check=1",
        "token=x&ssl_check=1",
        "ssl_check=",
        "ssl_check=true&command=",
    ] {
        let endpoint = Endpoint::new(slack());
        endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
        endpoint.assert_untouched();
    }
}

/// The options of a legacy menu are asked for by a payload that says no type.
#[tokio::test]
async fn a_slack_payload_without_a_type_is_an_event_without_a_topic() {
    let payload = r#"{"name":"games","value":"","callback_id":"game_selection","action_ts":"1481670445.010908"}"#;
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("payload", payload)
        .finish();
    let endpoint = Endpoint::on(slack(), &["interactive"]);
    endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["named: interactive"]);
}

#[tokio::test]
async fn a_form_is_read_as_it_was_signed_and_never_as_two_events() {
    // The first of two payloads is the event, whichever a proxy's parser would take.
    let two = "payload=%7B%22type%22%3A%22a%22%7D&payload=%7B%22type%22%3A%22b%22%7D&command=%2Fc&ssl_check=1";
    let endpoint = Endpoint::new(slack());
    endpoint.post(two.as_bytes(), &[]).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["interactive.a"]);
    for body in [
        "payload",
        "payload=",
        "payload=%",
        "payload=%7",
        "payload=%FF%FE",
        "payload=%00",
        "payload=%7B%22type%22%3A%22a%22",
        "payload=%5B%5D&payload=%7B%7D%7D",
        "command=%00",
        "command",
        "%",
        "&&&&",
        "=",
        "x=%7B%22type%22%3A%22event_callback%22%7D",
    ] {
        let endpoint = Endpoint::new(slack());
        let answer = endpoint.post(body.as_bytes(), &[]).await;
        if answer.status != 200 {
            answer.assert_refused(400, RefusalKind::NotAnEvent);
            assert!(endpoint.seen().is_empty(), "{body}");
        }
    }
}

#[tokio::test]
async fn a_form_of_a_million_fields_is_read_in_time() {
    let body = "a&".repeat(1_000_000) + "command=%2Fdeploy";
    let started = std::time::Instant::now();
    let endpoint = Endpoint::new(slack());
    endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["command./deploy"]);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

// ---- headers of two families ----

/// A classic event whose body says no topic, with the newer headers beside the older ones.
#[tokio::test]
async fn a_classic_shopify_event_keeps_its_topic_where_the_newer_headers_are_there_too() {
    let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
    for (topic, newer) in [
        ("orders/create", true),
        ("orders/create", false),
        ("orders/paid", true),
        ("orders/paid", false),
    ] {
        let mut headers = vec![("x-shopify-topic", topic), ("x-shopify-event-id", "1")];
        if newer {
            headers.push(("shopify-hmac-sha256", "anything"));
            headers.push(("shopify-topic", "Order"));
            headers.push(("shopify-action", "create"));
            headers.push(("shopify-event-id", "2"));
        }
        endpoint.post(br#"{"id":7}"#, &headers).await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["orders/create", "orders/paid"]);
}

/// An event of the newer family may have its id in the older headers only.
#[tokio::test]
async fn a_shopify_event_is_told_apart_by_the_id_of_either_family() {
    let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
    let body = br#"{"topic":"Product","action":"update","handle":"products"}"#;
    for (name, id) in [
        ("x-shopify-event-id", "1"),
        ("x-shopify-event-id", "2"),
        ("shopify-event-id", "3"),
        ("x-shopify-webhook-id", "4"),
        ("x-shopify-shop-domain", "a.myshopify.com"),
        ("x-shopify-event-id", "1"),
    ] {
        let headers = [("shopify-hmac-sha256", "x"), (name, id)];
        endpoint.post(body, &headers).await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["Product.update"; 5]);
}

/// What is sent first under other headers must not make the real delivery a duplicate.
#[tokio::test]
async fn a_captured_body_under_other_headers_swallows_no_real_delivery() {
    let body = br#"{"action":"opened","issue":{"number":17},"webhookTimestamp":1700000000000,"type":"Issue"}"#;
    let github = [
        ("x-github-event", "issues"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
    ];
    let forged: &[&[(&'static str, &str)]] = &[
        &[("x-github-event", "ping"), github[1]],
        &[("x-github-event", "issues.opened"), github[1]],
        &[("x-github-event", "Issues"), github[1]],
        &[("x-github-event", "push"), github[1]],
        &[github[0]],
        &[github[0], ("x-github-delivery", "")],
        &[
            github[0],
            ("x-github-delivery", "1"),
            ("x-github-delivery", github[1].1),
        ],
        &[github[1], ("x-github-event", "issues"), ("x-github-event", "push")],
        &[],
    ];
    for headers in forged {
        let endpoint = Endpoint::new(GitHub::new(SECRET).unwrap());
        let _ = endpoint.post(body, headers).await;
        let before = endpoint.seen().len();
        endpoint.post(body, &github).await.assert_acknowledged();
        assert_eq!(endpoint.seen().len(), before + 1, "{headers:?}");
    }
    let shopify = [
        ("x-shopify-topic", "orders/create"),
        ("x-shopify-event-id", "1"),
        ("x-shopify-shop-domain", "a.myshopify.com"),
    ];
    let forged: &[&[(&'static str, &str)]] = &[
        &[shopify[0], shopify[1]],
        &[shopify[0], shopify[2]],
        &[shopify[1], shopify[2]],
        &[shopify[0], shopify[1], ("shopify-shop-domain", "b.myshopify.com")],
        &[shopify[0], shopify[2], ("shopify-event-id", "2")],
        &[shopify[0], shopify[2], ("x-shopify-webhook-id", "2")],
        &[("x-shopify-topic", "orders/paid"), shopify[1], shopify[2]],
        &[("shopify-topic", "orders/create"), shopify[1], shopify[2]],
        &[shopify[1], shopify[2], ("shopify-hmac-sha256", "x")],
        &[
            ("x-shopify-topic", "orders/paid"),
            shopify[1],
            shopify[2],
            ("shopify-hmac-sha256", "x"),
            ("shopify-topic", "orders/create"),
        ],
    ];
    for headers in forged {
        let endpoint = Endpoint::new(Shopify::new(SECRET).unwrap());
        let _ = endpoint.post(br#"{"id":7}"#, headers).await;
        let before = endpoint.seen().len();
        endpoint.post(br#"{"id":7}"#, &shopify).await.assert_acknowledged();
        assert_eq!(endpoint.seen().len(), before + 1, "{headers:?}");
    }
    let linear = [("linear-event", "Issue"), ("linear-delivery", "1")];
    let forged: &[&[(&'static str, &str)]] = &[
        &[],
        &[linear[0]],
        &[linear[0], ("linear-delivery", "2")],
        &[("linear-event", "Comment"), linear[1]],
    ];
    for headers in forged {
        let endpoint = Endpoint::new(Linear::new(SECRET).unwrap());
        let _ = endpoint.post(body, headers).await;
        let before = endpoint.seen().len();
        endpoint.post(body, &linear).await.assert_acknowledged();
        assert_eq!(endpoint.seen().len(), before + 1, "{headers:?}");
    }
}

// ---- `custom` ----

/// What Shopify's key is made of, in the words of `custom`.
#[tokio::test]
async fn one_body_under_two_topics_of_a_header_is_two_events_where_there_is_no_id() {
    let provider = |with_id: bool| {
        let builder = Custom::builder("example", example_scheme())
            .secrets(Secrets::new(SECRET).unwrap())
            .topic(FieldPath::unsigned_header(HeaderName::from_static("x-topic")))
            .policy(DeliveryPolicy::new(
                Duration::from_secs(10),
                Duration::from_secs(8 * 3600),
            ));
        let builder = match with_id {
            true => builder.id(FieldPath::unsigned_header(HeaderName::from_static("x-id"))),
            false => builder.without_id(),
        };
        builder.build().unwrap()
    };
    for with_id in [false, true] {
        let endpoint = Endpoint::new(provider(with_id));
        for topic in ["products/delete", "collections/delete", "products/delete"] {
            let answer = endpoint.post(br#"{"id":7}"#, &[("x-topic", topic)]).await;
            answer.assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), ["products/delete", "collections/delete"]);
    }
}

/// Times that are no time here are compared as they are written, whatever they are.
#[tokio::test]
async fn an_odd_time_does_not_make_the_body_the_facts() {
    for time in ["1700000000.25", "1700000000000000", "-1", "\"yesterday\"", "1e300"] {
        let provider = Custom::builder("example", example_scheme())
            .secrets(Secrets::new(SECRET).unwrap())
            .id(FieldPath::body("id"))
            .topic(FieldPath::body("type"))
            .time(FieldPath::body("at"))
            .policy(DeliveryPolicy::new(
                Duration::from_secs(10),
                Duration::from_secs(8 * 3600),
            ))
            .build()
            .unwrap();
        let endpoint = Endpoint::new(provider);
        let body = |attempt: u32, time: &str| format!(r#"{{"id":"1","type":"a","at":{time},"attempt":{attempt}}}"#);
        for attempt in [1, 2] {
            let answer = endpoint.post(body(attempt, time).as_bytes(), &[]).await;
            assert_eq!(answer.status, 200, "{time}: {}", answer.body);
        }
        assert_eq!(endpoint.seen(), ["a"], "{time}");
        // Another time is another fact.
        let answer = endpoint.post(body(1, "1700000001.5").as_bytes(), &[]).await;
        answer.assert_refused(500, RefusalKind::Conflict);
    }
}

// ---- optional fields ----

#[tokio::test]
async fn an_action_that_makes_the_topic_too_long_is_none() {
    let long = "x".repeat(250);
    let body = json!({"action": long, "type": "Issue", "webhookTimestamp": 1_700_000_000_000_u64}).to_string();
    let endpoint = Endpoint::new(GitHub::new(SECRET).unwrap());
    let headers = [("x-github-event", "repository_dispatch"), ("x-github-delivery", "1")];
    endpoint.post(body.as_bytes(), &headers).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["repository_dispatch"]);
    let endpoint = Endpoint::new(Linear::new(SECRET).unwrap());
    endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["Issue"]);
}

/// A key of a map is data, and may look like the name of a field.
#[test]
fn a_misfit_names_no_key_that_looks_like_a_secret_or_a_number() {
    for key in [
        "sk_live_51H8x2eKZvKYlo2C7",
        "4915112345678",
        "8f742231b10e8888abcd99yyyzzz85a5",
        "6c57f372-6a8b-4c8e-9b51-f4f2f0d4a5e1",
        "7",
    ] {
        let body = json!({"id": "1", "type": "a", "data": {"object": {key: "private"}}}).to_string();
        let body = Bytes::from(body);
        let provider = Stripe::new(SECRET).unwrap();
        let event = provider.event(&HeaderMap::new(), &body).unwrap();
        let error = event.payload::<HashMap<String, u64>>().unwrap_err().to_string();
        assert!(error.contains("data.object.? has another type"), "{error}");
    }
    for name in ["address_line_2", "iso3166", "_id", "$ref", "totalPrice"] {
        let body = Bytes::from(json!({"id": "1", "type": "a", "data": {"object": {name: "private"}}}).to_string());
        let event = Stripe::new(SECRET).unwrap().event(&HeaderMap::new(), &body).unwrap();
        let error = event.payload::<HashMap<String, u64>>().unwrap_err().to_string();
        assert!(error.contains(&format!("data.object.{name} has")), "{error}");
    }
}

// ---- time that it takes ----

#[test]
fn hostile_text_is_read_in_linear_time() {
    const MIB: usize = 1024 * 1024;
    let inner = [
        r"\u".repeat(MIB / 2),
        r"\\".repeat(MIB / 2),
        r"\\u".repeat(MIB / 3),
        "\\".repeat(MIB),
        "\"".repeat(MIB),
        r"\ud83d".repeat(MIB / 6),
        r"\ud83d\\".repeat(MIB / 8),
        "1".repeat(MIB),
        "1e999,".repeat(MIB / 6),
        "-".repeat(MIB),
        "é\\ud83d".repeat(MIB / 8),
        "\u{1f600}\\".repeat(MIB / 5),
    ];
    let provider = Stripe::new(SECRET).unwrap();
    let started = std::time::Instant::now();
    for text in &inner {
        for body in [
            format!(r#"{{"id":"1","type":"a","x":"{text}"}}"#),
            format!(r#"{{"id":"1","type":"a","x":"{text}","created":1e999,}}"#),
            format!(r#"{{"id":"1","type":"a","x":[{text}1]}}"#),
            text.clone(),
        ] {
            if let Ok(event) = provider.event(&HeaderMap::new(), &Bytes::from(body)) {
                let _ = event.payload::<serde_json::Value>();
            }
        }
    }
    // Forty-eight bodies of a MiB: seconds without optimisation, hours if it were quadratic.
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}
