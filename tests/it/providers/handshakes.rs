//! Handshakes: signed like any other request, or refused.

#![cfg(test)] // for clippy

use serde_json::{Value, json};
use tower_webhook::RefusalKind;

use super::{
    replays::{Endpoint, SECRET},
    *,
};
use crate::endpoint::Answer;

// ---- Slack ----

fn slack() -> Endpoint<Slack> {
    Endpoint::on(
        Slack::new(SECRET).unwrap(),
        &["url_verification", "challenge", "app_mention"],
    )
}

fn verification(challenge: &Value) -> Vec<u8> {
    json!({"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": challenge, "type": "url_verification"})
        .to_string()
        .into_bytes()
}

#[tokio::test]
async fn slacks_challenge_is_echoed_after_its_signature_and_no_handler_runs() {
    let endpoint = slack();
    let challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P";
    for _ in 0..2 {
        let answer = endpoint.post(&verification(&json!(challenge)), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, challenge));
        assert!(
            answer.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/plain")
        );
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn slacks_challenge_is_not_echoed_unless_it_is_signed() {
    let endpoint = slack();
    let body = verification(&json!("3eZbrw1aBm2rZgRNFdxV"));
    endpoint.assert_unauthorized(&endpoint.send(HeaderMap::new(), &body).await);
    let scheme = slack::scheme();
    for (secret, signed_at) in [("another secret", NOW), (SECRET, NOW - 301), (SECRET, NOW + 301)] {
        let headers = scheme.sign_at(&Secrets::new(secret).unwrap(), "", at(signed_at), &body);
        endpoint.assert_unauthorized(&endpoint.send(headers.unwrap(), &body).await);
    }
    let of_another = scheme.sign_at(&Secrets::new(SECRET).unwrap(), "", at(NOW), &verification(&json!("x")));
    endpoint.assert_unauthorized(&endpoint.send(of_another.unwrap(), &body).await);
    endpoint.assert_untouched();
}

#[tokio::test]
async fn what_is_no_challenge_is_not_echoed() {
    let endpoint = slack();
    let long = "a".repeat(257);
    for challenge in [
        json!("<script>alert(1)</script>"),
        json!("with spaces"),
        json!(""),
        json!("two\nlines"),
        json!("Schlüssel"),
        json!("\u{0}"),
        json!(long),
        json!(7),
        json!(null),
        json!(["a"]),
        json!({"a": 1}),
    ] {
        let answer = endpoint.post(&verification(&challenge), &[]).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
        assert!(!answer.body.contains("script"), "{}", answer.body);
    }
    let none = br#"{"token":"x","type":"url_verification"}"#;
    let answer = endpoint.post(none, &[]).await;
    answer.assert_refused(400, RefusalKind::NotAnEvent);
    endpoint.assert_untouched();
}

#[tokio::test]
async fn an_event_of_slack_is_no_handshake_whatever_it_says() {
    let endpoint = slack();
    let body = json!({
        "type": "event_callback",
        "challenge": "echo me",
        "event_id": "Ev1",
        "event": {"type": "app_mention", "challenge": "echo me"},
    });
    let answer = endpoint.post(body.to_string().as_bytes(), &[]).await;
    answer.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["named: app_mention"]);
}

// ---- Zoom ----

fn zoom() -> Endpoint<Zoom> {
    Endpoint::on(
        Zoom::new(SECRET).unwrap(),
        &["endpoint.url_validation", "meeting.started"],
    )
}

fn validation(token: &Value) -> Vec<u8> {
    json!({
        "payload": {"plainToken": token},
        "event_ts": NOW * 1000,
        "event": "endpoint.url_validation",
    })
    .to_string()
    .into_bytes()
}

fn tag_of(secret: &str, bytes: &[u8]) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(ring::hmac::sign(&key, bytes))
}

