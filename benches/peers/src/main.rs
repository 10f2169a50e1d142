//! Verifying a signature with other crates, beside this one: the same bytes, the same algorithm, in turns.
//!
//! ```sh
//! cargo run --release
//! ```
//!
//! Left out: octocrab (0.54.9 has no function that verifies a webhook's signature).

#[path = "../../common/mod.rs"]
mod common;

use std::{
    env,
    hint::black_box,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{Contender, compare};
use http::{HeaderMap, HeaderName, HeaderValue};
use tower_webhook::signature::{self, Algorithm, Encoding, Scheme, Secrets, Verifier};

/// [`common::SECRET`], as Standard Webhooks' secrets are written.
const IN_BASE64: &str = "whsec_OGY3NDIyMzFiMTBlODg4OGFiY2Q5OXl5eXp6ejg1YTU=";
const ID: &str = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W";

fn main() {
    let rounds = env::args()
        .nth(1)
        .map_or(1001, |rounds| rounds.parse().expect("a number of rounds"));
    for size in [600, 16 * 1024] {
        let body = common::event(&common::id(0), size);
        println!("{size} bytes, HMAC-SHA256 over the body, hex in one header (GitHub's form)");
        print(rounds, &mut github(&body));
        println!("{size} bytes, HMAC-SHA256 over id, time and body, base64 in a list (Standard Webhooks' form)");
        print(rounds, &mut standard(&body));
    }
}

fn print(rounds: usize, contenders: &mut [Contender<'_>]) {
    for measured in compare(rounds, Duration::from_micros(250), contenders) {
        println!(
            "    {:44} {:>8.0} ns {:>7.2} x ({:.2} to {:.2})",
            measured.name, measured.nanoseconds, measured.ratio, measured.quartiles.0, measured.quartiles.1
        );
    }
}

fn github(body: &[u8]) -> Vec<Contender<'_>> {
    let scheme = Scheme::new(
        HeaderName::from_static("x-hub-signature-256"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
    .prefix(HeaderValue::from_static("sha256="));
    let secrets = common::secrets();
    let verifier = Verifier::new(&scheme, &secrets).expect("a secret");
    let headers = scheme.sign(&secrets, body).expect("a secret");
    let secret = webhook_verify::Secret::new(common::SECRET);
    vec![
        (
            "tower-webhook, keyed once",
            Box::new({
                let headers = headers.clone();
                move |times| {
                    for _ in 0..times {
                        let _ = verifier
                            .verify(black_box(&headers), black_box(body))
                            .expect("authentic");
                    }
                }
            }),
        ),
        (
            "tower-webhook::verify, keyed each time",
            Box::new({
                let headers = headers.clone();
                move |times| {
                    for _ in 0..times {
                        let verified = signature::verify(&scheme, &secrets, black_box(&headers), black_box(body));
                        let _ = black_box(verified).expect("authentic");
                    }
                }
            }),
        ),
        (
            "webhook-verify, Provider::GitHub",
            Box::new(move |times| {
                for _ in 0..times {
                    webhook_verify::verify(
                        webhook_verify::Provider::GitHub,
                        black_box(&headers),
                        black_box(body),
                        &secret,
                        webhook_verify::VerifyOptions::default(),
                    )
                    .expect("authentic");
                }
            }),
        ),
    ]
}

/// This crate knows no signed times yet: id and time are part of the scheme's text here, the bytes under the MAC are the same. What it
/// is spared is to find two headers and to read a number.
fn standard(body: &[u8]) -> Vec<Contender<'_>> {
    let time = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let scheme = Scheme::new(
        HeaderName::from_static("webhook-signature"),
        Algorithm::HmacSha256,
        Encoding::Base64,
    )
    .prefix(HeaderValue::from_static("v1,"))
    .signed_content(&format!("{ID}.{time}.{{body}}"))
    .expect("a template");
    let secrets = Secrets::new(common::SECRET).expect("a secret");
    let verifier = Verifier::new(&scheme, &secrets).expect("a secret");
    let mut headers: HeaderMap = scheme.sign(&secrets, body).expect("a secret");
    headers.insert("webhook-id", HeaderValue::from_static(ID));
    headers.insert("webhook-timestamp", HeaderValue::from(time));
    let key = common::SECRET.as_bytes().to_vec();
    let svix = svix::webhooks::Webhook::from_bytes(key.clone()).expect("a secret");
    let standard = standardwebhooks::Webhook::from_bytes(key).expect("a secret");
    let secret = webhook_verify::Secret::new(IN_BASE64);
    vec![
        (
            "tower-webhook, keyed once",
            Box::new({
                let headers = headers.clone();
                move |times| {
                    for _ in 0..times {
                        let _ = verifier
                            .verify(black_box(&headers), black_box(body))
                            .expect("authentic");
                    }
                }
            }),
        ),
        (
            "tower-webhook::verify, keyed each time",
            Box::new({
                let headers = headers.clone();
                move |times| {
                    for _ in 0..times {
                        let verified = signature::verify(&scheme, &secrets, black_box(&headers), black_box(body));
                        let _ = black_box(verified).expect("authentic");
                    }
                }
            }),
        ),
        (
            "webhook-verify, Provider::StandardWebhooks",
            Box::new({
                let headers = headers.clone();
                move |times| {
                    for _ in 0..times {
                        webhook_verify::verify(
                            webhook_verify::Provider::StandardWebhooks,
                            black_box(&headers),
                            black_box(body),
                            &secret,
                            webhook_verify::VerifyOptions::default(),
                        )
                        .expect("authentic");
                    }
                }
            }),
        ),
        (
            "svix, Webhook::verify",
            Box::new({
                let headers = headers.clone();
                move |times| {
                    for _ in 0..times {
                        svix.verify(black_box(body), black_box(&headers)).expect("authentic");
                    }
                }
            }),
        ),
        (
            "standardwebhooks, Webhook::verify",
            Box::new(move |times| {
                for _ in 0..times {
                    standard
                        .verify(black_box(body), black_box(&headers))
                        .expect("authentic");
                }
            }),
        ),
    ]
}
