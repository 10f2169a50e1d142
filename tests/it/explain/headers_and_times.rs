//! Tags in another header or form, other addresses, and times.

#![cfg(test)] // for clippy

use super::*;

#[test]
fn a_tag_in_another_encoding_header_or_algorithm_is_named() {
    let (body, key) = (BODY.as_bytes(), |provider: Provider| provider.key());
    for provider in PROVIDERS {
        let tag = provider.tag(hmac::HMAC_SHA256, &key(provider), body);
        let other = if provider.is_hex {
            STANDARD.encode(&tag)
        } else {
            hex::encode(&tag)
        };
        for text in [
            other,
            hex::encode_upper(&tag),
            STANDARD_NO_PAD.encode(&tag),
            URL_SAFE_NO_PAD.encode(&tag),
        ] {
            let explanation = provider.explain(SECRET, &provider.headers(&text), body);
            assert_eq!(explanation.kind(), Kind::Encoding, "{}: {explanation}", provider.name);
        }
        for (algorithm, kind) in [
            (hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, Kind::Sha1),
            (hmac::HMAC_SHA512, Kind::Algorithm),
        ] {
            let tag = provider.encode(&provider.tag(algorithm, &key(provider), body));
            let explanation = provider.explain(SECRET, &provider.headers(&tag), body);
            assert_eq!(explanation.kind(), kind, "{}: {explanation}", provider.name);
        }
        let mut headers = provider.sign(&key(provider), body);
        if provider.name != "stripe" {
            let value = headers.remove(provider.header).unwrap();
            headers.insert("x-hub-signature", value);
            let explanation = provider.explain(SECRET, &headers, body);
            assert_eq!(explanation.kinds(), [Kind::Header], "{}: {explanation}", provider.name);
            assert!(explanation.to_string().contains("x-hub-signature"), "{explanation}");
        }
    }
}

#[test]
fn legacy_headers_are_named_with_what_to_configure() {
    let github = PROVIDERS[1];
    let tag = github.tag(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes(), BODY.as_bytes());
    let mut headers = HeaderMap::new();
    headers.insert("x-hub-signature", format!("sha1={}", hex::encode(tag)).parse().unwrap());
    let explanation = github.explain(SECRET, &headers, BODY.as_bytes());
    assert_eq!(explanation.kinds(), [Kind::Sha1, Kind::Header]);
    assert_eq!(
        explanation.to_string(),
        "the signature matches HMAC-SHA1 and the tag in the header x-hub-signature: SHA-1 is the provider's legacy signature and \
         not accepted; configure the provider to sign with HMAC-SHA256 (a newer signature version, or the header beside it); and \
         use a scheme that reads x-hub-signature, or have the provider use x-hub-signature-256",
    );

    for (provider, header) in [
        (PROVIDERS[5], "shopify-hmac-sha256"),
        (PROVIDERS[6], "x-square-signature"),
    ] {
        let mut headers = provider.sign(SECRET.as_bytes(), BODY.as_bytes());
        let value = headers.remove(provider.header).unwrap();
        headers.insert(header, value);
        // A scheme may read that header, too.
        if verify_at(
            &(provider.scheme)(),
            &Secrets::new(SECRET).unwrap(),
            &headers,
            BODY.as_bytes(),
            at(NOW),
        )
        .is_err()
        {
            let explanation = provider.explain(SECRET, &headers, BODY.as_bytes());
            assert_eq!(explanation.kinds(), [Kind::Header], "{explanation}");
        }
    }
}

#[test]
fn another_url_is_named() {
    let square = PROVIDERS[6];
    for url in [
        "https://example.com/webhooks/square/",
        "http://example.com/webhooks/square",
        "",
    ] {
        let signer = Provider { before: url, ..square };
        let explanation = square.explain(
            SECRET,
            &signer.sign(SECRET.as_bytes(), BODY.as_bytes()),
            BODY.as_bytes(),
        );
        assert_eq!(explanation.kinds(), [Kind::SignedContent], "{explanation}");
        assert!(
            !explanation.to_string().contains("example.com"),
            "a URL may hold a password"
        );
    }
}

