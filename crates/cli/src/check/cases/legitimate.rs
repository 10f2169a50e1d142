//! Odd, and sent all the same: what a receiver must take.

use std::time::{Duration, SystemTime};

use super::super::case::{Case, Expected, Maker, of_another_version, one, with_field};
use crate::{
    failure::Failure,
    provider::{FieldPlace, Provider, Resent},
    wire::Request,
};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) fn cases(provider: &'static Provider, further_secrets: usize) -> Vec<Case> {
    let mut cases = bodies();
    cases.extend(headers());
    cases.extend(late(provider));
    cases.extend(rotated(provider, further_secrets));
    cases
}

pub(super) fn handled(
    name: impl Into<String>,
    why: &'static str,
    make: impl Fn(&Maker) -> Result<Request, Failure> + Send + Sync + 'static,
) -> Case {
    one(name, Expected::Handled(1), why, make)
}

/// With this field added before the signature.
fn with(name: &'static str, why: &'static str, field: &'static str) -> Case {
    handled(name, why, move |maker| maker.with_body(|body| with_field(body, field)))
}

fn bodies() -> Vec<Case> {
    vec![
        handled("a usual delivery", "what a provider sends every day", Maker::usual),
        handled(
            "JSON with spaces and line breaks",
            "some providers print their bodies indented; the signature is over those bytes",
            |maker| {
                maker.with_body(|body| {
                    let parsed: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
                    serde_json::to_string_pretty(&parsed).unwrap_or_default()
                })
            },
        ),
        handled(
            "a newline at the end of the body",
            "a receiver that trims the body before it verifies refuses it",
            |maker| maker.with_body(|body| format!("{body}\n")),
        ),
        handled(
            "CRLF at the end of the body",
            "some gateways and printers end lines so",
            |maker| maker.with_body(|body| format!("{body}\r\n")),
        ),
        with(
            "a field that no document knows",
            "providers add fields without notice and call it compatible; strict parsers refuse all events then",
            r#""tower_webhook_check":{"added":[1,null]}"#,
        ),
        with(
            "text beyond ASCII",
            "a body that is decoded as Latin-1 and encoded again has other bytes",
            "\"check\":\"Zo\u{eb} \u{1f680} \u{65e5}\u{672c}\"",
        ),
        with(
            "text in unicode escapes",
            "PHP and Python escape what is not ASCII; printed again it is other bytes",
            r#""check":"Zo\u00eb \ud83d\ude80""#,
        ),
        with(
            "half an emoji",
            "texts are cut to a length in UTF-16, which leaves half of a surrogate pair; strict parsers refuse it",
            r#""check":"cut \ud83d""#,
        ),
        with(
            "escaped slashes",
            "PHP writes \\/ by default; a body that is printed again does not",
            r#""check":"https:\/\/example.com\/""#,
        ),
        with(
            "U+2028 in a text",
            "valid JSON, and until 2019 no valid JavaScript",
            "\"check\":\"a\u{2028}b\"",
        ),
        with(
            "a number beyond 2^53",
            "ids of 64 bits are common; printed again by JavaScript they are other numbers",
            r#""check":9007199254740993"#,
        ),
        with(
            "a number with a trailing zero",
            "1.10 that was parsed and printed again is 1.1, and the tag does not match",
            r#""check":1.10"#,
        ),
        with(
            "an empty key",
            "valid JSON that some readers take for no key",
            r#""":"""#,
        ),
        with(
            "fields nested 60 deep",
            "workflow engines send their trees; limits of 20 or 32 are usual in guides about attacks",
            NESTED,
        ),
        handled(
            "an id escaped in unicode",
            "\\u002d is a hyphen: the same event, in other bytes",
            |maker| {
                let event = maker.event();
                let body = maker.body_of(&event)?;
                let id = event.id.replace('-', "\\u002d");
                let escaped = body.replace(&event.id, &id);
                maker.signer.request_with(&event, escaped.into_bytes().into())
            },
        ),
        handled(
            "a body of 200 KB",
            "express's parser stops at 100 KB by default; orders and pull requests are larger",
            |maker| maker.with_body(|body| with_field(body, &format!(r#""check":"{}""#, "a".repeat(200_000)))),
        ),
        one(
            "a byte order mark before the body",
            Expected::Steady,
            "some printers write one, and RFC 8259 lets readers skip it or not; the signature covers it",
            |maker| maker.with_body(|body| format!("\u{feff}{body}")),
        ),
    ]
}

const NESTED: &str = concat!(
    r#""check":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["#,
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
);

fn in_case(change: fn(&str) -> String) -> impl Fn(&Maker) -> Result<Request, Failure> {
    move |maker| {
        let mut request = maker.usual()?;
        for (name, _) in &mut request.headers {
            *name = change(name);
        }
        Ok(request)
    }
}

fn titled(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

fn headers() -> Vec<Case> {
    vec![
        handled(
            "names of headers in capitals",
            "names have no case (RFC 9110), and gateways write them as they like",
            in_case(str::to_ascii_uppercase),
        ),
        handled(
            "Names-Of-Headers like this",
            "how HTTP/1 usually looks",
            in_case(titled),
        ),
        handled(
            "Content-Type with a charset",
            "most HTTP clients add it; a comparison with application/json alone fails",
            |maker| {
                let mut request = maker.usual()?;
                request.set("content-type", "application/json; charset=UTF-8");
                Ok(request)
            },
        ),
        handled(
            "headers of a proxy and of tracing",
            "whatever stands between provider and receiver adds some",
            |maker| {
                let mut request = maker.usual()?;
                for (name, value) in [
                    ("x-forwarded-for", "203.0.113.7, 198.51.100.2"),
                    ("x-forwarded-proto", "https"),
                    ("forwarded", "for=203.0.113.7;proto=https"),
                    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
                    ("via", "1.1 gateway"),
                    ("accept-encoding", "gzip, deflate, br"),
                    ("cookie", "a=b; c=d"),
                ] {
                    request.append(name, value);
                }
                Ok(request)
            },
        ),
        handled("40 more headers", "platforms add dozens of their own", |maker| {
            let mut request = maker.usual()?;
            for number in 0..40 {
                request.append(&format!("x-check-{number}"), "value");
            }
            Ok(request)
        }),
        handled(
            "Content-Encoding without a value",
            "a provider has sent it for plain bodies; an unknown encoding is 415 in many frameworks",
            |maker| {
                let mut request = maker.usual()?;
                request.append("content-encoding", "");
                Ok(request)
            },
        ),
        handled(
            "the signature's header twice with one value",
            "gateways double headers; equal values are one value",
            |maker| {
                let mut request = maker.usual()?;
                let value = request.header(maker.signer.header()).unwrap_or_default().to_vec();
                request.append(maker.signer.header(), value);
                Ok(request)
            },
        ),
        handled(
            "spaces around a header's value",
            "RFC 9110 has them removed by whoever reads",
            |maker| {
                let mut request = maker.usual()?;
                let value = request.header(maker.signer.header()).unwrap_or_default();
                let value = [b"  ", value, b" "].concat();
                request.set(maker.signer.header(), value);
                Ok(request)
            },
        ),
    ]
}

/// Retries with the bytes of the first attempt.
fn late(provider: &'static Provider) -> Vec<Case> {
    let why = match provider.name {
        "dwolla" => "Dwolla's automatic retries are the first bytes, up to 72 hours later",
        "github" => "GitHub signs no time, and a redelivery within 3 days is the first bytes",
        "shopify" => "Shopify sends the same bytes again, 8 times in 4 hours",
        "square" => "Square signs no time, and retries for 24 hours",
        "linear" => "Linear retries after a minute, an hour and six hours with the first bytes (vercel/eve#1570)",
        "paddle" => "a post-mortem says that Paddle's retries keep the first ts (paddle-node-sdk#30 on the 5 seconds)",
        "zoom" => "Zoom retries after 5, 25 and 85 minutes and does not say whether it signs again",
        _ => "six attempts within eight hours, with the bytes of the first",
    };
    let expected = match provider.resent {
        Resent::FirstBytes => Expected::Handled(1),
        Resent::Unknown => Expected::Steady,
        Resent::SignedAgain => {
            return vec![handled(
                "an event of yesterday, signed again now",
                "a retry after an outage: the event is old, the signature is fresh",
                |maker| {
                    let mut event = maker.event();
                    event.created = SystemTime::now() - HOUR * 26;
                    maker.signer.request(&event)
                },
            )];
        }
    };
    let hours = |hours: f64, name: &'static str| {
        one(name, expected, why, move |maker| {
            let mut event = maker.event();
            event.sent = SystemTime::now() - HOUR.mul_f64(hours);
            event.created = event.sent;
            maker.signer.request(&event)
        })
    };
    vec![
        hours(0.2, "the first bytes of twelve minutes ago"),
        hours(
            if provider.name == "zoom" { 1.4 } else { 3.5 },
            "the first bytes of hours ago",
        ),
    ]
}

fn rotated(provider: &'static Provider, further_secrets: usize) -> Vec<Case> {
    let mut cases: Vec<Case> = (0..further_secrets)
        .map(|nth| {
            handled(
                format!("signed with secret number {}", nth + 2),
                "while a secret is rotated, both are valid",
                move |maker| {
                    let signer = maker.others.get(nth).unwrap_or(&maker.signer);
                    signer.request(&maker.event())
                },
            )
        })
        .collect();
    if let Some((separator, label)) = provider.list {
        let listed = |name: &'static str, why: &'static str, list: fn(&str, &str, &str) -> String| {
            handled(name, why, move |maker| {
                let mut request = maker.usual()?;
                let claims = maker.signer.claims(&request);
                let tag = list(&maker.signer.tag(&claims), separator, label);
                maker.signer.put(&mut request, &claims, &tag);
                Ok(request)
            })
        };
        cases.push(listed(
            "a second tag behind the right one",
            "while a secret is rolled, the header holds a tag for each secret",
            |tag, separator, label| format!("{tag}{separator}{label}{}", scrambled(tag)),
        ));
        cases.push(listed(
            "a second tag before the right one",
            "nothing says which of them comes first",
            |tag, separator, label| format!("{}{separator}{label}{tag}", scrambled(tag)),
        ));
        cases.push(listed(
            "an item of a version that is not known",
            "Stripe sends v0 in test mode, and Standard Webhooks v1a beside v1: others are to be passed over",
            |tag, separator, label| format!("{tag}{separator}{}{}", of_another_version(label), scrambled(tag)),
        ));
    }
    if let FieldPlace::Header = provider.topic {
        cases.push(handled(
            "the topic's header twice with one value",
            "gateways double headers, whichever they are",
            |maker| {
                let mut request = maker.usual()?;
                for name in ["x-github-event", "x-shopify-topic"] {
                    if let Some(value) = request.header(name).map(<[u8]>::to_vec) {
                        request.append(name, value);
                    }
                }
                Ok(request)
            },
        ));
    }
    cases
}

/// Another tag of the same form.
fn scrambled(tag: &str) -> String {
    let padding = tag.chars().rev().take_while(|letter| *letter == '=').count();
    let (letters, padding) = tag.split_at(tag.len() - padding);
    // The last letter's bits stay: in base64 some of them must be zero.
    let (letters, last) = letters.split_at(letters.len() - 1);
    let letters: String = letters.chars().rev().collect();
    format!("{letters}{last}{padding}")
}
