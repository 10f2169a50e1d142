//! Requests of real providers, as their documents or their own libraries sign them.

#![cfg(test)] // for clippy

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::*;

const BODY: &str = r#"{"id":"1","at":"2026-07-01T12:00:00Z","n":1700000000123}"#;

/// A provider's request, as its documents or its own library say it.
struct Request {
    scheme: Scheme,
    secrets: Secrets,
    id: &'static str,
    /// In milliseconds since 1970, to which it was signed.
    sent: u64,
    body: &'static str,
    headers: Vec<(&'static str, String)>,
}

fn box_(header: &'static str) -> Result<Scheme, SchemeError> {
    new(header, Encoding::Base64)
        .timestamp_header(name("box-delivery-timestamp"), 10 * MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)?
        .signed_content("{body}{timestamp}")
}

fn sanity() -> Result<Scheme, SchemeError> {
    new("sanity-webhook-signature", Encoding::Base64Url)
        .list(',', "v1=")?
        .timestamp_item("t=", 5 * MINUTE)?
        .timestamp_format(TimestampFormat::Milliseconds)
}

fn zendesk() -> Result<Scheme, SchemeError> {
    new("x-zendesk-webhook-signature", Encoding::Base64)
        .timestamp_header(name("x-zendesk-webhook-signature-timestamp"), 5 * MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)?
        .signed_content("{timestamp}{body}")
}

fn close() -> Result<Scheme, SchemeError> {
    new("close-sig-hash", Encoding::Hex)
        .timestamp_header(name("close-sig-timestamp"), 5 * MINUTE)
        .signed_content("{timestamp}{body}")
}

fn hubspot() -> Result<Scheme, SchemeError> {
    new("x-hubspot-signature-v3", Encoding::Base64)
        .timestamp_header(name("x-hubspot-request-timestamp"), 5 * MINUTE)
        .timestamp_format(TimestampFormat::Milliseconds)?
        .signed_content("POSThttps://example.com/hubspot{body}{timestamp}")
}

fn authorize_net() -> Scheme {
    Scheme::new(name("x-anet-signature"), Algorithm::HmacSha512, Encoding::HexUpper)
        .prefix(HeaderValue::from_static("sha512="))
}

fn requests() -> Result<Vec<Request>, Box<dyn std::error::Error>> {
    // From the tests of Box's SDKs.
    let box_body = r#"{"type":"webhook_event","webhook":{"id":"1234567890"},"trigger":"FILE.UPLOADED","source":{"id":"1234567890","type":"file","name":"Test.txt"}}"#;
    let of_box = |header, key: &str, tag: &str| -> Result<Request, Box<dyn std::error::Error>> {
        Ok(Request {
            scheme: box_(header)?,
            secrets: Secrets::new(key)?,
            id: "",
            sent: 1_577_862_000_000,
            body: box_body,
            headers: vec![
                ("box-delivery-timestamp", "2020-01-01T00:00:00-07:00".to_owned()),
                (header, tag.to_owned()),
            ],
        })
    };
    // From the tests of Sanity's library.
    let of_sanity = |key: &str, sent, body, value: &str| -> Result<Request, Box<dyn std::error::Error>> {
        Ok(Request {
            scheme: sanity()?,
            secrets: Secrets::new(key)?,
            id: "",
            sent,
            body,
            headers: vec![("sanity-webhook-signature", value.to_owned())],
        })
    };
    let base64 = |content: &str| STANDARD.encode(hmac(false, SECRET.as_bytes(), content.as_bytes()));
    let hex = |key: &[u8], content: &str| hex::encode(hmac(false, key, content.as_bytes()));
    let (seconds, milliseconds, rfc3339) = ("1700000000", "1700000000123", "2023-11-14T22:13:20.123456789Z");
    let id = "befa7b53-d79d-478f-86b9-120f112b044e";
    let request = |scheme, headers| -> Result<Request, Box<dyn std::error::Error>> {
        Ok(Request {
            scheme,
            secrets: Secrets::new(SECRET)?,
            id: "",
            sent: 1_700_000_000_123,
            body: BODY,
            headers,
        })
    };
    let raw = [0x20, 0xff, 0x00, 0x0a];
    Ok(vec![
        of_box(
            "box-signature-primary",
            "SamplePrimaryKey",
            "6TfeAW3A1PASkgboxxA5yqHNKOwFyMWuEXny/FPD5hI=",
        )?,
        of_box(
            "box-signature-secondary",
            "SampleSecondaryKey",
            "v+1CD1Jdo3muIcbpv5lxxgPglOqMfsNHPV899xWYydo=",
        )?,
        of_sanity(
            "test",
            1_633_519_811_129,
            r#"{"_id":"resume"}"#,
            "t=1633519811129,v1=tLa470fx7qkLLEcMOcEUFuBbRSkGujyskxrNXcoh0N0",
        )?,
        of_sanity(
            "try-me",
            1_633_518_820_676,
            r#"{"title":"GROQ-Hooks are neat"}"#,
            "t=1633518820676,v1=e7C9h2sfbFfc4V7TEz7PSOp4IoNzl0UdVsBV-1wgdeA",
        )?,
        Request {
            id,
            ..request(
                twitch()?,
                vec![
                    ("twitch-eventsub-message-id", id.to_owned()),
                    ("twitch-eventsub-message-timestamp", rfc3339.to_owned()),
                    (
                        "twitch-eventsub-message-signature",
                        format!("sha256={}", hex(SECRET.as_bytes(), &format!("{id}{rfc3339}{BODY}"))),
                    ),
                ],
            )?
        },
        request(
            zendesk()?,
            vec![
                ("x-zendesk-webhook-signature-timestamp", rfc3339.to_owned()),
                ("x-zendesk-webhook-signature", base64(&format!("{rfc3339}{BODY}"))),
            ],
        )?,
        Request {
            secrets: Secrets::raw_key(raw)?,
            ..request(
                close()?,
                vec![
                    ("close-sig-timestamp", seconds.to_owned()),
                    ("close-sig-hash", hex(&raw, &format!("{seconds}{BODY}"))),
                ],
            )?
        },
        request(
            hubspot()?,
            vec![
                ("x-hubspot-request-timestamp", milliseconds.to_owned()),
                (
                    "x-hubspot-signature-v3",
                    base64(&format!("POSThttps://example.com/hubspot{BODY}{milliseconds}")),
                ),
            ],
        )?,
        request(
            ghost()?,
            vec![(
                "x-ghost-signature",
                format!(
                    "sha256={}, t={milliseconds}",
                    hex(SECRET.as_bytes(), &format!("{BODY}{milliseconds}"))
                ),
            )],
        )?,
        request(
            authorize_net(),
            vec![(
                "x-anet-signature",
                format!(
                    "sha512={}",
                    hex::encode_upper(hmac(true, SECRET.as_bytes(), BODY.as_bytes()))
                ),
            )],
        )?,
    ])
}

fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(header, value)| (name(header), value.parse().unwrap()))
        .collect()
}

