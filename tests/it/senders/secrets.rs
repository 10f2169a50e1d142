//! What a secret may be, and what it stands for.

#![cfg(test)] // for clippy

use tower_webhook::signature::{SecretErrorKind as Wrong, SignatureErrorKind as Kind};

use super::{bench::Bench, *};

const BODY: &[u8] = br#"{"id":"1"}"#;

fn with_key(key: Key) -> impl Iterator<Item = Sender> {
    senders().into_iter().filter(move |sender| sender.key == key)
}

fn refusal(sender: &Sender, secret: &str) -> Option<Wrong> {
    let error = (sender.keyed)(secret).err()?;
    let said = format!("{error} {error:?} {error:#?}");
    let inside = secret.trim();
    assert!(
        inside.len() < 7 || !said.contains(inside),
        "{}: {said} repeats the secret",
        sender.name
    );
    Some(error.kind())
}

#[test]
fn secrets_that_cannot_be_meant_are_refused_by_every_sender() {
    for sender in senders() {
        let secret = sender.secret(1);
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
            assert_eq!(refusal(&sender, &secret), Some(wrong), "{}: {secret:?}", sender.name);
        }
        // "whsec_\n" is one or the other.
        assert!(refusal(&sender, "whsec_\n").is_some(), "{}", sender.name);
        assert_eq!(refusal(&sender, &secret), None, "{}", sender.name);
    }
}

#[test]
fn one_bad_secret_of_several_is_named_by_its_position() {
    for sender in senders() {
        let (good, bad) = (sender.secret(1), format!("{}\n", sender.secret(2)));
        let error = Secrets::several([good, bad]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "secret 2 of the list ends with whitespace; expected none around it: trim it where it is read"
        );
    }
    for sender in with_key(Key::Base64) {
        let secrets = Secrets::several([sender.secret(1), "no base64!".to_owned()]).unwrap();
        let error = Verifier::new(&(sender.scheme)(), &secrets).unwrap_err();
        assert_eq!(error.kind(), Wrong::Encoding);
        assert!(error.to_string().starts_with("secret 2 of the list"), "{error}");
    }
}

// ---- a text whose bytes are the key ----

#[tokio::test]
async fn a_short_secret_is_taken_since_senders_set_no_minimum() {
    for sender in with_key(Key::AsIs) {
        for secret in ["s", "ab", "fifteen letters"] {
            let bench = Bench::with(sender, secret, at(NOW));
            assert_eq!(bench.verifier.shortest_secret(), Some(secret.len()), "{}", sender.name);
            let headers = under(&sender, secret);
            bench.accept(&format!("{} bytes", secret.len()), &headers, BODY).await;
        }
    }
}

/// Headers that this secret has made.
fn under(sender: &Sender, secret: &str) -> HeaderMap {
    let time = NOW.to_string();
    let tag = sender.write(&sender.mac(secret, b"msg_1", time.as_bytes(), BODY));
    let claims = Claims {
        value: sender.value(time.as_bytes(), tag.as_bytes()),
        ..sender.now(BODY)
    };
    sender.headers(&claims).unwrap()
}

#[tokio::test]
async fn a_text_is_the_key_byte_for_byte() {
    for sender in with_key(Key::AsIs) {
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
            let bench = Bench::with(sender, keyed, at(NOW));
            for signed in secrets {
                let what = format!("{signed} for {keyed}");
                let headers = under(&sender, signed);
                if signed == keyed {
                    bench.accept(&what, &headers, BODY).await;
                } else {
                    bench.refuse(&what, &headers, BODY, Kind::Mismatch).await;
                }
            }
        }
        // Nor is what a text stands for the key.
        let bench = Bench::with(sender, secrets[0], at(NOW));
        let decoded = STANDARD.decode(secrets[1]).unwrap();
        let content = sender.signed_bytes(b"msg_1", NOW.to_string().as_bytes(), BODY);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &decoded);
        let tag = sender.write(ring::hmac::sign(&key, &content).as_ref());
        let claims = Claims {
            value: sender.value(NOW.to_string().as_bytes(), tag.as_bytes()),
            ..sender.now(BODY)
        };
        let headers = sender.headers(&claims).unwrap();
        bench.refuse("decoded", &headers, BODY, Kind::Mismatch).await;
    }
}

// ---- base64 ----

