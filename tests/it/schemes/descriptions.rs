//! Descriptions that are refused, and what each setting leaves as it was.

#![cfg(test)] // for clippy

use super::*;

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
fn the_format_of_a_time_needs_a_time() {
    assert_eq!(
        wrong(new("x-signature", Encoding::Hex).timestamp_format(TimestampFormat::Rfc3339)),
        "the scheme signs no time that could be written in another way; expected `timestamp_header` or `timestamp_item` before"
    );
}

#[test]
fn setting_where_the_time_is_leaves_its_format_as_it_was() {
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
