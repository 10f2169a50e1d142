//! Verifying a signature with other crates, beside this one: the same bytes, the same algorithm, in
//! turns.
//!
//! ```sh
//! cargo run --release          # or: -- 101 stripe, for so many rounds of one scheme
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

use common::{Contender, SECRET, compare};
use http::HeaderMap;
use tower_webhook::{
    github, linear, paddle,
    provider::Provider as _,
    shopify,
    signature::{self, Scheme, Secrets, Verifier},
    slack, square, standard_webhooks,
    stripe::{self, Stripe},
    svix, zoom,
};
use webhook_verify::{Provider, VerifyOptions};

/// [`SECRET`], as Standard Webhooks' secrets are written.
const IN_BASE64: &str = "whsec_OGY3NDIyMzFiMTBlODg4OGFiY2Q5OXl5eXp6ejg1YTU=";
const URL: &str = "https://example.com/webhooks/square";

/// A scheme, its secret, and what `webhook-verify` calls it.
type Case = (&'static str, Scheme, &'static str, Option<Provider>);

fn main() {
    let mut arguments = env::args().skip(1);
    let rounds = arguments
        .next()
        .map_or(501, |rounds| rounds.parse().expect("a number of rounds"));
    let only = arguments.next().unwrap_or_default();
    let cases: [Case; 10] = [
        ("github", github::scheme(), SECRET, Some(Provider::GitHub)),
        ("shopify", shopify::scheme(), SECRET, Some(Provider::Shopify)),
        ("square", square::scheme(URL), SECRET, Some(Provider::Square)),
        ("linear, its time unread", linear::scheme(), SECRET, None),
        ("stripe", stripe::scheme(), SECRET, Some(Provider::Stripe)),
        ("slack", slack::scheme(), SECRET, Some(Provider::Slack)),
        ("paddle", paddle::scheme(), SECRET, None),
        ("zoom", zoom::scheme(), SECRET, Some(Provider::Zoom)),
        (
            "standard-webhooks",
            standard_webhooks::scheme(),
            IN_BASE64,
            Some(Provider::StandardWebhooks),
        ),
        ("svix", svix::scheme(), IN_BASE64, None),
    ];
    for size in [600, 16 * 1024] {
        for (name, scheme, secret, peer) in &cases {
            if name.contains(&only) {
                println!("{name}, {size} bytes");
                let body = common::event(&common::id(0), size);
                print(rounds, &mut verify(name, scheme, secret, peer.clone(), &body));
            }
        }
        if "stripe, with its event".contains(&only) {
            println!("stripe, with its event, {size} bytes");
            print(rounds, &mut stripe_event(size));
        }
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

fn contender<'a>(name: &'static str, mut once: impl FnMut() + 'a) -> Contender<'a> {
    (name, Box::new(move |times| (0..times).for_each(|_| once())))
}

fn verify<'a>(name: &str, scheme: &Scheme, secret: &str, peer: Option<Provider>, body: &'a [u8]) -> Vec<Contender<'a>> {
    let secrets = Secrets::new(secret).expect("a secret");
    // A run takes longer than Paddle's five seconds.
    let scheme = scheme.clone().tolerance(Duration::from_secs(300));
    let headers = scheme.sign(&secrets, body).expect("a secret");
    let mut contenders = vec![
        contender("tower-webhook, keyed once", {
            let verifier = Verifier::new(&scheme, &secrets).expect("a secret");
            let headers = headers.clone();
            move || {
                let verified = verifier.verify(black_box(&headers), black_box(body));
                let _ = black_box(verified).expect("authentic");
            }
        }),
        contender("tower-webhook::verify, keyed each time", {
            let headers = headers.clone();
            move || {
                let verified = signature::verify(&scheme, &secrets, black_box(&headers), black_box(body));
                let _ = black_box(verified).expect("authentic");
            }
        }),
    ];
    if let Some(peer) = peer {
        let secret = webhook_verify::Secret::new(secret);
        let headers = headers.clone();
        contenders.push(contender("webhook-verify", move || {
            let options = VerifyOptions::default().with_request_url(URL);
            webhook_verify::verify(peer.clone(), black_box(&headers), black_box(body), &secret, options)
                .expect("authentic");
        }));
    }
    match name {
        "standard-webhooks" => contenders.push(standardwebhooks(headers, body)),
        "svix" => contenders.push(svix(headers, body)),
        _ => {}
    }
    contenders
}

fn standardwebhooks(headers: HeaderMap, body: &[u8]) -> Contender<'_> {
    let webhook = standardwebhooks::Webhook::new(IN_BASE64).expect("a secret");
    contender("standardwebhooks", move || {
        webhook.verify(black_box(body), black_box(&headers)).expect("authentic");
    })
}

fn svix(headers: HeaderMap, body: &[u8]) -> Contender<'_> {
    let webhook = ::svix::webhooks::Webhook::new(IN_BASE64).expect("a secret");
    contender("svix", move || {
        webhook.verify(black_box(body), black_box(&headers)).expect("authentic");
    })
}

/// `async-stripe-webhook` verifies and parses in one: beside it, both here too. The topic is one
/// that it has no type for, so that it reads no more of the object than this crate.
fn stripe_event(size: usize) -> Vec<Contender<'static>> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let begin = format!(
        concat!(
            r#"{{"id":"evt_1PzA7bKq9LmN2c4D","object":"event","api_version":"2025-03-31.basil","created":{now},"#,
            r#""livemode":false,"pending_webhooks":1,"request":{{"id":"req_1","idempotency_key":null}},"#,
            r#""type":"pump.stopped","data":{{"object":{{"id":"pump_1","object":"pump","note":""#
        ),
        now = now
    );
    let padding = "x".repeat(size.saturating_sub(begin.len() + 4));
    let body = format!("{begin}{padding}\"}}}}}}");
    let secrets = Secrets::new(SECRET).expect("a secret");
    let headers = stripe::scheme().sign(&secrets, body.as_bytes()).expect("a secret");
    let signature = headers["stripe-signature"].to_str().expect("text").to_owned();
    let provider = Stripe::new(SECRET).expect("a secret");
    let bytes = bytes::Bytes::from(body.clone());
    vec![
        contender("tower-webhook, keyed once", move || {
            let verified = provider.verifier().verify(black_box(&headers), black_box(&bytes));
            let _ = verified.expect("authentic");
            black_box(provider.event(&headers, &bytes)).expect("an event");
        }),
        contender("async-stripe-webhook", move || {
            let event = stripe_webhook::Webhook::construct_event(black_box(&body), black_box(&signature), SECRET);
            black_box(event).expect("an event");
        }),
    ]
}
