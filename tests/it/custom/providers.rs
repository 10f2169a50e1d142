//! Real providers as descriptions, and built-in ones rebuilt: a description can do what a built-in
//! provider does.

#![cfg(test)] // for clippy

use tower_webhook::{
    event,
    github::{self, GitHub},
    linear::{self, Linear},
    slack::{self, Slack},
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const KEY: &str = "8f742231b10e8888abcd99yyyzzz85a5";

struct Case {
    scheme: Scheme,
    describe: fn(CustomBuilder) -> CustomBuilder,
    unsigned: &'static [(&'static str, &'static str)],
    body: &'static str,
    /// What the handler notes: topic and id.
    noted: &'static str,
}

fn new(header: &'static str, encoding: Encoding) -> Scheme {
    Scheme::new(name(header), Algorithm::HmacSha256, encoding)
}

fn twitch() -> Scheme {
    new("twitch-eventsub-message-signature", Encoding::Hex)
        .prefix(HeaderValue::from_static("sha256="))
        .id_header(name("twitch-eventsub-message-id"))
        .timestamp_header(name("twitch-eventsub-message-timestamp"), 10 * MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)
        .and_then(|scheme| scheme.signed_content("{id}{timestamp}{body}"))
        .unwrap()
}

fn describe_twitch(builder: CustomBuilder) -> CustomBuilder {
    builder
        .signed_id()
        .topic(FieldPath::unsigned_header(name("twitch-eventsub-message-type")))
        .action(FieldPath::body("subscription.type"))
        .payload(FieldPath::body("event"))
        .unique_ids()
        .handshake(
            "webhook_callback_verification",
            HandshakeResponse::text(FieldPath::body("challenge")),
        )
}

fn cases() -> Vec<Case> {
    vec![
        // Twitch EventSub
        Case {
            scheme: twitch(),
            describe: describe_twitch,
            unsigned: &[("twitch-eventsub-message-type", "notification")],
            body: r#"{"subscription":{"type":"channel.follow"},"event":{"name":"Ada"}}"#,
            noted: "notification.channel.follow msg-1",
        },
        // Zendesk: an id within an account, which is a number
        Case {
            scheme: new("x-zendesk-webhook-signature", Encoding::Base64)
                .timestamp_header(name("x-zendesk-webhook-signature-timestamp"), 10 * MINUTE)
                .timestamp_format(TimestampFormat::Rfc3339)
                .and_then(|scheme| scheme.signed_content("{timestamp}{body}"))
                .unwrap(),
            describe: |builder| {
                builder
                    .id(FieldPath::body("id"))
                    .scope(FieldPath::body("account_id"))
                    .topic(FieldPath::body("type"))
                    .time(FieldPath::body("time"))
                    .payload(FieldPath::body("event"))
                    .or_payload(FieldPath::body("detail"))
            },
            unsigned: &[],
            body: r#"{"account_id":12514403,"id":"2b24ef10","type":"zen:event-type:user.active_changed","time":"2026-07-01T12:00:00Z","event":{"name":"Ada"},"detail":{}}"#,
            noted: "zen:event-type:user.active_changed 2b24ef10",
        },
        // Box: the time behind the body
        Case {
            scheme: new("box-signature-primary", Encoding::Base64)
                .timestamp_header(name("box-delivery-timestamp"), 10 * MINUTE)
                .timestamp_format(TimestampFormat::Rfc3339)
                .and_then(|scheme| scheme.signed_content("{body}{timestamp}"))
                .unwrap(),
            describe: |builder| {
                builder
                    .id(FieldPath::body("id"))
                    .topic(FieldPath::body("trigger"))
                    .time(FieldPath::body("created_at"))
                    .payload(FieldPath::body("source"))
            },
            unsigned: &[("box-delivery-id", "another each time")],
            body: r#"{"type":"webhook_event","id":"eb0c4e06","created_at":"2026-07-01T05:00:00-07:00","trigger":"FILE.UPLOADED","source":{"name":"Ada"}}"#,
            noted: "FILE.UPLOADED eb0c4e06",
        },
        // Airwallex: milliseconds before the body, nothing between
        Case {
            scheme: new("x-signature", Encoding::Hex)
                .timestamp_header(name("x-timestamp"), 10 * MINUTE)
                .timestamp_format(TimestampFormat::Milliseconds)
                .and_then(|scheme| scheme.signed_content("{timestamp}{body}"))
                .unwrap(),
            describe: |builder| {
                builder
                    .id(FieldPath::body("id"))
                    .scope(FieldPath::body("account_id"))
                    .topic(FieldPath::body("name"))
                    .time(FieldPath::body("created_at"))
                    .payload(FieldPath::body("data.object"))
            },
            unsigned: &[],
            body: r#"{"id":"evt_hk1","name":"payment_intent.succeeded","account_id":"acct_1","data":{"object":{"name":"Ada"}},"created_at":"2026-07-01T12:00:00+0000"}"#,
            noted: "payment_intent.succeeded evt_hk1",
        },
        // Xero: neither id nor topic, and the events of a first request are null
        Case {
            scheme: new("x-xero-signature", Encoding::Base64),
            describe: |builder| builder.without_id().without_topic(),
            unsigned: &[],
            body: r#"{"events":null,"name":"Ada","firstEventSequence":0,"lastEventSequence":0,"entropy":"OSHPXTUSXASRFBBCFFEM"}"#,
            noted: " -",
        },
        // DocuSign Connect: no id
        Case {
            scheme: new("x-docusign-signature-1", Encoding::Base64),
            describe: |builder| {
                builder
                    .without_id()
                    .topic(FieldPath::body("event"))
                    .time(FieldPath::body("generatedDateTime"))
                    .payload(FieldPath::body("data"))
            },
            unsigned: &[],
            body: r#"{"event":"envelope-completed","apiVersion":"v2.1","retryCount":0,"configurationId":10418598,"generatedDateTime":"2026-07-01T12:00:00.000Z","data":{"name":"Ada"}}"#,
            noted: "envelope-completed -",
        },
        // Typeform
        Case {
            scheme: new("typeform-signature", Encoding::Base64).prefix(HeaderValue::from_static("sha256=")),
            describe: |builder| {
                builder
                    .id(FieldPath::body("event_id"))
                    .topic(FieldPath::body("event_type"))
                    .payload(FieldPath::keys(["form_response"]))
            },
            unsigned: &[],
            body: r#"{"event_id":"LtWXD3crgy","event_type":"form_response","form_response":{"name":"Ada"}}"#,
            noted: "form_response LtWXD3crgy",
        },
        // Calendly: the time in the tag's list, no id
        Case {
            scheme: new("calendly-webhook-signature", Encoding::Hex)
                .list(",", "v1=")
                .and_then(|scheme| scheme.timestamp_item("t=", 3 * MINUTE))
                .unwrap(),
            describe: |builder| {
                builder
                    .without_id()
                    .topic(FieldPath::body("event"))
                    .time(FieldPath::body("created_at"))
                    .payload(FieldPath::body("payload"))
            },
            unsigned: &[],
            body: r#"{"event":"invitee.created","created_at":"2026-07-01T12:00:00.000000Z","payload":{"name":"Ada"}}"#,
            noted: "invitee.created -",
        },
        // WorkOS: milliseconds in the list, with a space behind the comma
        Case {
            scheme: new("workos-signature", Encoding::Hex)
                .list(", ", "v1=")
                .and_then(|scheme| scheme.timestamp_item("t=", 3 * MINUTE))
                .and_then(|scheme| scheme.timestamp_format(TimestampFormat::Milliseconds))
                .unwrap(),
            describe: |builder| {
                builder
                    .id(FieldPath::body("id"))
                    .topic(FieldPath::body("event"))
                    .time(FieldPath::body("created_at"))
                    .payload(FieldPath::body("data"))
                    .or_payload(FieldPath::whole_body())
                    .unique_ids()
            },
            unsigned: &[],
            body: r#"{"id":"event_01","event":"dsync.user.created","data":{"name":"Ada"},"created_at":"2026-07-01T12:00:00.000Z"}"#,
            noted: "dsync.user.created event_01",
        },
        // SendGrid's bodies are arrays; here under an id that is not signed
        Case {
            scheme: new("x-array-signature", Encoding::Hex),
            describe: |builder| {
                builder
                    .id(FieldPath::unsigned_header(name("x-batch-id")))
                    .scope(FieldPath::unsigned_header(name("x-batch-account")))
                    .without_topic()
            },
            unsigned: &[("x-batch-id", "b1"), ("x-batch-account", "a1")],
            body: r#"[{"name":"Ada"}]"#,
            noted: " -",
        },
    ]
}

#[tokio::test]
async fn real_providers_are_described_read_and_deduplicated() {
    for case in cases() {
        let builder = Custom::builder("example", case.scheme.clone())
            .secrets(KEY)
            .policy(DeliveryPolicy::new(Duration::from_secs(10), 8 * HOUR));
        let endpoint = Endpoint::noting((case.describe)(builder));
        let secrets = Secrets::new(KEY).unwrap();
        let mut request = Request::post("/").body(Full::<Bytes>::from(case.body)).unwrap();
        *request.headers_mut() = case
            .scheme
            .sign_at(&secrets, "msg-1", SystemTime::now(), case.body.as_bytes())
            .unwrap();
        for (header, value) in case.unsigned {
            request.headers_mut().insert(*header, value.parse().unwrap());
        }
        for _ in 0..2 {
            assert_eq!(endpoint.send(request.clone()).await.0, 200, "{}", case.noted);
        }
        assert_eq!(endpoint.seen(), [case.noted]);
        let tampered = request.map(|_| Full::from(case.body.replace("Ada", "Eve")));
        assert_eq!(endpoint.send(tampered).await.0, 401, "{}", case.noted);
    }
}

#[tokio::test]
async fn twitchs_verification_gets_its_challenge_back() {
    let builder = Custom::builder("twitch", twitch())
        .secrets(KEY)
        .policy(DeliveryPolicy::new(Duration::from_secs(10), 8 * HOUR));
    let endpoint = Endpoint::noting(describe_twitch(builder));
    let body = r#"{"challenge":"pogchamp-kappa-360noscope-vohiyo","subscription":{"type":"channel.follow"}}"#;
    let mut request = Request::post("/").body(Full::<Bytes>::from(body)).unwrap();
    let secrets = Secrets::new(KEY).unwrap();
    *request.headers_mut() = twitch().sign(&secrets, body.as_bytes()).unwrap();
    request.headers_mut().insert(
        "twitch-eventsub-message-type",
        HeaderValue::from_static("webhook_callback_verification"),
    );
    let (status, _, answer) = endpoint.send(request).await;
    assert_eq!((status, answer.as_str()), (200, "pogchamp-kappa-360noscope-vohiyo"));
    assert!(endpoint.seen().is_empty());
}

// ---- built-in providers, rebuilt ----

/// The responses to these requests, and the topics that the handler saw.
async fn run<P>(provider: P, requests: &[Request<Full<Bytes>>]) -> (Vec<(u16, String)>, Vec<String>)
where
    P: provider::Provider,
    P::Event: event::Event,
{
    let seen = Seen::default();
    let topics = TopicRouter::with_state(seen.clone()).fallback(async |seen: Seen, delivery: Delivery<P::Event>| {
        seen.note(event::Event::topic(delivery.event()));
    });
    let service = WebhookLayer::new(provider, MemoryStore::new()).topics(topics);
    let mut answers = Vec::new();
    for request in requests {
        let response = service.clone().oneshot(request.clone()).await.unwrap();
        let status = response.status().as_u16();
        let refused = response.extensions().get::<Refusal>().map(|rejection| rejection.kind());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        // What exactly is missing is said in other words.
        let answer = if status == 200 {
            String::from_utf8_lossy(&body)
        } else {
            "".into()
        };
        answers.push((status, format!("{refused:?} {answer}")));
    }
    let noted = seen.0.lock().unwrap().clone();
    (answers, noted)
}

fn post(scheme: &Scheme, unsigned: &[(&'static str, &str)], body: impl Into<String>) -> Request<Full<Bytes>> {
    let body = body.into();
    let headers = scheme.sign(&Secrets::new(KEY).unwrap(), body.as_bytes()).unwrap();
    let mut request = Request::post("/").body(Full::from(body)).unwrap();
    *request.headers_mut() = headers;
    for (header, value) in unsigned {
        request.headers_mut().insert(*header, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_rebuilt_github_behaves_as_the_built_in_one() {
    let custom = Custom::builder("github", github::scheme())
        .secrets(KEY)
        .id(FieldPath::unsigned_header(name("x-github-delivery")))
        .topic(FieldPath::unsigned_header(name("x-github-event")))
        .action(FieldPath::body("action"))
        .form_field("payload")
        .handshake("ping", HandshakeResponse::acknowledge())
        .policy(DeliveryPolicy::new(Duration::from_secs(10), Duration::ZERO).with_redelivery_window(72 * HOUR));
    let send = |event: &str, delivery: &str, body: &str| {
        post(
            &github::scheme(),
            &[("x-github-event", event), ("x-github-delivery", delivery)],
            body,
        )
    };
    let requests = [
        send("ping", "0", r#"{"zen":"Design for failure."}"#),
        send("issues", "1", r#"{"action":"opened"}"#),
        send("issues", "1", r#"{"action":"opened"}"#),
        send("issues", "2", r#"{"action":"opened"}"#),
        send("issues", "2", r#"{"action":"closed"}"#),
        send("push", "3", "{}"),
        send("push", "4", "payload=%7B%22ref%22%3A%22main%22%7D"),
        send("issues", "5", "payload=%7B%22action%22%3A%22opened%22%7D"),
        send("issues", "6", r#"{"action":7}"#),
        send("issues", "7", "[1]"),
        send("issues", "8", "payload"),
        post(&github::scheme(), &[], "{}"),
        Request::post("/").body(Full::from("{}")).unwrap(),
    ];
    let ours = run(custom.build().unwrap(), &requests).await;
    assert_eq!(ours, run(GitHub::new(KEY).unwrap(), &requests).await);
    assert_eq!(
        ours.1,
        [
            "issues.opened",
            "issues.opened",
            "issues.closed",
            "push",
            "push",
            "issues.opened",
            "issues",
            "issues"
        ]
    );
}

#[tokio::test]
async fn a_rebuilt_slack_behaves_as_the_built_in_one() {
    let custom = Custom::builder("slack", slack::scheme())
        .secrets(KEY)
        .optional_id(FieldPath::body("event_id"))
        .scope(FieldPath::body("api_app_id"))
        .topic(FieldPath::body("event.type"))
        .or_topic(FieldPath::body("type"))
        .time(FieldPath::body("event_time"))
        .payload(FieldPath::body("event"))
        .or_payload(FieldPath::whole_body())
        .unique_ids()
        .handshake(
            "url_verification",
            HandshakeResponse::text(FieldPath::body("challenge")),
        )
        .policy(DeliveryPolicy::new(Duration::from_secs(3), 24 * HOUR));
    let event = |app: &str, id: &str, topic: &str, at: u32| {
        format!(
            r#"{{"api_app_id":"{app}","event_id":"{id}","type":"event_callback","event":{{"type":"{topic}"}},"event_time":{at}}}"#
        )
    };
    let requests = [
        r#"{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRNFdxV"}"#.to_owned(),
        r#"{"type":"url_verification","challenge":"<script>"}"#.to_owned(),
        r#"{"type":"url_verification"}"#.to_owned(),
        r#"{"type":"url_verification","challenge":"x","event_id":"Ev0"}"#.to_owned(),
        event("A1", "Ev1", "app_mention", 1_782_907_200),
        event("A1", "Ev1", "app_mention", 1_782_907_200),
        event("A2", "Ev1", "app_mention", 1_782_907_200),
        event("A1", "Ev1", "app_mention", 1_782_907_201),
        r#"{"type":"app_rate_limited","api_app_id":"A1"}"#.to_owned(),
        r#"{"challenge":"x"}"#.to_owned(),
        "[]".to_owned(),
    ]
    .map(|body| post(&slack::scheme(), &[], body));
    let ours = run(custom.build().unwrap(), &requests).await;
    assert_eq!(ours, run(Slack::new(KEY).unwrap(), &requests).await);
    assert_eq!(
        ours.1,
        ["url_verification", "app_mention", "app_mention", "app_rate_limited"]
    );
}

#[tokio::test]
async fn a_rebuilt_linear_behaves_as_the_built_in_one() {
    let custom = Custom::builder("linear", linear::scheme())
        .secrets(KEY)
        .id(FieldPath::unsigned_header(name("linear-delivery")))
        .topic(FieldPath::body("type"))
        .action(FieldPath::body("action"))
        .topic_repeated_in(name("linear-event"))
        .time(FieldPath::body("createdAt"))
        .signed_at(FieldPath::body("webhookTimestamp"), 8 * HOUR)
        .payload(FieldPath::body("data"))
        .or_payload(FieldPath::body("notification"))
        .or_payload(FieldPath::whole_body())
        .policy(DeliveryPolicy::new(Duration::from_secs(5), 8 * HOUR));
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let send = |event: &str, delivery: &str, body: &str| {
        post(
            &linear::scheme(),
            &[("linear-event", event), ("linear-delivery", delivery)],
            body,
        )
    };
    let issue = |title: &str, sent: u128| {
        format!(
            r#"{{"type":"Issue","action":"create","createdAt":"2026-07-01T12:00:00Z","data":{{"title":"{title}"}},"webhookTimestamp":{sent}}}"#
        )
    };
    let requests = [
        send("Issue", "d1", &issue("a", now)),
        send("Issue", "d1", &issue("a", now)),
        send("Issue", "d1", &issue("a", now - 1000)), // signed anew
        send("Issue", "d2", &issue("a", now)),
        send("Issue", "d1", &issue("b", now)),
        send("Issue", "d3", &issue("c", now - 7 * 3_600_000)),
        send("Issue", "d4", &issue("d", now - 9 * 3_600_000)),
        send("Issue", "d4", &issue("e", now + 9 * 3_600_000)),
        send("Comment", "d5", &issue("f", now)),
        send("Issue", "d6", r#"{"type":"Issue"}"#),
        send("Issue", "d6", r#"{"type":"Issue","webhookTimestamp":"soon"}"#),
    ];
    let ours = run(custom.build().unwrap(), &requests).await;
    assert_eq!(ours, run(Linear::new(KEY).unwrap(), &requests).await);
    assert_eq!(ours.1.len(), 4);
}
