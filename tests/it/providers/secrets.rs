//! What a secret may be, and which key it encodes.

#![cfg(test)] // for clippy

use tower_webhook::signature::{SecretErrorKind as Wrong, SignatureErrorKind as Kind};

use super::{verifier_endpoint::VerifierEndpoint, *};

const BODY: &[u8] = br#"{"id":"1"}"#;

fn with_key(key: Key) -> impl Iterator<Item = Described> {
    providers().into_iter().filter(move |provider| provider.key == key)
}

fn refusal(provider: &Described, secret: &str) -> Option<Wrong> {
    let error = (provider.keyed)(secret).err()?;
    let said = format!("{error} {error:?} {error:#?}");
    let inside = secret.trim();
    assert!(
        inside.len() < 7 || !said.contains(inside),
        "{}: {said} repeats the secret",
        provider.name
    );
    Some(error.kind())
}

#[test]
fn secrets_that_cannot_be_meant_are_refused_by_every_provider() {
    for provider in providers() {
        let secret = provider.secret(1);
        let cases = [
            (String::new(), Wrong::Empty),
            (" ".to_owned(), Wrong::Blank),
            ("\n".to_owned(), Wrong::Blank),
            (" \t\r\n".to_owned(), Wrong::Blank),
            ("\u{a0}".to_owned(), Wrong::Blank),
            ("whsec_".to_owned(), Wrong::PrefixAlone),
            (format!("{secret}\n"), Wrong::TrailingWhitespace),
            (format!("{secret}\r\n"), Wrong::TrailingWhitespace),
            (format!("{secret} "), Wrong::TrailingWhitespace),
            (format!("{secret}\u{a0}"), Wrong::TrailingWhitespace),
            (format!(" {secret}"), Wrong::LeadingWhitespace),
            (format!("\n{secret}"), Wrong::LeadingWhitespace),
            (format!("\t{secret}\t"), Wrong::LeadingWhitespace),
            (format!("\"{secret}\""), Wrong::Quoted),
            (format!("'{secret}'"), Wrong::Quoted),
            (format!("“{secret}”"), Wrong::Quoted),
            (format!("\u{feff}{secret}"), Wrong::Invisible),
            (format!("{secret}\u{200b}"), Wrong::Invisible),
        ];
        for (secret, wrong) in cases {
            assert_eq!(
                refusal(&provider, &secret),
                Some(wrong),
                "{}: {secret:?}",
                provider.name
            );
        }
        // "whsec_\n" is one or the other.
        assert!(refusal(&provider, "whsec_\n").is_some(), "{}", provider.name);
        assert_eq!(refusal(&provider, &secret), None, "{}", provider.name);
    }
}

#[test]
fn one_bad_secret_of_several_is_named_by_its_position() {
    for provider in providers() {
        let (good, bad) = (provider.secret(1), format!("{}\n", provider.secret(2)));
        let error = Secrets::several([good, bad]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "secret 2 of the list ends with whitespace; expected none around it: trim it where it is read"
        );
    }
    for provider in with_key(Key::Base64) {
        let secrets = Secrets::several([provider.secret(1), "no base64!".to_owned()]).unwrap();
        let error = Verifier::new(&(provider.scheme)(), &secrets).unwrap_err();
        assert_eq!(error.kind(), Wrong::Encoding);
        assert!(error.to_string().starts_with("secret 2 of the list"), "{error}");
    }
}

// ---- a text whose bytes are the key ----

#[tokio::test]
async fn a_short_secret_is_taken_since_providers_set_no_minimum() {
    for provider in with_key(Key::AsIs) {
        for secret in ["s", "ab", "fifteen letters"] {
            let endpoint = VerifierEndpoint::with(provider, secret, at(NOW));
            assert_eq!(
                endpoint.verifier.shortest_secret(),
                Some(secret.len()),
                "{}",
                provider.name
            );
            let headers = under(&provider, secret);
            endpoint
                .accept(&format!("{} bytes", secret.len()), &headers, BODY)
                .await;
        }
    }
}

/// Headers that this secret has made.
fn under(provider: &Described, secret: &str) -> HeaderMap {
    let time = NOW.to_string();
    let tag = provider.write(&provider.mac(secret, b"msg_1", time.as_bytes(), BODY));
    let claims = Claims {
        value: provider.value(time.as_bytes(), tag.as_bytes()),
        ..provider.now(BODY)
    };
    provider.headers(&claims).unwrap()
}

#[tokio::test]
async fn a_text_is_the_key_byte_for_byte() {
    for provider in with_key(Key::AsIs) {
        let secrets = [
            // Stripe's: the prefix is part of the key, and what is behind it is not decoded.
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=",
            "mfkq9r8gkyqrtwjupd8ilpzio2lalasw",
            // hex that could be decoded
            "8f742231b10e8888abcd991100112233",
            "8F742231B10E8888ABCD991100112233",
            "with spaces inside",
            "Schlüssel",
            // longer than the block of the hash
            "0123456789012345678901234567890123456789012345678901234567890123456789",
        ];
        for keyed in secrets {
            let endpoint = VerifierEndpoint::with(provider, keyed, at(NOW));
            for signed in secrets {
                let what = format!("{signed} for {keyed}");
                let headers = under(&provider, signed);
                if signed == keyed {
                    endpoint.accept(&what, &headers, BODY).await;
                } else {
                    endpoint.refuse(&what, &headers, BODY, Kind::Mismatch).await;
                }
            }
        }
        // Nor is the key what the text decodes to.
        let endpoint = VerifierEndpoint::with(provider, secrets[0], at(NOW));
        let decoded = STANDARD.decode(secrets[1]).unwrap();
        let content = provider.signed_bytes(b"msg_1", NOW.to_string().as_bytes(), BODY);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &decoded);
        let tag = provider.write(ring::hmac::sign(&key, &content).as_ref());
        let claims = Claims {
            value: provider.value(NOW.to_string().as_bytes(), tag.as_bytes()),
            ..provider.now(BODY)
        };
        let headers = provider.headers(&claims).unwrap();
        endpoint.refuse("decoded", &headers, BODY, Kind::Mismatch).await;
    }
}

