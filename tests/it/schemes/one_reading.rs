//! What is signed can be cut in one way only.

#![cfg(test)] // for clippy

use proptest::prelude::*;

use super::*;

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