#[test]
fn the_clock_is_told_from_the_secret() {
    let (body, secrets) = (BODY.as_bytes(), Secrets::new(SECRET).unwrap());
    for provider in PROVIDERS
        .into_iter()
        .filter(|provider| (provider.scheme)().signs_timestamp())
    {
        let headers = provider.sign(&provider.key(), body);
        let explain = Explain::new(&(provider.scheme)(), &secrets);
        let past = explain.request_at(&headers, body, at(NOW + 25_200));
        assert_eq!(past.kinds(), [Kind::Clock]);
        assert!(past.to_string().contains("25200 s ago"), "{past}");
        let future = explain.request_at(&headers, body, at(NOW - 25_200));
        assert_eq!(future.kinds(), [Kind::Clock]);
        assert!(future.to_string().contains("25200 s ahead"), "{future}");

        let both = explain.request_at(&headers, format!("{BODY}\n").as_bytes(), at(NOW + 25_200));
        assert_eq!(both.kinds(), [Kind::BodyWhitespace, Kind::Clock], "{both}");
        assert_eq!(explain.request_at(&headers, body, at(NOW)).kind(), Kind::NotRefused);
    }
}

#[test]
fn a_time_in_another_unit_is_named() {
    for (text, unit) in [
        ("1700000000000", "milliseconds"),
        ("1700000000000000000", "nanoseconds"),
        ("2023-11-14T22:13:20Z", "a date"),
    ] {
        let before: &'static str = format!("v0:{text}:").leak();
        let others: &'static [_] = Box::leak(Box::new([("x-slack-request-timestamp", &*text.to_owned().leak())]));
        let slack = Provider {
            before,
            others,
            ..PROVIDERS[3]
        };
        let explanation = slack.explain(SECRET, &slack.sign(SECRET.as_bytes(), BODY.as_bytes()), BODY.as_bytes());
        assert_eq!(explanation.kinds(), [Kind::TimeUnit], "{explanation}");
        assert!(explanation.to_string().contains(unit), "{explanation}");
    }
}

#[test]
fn two_mistakes_at_once_are_both_named() {
    let newline = format!("{BODY}\n");
    for provider in PROVIDERS {
        let key = format!("{SECRET}\n");
        let kinds = [Kind::SecretWhitespace, Kind::BodyWhitespace];
        provider.finds(&kinds, key.as_bytes(), BODY.as_bytes(), SECRET, newline.as_bytes());
    }
}

#[test]
fn another_endpoint_of_the_application_is_named() {
    let theirs = "their secret, which is another";
    let other = Secrets::new(theirs).unwrap();
    let body = BODY.as_bytes();
    for provider in PROVIDERS.into_iter().filter(|provider| !provider.decodes_secret) {
        let (headers, scheme) = (provider.sign(theirs.as_bytes(), body), (provider.scheme)());
        let explanation = provider.explain_with(SECRET, &headers, body, |explain| {
            explain.also("staging", &scheme, &other)
        });
        assert_eq!(explanation.kinds(), [Kind::OtherSecret], "{explanation}");
        assert!(explanation.to_string().contains("\"staging\""), "{explanation}");
    }
    let headers = PROVIDERS[1].sign(theirs.as_bytes(), body);
    let explanation = PROVIDERS[2].explain_with(SECRET, &headers, body, |explain| {
        explain.also("github", &github::scheme(), &other)
    });
    assert_eq!(explanation.kinds(), [Kind::OtherProvider], "{explanation}");
}

#[test]
fn the_five_causes_read_differently() {
    let secrets = Secrets::new(SECRET).unwrap();
    let mut said = Vec::new();
    for provider in PROVIDERS {
        let (key, body) = (provider.key(), BODY.as_bytes());
        let right = provider.sign(&key, body);
        let with_newline = [&key[..], b"\n"].concat();
        let mut undone = provider.sign(&key, b"\x1f\x8b what another library compressed");
        undone.insert("content-encoding", HeaderValue::from_static("gzip"));
        let causes = [
            (Kind::Unknown, provider.sign(b"another secret", body), body.to_vec()),
            (
                Kind::SecretWhitespace,
                provider.sign(
                    if provider.decodes_secret {
                        b"OGY3NDIyMzFiMTBlODg4OGFiY2Q5OXl5\n"
                    } else {
                        &with_newline
                    },
                    body,
                ),
                body.to_vec(),
            ),
            (Kind::BodyReserialized, right.clone(), printed_in_order()),
            (Kind::BodyByte, right, [body, b"x"].concat()),
            (Kind::BodyDecompressed, undone, body.to_vec()),
        ];
        for (kind, headers, body) in causes {
            let explanation = provider.explain(SECRET, &headers, &body);
            assert_eq!(explanation.kind(), kind, "{}: {explanation}", provider.name);
            said.push(explanation.to_string());
        }
        said.sort();
        said.dedup();
        assert_eq!(said.len(), 5, "{}: {said:#?}", provider.name);
        said.clear();
    }
    assert_eq!(format!("{secrets:?}"), "Secrets(1)");
}
