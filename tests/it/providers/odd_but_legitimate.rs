//! Odd and legitimate: what providers really send, and many receivers refuse.

#![cfg(test)] // for clippy

use serde::Deserialize;
use serde_json::json;
use tower_webhook::event::WithPayload;

use super::{
    replays::{Endpoint, SECRET},
    *,
};

const BASE64_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// An event of this provider, read from a signed body.
fn read<P: Provider>(provider: &P, body: &str, unsigned: &[(&'static str, &str)]) -> P::Event {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let mut headers = provider.verifier().sign_at("msg_1", at(NOW), &body).unwrap();
    for (name, value) in unsigned {
        headers.insert(*name, value.parse().unwrap());
    }
    provider.event(&headers, &body).unwrap()
}

// ---- forms ----

fn form(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[tokio::test]
async fn githubs_default_content_type_is_a_form_whose_payload_is_the_event() {
    let payload = r#"{"action":"opened","issue":{"number":17,"title":"a & b = \u00e9 + 100%"}}"#;
    let body = form(&[("payload", payload)]);
    let endpoint = Endpoint::new(GitHub::new(SECRET).unwrap());
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-github-event", "issues"),
        ("x-github-delivery", "1"),
    ];
    for _ in 0..2 {
        endpoint.post(body.as_bytes(), &headers).await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["issues.opened"]);

    #[derive(Deserialize)]
    struct Opened {
        issue: Issue,
    }
    #[derive(Deserialize)]
    struct Issue {
        title: String,
    }
    let event = read(&GitHub::new(SECRET).unwrap(), &body, &headers[1..]);
    assert_eq!(event.payload::<Opened>().unwrap().issue.title, "a & b = é + 100%");
    assert_eq!(event.body(), body.as_bytes());

    // A form is verified like any other body, and one without an event is none.
    let tampered = body.replace("opened", "closed");
    let signed = endpoint_headers(body.as_bytes(), &headers);
    endpoint.assert_unauthorized(&endpoint.send(signed, tampered.as_bytes()).await);
    let answer = endpoint.post(form(&[("other", "1")]).as_bytes(), &headers).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .contains("neither a JSON object nor a form with the field `payload`"),
        "{}",
        answer.body
    );
}

fn endpoint_headers(body: &[u8], unsigned: &[(&'static str, &str)]) -> HeaderMap {
    let secrets = Secrets::new(SECRET).unwrap();
    let mut headers = github::scheme().sign(&secrets, body).unwrap();
    for (name, value) in unsigned {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn slacks_interactions_and_commands_are_events_with_topics_of_their_own() {
    let endpoint = Endpoint::on(Slack::new(SECRET).unwrap(), &["command./deploy"]);
    let action = |trigger: &str| {
        let payload = json!({"type": "block_actions", "trigger_id": trigger, "actions": [{"action_id": "ok"}]});
        form(&[("payload", &payload.to_string())])
    };
    let command = form(&[("command", "/deploy"), ("text", "pump 3 & 4"), ("trigger_id", "1")]);
    for body in [action("1"), action("1"), action("2"), command.clone(), command] {
        endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
    }
    let expected = [
        "interactive.block_actions",
        "interactive.block_actions",
        "named: command./deploy",
    ];
    assert_eq!(endpoint.seen(), expected);

    #[derive(Deserialize)]
    struct Command {
        command: String,
        text: String,
    }
    let slack = Slack::new(SECRET).unwrap();
    let event = read(&slack, "command=%2Fdeploy&text=pump+3+%26+4&text=other", &[]);
    let command: Command = event.payload().unwrap();
    assert_eq!(
        (command.command.as_str(), command.text.as_str()),
        ("/deploy", "pump 3 & 4")
    );
    assert_eq!(event.id(), None);

    #[derive(Deserialize)]
    struct Actions {
        trigger_id: String,
    }
    let event = read(&slack, &action("7"), &[]);
    assert_eq!(event.payload::<Actions>().unwrap().trigger_id, "7");
}

#[tokio::test]
async fn slacks_check_of_a_commands_address_gets_200_if_it_is_signed() {
    let endpoint = Endpoint::new(Slack::new(SECRET).unwrap());
    let body = form(&[("token", "x"), ("ssl_check", "1")]);
    endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
    endpoint.assert_unauthorized(&endpoint.send(HeaderMap::new(), body.as_bytes()).await);
    endpoint.assert_untouched();
}

// ---- grammatical, and hard to read ----

#[derive(Debug, Deserialize, PartialEq)]
struct Titled {
    title: String,
}

#[tokio::test]
async fn half_an_emoji_is_a_replacement_character_and_the_body_stays() {
    let svix = || Svix::new(BASE64_SECRET).unwrap();
    for (written, read_as) in [
        (r"x\ud83d", "x\u{fffd}"),
        (r"\uDE00x", "\u{fffd}x"),
        (r"\ud83d\ud83d\ude00", "\u{fffd}\u{1f600}"),
        (r"\ud83d\ude00", "\u{1f600}"),
        (r"\ud83dA", "\u{fffd}A"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\u{fffd}"),
        (r"\ud83d\\ude00", "\u{fffd}\\ude00"),
    ] {
        let body = format!(r#"{{"type":"a","\ud83d":1,"data":{{"title":"{written}"}}}}"#);
        let event = read(&svix(), &body, &[]);
        let payload: Titled = event.payload().unwrap();
        assert_eq!(payload.title, read_as, "{written}");
        assert_eq!(event.body(), body.as_bytes());
    }
    // On the way to the topic, too, and in it.
    let body = r#"{"\udc00":{},"type":"a\ud83d"}"#;
    assert_eq!(read(&svix(), body, &[]).topic(), "a\u{fffd}");
}

#[test]
fn a_number_that_no_float_holds_refuses_no_event() {
    let linear = Linear::new(SECRET).unwrap();
    for number in ["1e999", "-1e999", "1E+400", &"9".repeat(400)] {
        let body = format!(
            r#"{{"type":"Issue","action":{number},"createdAt":{number},"webhookTimestamp":1,"data":{{"title":"t","n":{number}}}}}"#
        );
        let event = read(&linear, &body, &[]);
        assert_eq!((event.topic(), event.time()), ("Issue", None), "{number}");
        assert_eq!(event.payload::<Titled>().unwrap().title, "t");
        let value: serde_json::Value = event.payload().unwrap();
        assert_eq!(value["n"], serde_json::Value::Null);
    }
}

#[tokio::test]
async fn a_byte_order_mark_before_a_body_is_skipped() {
    for bom in ["", "\u{feff}"] {
        let body = format!(r#"{bom}{{"id":"1","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}}"#);
        let endpoint = Endpoint::new(Dwolla::new(SECRET).unwrap());
        endpoint.post(body.as_bytes(), &[]).await.assert_acknowledged();
        assert_eq!(endpoint.seen(), ["customer_created"]);
        let event = read(
            &Stripe::new(SECRET).unwrap(),
            &format!(r#"{bom}{{"id":"1","type":"a","data":{{"object":{{"title":"t"}}}}}}"#),
            &[],
        );
        assert_eq!(event.payload::<Titled>().unwrap().title, "t");
        let github = GitHub::new(SECRET).unwrap();
        let event = read(
            &github,
            &format!(r#"{bom}{{"title":"t"}}"#),
            &[("x-github-event", "push")],
        );
        assert_eq!(event.payload::<Titled>().unwrap().title, "t");
    }
}

#[tokio::test]
async fn an_array_is_an_event_where_nothing_of_the_body_is_needed() {
    let endpoint = Endpoint::new(Svix::new(BASE64_SECRET).unwrap());
    let secrets = Secrets::new(BASE64_SECRET).unwrap();
    let body = br#"[{"title":"a"},{"title":"b"}]"#;
    let headers = endpoint.scheme().sign_at(&secrets, "msg_1", at(NOW), body).unwrap();
    endpoint.send(headers, body).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), [""]);
    let event = read(&Svix::new(BASE64_SECRET).unwrap(), r#"[{"title":"a"}]"#, &[]);
    let payload: Vec<Titled> = event.payload().unwrap();
    assert_eq!(payload, [Titled { title: "a".to_owned() }]);
}

// ---- where payloads are ----

fn title<P: Provider<Event: WithPayload>>(provider: P, body: &serde_json::Value) -> String {
    let headers = [("x-github-event", "push"), ("x-shopify-topic", "orders/create")];
    let payload: Titled = read(&provider, &body.to_string(), &headers).payload().unwrap();
    payload.title
}

#[test]
fn the_payload_is_found_in_every_family_of_a_providers_events() {
    let inner = json!({"title": "t"});
    for (place, kind) in [
        ("data", "Issue"),
        ("notification", "AppUserNotification"),
        ("agentSession", "AgentSessionEvent"),
        ("issueData", "IssueSLA"),
    ] {
        let body = json!({"type": kind, "action": "create", place: inner});
        assert_eq!(title(Linear::new(SECRET).unwrap(), &body), "t", "{kind}");
    }
    let linear = json!({"type": "OAuthApp", "action": "revoked", "title": "t"});
    assert_eq!(title(Linear::new(SECRET).unwrap(), &linear), "t");
    for body in [
        json!({"event": "meeting.started", "payload": {"account_id": "1", "object": inner}}),
        json!({"event": "app_deauthorized", "payload": inner}),
        json!({"event": "app_deauthorized", "payload": {"title": "t", "object": null}}),
    ] {
        assert_eq!(title(Zoom::new(SECRET).unwrap(), &body), "t", "{body}");
    }
    for body in [
        json!({"id": "1", "type": "a", "data": {"object": inner}}),
        json!({"id": "1", "type": "v1.a", "object": "v2.core.event", "created": "2026-07-01T12:00:00Z", "title": "t"}),
    ] {
        assert_eq!(title(Stripe::new(SECRET).unwrap(), &body), "t", "{body}");
    }
    for body in [
        json!({"event_id": "1", "type": "a", "data": {"id": "1", "object": inner}}),
        json!({"event_id": "1", "type": "invoice.deleted", "data": {"title": "t", "deleted": true}}),
    ] {
        assert_eq!(title(Square::new(SQUARE_URL, SECRET).unwrap(), &body), "t", "{body}");
    }
    for body in [
        json!({"event_id": "1", "event": {"type": "message", "title": "t"}}),
        json!({"type": "app_rate_limited", "title": "t"}),
    ] {
        assert_eq!(title(Slack::new(SECRET).unwrap(), &body), "t", "{body}");
    }
    for body in [
        json!({"type": "a", "data": inner}),
        json!({"event_type": "a", "title": "t"}),
    ] {
        assert_eq!(title(Svix::new(BASE64_SECRET).unwrap(), &body), "t", "{body}");
        assert_eq!(
            title(StandardWebhooks::new(BASE64_SECRET).unwrap(), &body),
            "t",
            "{body}"
        );
    }
    assert_eq!(title(GitHub::new(SECRET).unwrap(), &inner), "t");
    assert_eq!(title(Shopify::new(SECRET).unwrap(), &inner), "t");
}

#[test]
fn a_misfit_names_the_fields_path_and_not_its_value() {
    #[derive(Debug, Deserialize)]
    struct Order {
        #[expect(dead_code, reason = "never read: the payload does not fit")]
        lines: Vec<Line>,
    }
    #[derive(Debug, Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "never read: the payload does not fit")]
        price: u64,
    }
    let body = json!({"id": "1", "type": "a", "data": {"object": {"lines": [{"price": 1}, {"price": "private"}]}}});
    let event = read(&Stripe::new(SECRET).unwrap(), &body.to_string(), &[]);
    let error = event.payload::<Order>().unwrap_err().to_string();
    assert!(
        error.contains("the event's data.object.lines[1].price has another type"),
        "{error}"
    );
    assert!(!error.contains("private"), "{error}");

    // A map's keys are data.
    let body = json!({"id": "1", "type": "a", "data": {"object": {"ada@example.com": "private"}}});
    let event = read(&Stripe::new(SECRET).unwrap(), &body.to_string(), &[]);
    let error = event
        .payload::<std::collections::HashMap<String, u64>>()
        .unwrap_err()
        .to_string();
    assert!(error.contains("the event's data.object.? has another type"), "{error}");
}

// ---- a documented id, and other facts ----

/// A retry that its provider worded anew, where the provider documents that an id is one event.
#[tokio::test]
async fn other_facts_under_a_finished_and_documented_id_are_a_duplicate() {
    async fn twice<P: Provider>(provider: P, id: &str, bodies: [serde_json::Value; 2]) {
        let name = provider.name().to_owned();
        let secret = if ["svix", "standard-webhooks"].contains(&&*name) {
            BASE64_SECRET
        } else {
            SECRET
        };
        let endpoint = Endpoint::new(provider);
        for body in bodies {
            let body = body.to_string();
            let secrets = Secrets::new(secret).unwrap();
            let headers = endpoint.scheme().sign_at(&secrets, id, at(NOW), body.as_bytes());
            let answer = endpoint.send(headers.unwrap(), body.as_bytes()).await;
            answer.assert_acknowledged();
        }
        assert_eq!(endpoint.seen().len(), 1, "{name}");
    }
    let dwolla = |topic: &str| json!({"id": "1", "topic": topic, "created": "2019-02-04T14:58:45.144Z"});
    twice(
        Dwolla::new(SECRET).unwrap(),
        "",
        [dwolla("customer_created"), dwolla("customer_verified")],
    )
    .await;
    let stripe = |created: u64| json!({"id": "1", "type": "a", "created": created});
    twice(Stripe::new(SECRET).unwrap(), "", [stripe(NOW), stripe(NOW + 1)]).await;
    let square = |at: &str| json!({"event_id": "1", "type": "a", "created_at": at});
    let times = ["2023-11-14T22:13:19Z", "2023-11-14T22:13:20Z"];
    twice(Square::new(SQUARE_URL, SECRET).unwrap(), "", times.map(square)).await;
    let paddle = |at: &str| json!({"event_id": "1", "event_type": "a", "occurred_at": at});
    twice(Paddle::new(SECRET).unwrap(), "", times.map(paddle)).await;
    let slack = |text: &str| json!({"event_id": "1", "api_app_id": "A1", "event": {"type": "message", "text": text}});
    twice(Slack::new(SECRET).unwrap(), "", ["a", "b"].map(slack)).await;
    let svix = |n: u32| json!({"type": "a", "n": n});
    twice(Svix::new(BASE64_SECRET).unwrap(), "msg_1", [1, 2].map(svix)).await;
    twice(StandardWebhooks::new(BASE64_SECRET).unwrap(), "msg_1", [1, 2].map(svix)).await;
}

// ---- sizes ----

#[test]
fn bodies_may_be_as_large_as_a_provider_sends_them() {
    const MIB: usize = 1024 * 1024;
    let limits = [
        ("linear", Linear::new(SECRET).unwrap().policy(), 5 * MIB),
        ("slack", Slack::new(SECRET).unwrap().policy(), 4 * MIB),
        ("shopify", Shopify::new(SECRET).unwrap().policy(), 4 * MIB),
        // As a form every byte may take three.
        ("github", GitHub::new(SECRET).unwrap().policy(), 25 * MIB),
        ("stripe", Stripe::new(SECRET).unwrap().policy(), MIB),
    ];
    for (name, policy, least) in limits {
        assert!(policy.body_limit() >= least, "{name}: {}", policy.body_limit());
    }
}
