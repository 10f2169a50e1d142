//! Schemes that a user describes: those of real providers, and what none of them may allow.

use std::time::{Duration, SystemTime};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tower_webhook::signature::{
    Algorithm, Encoding, Scheme, SchemeError, Secrets, SignatureErrorKind as Kind, TimestampFormat, Verifier, verify_at,
};

const MINUTE: Duration = Duration::from_secs(60);
/// Longer than any time is off.
const EVER: Duration = Duration::from_secs(u64::MAX);

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

// ---- the providers ----

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

fn twitch() -> Result<Scheme, SchemeError> {
    new("twitch-eventsub-message-signature", Encoding::Hex)
        .prefix(HeaderValue::from_static("sha256="))
        .id_header(name("twitch-eventsub-message-id"))
        .timestamp_header(name("twitch-eventsub-message-timestamp"), 10 * MINUTE)
        .timestamp_format(TimestampFormat::Rfc3339)?
        .signed_content("{id}{timestamp}{body}")
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

fn ghost() -> Result<Scheme, SchemeError> {
    new("x-ghost-signature", Encoding::Hex)
        .list(", ", "sha256=")?
        .timestamp_item("t=", 5 * MINUTE)?
        .timestamp_format(TimestampFormat::Milliseconds)?
        .signed_content("{body}{timestamp}")
}

fn authorize_net() -> Scheme {
    Scheme::new(name("x-anet-signature"), Algorithm::HmacSha512, Encoding::HexUpper)
        .prefix(HeaderValue::from_static("sha512="))
}

const BODY: &str = r#"{"id":"1","at":"2026-07-01T12:00:00Z","n":1700000000123}"#;
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

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
        // The one time has several texts in RFC 3339, and Ghost's items stand in another order.
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

// ---- texts of times ----

fn timed(format: TimestampFormat, template: &str) -> Result<Scheme, SchemeError> {
    let scheme = new("x-signature", Encoding::Hex).timestamp_header(name("x-time"), EVER);
    let scheme = if template.contains("{id}") {
        scheme.id_header(name("x-id"))
    } else {
        scheme
    };
    scheme.timestamp_format(format)?.signed_content(template)
}

/// What a request with this time is, under its right tag.
fn of_time(format: TimestampFormat, template: &str, time: &[u8]) -> Result<(), Kind> {
    let scheme = timed(format, template).unwrap();
    let content = [
        template.split_once("{timestamp}").unwrap().0.as_bytes(),
        time,
        template.split_once("{timestamp}").unwrap().1.as_bytes(),
    ]
    .concat();
    // The body is empty.
    let content = String::from_utf8_lossy(&content).replace("{body}", "");
    let mut headers = HeaderMap::new();
    headers.insert("x-time", HeaderValue::from_bytes(time).unwrap());
    let tag = hex::encode(hmac(false, SECRET.as_bytes(), content.as_bytes()));
    headers.insert("x-signature", tag.parse().unwrap());
    let secrets = Secrets::new(SECRET).unwrap();
    verdict(&scheme, &secrets, &headers, b"", at(0))
}

#[test]
fn milliseconds_are_digits_alone_and_of_a_bounded_length() {
    for template in ["{timestamp}.{body}", "{body}.{timestamp}"] {
        for good in ["0", "1", "1700000000123", "9999999999999", "99999999999999"] {
            assert_eq!(
                of_time(TimestampFormat::Milliseconds, template, good.as_bytes()),
                Ok(()),
                "{good}"
            );
        }
        for bad in [
            "",
            "00",
            "01700000000123",
            "100000000000000",
            "18446744073709551616",
            "1700000000123.5",
            "1700000000.123",
            "+1700000000123",
            "-1700000000123",
            "1700000000123 ",
            "1.7e12",
            "2023-11-14T22:13:20Z",
        ] {
            let found = of_time(TimestampFormat::Milliseconds, template, bad.as_bytes());
            assert_eq!(found, Err(Kind::Malformed), "{bad:?}");
        }
    }
}

#[test]
fn a_time_in_digits_that_touches_the_body_has_ten_digits_or_thirteen() {
    let digits = |length: usize| "1234567890123456789"[..length].to_owned();
    for (format, usual) in [(TimestampFormat::Seconds, 10), (TimestampFormat::Milliseconds, 13)] {
        for template in [
            "{timestamp}{body}",
            "{body}{timestamp}",
            "{timestamp}1{body}",
            "{body}1{timestamp}",
        ] {
            for length in 1..19 {
                let expected = if length == usual { Ok(()) } else { Err(Kind::Malformed) };
                let found = of_time(format, template, digits(length).as_bytes());
                assert_eq!(found, expected, "{template} {length}");
            }
        }
        for template in [
            "{timestamp}.{body}",
            "{body}.{timestamp}",
            "{body}.{timestamp}1",
            "1{timestamp}.{body}",
        ] {
            for length in 1..19 {
                let expected = if length <= usual + 1 {
                    Ok(())
                } else {
                    Err(Kind::Malformed)
                };
                let found = of_time(format, template, digits(length).as_bytes());
                assert_eq!(found, expected, "{template} {length}");
            }
        }
        let scheme = timed(format, "{timestamp}{body}").unwrap();
        let secrets = Secrets::new(SECRET).unwrap();
        let error = scheme.sign_at(&secrets, "", at(999_999_999_999), b"").unwrap_err();
        let (words, usual) = match format {
            TimestampFormat::Seconds => ("whole seconds", 10),
            _ => ("milliseconds", 13),
        };
        assert_eq!(
            error.to_string(),
            format!(
                "the time cannot be signed; expected one that can be written as {words} since 1970 in {usual} digits, since no text \
                 tells where they end"
            )
        );
        assert!(scheme.sign_at(&secrets, "", at(1_000_000_000_000), b"").is_ok());
    }
}

#[test]
fn rfc_3339_is_taken_in_one_grammar() {
    let good = [
        "2023-11-14T22:13:20Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2024-02-29T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2023-11-14T22:13:20.1Z",
        "2023-11-14T22:13:20.123456789Z",
        "2023-11-14T22:13:20+00:00",
        "2023-11-14T22:13:20-07:00",
        "2023-11-14T22:13:20.123456789+05:30",
    ];
    let bad = [
        "",
        "2023-11-14",
        "2023-11-14T22:13Z",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20Z",
        "2023-11-14t22:13:20z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20Z5Z",
        "2023-11-14T22:13:20ZZ",
        "2023-11-14T22:13:20Z+00:00",
        "2023-11-14T22:13:20+00:00Z",
        "2023-11-14T22:13:20.1+00:00+00:00",
        "2023-11-14T22:13:20,5Z",
        "2023-11-14T22:13:20+0000",
        "2023-11-14T22:13:20+24:00",
        "2023-11-14T22:13:20+00:60",
        "2023-11-14T22:13:20 UTC",
        "2023-11-14T24:13:20Z",
        "2023-13-14T22:13:20Z",
        "2023-02-29T22:13:20Z",
        "+023-11-14T22:13:20Z",
        "12023-11-14T22:13:20Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "2023-11-14T22:13:20.123456789012345Z",
        " 2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20Z ",
        "1700000000",
        "1700000000123",
        "20231114T221320Z",
        "Tue, 14 Nov 2023 22:13:20 GMT",
    ];
    for template in [
        "{timestamp}{body}",
        "{body}{timestamp}",
        "{timestamp}.{body}",
        "{timestamp}5{body}",
    ] {
        for time in good {
            assert_eq!(
                of_time(TimestampFormat::Rfc3339, template, time.as_bytes()),
                Ok(()),
                "{time}"
            );
        }
        for time in bad {
            let found = of_time(TimestampFormat::Rfc3339, template, time.as_bytes());
            assert_eq!(found, Err(Kind::Malformed), "{time:?}");
        }
        let found = of_time(TimestampFormat::Rfc3339, template, b"2023-11-14T22:13:20\xff");
        assert_eq!(found, Err(Kind::Malformed));
    }
    let scheme = timed(TimestampFormat::Rfc3339, "{timestamp}{body}").unwrap();
    let secrets = Secrets::new(SECRET).unwrap();
    let error = scheme.sign_at(&secrets, "", at(253_402_300_800_000), b"").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the time cannot be signed; expected one that can be written as RFC 3339, such as 2026-07-01T12:00:00Z"
    );
    let mut headers = scheme.sign_at(&secrets, "", at(0), b"").unwrap();
    headers.insert("x-time", HeaderValue::from_static("today"));
    let error = verify_at(&scheme, &secrets, &headers, b"", at(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the time in x-time is not of its form; expected RFC 3339, such as 2026-07-01T12:00:00Z"
    );
}

// ---- what is signed can be cut in one way only ----

/// Each way to read the signed bytes as the template's parts: id, time and body.
fn readings(template: &str, bytes: &[u8]) -> Vec<[Vec<u8>; 3]> {
    fn go(template: &str, bytes: &[u8], so_far: &[Vec<u8>; 3], all: &mut Vec<[Vec<u8>; 3]>) {
        let part = ["{id}", "{timestamp}", "{body}"]
            .iter()
            .position(|part| template.starts_with(part));
        match part {
            Some(part) => {
                let rest = &template[["{id}", "{timestamp}", "{body}"][part].len()..];
                for length in 0..=bytes.len() {
                    let mut now = so_far.clone();
                    now[part] = bytes[..length].to_vec();
                    go(rest, &bytes[length..], &now, all);
                }
            }
            None if template.is_empty() => {
                if bytes.is_empty() {
                    all.push(so_far.clone());
                }
            }
            None => {
                if bytes.first() == template.as_bytes().first() {
                    go(&template[1..], &bytes[1..], so_far, all);
                }
            }
        }
    }
    let mut all = Vec::new();
    go(template, bytes, &Default::default(), &mut all);
    all
}

/// Pieces of times, so that a body may end or begin as one.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("2023-11-14T22:13:20"),
        Just("2023-11-14T22:13:20Z"),
        Just("2023-11-14T"),
        Just("22:13:20"),
        Just("Z"),
        Just(".5"),
        Just("+02:00"),
        Just("-02:00"),
        Just(":00"),
        Just("1700000000"),
        Just("1"),
        Just("23"),
        Just("."),
        Just(":"),
        Just("{"),
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whoever has one signed request has one: no bytes of the body become a time or an id under
    /// the same tag, nor the other way round.
    #[test]
    fn of_all_readings_of_signed_bytes_one_is_taken(id in pieces(), body in pieces(), fraction in "(\\.[0-9]{1,3})?", offset in "Z|[+-]0[0-9]:[0-5][0-9]") {
        let secrets = Secrets::new(SECRET).unwrap();
        let rfc3339 = format!("2023-11-14T22:13:20{fraction}{offset}");
        for (format, time) in [
            (TimestampFormat::Seconds, "1700000000"),
            (TimestampFormat::Milliseconds, "1700000000123"),
            (TimestampFormat::Rfc3339, rfc3339.as_str()),
        ] {
            for template in [
                "{timestamp}{body}",
                "{body}{timestamp}",
                "{timestamp}.{body}",
                "{body}.{timestamp}",
                "{body}.{timestamp}1",
                "1{timestamp}1{body}",
                "{body}1{timestamp}",
                "{id}.{timestamp}{body}",
                "{id}1{timestamp}{body}",
                "{timestamp}{id}.{body}",
                "{id}.{body}{timestamp}",
                "{id}{timestamp}{body}",
                ":{id}{timestamp}:{body}",
                "{timestamp}{id}:{body}",
            ] {
                let Ok(scheme) = timed(format, template) else {
                    // Only where an id touches a time in digits.
                    prop_assert!(template.contains("{id}{timestamp}") && format != TimestampFormat::Rfc3339, "{}", template);
                    continue;
                };
                let verifier = Verifier::new(&scheme, &secrets).unwrap();
                let content = template.replace("{id}", &id).replace("{timestamp}", time).replace("{body}", &body);
                let tag = hex::encode(hmac(false, SECRET.as_bytes(), content.as_bytes()));
                let mut taken = Vec::new();
                for [id, time, body] in readings(template, content.as_bytes()) {
                    let mut headers = HeaderMap::new();
                    headers.insert("x-signature", tag.parse().unwrap());
                    headers.insert("x-id", HeaderValue::from_bytes(&id).unwrap());
                    headers.insert("x-time", HeaderValue::from_bytes(&time).unwrap());
                    // All of them have the right tag, so that what the headers say decides.
                    if verifier.begin(&headers).is_ok() {
                        prop_assert_eq!(verdict(&scheme, &secrets, &headers, &body, at(0)), Ok(()));
                        taken.push((id, time, body));
                    }
                }
                prop_assert!(taken.len() <= 1, "{} {:?}: {:?}", template, format, taken);
                // A provider's own request is among them, unless its id holds what ends it.
                if !template.contains("{id}") {
                    prop_assert_eq!(&taken, &[(Vec::new(), time.as_bytes().to_vec(), body.as_bytes().to_vec())]);
                }
            }
        }
    }
}

