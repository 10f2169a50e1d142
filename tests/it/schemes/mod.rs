//! Schemes that a user describes: those of real providers, and what none of them may allow.

#![cfg(test)] // for clippy

mod real_providers;
mod texts_of_times;
mod one_reading;
mod descriptions;
mod lists;
mod tags;

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue};
use tower_webhook::signature::{
    Algorithm, Encoding, Scheme, SchemeError, Secrets, SignatureErrorKind as Kind, TimestampFormat, Verifier, verify_at,
};

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any time is off.
const EVER: Duration = Duration::from_secs(u64::MAX);

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}

fn at(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

fn hmac(sha512: bool, key: &[u8], content: &[u8]) -> Vec<u8> {
    let algorithm = if sha512 {
        ring::hmac::HMAC_SHA512
    } else {
        ring::hmac::HMAC_SHA256
    };
    let key = ring::hmac::Key::new(algorithm, key);
    ring::hmac::sign(&key, content).as_ref().to_vec()
}

fn new(header: &'static str, encoding: Encoding) -> Scheme {
    Scheme::new(name(header), Algorithm::HmacSha256, encoding)
}

fn twitch() -> Result<Scheme, SchemeError> {
    new("twitch-eventsub-message-signature", Encoding::Hex)
        .prefix(HeaderValue::from_static("sha256="))
        .id_header(name("twitch-eventsub-message-id"))
        .timestamp_header(name("twitch-eventsub-message-timestamp"), 10 * MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)?
        .signed_content("{id}{timestamp}{body}")
}

fn ghost() -> Result<Scheme, SchemeError> {
    new("x-ghost-signature", Encoding::Hex)
        .list(", ", "sha256=")?
        .timestamp_item("t=", 5 * MINUTE)?
        .timestamp_format(TimestampFormat::Milliseconds)?
        .signed_content("{body}{timestamp}")
}

/// At once, which must be as in pieces.
fn verdict(scheme: &Scheme, secrets: &Secrets, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<(), Kind> {
    let at_once = verify_at(scheme, secrets, headers, body, now);
    let verifier = Verifier::new(scheme, secrets).unwrap();
    let in_pieces = verifier.begin(headers).and_then(|mut verification| {
        body.iter().for_each(|byte| verification.update(&[*byte]));
        verification.finish(now)
    });
    assert_eq!(at_once, in_pieces, "{headers:?}");
    assert_eq!(at_once, verifier.verify_at(headers, body, now), "{headers:?}");
    at_once.map(drop).map_err(|error| error.kind())
}

fn timed(format: TimestampFormat, template: &str) -> Result<Scheme, SchemeError> {
    let scheme = new("x-signature", Encoding::Hex).timestamp_header(name("x-time"), EVER);
    let scheme = if template.contains("{id}") {
        scheme.id_header(name("x-id"))
    } else {
        scheme
    };
    scheme.timestamp_format(format)?.signed_content(template)
}

fn wrong(scheme: Result<Scheme, SchemeError>) -> String {
    scheme.unwrap_err().to_string()
}