// ---- base64 ----

#[tokio::test]
async fn the_prefix_of_a_base64_secret_may_be_left_out() {
    assert_eq!(with_key(Key::Base64).count(), 2);
    for provider in with_key(Key::Base64) {
        let bare = STANDARD.encode([1; 25]);
        assert!(bare.ends_with('='));
        let unpadded = bare.trim_end_matches('=');
        for secret in [
            bare.clone(),
            format!("whsec_{bare}"),
            unpadded.to_owned(),
            format!("whsec_{unpadded}"),
        ] {
            let verifier = (provider.keyed)(&secret).unwrap();
            let headers = under(&provider, &bare);
            assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_ok(), "{secret}");
            assert_eq!(verifier.shortest_secret(), Some(25));
        }
    }
}

/// Random letters, as some providers give out, end in bits that fill no byte. Standard Webhooks'
/// and Svix's SDKs for JavaScript, and Node itself, drop them.
#[tokio::test]
async fn bits_of_a_base64_secret_that_fill_no_byte_may_be_anything_and_are_dropped() {
    for provider in with_key(Key::Base64) {
        // as Node decodes all of them
        let key = hex::decode("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b006").unwrap();
        let canonical = STANDARD.encode(&key);
        assert_eq!(canonical, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg==");
        let headers = under(&provider, &canonical);
        for last in ["g", "h", "r", "v"] {
            for text in [
                format!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwB{last}"),
                format!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwB{last}=="),
                format!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwB{last}"),
            ] {
                let endpoint = VerifierEndpoint::with(provider, &text, at(NOW));
                assert_eq!(endpoint.verifier.shortest_secret(), Some(25));
                endpoint.accept(&text, &headers, BODY).await;
            }
        }
        let endpoint = VerifierEndpoint::with(provider, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBw==", at(NOW));
        endpoint.refuse("another key", &headers, BODY, Kind::Mismatch).await;
        // A lone letter more is none of the key's, but of a secret that was cut.
        assert_eq!(
            refusal(&provider, &format!("{}A", STANDARD.encode([7; 24]))),
            Some(Wrong::Encoding)
        );
    }
}

#[test]
fn a_raw_key_is_every_providers_key_as_it_is() {
    for provider in providers() {
        let key = match provider.key {
            Key::AsIs => provider.secret(1).into_bytes(),
            Key::Base64 => vec![1; 24],
        };
        let verifier = Verifier::new(&(provider.scheme)(), &Secrets::raw_key(key).unwrap()).unwrap();
        let headers = under(&provider, &provider.secret(1));
        assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_ok(), "{}", provider.name);
        let verifier = (provider.keyed)(&provider.secret(2)).unwrap();
        assert!(
            verifier.verify_at(&headers, BODY, at(NOW)).is_err(),
            "{}",
            provider.name
        );
        let key = match provider.key {
            Key::AsIs => provider.secret(1).into_bytes(),
            Key::Base64 => vec![1; 24],
        };
        verifier
            .secrets_handle()
            .rotate(Secrets::raw_key(key).unwrap())
            .unwrap();
        assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_ok(), "{}", provider.name);
    }
}

#[test]
fn a_base64_secret_encodes_24_to_75_bytes() {
    for provider in with_key(Key::Base64) {
        for length in 0..100 {
            let secret = STANDARD.encode(vec![7; length]);
            let expected = match length {
                0 => Some(Wrong::Empty),
                24..=75 => None,
                _ => Some(Wrong::Length),
            };
            assert_eq!(
                refusal(&provider, &secret),
                expected,
                "{}: {length} bytes",
                provider.name
            );
            let expected = if length == 0 {
                Some(Wrong::PrefixAlone)
            } else {
                expected
            };
            let whole = format!("whsec_{secret}");
            assert_eq!(
                refusal(&provider, &whole),
                expected,
                "{}: {length} bytes",
                provider.name
            );
        }
    }
}

#[test]
fn what_is_no_base64_is_no_secret_there() {
    for provider in with_key(Key::Base64) {
        let right = provider.secret(1);
        let bytes = [0xfb; 24];
        let url_safe = URL_SAFE_NO_PAD.encode(bytes);
        assert!(url_safe.contains('-') || url_safe.contains('_'));
        let no_base64 = [
            "the secret in plain words, 24 bytes or more".to_owned(),
            url_safe.clone(),
            format!("whsec_{url_safe}"),
            format!("whsec_{right}"),
            format!("WHSEC_{}", &right[6..]),
            format!("whsec-{}", &right[6..]),
            format!("v1,{right}"),
            right.replacen("AQ", "A\nQ", 1),
            format!("{right} {right}"),
            format!("{right},{right}"),
            format!("{right}===="),
            format!("whpk_{}", &right[6..]),
        ];
        for secret in no_base64 {
            assert_eq!(
                refusal(&provider, &secret),
                Some(Wrong::Encoding),
                "{}: {secret:?}",
                provider.name
            );
        }
    }
}

#[test]
fn secrets_are_not_shown_by_debug() {
    for provider in providers() {
        let secret = provider.secret(1);
        let verifier = (provider.keyed)(&secret).unwrap();
        let said = format!("{verifier:?} {:?} {:?}", verifier.secrets_handle(), provider.secrets());
        let inside = secret.trim_start_matches("whsec_");
        assert!(!said.contains(inside), "{said}");
    }
}