#[test]
fn an_id_before_a_time_in_rfc_3339_holds_no_colon() {
    let scheme = twitch().unwrap();
    let secrets = Secrets::new(SECRET).unwrap();
    let error = scheme.sign_at(&secrets, "a:b", at(0), b"").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the id cannot be signed; expected 1 to 255 bytes of printable ASCII without spaces and without ':', which ends it in what is \
         signed"
    );
    // The body's own time, taken for the request's: the bytes that are signed are the same.
    let body = format!(r#"{{"at":"{}","n":1}}"#, "2026-07-01T12:00:00Z");
    let mut headers = scheme.sign_at(&secrets, "msg", at(0), body.as_bytes()).unwrap();
    assert_eq!(verdict(&scheme, &secrets, &headers, body.as_bytes(), at(0)), Ok(()));
    headers.insert(
        "twitch-eventsub-message-id",
        r#"msg1970-01-01T00:00:00Z{"at":""#.parse().unwrap(),
    );
    headers.insert(
        "twitch-eventsub-message-timestamp",
        "2026-07-01T12:00:00Z".parse().unwrap(),
    );
    let now = at(1_782_907_200_000);
    assert_eq!(
        verdict(&scheme, &secrets, &headers, br#"","n":1}"#, now),
        Err(Kind::Malformed)
    );
}

// ---- descriptions that cannot be ----

fn wrong(scheme: Result<Scheme, SchemeError>) -> String {
    scheme.unwrap_err().to_string()
}

#[test]
fn a_content_that_does_not_tell_where_an_id_ends_is_refused() {
    let expected = "the signed content does not tell where {id} ends; expected {id} before {body}, and text or a time in RFC 3339 right \
                    behind it: otherwise two requests could sign alike";
    for format in [
        TimestampFormat::Seconds,
        TimestampFormat::Milliseconds,
        TimestampFormat::Rfc3339,
    ] {
        for template in [
            "{timestamp}{id}{body}",
            "{timestamp}.{id}{body}",
            "{timestamp}.{body}{id}",
            "{timestamp}.{body}.{id}",
            "{body}{id}{timestamp}",
        ] {
            assert_eq!(wrong(timed(format, template)), expected, "{template}");
        }
    }
    for format in [TimestampFormat::Seconds, TimestampFormat::Milliseconds] {
        assert_eq!(wrong(timed(format, "{id}{timestamp}{body}")), expected);
        assert_eq!(wrong(twitch().unwrap().timestamp_format(format)), expected);
    }
    assert!(timed(TimestampFormat::Rfc3339, "{id}{timestamp}{body}").is_ok());
}

#[test]
fn a_form_of_a_time_needs_a_time() {
    assert_eq!(
        wrong(new("x-signature", Encoding::Hex).timestamp_format(TimestampFormat::Rfc3339)),
        "the scheme signs no time that could be written in another way; expected `timestamp_header` or `timestamp_item` before"
    );
}

#[test]
fn a_place_of_the_time_leaves_its_form_as_it_was() {
    let scheme = new("x-signature", Encoding::Hex)
        .timestamp_header(name("x-old-time"), EVER)
        .timestamp_format(TimestampFormat::Milliseconds)
        .unwrap()
        .timestamp_header(name("x-time"), EVER);
    let headers = scheme
        .sign_at(&Secrets::new(SECRET).unwrap(), "", at(1_700_000_000_123), b"")
        .unwrap();
    assert_eq!(headers["x-time"], "1700000000123");
}

#[test]
fn a_prefix_or_another_list_beside_a_time_in_the_list_is_refused_or_works() {
    let listed = || {
        new("x-signature", Encoding::Hex)
            .list(',', "v1=")
            .unwrap()
            .timestamp_item("t=", EVER)
            .unwrap()
    };
    let secrets = Secrets::new(SECRET).unwrap();
    // A prefix stands before the list, whichever was said first.
    let prefix = || HeaderValue::from_static("HMAC ");
    let before = new("x-signature", Encoding::Hex)
        .prefix(prefix())
        .list(',', "v1=")
        .unwrap()
        .timestamp_item("t=", EVER)
        .unwrap();
    assert_eq!(before, listed().prefix(prefix()));
    let headers = before.sign_at(&secrets, "", at(0), b"body").unwrap();
    let value = headers["x-signature"].to_str().unwrap();
    assert!(value.starts_with("HMAC t=0,v1="), "{value}");
    assert_eq!(verdict(&before, &secrets, &headers, b"body", at(0)), Ok(()));
    assert_eq!(
        verdict(&listed(), &secrets, &headers, b"body", at(0)),
        Err(Kind::Malformed)
    );
    let bare = listed().sign_at(&secrets, "", at(0), b"body").unwrap();
    assert_eq!(verdict(&before, &secrets, &bare, b"body", at(0)), Err(Kind::Malformed));

    // Another list still has the time.
    let other = listed().list(';', "h1=").unwrap();
    let headers = other.sign_at(&secrets, "", at(0), b"body").unwrap();
    assert_eq!(verdict(&other, &secrets, &headers, b"body", at(0)), Ok(()));
    for label in ["t=", "t", "t=1"] {
        assert_eq!(
            wrong(listed().list(';', label)),
            "the label \"t=\" of the time begins as the tag's does; expected two that differ"
        );
    }
    assert_eq!(
        wrong(listed().list('=', "v1")),
        r#"the label "t=" holds the separator "="; expected a label that fits into an item"#
    );
}

#[test]
fn a_separator_is_one_character_and_the_spaces_behind_it() {
    let list = |separator: &str| new("x-signature", Encoding::Hex).list(separator, "v1=");
    for good in [",", ";", " ", ", ", ",  ", "|"] {
        assert!(list(good).is_ok(), "{good:?}");
    }
    for bad in ["", ",,", " ,", "  ", ", ;", "\t", ",\t", "é", "\n"] {
        assert_eq!(
            wrong(list(bad)),
            format!(
                "items cannot be separated by {bad:?}; expected one printable ASCII character, with spaces behind it where the provider \
                 writes them"
            )
        );
    }
    assert_eq!(
        wrong(new("x-signature", Encoding::Hex).list(',', " v1=")),
        "items between \",\" that begin with \" v1=\" cannot stand in a header; expected printable ASCII and a label that begins with \
         no space"
    );
}

#[test]
fn the_spaces_of_a_separator_are_demanded() {
    let scheme = ghost().unwrap();
    let secrets = Secrets::new(SECRET).unwrap();
    let signed = scheme.sign_at(&secrets, "", at(1_700_000_000_123), b"{}").unwrap();
    let value = signed["x-ghost-signature"].to_str().unwrap().to_owned();
    let with = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-ghost-signature", value.parse().unwrap());
        verdict(&scheme, &secrets, &headers, b"{}", at(1_700_000_000_123))
    };
    assert_eq!(with(&value), Ok(()));
    let (time, tag) = value.split_once(", ").unwrap();
    assert_eq!(with(&format!("{tag}, {time}")), Ok(()));
    assert_eq!(with(&format!("{tag}, other, {time}")), Ok(()));
    for refused in [
        format!("{tag},{time}"),
        format!("{tag},  {time}"),
        format!("{tag},\t{time}"),
        format!("{tag}; {time}"),
        format!("{tag}, {time}, {time}"),
        tag.to_owned(),
        time.to_owned(),
    ] {
        assert_eq!(with(&refused), Err(Kind::Malformed), "{refused}");
    }
}