#[test]
fn requests_of_real_providers_are_verified_and_no_bit_of_them_may_be_another() {
    for request in requests().unwrap() {
        let (scheme, secrets, now) = (&request.scheme, &request.secrets, at(request.sent));
        let right = headers(&request.headers);
        let of = scheme.headers()[0].as_str();
        let body = request.body.as_bytes();
        assert_eq!(verdict(scheme, secrets, &right, body, now), Ok(()), "{of}");
        for (index, mask) in (0..body.len()).flat_map(|index| [(index, 1), (index, 0x80)]) {
            let mut body = body.to_vec();
            body[index] ^= mask;
            assert_eq!(
                verdict(scheme, secrets, &right, &body, now),
                Err(Kind::Mismatch),
                "{of}"
            );
        }
        for (header, value) in &request.headers {
            for index in 0..value.len() {
                for bit in 0..7 {
                    let mut value = value.clone().into_bytes();
                    value[index] ^= 1 << bit;
                    let Ok(value) = HeaderValue::from_bytes(&value) else {
                        continue;
                    };
                    let mut changed = right.clone();
                    changed.insert(*header, value.clone());
                    let refused = verdict(scheme, secrets, &changed, body, now);
                    assert!(refused.is_err(), "{header}: {value:?}");
                }
            }
        }
    }
}

#[test]
fn a_request_of_a_real_provider_is_good_for_its_tolerance_alone() {
    for request in requests().unwrap() {
        let right = headers(&request.headers);
        let body = request.body.as_bytes();
        let Some(tolerance) = request.scheme.time_tolerance() else {
            continue;
        };
        let kind = |now| verdict(&request.scheme, &request.secrets, &right, body, now);
        let second = Duration::from_secs(1);
        let sent = at(request.sent / 1000 * 1000);
        for (now, expected) in [
            (sent + tolerance, Ok(())),
            (sent - tolerance, Ok(())),
            (sent + tolerance + second, Err(Kind::Timestamp)),
            (sent - tolerance - second, Err(Kind::Timestamp)),
        ] {
            assert_eq!(kind(now), expected, "{:?}", request.scheme.headers());
        }
    }
}

#[test]
fn what_sign_makes_is_verified_and_is_what_the_provider_makes() {
    for request in requests().unwrap() {
        let signed = request
            .scheme
            .sign_at(&request.secrets, request.id, at(request.sent), request.body.as_bytes())
            .unwrap();
        let verdict = verdict(
            &request.scheme,
            &request.secrets,
            &signed,
            request.body.as_bytes(),
            at(request.sent),
        );
        assert_eq!(verdict, Ok(()), "{signed:?}");
        // One time has several texts in RFC 3339, and Ghost's items have another order.
        let theirs = headers(&request.headers);
        let (ours, theirs) = match request.scheme.headers()[0].as_str() {
            "x-ghost-signature" => {
                let items = |headers: &HeaderMap| {
                    let mut items: Vec<_> = headers["x-ghost-signature"]
                        .to_str()
                        .unwrap()
                        .split(", ")
                        .map(str::to_owned)
                        .collect();
                    items.sort_unstable();
                    items
                };
                assert_eq!(items(&signed), items(&theirs));
                continue;
            }
            header if header.starts_with("box") || header.starts_with("twitch") || header.starts_with("x-zendesk") => {
                continue;
            }
            _ => (signed, theirs),
        };
        assert_eq!(ours, theirs);
    }
}
