//! Signed times and ids that are none, and those that are too far from now.

#![cfg(test)] // for clippy

use tower_webhook::signature::SignatureErrorKind as Kind;

use super::{verifier_endpoint::VerifierEndpoint, *};

const BODY: &[u8] = br#"{"id":"1"}"#;

/// The providers that sign a time, with how long it is good for.
fn timed() -> impl Iterator<Item = (Described, u64)> {
    providers()
        .into_iter()
        .filter_map(|provider| Some((provider, provider.tolerance()?)))
}

#[test]
fn a_time_is_signed_by_those_who_say_so() {
    let names: Vec<_> = timed()
        .map(|(provider, tolerance)| (provider.name, tolerance))
        .collect();
    let expected = [
        ("stripe", 300),
        ("paddle", 4 * 24 * 3600),
        ("slack", 300),
        ("zoom", 2 * 3600),
        ("standard-webhooks", 300),
        ("svix", 300),
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_text_that_is_no_time_is_refused_under_its_right_tag() {
    let now = NOW.to_string();
    let full_width: String = now
        .chars()
        .map(|digit| char::from_u32(0xfee0 + u32::from(digit)).unwrap())
        .collect();
    let no_times: Vec<Vec<u8>> = [
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999999999999999999999",
        "-1",
        "-0",
        "+0",
        "00",
        &format!("+{now}"),
        &format!("-{now}"),
        &format!("0{now}"),
        &format!("00000000{now}"),
        &format!(" {now}"),
        &format!("{now} "),
        &format!("\t{now}"),
        &format!("{now}.0"),
        &format!("{now}."),
        &format!("{now}e0"),
        &format!("{now}s"),
        &format!("{now}Z"),
        &format!("0x{NOW:x}"),
        &format!("{NOW:x}"),
        "1.7e9",
        "1_700_000_000",
        "17 00000000",
        "NaN",
        "inf",
        "now",
        "2023-11-14T22:13:20Z",
        // milliseconds, and what is more
        &format!("{now}000"),
        &format!("{now}000000"),
        &format!("{now}00"),
        &full_width,
        "",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([vec![0x80; 10], vec![0xff; 10], b"170000000\xb9".to_vec()])
    .collect();
    for (provider, _) in timed() {
        let endpoint = VerifierEndpoint::of(provider);
        for time in &no_times {
            let claims = provider.claims(b"msg_1", time, BODY);
            let headers = provider.headers(&claims).unwrap();
            let what = format!("the time {:?}", String::from_utf8_lossy(time));
            endpoint.refuse(&what, &headers, BODY, Kind::Malformed).await;
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn a_time_is_good_on_both_sides_up_to_the_tolerance_and_not_a_second_longer() {
    for (provider, tolerance) in timed() {
        let endpoint = VerifierEndpoint::of(provider);
        let headers = provider.headers(&provider.now(BODY)).unwrap();
        let second = Duration::from_secs(1);
        let tolerance = Duration::from_secs(tolerance);
        for good in [
            at(NOW),
            at(NOW) + tolerance,
            at(NOW) - tolerance,
            // whole seconds count
            at(NOW) + tolerance + second - Duration::from_nanos(1),
        ] {
            endpoint.clock.set(good);
            endpoint.accept(&format!("at {good:?}"), &headers, BODY).await;
        }
        let runs = endpoint.runs();
        for bad in [
            at(NOW) + tolerance + second,
            at(NOW) - tolerance - second,
            at(NOW) + 1_000_000 * second,
            at(0),
            at(253_402_300_799),
        ] {
            endpoint.clock.set(bad);
            endpoint
                .refuse(&format!("at {bad:?}"), &headers, BODY, Kind::Timestamp)
                .await;
        }
        assert_eq!(endpoint.runs(), runs);
    }
}

#[tokio::test]
async fn the_largest_and_the_smallest_time_are_only_far_away() {
    for (provider, _) in timed() {
        let endpoint = VerifierEndpoint::of(provider);
        for time in ["0", "1", "99999999999", "17000000000"] {
            let headers = provider
                .headers(&provider.claims(b"msg_1", time.as_bytes(), BODY))
                .unwrap();
            endpoint.refuse(time, &headers, BODY, Kind::Timestamp).await;
        }
    }
}

#[tokio::test]
async fn the_tag_decides_before_the_time_so_that_an_unsigned_time_tells_nothing() {
    for (provider, tolerance) in timed() {
        let endpoint = VerifierEndpoint::of(provider);
        for time in [NOW - tolerance - 1, NOW + tolerance + 1, 0] {
            let time = time.to_string();
            let right = provider.claims(b"msg_1", time.as_bytes(), BODY);
            let headers = provider.headers(&right).unwrap();
            endpoint
                .refuse(&format!("right, of {time}"), &headers, BODY, Kind::Timestamp)
                .await;
            endpoint
                .refuse(&format!("wrong, of {time}"), &headers, b"{}", Kind::Mismatch)
                .await;
            // The tag of now, and another time beside it.
            let mut claims = right;
            let tag = provider.tag(b"msg_1", NOW.to_string().as_bytes(), BODY);
            claims.value = provider.value(time.as_bytes(), tag.as_bytes());
            let headers = provider.headers(&claims).unwrap();
            endpoint
                .refuse(&format!("of now, under {time}"), &headers, BODY, Kind::Mismatch)
                .await;
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn a_time_that_is_not_there_or_has_two_values_is_refused() {
    for (provider, _) in timed() {
        let endpoint = VerifierEndpoint::of(provider);
        let claims = provider.now(BODY);
        let right = provider.headers(&claims).unwrap();
        match provider.time {
            Time::Header(name, _) => {
                let mut without = right.clone();
                without.remove(name);
                endpoint.refuse("no time", &without, BODY, Kind::Missing).await;
                let mut two = right.clone();
                two.append(name, HeaderValue::from_static("1"));
                endpoint.refuse("two times", &two, BODY, Kind::Repeated).await;
            }
            Time::Item(label, _) => {
                let Form::List(separator, of_tag) = provider.form else {
                    unreachable!()
                };
                let time = NOW.to_string();
                let tag = provider.tag(b"", time.as_bytes(), BODY);
                let values = [
                    format!("{of_tag}{tag}"),
                    format!("{of_tag}{tag}{separator}"),
                    format!("{label}{time}{separator}{label}{time}{separator}{of_tag}{tag}"),
                    format!("{label}{time}{separator}{of_tag}{tag}{separator}{label}1"),
                    format!("{label}{separator}{label}{time}{separator}{of_tag}{tag}"),
                    format!("{}{time}{separator}{of_tag}{tag}", label.to_uppercase()),
                    format!(" {label}{time}{separator}{of_tag}{tag}"),
                ];
                for value in values {
                    let mut headers = right.clone();
                    headers.insert(provider.header, value.parse().unwrap());
                    endpoint.refuse(&value, &headers, BODY, Kind::Malformed).await;
                }
            }
            Time::Unsigned => unreachable!(),
        }
        endpoint.assert_untouched();
    }
}

#[test]
fn another_tolerance_is_the_one_that_counts() {
    for (provider, tolerance) in timed() {
        let wide = (provider.keyed)(&provider.secret(1))
            .unwrap()
            .with_tolerance(Duration::from_secs(tolerance + 60));
        let narrow = wide.clone().with_tolerance(Duration::ZERO);
        let headers = provider.headers(&provider.now(BODY)).unwrap();
        let kind = |verifier: &Verifier, seconds| {
            let verified = verifier.verify_at(&headers, BODY, at(seconds));
            verified.map(drop).map_err(|error| error.kind())
        };
        for sign in [1, -1] {
            let then = |seconds: u64| NOW.checked_add_signed(sign * i64::try_from(seconds).unwrap()).unwrap();
            assert_eq!(kind(&wide, then(tolerance + 60)), Ok(()), "{}", provider.name);
            assert_eq!(
                kind(&wide, then(tolerance + 61)),
                Err(Kind::Timestamp),
                "{}",
                provider.name
            );
            assert_eq!(kind(&narrow, then(1)), Err(Kind::Timestamp), "{}", provider.name);
        }
        assert_eq!(kind(&narrow, NOW), Ok(()), "{}", provider.name);
    }
}

#[test]
fn each_providers_own_type_takes_another_tolerance() {
    let hour = Duration::from_secs(3600);
    let text = "secret 001 of this provider";
    let base64 = providers().last().unwrap().secret(1);
    let verifiers = [
        keyed(Stripe::new(text).map(|provider| provider.with_tolerance(hour))),
        keyed(Paddle::new(text).map(|provider| provider.with_tolerance(hour))),
        keyed(Slack::new(text).map(|provider| provider.with_tolerance(hour))),
        keyed(Zoom::new(text).map(|provider| provider.with_tolerance(hour))),
        keyed(StandardWebhooks::new(base64.as_str()).map(|provider| provider.with_tolerance(hour))),
        keyed(Svix::new(base64.as_str()).map(|provider| provider.with_tolerance(hour))),
    ];
    for (verifier, (provider, _)) in verifiers.into_iter().zip(timed()) {
        let verifier = verifier.unwrap();
        let headers = provider.headers(&provider.now(BODY)).unwrap();
        let kind = |seconds| {
            let verified = verifier.verify_at(&headers, BODY, at(seconds));
            verified.map(drop).map_err(|error| error.kind())
        };
        assert_eq!(kind(NOW + 3600), Ok(()), "{}", provider.name);
        assert_eq!(kind(NOW - 3600), Ok(()), "{}", provider.name);
        assert_eq!(kind(NOW + 3601), Err(Kind::Timestamp), "{}", provider.name);
        assert_eq!(kind(NOW - 3601), Err(Kind::Timestamp), "{}", provider.name);
    }
}

// ---- ids ----

fn with_ids() -> impl Iterator<Item = Described> {
    providers().into_iter().filter(|provider| provider.id.is_some())
}

#[tokio::test]
async fn an_id_that_could_be_cut_elsewhere_is_refused_under_its_right_tag() {
    assert_eq!(with_ids().count(), 2);
    let (time, long) = (NOW.to_string(), "a".repeat(256));
    for provider in with_ids() {
        let endpoint = VerifierEndpoint::of(provider);
        let ids: [&[u8]; 12] = [
            b"msg.1",
            b".",
            b"msg_1.",
            b".msg_1",
            b"msg_1.1700000000",
            b"",
            b"msg 1",
            b" msg_1",
            b"msg\t1",
            "msg_é".as_bytes(),
            b"\xff",
            long.as_bytes(),
        ];
        for id in ids {
            let headers = provider.headers(&provider.claims(id, time.as_bytes(), BODY)).unwrap();
            let what = format!("the id {:?}", String::from_utf8_lossy(id));
            endpoint.refuse(&what, &headers, BODY, Kind::Malformed).await;
            let id = String::from_utf8_lossy(id);
            assert!(
                (provider.scheme)()
                    .sign_at(&provider.secrets(), &id, at(NOW), BODY)
                    .is_err(),
                "{what}"
            );
        }
        // The same signed bytes, cut at another dot: `a.1700000000.{}` is a body of the id `a`, or
        // of nobody.
        let whole = provider.claims(b"a", time.as_bytes(), format!("{time}.{{}}").as_bytes());
        let cut = Claims {
            id: format!("a.{time}").into_bytes(),
            ..whole
        };
        endpoint
            .refuse(
                "cut elsewhere",
                &provider.headers(&cut).unwrap(),
                b"{}",
                Kind::Malformed,
            )
            .await;
        endpoint.assert_untouched();
        for id in ["a", &long[..255], "msg_1-2~!"] {
            let headers = provider
                .headers(&provider.claims(id.as_bytes(), time.as_bytes(), BODY))
                .unwrap();
            endpoint.accept(id, &headers, BODY).await;
            assert_eq!((provider.scheme)().signed_id(&headers), Some(id));
        }
    }
}

#[tokio::test]
async fn an_id_that_is_not_there_or_has_two_values_is_refused() {
    for provider in with_ids() {
        let endpoint = VerifierEndpoint::of(provider);
        let name = provider.id.unwrap();
        let right = provider.headers(&provider.now(BODY)).unwrap();
        let mut without = right.clone();
        without.remove(name);
        endpoint.refuse("no id", &without, BODY, Kind::Missing).await;
        let mut twice = right.clone();
        twice.append(name, HeaderValue::from_static("msg_2"));
        endpoint.refuse("two ids", &twice, BODY, Kind::Repeated).await;
        endpoint.assert_untouched();
        let mut doubled = right.clone();
        doubled.append(name, right[name].clone());
        endpoint.accept("the id twice", &doubled, BODY).await;
    }
}