// ---- tags ----

#[test]
fn a_tag_has_one_text_in_each_encoding() {
    let secrets = Secrets::new(SECRET).unwrap();
    // A body whose tag has letters in hex, and what the base64 alphabets write otherwise.
    let (body, tag) = (0_u32..)
        .map(|number| number.to_string())
        .map(|body| (body.clone(), hmac(false, SECRET.as_bytes(), body.as_bytes())))
        .find(|(_, tag)| {
            let text = STANDARD.encode(tag);
            text.contains('+') && text.contains('/')
        })
        .unwrap();
    let last_bits = |text: &str| {
        // The last letter has two bits that are not the tag's.
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (head, last) = text.split_at(text.len() - 1);
        let next = letters.find(last).unwrap() + 1;
        format!("{head}{}", &letters[next..=next])
    };
    let url = URL_SAFE_NO_PAD.encode(&tag);
    let texts = [
        hex::encode(&tag),
        hex::encode_upper(&tag),
        STANDARD.encode(&tag),
        url.clone(),
        URL_SAFE.encode(&tag),
        STANDARD_NO_PAD.encode(&tag),
        last_bits(&url),
        format!("{}{}", &hex::encode(&tag)[..32], &hex::encode_upper(&tag)[32..]),
        hex::encode(&tag[..20]),
    ];
    for (right, encoding) in [
        (0, Encoding::Hex),
        (1, Encoding::HexUpper),
        (2, Encoding::Base64),
        (3, Encoding::Base64Url),
    ] {
        let scheme = new("x-signature", encoding);
        assert_eq!(
            scheme.sign(&secrets, body.as_bytes()).unwrap()["x-signature"],
            texts[right]
        );
        for (index, text) in texts.iter().enumerate() {
            let mut headers = HeaderMap::new();
            headers.insert("x-signature", text.parse().unwrap());
            let expected = match index {
                _ if index == right => Ok(()),
                8 => Err(Kind::Sha1),
                _ => Err(Kind::Malformed),
            };
            let found = verdict(&scheme, &secrets, &headers, body.as_bytes(), at(0));
            assert_eq!(found, expected, "{text} as {encoding}");
        }
    }
}