#[tokio::test]
async fn the_prefix_of_a_base64_secret_may_be_left_out() {
    assert_eq!(with_key(Key::Base64).count(), 2);
    for sender in with_key(Key::Base64) {
        let bare = STANDARD.encode([1; 25]);
        assert!(bare.ends_with('='));
        let unpadded = bare.trim_end_matches('=');
        for secret in [
            bare.clone(),
            format!("whsec_{bare}"),
            unpadded.to_owned(),
            format!("whsec_{unpadded}"),
        ] {
            let verifier = (sender.keyed)(&secret).unwrap();
            let headers = under(&sender, &bare);
            assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_ok(), "{secret}");
            assert_eq!(verifier.shortest_secret(), Some(25));
        }
    }
}

/// Random letters, as some senders give out, end in bits that fill no byte. Standard Webhooks' and
/// Svix's SDKs for JavaScript, and Node itself, drop them.
#[tokio::test]
async fn bits_of_a_base64_secret_that_fill_no_byte_may_be_anything_and_are_dropped() {
    for sender in with_key(Key::Base64) {
        // as Node decodes all of them
        let key = hex::decode("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b006").unwrap();
        let canonical = STANDARD.encode(&key);
        assert_eq!(canonical, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBg==");
        let headers = under(&sender, &canonical);
        for last in ["g", "h", "r", "v"] {
            for text in [
                format!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwB{last}"),
                format!("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwB{last}=="),
                format!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwB{last}"),
            ] {
                let bench = Bench::with(sender, &text, at(NOW));
                assert_eq!(bench.verifier.shortest_secret(), Some(25));
                bench.accept(&text, &headers, BODY).await;
            }
        }
        let bench = Bench::with(sender, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBw==", at(NOW));
        bench.refuse("another key", &headers, BODY, Kind::Mismatch).await;
        // A lone letter more is none of the key's, but of a secret that was cut.
        assert_eq!(
            refusal(&sender, &format!("{}A", STANDARD.encode([7; 24]))),
            Some(Wrong::Encoding)
        );
    }
}

#[test]
fn a_raw_key_is_every_senders_key_as_it_is() {
    for sender in senders() {
        let key = match sender.key {
            Key::AsIs => sender.secret(1).into_bytes(),
            Key::Base64 => vec![1; 24],
        };
        let verifier = Verifier::new(&(sender.scheme)(), &Secrets::raw_key(key).unwrap()).unwrap();
        let headers = under(&sender, &sender.secret(1));
        assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_ok(), "{}", sender.name);
        let verifier = (sender.keyed)(&sender.secret(2)).unwrap();
        assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_err(), "{}", sender.name);
        let key = match sender.key {
            Key::AsIs => sender.secret(1).into_bytes(),
            Key::Base64 => vec![1; 24],
        };
        verifier
            .secrets_handle()
            .exchange(Secrets::raw_key(key).unwrap())
            .unwrap();
        assert!(verifier.verify_at(&headers, BODY, at(NOW)).is_ok(), "{}", sender.name);
    }
}

#[test]
fn a_base64_secret_stands_for_24_to_75_bytes() {
    for sender in with_key(Key::Base64) {
        for length in 0..100 {
            let secret = STANDARD.encode(vec![7; length]);
            let expected = match length {
                0 => Some(Wrong::Empty),
                24..=75 => None,
                _ => Some(Wrong::Length),
            };
            assert_eq!(refusal(&sender, &secret), expected, "{}: {length} bytes", sender.name);
            let expected = if length == 0 {
                Some(Wrong::PrefixAlone)
            } else {
                expected
            };
            let whole = format!("whsec_{secret}");
            assert_eq!(refusal(&sender, &whole), expected, "{}: {length} bytes", sender.name);
        }
    }
}

#[test]
fn what_is_no_base64_is_no_secret_there() {
    for sender in with_key(Key::Base64) {
        let right = sender.secret(1);
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
                refusal(&sender, &secret),
                Some(Wrong::Encoding),
                "{}: {secret:?}",
                sender.name
            );
        }
    }
}

#[test]
fn secrets_are_not_shown_by_debug() {
    for sender in senders() {
        let secret = sender.secret(1);
        let verifier = (sender.keyed)(&secret).unwrap();
        let said = format!("{verifier:?} {:?} {:?}", verifier.secrets_handle(), sender.secrets());
        let inside = secret.trim_start_matches("whsec_");
        assert!(!said.contains(inside), "{said}");
    }
}
