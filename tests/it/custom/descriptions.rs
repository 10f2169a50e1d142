//! Descriptions that lack something or contradict themselves.

#![cfg(test)] // for clippy

use super::*;

#[track_caller]
fn assert_cannot_be(sender: CustomBuilder, message: &str) {
    assert_eq!(sender.build().unwrap_err().to_string(), message);
}

#[test]
fn a_description_that_lacks_something_says_what() {
    let terms = || DeliveryTerms::new(Duration::from_secs(10), HOUR);
    let named = |name: &'static str| {
        Custom::builder(name, scheme())
            .id(Place::body("id"))
            .topic(Place::body("type"))
    };
    assert_cannot_be(
        sender().topic(Place::body("type")),
        "the id has no place; expected `id`, `signed_id`, or `without_id` for a sender that gives none",
    );
    assert_cannot_be(
        sender().id(Place::body("id")),
        "the topic has no place; expected `topic`",
    );
    assert_cannot_be(
        sender().signed_id().topic(Place::body("type")),
        "the id is to be the one that the scheme signs, but it signs none; expected `Scheme::id_header`, or `id`",
    );
    assert_cannot_be(
        in_headers().topic_repeated_in(name("x-webhook-topic")),
        "the topic is in a header, and another repeats it; expected it in the body, which is signed, or one header",
    );
    assert_cannot_be(
        named("x").secrets("s"),
        "the terms are missing; expected `terms`, with what the sender's documents say",
    );
    assert_cannot_be(named("x").terms(terms()), "the secrets are missing; expected `secrets`");
    assert_cannot_be(
        named("x").terms(terms()).secrets(["a", "b "]),
        "secret 2 of the list ends with whitespace; expected none around it: trim it where it is read",
    );
    for name in ["", "a\nb"] {
        assert_cannot_be(
            named(name).terms(terms()).secrets("s"),
            "the name is empty, longer than 255 bytes or holds a control character; expected a short name",
        );
    }
}

#[test]
fn a_description_that_contradicts_itself_says_where() {
    let path = "expected a key, or keys with dots between them";
    for (sender, message) in [
        (example().id(Place::body("")), format!("the id's path is empty; {path}")),
        (
            example().topic(Place::keys::<&str>([])),
            format!("the topic's path is empty; {path}"),
        ),
        (
            example().payload(Place::body("data..object")),
            format!("the payload's path `data..object` has an empty key; {path}"),
        ),
        (
            example().time(Place::body("id")),
            "the id and the time have one path, `id`; expected one for each".to_owned(),
        ),
        (
            example().payload(Place::body("type")),
            "the topic and the payload have one path, `type`; expected one for each".to_owned(),
        ),
        (
            example().payload(Place::body("id.data")),
            "the payload's path `id.data` leads through `id`, where the id is; expected another path for one of them"
                .to_owned(),
        ),
        (
            example().id(Place::body("type.id")),
            "the topic is at `type`, through which another path leads; expected another path for one of them"
                .to_owned(),
        ),
        (
            example().time(Place::unsigned_header(name("date"))),
            "the time is in the header `date`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
        (
            example().payload(Place::unsigned_header(name("x-data"))),
            "the payload is in the header `x-data`, which the signature does not cover; expected a path into the body"
                .to_owned(),
        ),
        (
            in_headers().topic(Place::unsigned_header(name("x-webhook-id"))),
            "the id and the topic have one header; expected one for each".to_owned(),
        ),
    ] {
        assert_cannot_be(sender, &message);
    }
}

#[test]
fn what_a_description_says_is_what_the_layer_sees() {
    let sender = example().build().unwrap();
    assert_eq!(sender.name(), "example");
    assert_eq!(sender.terms(), DeliveryTerms::new(Duration::from_secs(10), 8 * HOUR));
    assert_eq!(sender.verifier().scheme(), &scheme());
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
    let without_time = sender_without_time();
    assert_eq!(event(without_time, &body("1", "ping")).fingerprint(), None);
}

fn sender_without_time() -> CustomBuilder {
    super::sender().id(Place::body("id")).topic(Place::body("type"))
}

/// Events go to other tasks, and handlers keep them.
#[test]
fn an_event_is_cheap_to_share() {
    fn shared<T: Clone + Debug + Send + Sync + 'static>() {}
    shared::<Event>();
    shared::<CustomBuilder>();
}
