//! Descriptions that lack something or contradict themselves.

#![cfg(test)] // for clippy

use super::*;

#[track_caller]
fn assert_cannot_be(provider: CustomBuilder, message: &str) {
    assert_eq!(provider.build().unwrap_err().to_string(), message);
}

#[test]
fn a_description_that_lacks_something_says_what() {
    let policy = || DeliveryPolicy::new(Duration::from_secs(10), HOUR);
    let named = |name: &'static str| {
        Custom::builder(name, scheme())
            .id(FieldPath::body("id"))
            .topic(FieldPath::body("type"))
    };
    assert_cannot_be(
        provider().topic(FieldPath::body("type")),
        "the id has no path; expected `id`, `signed_id`, or `without_id` for a provider that gives none",
    );
    assert_cannot_be(
        provider().id(FieldPath::body("id")),
        "the topic has no path; expected `topic`, or `without_topic` for a provider that gives none",
    );
    assert_cannot_be(
        provider().signed_id().topic(FieldPath::body("type")),
        "the id is to be the one that the scheme signs, but it signs none; expected `Scheme::id_header`, or `id`",
    );
    assert_cannot_be(
        in_headers().topic_repeated_in(name("x-webhook-topic")),
        "the topic is in a header, and another repeats it; expected it in the body, which is signed, or one header",
    );
    assert_cannot_be(
        named("x").secrets("s"),
        "the policy is missing; expected `policy`, with what the provider's documents say",
    );
    assert_cannot_be(
        named("x").policy(policy()),
        "the secrets are missing; expected `secrets`",
    );
    assert_cannot_be(
        named("x").policy(policy()).secrets(["a", "b "]),
        "secret 2 of the list ends with whitespace; expected none around it: trim it where it is read",
    );
    for name in ["", "a\nb"] {
        assert_cannot_be(
            named(name).policy(policy()).secrets("s"),
            "the name is empty, longer than 255 bytes or holds a control character; expected a short name",
        );
    }
}