#[tokio::test]
async fn zooms_token_is_signed_after_the_requests_own_signature_and_no_handler_runs() {
    let endpoint = zoom();
    let longest = "a".repeat(128);
    for token in [
        "qgg8vlvZRS6UYooatFL8Aw",
        "a",
        "a-b_c",
        "9h2kFv7QTr+Zb0sGxw1A/g==",
        longest.as_str(),
    ] {
        let answer = endpoint.post(&validation(&json!(token)), &[]).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/json");
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        let expected = json!({"plainToken": token, "encryptedToken": tag_of(SECRET, token.as_bytes())});
        assert_eq!(said, expected);
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn zooms_token_is_signed_with_the_secret_that_signed_the_request() {
    let body = validation(&json!("qgg8vlvZRS6UYooatFL8Aw"));
    let endpoint = Endpoint::new(Zoom::new(["another one", SECRET]).unwrap());
    for secret in ["another one", SECRET] {
        let headers = zoom::scheme().sign_at(&Secrets::new(secret).unwrap(), "", at(NOW), &body);
        let answer = endpoint.send(headers.unwrap(), &body).await;
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(said["encryptedToken"], tag_of(secret, b"qgg8vlvZRS6UYooatFL8Aw"));
    }
}

/// A rotation between the signature and the handshake: which secret the request was signed with is
/// not known any more.
#[test]
fn zooms_token_is_not_signed_with_a_secret_that_came_after_its_request() {
    let provider = Zoom::new(SECRET).unwrap();
    let body = validation(&json!("qgg8vlvZRS6UYooatFL8Aw"));
    let headers = provider.verifier().sign_at("", at(NOW), &body).unwrap();
    let verified = provider.verifier().verify_at(&headers, &body, at(NOW)).unwrap();
    let event = provider.event(&headers, &body.into()).unwrap();
    let handshake = provider.handshake(&event, verified).unwrap().unwrap();
    assert!(handshake.body().is_some());

    provider
        .verifier()
        .secrets_handle()
        .rotate(["a new secret", SECRET])
        .unwrap();
    let error = provider.handshake(&event, verified).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the secrets were rotated while the request came in; expected it once more",
    );
}

#[tokio::test]
async fn zooms_token_is_not_signed_for_who_did_not_sign_the_request() {
    let endpoint = zoom();
    let token = "qgg8vlvZRS6UYooatFL8Aw";
    let body = validation(&json!(token));
    let refused = |answer: &Answer| {
        endpoint.assert_unauthorized(answer);
        assert!(!format!("{answer:?}").contains(&tag_of(SECRET, token.as_bytes())));
    };
    refused(&endpoint.send(HeaderMap::new(), &body).await);
    let scheme = zoom::scheme();
    for (secret, signed_at) in [("another secret", NOW), (SECRET, NOW - 7201), (SECRET, NOW + 7201)] {
        let headers = scheme.sign_at(&Secrets::new(secret).unwrap(), "", at(signed_at), &body);
        refused(&endpoint.send(headers.unwrap(), &body).await);
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn nothing_that_could_be_a_signed_content_is_signed_as_a_token() {
    let endpoint = zoom();
    // What a forger would like to have signed: an event.
    let event = br#"{"event":"user.created","payload":{}}"#;
    let content = format!("v0:{NOW}:{}", String::from_utf8_lossy(event));
    let long = "a".repeat(129);
    for token in [
        content.as_str(),
        "v0:123:{}",
        "v0:123:",
        "v0:",
        ":",
        "{",
        "{}",
        "a b",
        "a.b",
        "a,b",
        "a\"b",
        "a\\b",
        "a\nb",
        "a\u{0}",
        "é",
        "",
        " ",
        &long,
    ] {
        let answer = endpoint.post(&validation(&json!(token)), &[]).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
        let said = format!("{answer:?}");
        assert!(!said.contains(&tag_of(SECRET, token.as_bytes())), "{said}");
        assert!(!said.contains("encryptedToken"), "{said}");
    }
    for token in [json!(7), json!(null), json!(["a"]), json!({"a": "b"}), json!(true)] {
        let answer = endpoint.post(&validation(&token), &[]).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
    }
    for body in [
        json!({"event": "endpoint.url_validation"}),
        json!({"event": "endpoint.url_validation", "payload": null}),
        json!({"event": "endpoint.url_validation", "plainToken": "a"}),
    ] {
        let answer = endpoint.post(body.to_string().as_bytes(), &[]).await;
        answer.assert_refused(400, RefusalKind::NotAnEvent);
    }
    endpoint.assert_untouched();
}

#[tokio::test]
async fn an_event_of_zoom_is_no_handshake_whatever_it_says() {
    let endpoint = zoom();
    let body = json!({"event": "meeting.started", "payload": {"plainToken": "a", "object": {}}});
    let answer = endpoint.post(body.to_string().as_bytes(), &[]).await;
    answer.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["named: meeting.started"]);
}

// ---- GitHub ----

const PING: &[u8] = br#"{"zen":"Design for failure.","hook_id":30,"hook":{"type":"Repository","id":30}}"#;

#[tokio::test]
async fn githubs_ping_gets_200_and_the_fallback_does_not_run() {
    let endpoint = Endpoint::on(GitHub::new(SECRET).unwrap(), &["push"]);
    for delivery in ["1", "1", "2"] {
        let headers = [("x-github-event", "ping"), ("x-github-delivery", delivery)];
        endpoint.post(PING, &headers).await.assert_acknowledged();
    }
    endpoint.assert_untouched();
    // Only as signed, and only under its name.
    let mut unsigned = HeaderMap::new();
    unsigned.insert("x-github-event", HeaderValue::from_static("ping"));
    endpoint.assert_unauthorized(&endpoint.send(unsigned, PING).await);
    endpoint.assert_untouched();
    let headers = [("x-github-event", "pings"), ("x-github-delivery", "3")];
    endpoint.post(PING, &headers).await.assert_acknowledged();
    assert_eq!(endpoint.seen(), ["pings"]);
}

#[tokio::test]
async fn githubs_ping_runs_the_handler_that_asked_for_it_once() {
    let endpoint = Endpoint::on(GitHub::new(SECRET).unwrap(), &["ping"]);
    for delivery in ["1", "1", "1"] {
        let headers = [("x-github-event", "ping"), ("x-github-delivery", delivery)];
        endpoint.post(PING, &headers).await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["named: ping"]);
}
