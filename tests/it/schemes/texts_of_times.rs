//! Each time has one text.

#![cfg(test)] // for clippy

use super::*;

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