#[test]
fn a_description_that_contradicts_itself_says_where() {
    let path = "expected a key, or keys with dots between them";
    for (provider, message) in [
        (example().id(FieldPath::body("")), format!("the id's path is empty; {path}")),
        (
            example().topic(FieldPath::keys::<&str>([])),
            format!("the topic's path is empty; {path}"),
        ),
        (
            example().payload(FieldPath::body("data..object")),
            format!("the payload's path `data..object` has an empty key; {path}"),
        ),
        (
            example().time(FieldPath::body("id")),
            "the id and the time have one path, `id`; expected one for each".to_owned(),
        ),
        (
            example().payload(FieldPath::body("type")),
            "the topic and the payload have one path, `type`; expected one for each".to_owned(),
        ),
        (
            example().payload(FieldPath::body("id.data")),
            "the payload's path `id.data` leads through `id`, where the id is; expected another path for one of them"
                .to_owned(),
        ),
        (
            example().id(FieldPath::body("type.id")),
            "the topic is at `type`, through which another path leads; expected another path for one of them"
                .to_owned(),
        ),
        (
            example().time(FieldPath::unsigned_header(name("date"))),
            "the time is in the header `date`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
        (
            example().payload(FieldPath::unsigned_header(name("x-data"))),
            "the payload is in the header `x-data`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
        (
            in_headers().topic(FieldPath::unsigned_header(name("x-webhook-id"))),
            "the id and the topic have one header; expected one for each".to_owned(),
        ),
        (
            provider().without_id().without_topic().or_topic(FieldPath::body("type")),
            "another path of the topic is named, but the events are without a topic; expected `topic`, or `optional_topic`"
                .to_owned(),
        ),
        (
            provider().without_id().without_topic().action(FieldPath::body("action")),
            "the topic's action is named, but the events are without a topic; expected `topic`, or `optional_topic`"
                .to_owned(),
        ),
        (
            in_headers().or_topic(FieldPath::body("type")),
            "the topic's path `type` comes after the header `x-webhook-event`; expected one header, and it last: what is \
             signed goes first"
                .to_owned(),
        ),
        (
            example().action(FieldPath::unsigned_header(name("x-action"))),
            "the action is in the header `x-action`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
        (
            example().payload(FieldPath::whole_body()).or_payload(FieldPath::body("data")),
            "the payload's path `data` comes after the whole body; expected the whole body last: it is always there"
                .to_owned(),
        ),
        (
            example().id(FieldPath::whole_body()),
            "the id is the whole body, which only a payload can be; expected a path into it".to_owned(),
        ),
        (
            provider().without_id().without_topic().scope(FieldPath::body("account")),
            "the id has a scope, but the events are without an id; expected `id`, `optional_id` or `signed_id`".to_owned(),
        ),
        (
            in_headers().scope(FieldPath::body("account")),
            "the id's scope is at `account` in the body, whose digest scopes the unsigned id already; expected none, or a \
             header"
                .to_owned(),
        ),
        (
            in_headers().scope(FieldPath::unsigned_header(name("x-webhook-id"))),
            "the id's scope is in the header `x-webhook-id`, where the id or the topic is; expected a header of its own"
                .to_owned(),
        ),
        (
            in_headers().unique_ids(),
            "the ids are unique, but nobody signs one; expected `id` in the body, or `signed_id`".to_owned(),
        ),
        (
            example().signed_at(FieldPath::body("created_at"), HOUR),
            "the time and the signing time have one path, `created_at`; expected one for each".to_owned(),
        ),
        (
            example().signed_at(FieldPath::unsigned_header(name("date")), HOUR),
            "the signing time is in the header `date`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
        (
            example().form_field(""),
            "the form's field has no name; expected one".to_owned(),
        ),
        (
            example()
                .handshake("ping", HandshakeResponse::acknowledge())
                .handshake("ping", HandshakeResponse::text(FieldPath::body("challenge"))),
            "the handshake `ping` is there twice; expected one response to it".to_owned(),
        ),
        (
            example().handshake("", HandshakeResponse::text(FieldPath::body("challenge"))),
            "the handshake has no topic, but every event has one; expected its topic, or `optional_topic`".to_owned(),
        ),
        (
            example().optional_topic(FieldPath::body("type")).handshake("", HandshakeResponse::acknowledge()),
            "the handshake without a topic is acknowledged, as every event without one would be; expected an echo, whose \
             field tells it"
                .to_owned(),
        ),
        (
            example().handshake("verify", HandshakeResponse::text(FieldPath::unsigned_header(name("x-challenge")))),
            "the challenge is in the header `x-challenge`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
    ] {
        assert_cannot_be(provider, &message);
    }
}

#[test]
fn what_a_description_says_is_what_the_layer_sees() {
    let provider = example().build().unwrap();
    assert_eq!(provider.name(), "example");
    assert_eq!(
        provider.policy(),
        DeliveryPolicy::new(Duration::from_secs(10), 8 * HOUR)
    );
    assert_eq!(provider.verifier().scheme(), Some(&scheme()));
    // Topic and time, as text where it is in a form that is not read; without a time the body's
    // bytes.
    let fingerprint = |body: &str| event(example(), body).fingerprint().unwrap();
    let at = |noon: &str, n: u32| format!(r#"{{"id":"1","type":"ping","created_at":"{noon}","n":{n}}}"#);
    assert_eq!(
        fingerprint(&at("2026-07-01T12:00:00Z", 1)),
        fingerprint(&at("2026-07-01T12:00:00Z", 2))
    );
    assert_ne!(
        fingerprint(&at("2026-07-01T12:00:00Z", 1)),
        fingerprint(&at("2026-07-01T12:00:01Z", 1))
    );
    assert_eq!(fingerprint(&at("at noon", 1)), fingerprint(&at("at noon", 2)));
    assert_ne!(fingerprint(&at("at noon", 1)), fingerprint(&at("at one", 1)));
    let without_time = provider_without_time();
    assert_eq!(event(without_time, &body("1", "ping")).fingerprint(), None);
}

fn provider_without_time() -> CustomBuilder {
    super::provider()
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
}

/// Events go to other tasks, and handlers keep them.
#[test]
fn an_event_is_cheap_to_share() {
    fn shared<T: Clone + Debug + Send + Sync + 'static>() {}
    shared::<Event>();
    shared::<CustomBuilder>();
}
