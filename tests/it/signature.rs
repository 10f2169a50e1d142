//! The MAC beside an independent implementation, and the published vectors.

use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use tower_webhook::signature::{
    Algorithm, Encoding, Scheme, SecretErrorKind, Secrets, SignatureErrorKind, Verifier, verify, verify_at,
};

fn scheme(algorithm: Algorithm, encoding: Encoding) -> Scheme {
    Scheme::new(HeaderName::from_static("x-signature"), algorithm, encoding)
}

fn tag(algorithm: Algorithm, key: &[u8], body: &[u8]) -> String {
    let headers = scheme(algorithm, Encoding::Hex)
        .sign(&Secrets::raw_key(key).unwrap(), body)
        .unwrap();
    headers["x-signature"].to_str().unwrap().to_owned()
}

#[track_caller]
fn assert_vector(key: &[u8], data: &[u8], sha256: &str, sha512: &str) {
    assert_eq!(tag(Algorithm::HmacSha256, key, data), sha256);
    assert_eq!(tag(Algorithm::HmacSha512, key, data), sha512);
}

// RFC 4231, without case 5, which truncates the tag.

#[test]
fn rfc_4231_case_1() {
    assert_vector(
        &[0x0b; 20],
        b"Hi There",
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    );
}

#[test]
fn rfc_4231_case_2() {
    assert_vector(
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    );
}

#[test]
fn rfc_4231_case_3() {
    assert_vector(
        &[0xaa; 20],
        &[0xdd; 50],
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb",
    );
}

#[test]
fn rfc_4231_case_4() {
    let key: Vec<u8> = (0x01..=0x19).collect();
    assert_vector(
        &key,
        &[0xcd; 50],
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
        "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3dba91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd",
    );
}

#[test]
fn rfc_4231_case_6() {
    assert_vector(
        &[0xaa; 131],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    );
}

#[test]
fn rfc_4231_case_7() {
    assert_vector(
        &[0xaa; 131],
        b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58",
    );
}

proptest! {
    #[test]
    fn the_tag_is_that_of_an_independent_implementation_however_the_body_is_cut(
        key in proptest::collection::vec(any::<u8>(), 1..200),
        body in proptest::collection::vec(any::<u8>(), 0..3000),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
        sha512 in any::<bool>(),
        base64 in any::<bool>(),
    ) {
        let algorithm = if sha512 { Algorithm::HmacSha512 } else { Algorithm::HmacSha256 };
        let theirs = ring::hmac::Key::new(
            if sha512 { ring::hmac::HMAC_SHA512 } else { ring::hmac::HMAC_SHA256 },
            &key,
        );
        let theirs = ring::hmac::sign(&theirs, &body);
        prop_assert_eq!(tag(algorithm, &key, &body), hex::encode(theirs.as_ref()));

        let scheme = scheme(algorithm, if base64 { Encoding::Base64 } else { Encoding::Hex });
        let secrets = Secrets::raw_key(key).unwrap();
        let headers = scheme.sign(&secrets, &body).unwrap();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
        cuts.sort_unstable();
        let mut verification = Verifier::new(&scheme, &secrets).unwrap().begin(&headers).unwrap();
        let mut from = 0;
        for to in cuts {
            verification.update(&body[from..to]);
            from = to;
        }
        verification.update(&body[from..]);
        prop_assert!(verification.finish(std::time::SystemTime::UNIX_EPOCH).is_ok());
    }

    #[test]
    fn a_request_is_accepted_exactly_when_an_independent_implementation_agrees(
        body in proptest::collection::vec(any::<u8>(), 0..100),
        value in prop_oneof![
            "[0-9a-f]{64}",
            "[0-9a-fA-F]{60,68}",
            Just(String::from("right")),
        ],
        flip in any::<Option<prop::sample::Index>>(),
    ) {
        let theirs = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"sshhhhhh"), &body);
        let right = hex::encode(theirs.as_ref());
        let mut value = if value == "right" { right.clone() } else { value };
        if let Some(flip) = flip {
            let at = flip.index(value.len());
            value.replace_range(at..=at, "f");
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-signature", HeaderValue::from_str(&value).unwrap());
        let ours = verify(&scheme(Algorithm::HmacSha256, Encoding::Hex), &Secrets::new("sshhhhhh").unwrap(), &headers, &body);
        prop_assert_eq!(ours.is_ok(), value == right);
    }

    #[test]
    fn no_header_value_makes_verifying_panic(value in proptest::collection::vec(any::<u8>(), 0..300), twice in any::<bool>()) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let mut headers = HeaderMap::new();
            headers.append("x-signature", value.clone());
            if twice {
                headers.append("x-signature", value);
            }
            for encoding in [Encoding::Hex, Encoding::Base64] {
                for algorithm in [Algorithm::HmacSha256, Algorithm::HmacSha512] {
                    let error = verify(&scheme(algorithm, encoding), &Secrets::new("s").unwrap(), &headers, b"").unwrap_err();
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}

#[test]
fn every_secret_is_tried_and_the_first_that_matches_is_named() {
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Hex);
    let names = ["one", "two", "three"];
    let all = Secrets::several(names).unwrap();
    for (index, name) in names.iter().enumerate() {
        let headers = scheme.sign(&Secrets::new(*name).unwrap(), b"body").unwrap();
        assert_eq!(verify(&scheme, &all, &headers, b"body").unwrap().secret_index(), index);
    }
    let twice = Secrets::several(["zero", "one", "one"]).unwrap();
    let headers = scheme.sign(&Secrets::new("one").unwrap(), b"body").unwrap();
    assert_eq!(verify(&scheme, &twice, &headers, b"body").unwrap().secret_index(), 1);
    let headers = scheme.sign(&Secrets::new("four").unwrap(), b"body").unwrap();
    assert_eq!(
        verify(&scheme, &all, &headers, b"body").unwrap_err().kind(),
        SignatureErrorKind::Mismatch
    );
}

#[test]
fn only_one_base64_text_is_a_tags() {
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Base64);
    let secrets = Secrets::new("sshhhhhh").unwrap();
    // A body whose tag has both characters that the URL-safe alphabet writes otherwise.
    let (body, text) = (0..)
        .map(|n: u32| n.to_string())
        .map(|body| {
            (
                body.clone(),
                scheme.sign(&secrets, body.as_bytes()).unwrap()["x-signature"]
                    .to_str()
                    .unwrap()
                    .to_owned(),
            )
        })
        .find(|(_, text)| text.contains('+') && text.contains('/'))
        .unwrap();
    let last = text.as_bytes()[42];
    let twin = (b'A'..=b'z')
        .find(|other| other.is_ascii_alphanumeric() && *other != last)
        .unwrap();
    let accepted = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-signature", HeaderValue::from_str(text).unwrap());
        verify(&scheme, &secrets, &headers, body.as_bytes()).map_err(|error| error.kind())
    };
    assert!(accepted(&text).is_ok());
    assert_eq!(
        accepted(text.trim_end_matches('=')),
        Err(SignatureErrorKind::Malformed),
        "no padding"
    );
    assert_eq!(
        accepted(&format!("{text}=")),
        Err(SignatureErrorKind::Malformed),
        "more padding"
    );
    assert_eq!(
        accepted(&text.replace('+', "-").replace('/', "_")),
        Err(SignatureErrorKind::Malformed),
        "URL-safe"
    );
    assert!(
        accepted(&format!("{}{}=", &text[..42], char::from(twin))).is_err(),
        "other trailing bits"
    );
    assert_eq!(
        accepted(&format!(" {}", &text[1..])),
        Err(SignatureErrorKind::Malformed),
        "a space"
    );
}

#[test]
fn text_around_the_body_is_signed_and_a_prefix_is_demanded() {
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Hex)
        .prefix(HeaderValue::from_static("v0="))
        .signed_content("before:{body}:after")
        .unwrap();
    let secrets = Secrets::new("sshhhhhh").unwrap();
    let headers = scheme.sign(&secrets, b"body").unwrap();
    let whole = tag(Algorithm::HmacSha256, b"sshhhhhh", b"before:body:after");
    assert_eq!(headers["x-signature"], format!("v0={whole}"));
    assert!(verify_at(&scheme, &secrets, &headers, b"body", std::time::SystemTime::UNIX_EPOCH).is_ok());
    let mut bare = HeaderMap::new();
    bare.insert("x-signature", HeaderValue::from_str(&whole).unwrap());
    let error = verify(&scheme, &secrets, &bare, b"body").unwrap_err();
    assert_eq!(
        error.to_string(),
        "x-signature does not begin with \"v0=\"; expected it before the tag"
    );
}

#[test]
fn a_signed_content_without_one_body_is_refused() {
    let refused = |template| {
        scheme(Algorithm::HmacSha256, Encoding::Hex)
            .signed_content(template)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        refused("body"),
        "the signed content names {body} 0 times; expected exactly once"
    );
    assert_eq!(
        refused("{body}.{body}"),
        "the signed content names {body} 2 times; expected exactly once"
    );
    for template in ["{nonsense}.{body}", "{{body}}", "{body}}"] {
        assert_eq!(
            refused(template),
            "the signed content has a brace outside {id}, {timestamp}, {tenant} and {body}; expected text and these alone"
        );
    }
}

#[test]
fn secrets_that_cannot_be_meant_are_refused_and_the_reason_says_which() {
    let kind = |secret: &str| Secrets::new(secret).unwrap_err().kind();
    assert_eq!(kind(""), SecretErrorKind::Empty);
    assert_eq!(kind(" \t\n"), SecretErrorKind::Blank);
    assert_eq!(kind("\u{a0}"), SecretErrorKind::Blank);
    assert_eq!(kind(" secret"), SecretErrorKind::LeadingWhitespace);
    assert_eq!(kind("secret\n"), SecretErrorKind::TrailingWhitespace);
    assert_eq!(kind("secret\u{2003}"), SecretErrorKind::TrailingWhitespace);
    assert_eq!(
        Secrets::several(Vec::<String>::new()).unwrap_err().kind(),
        SecretErrorKind::None
    );
    assert_eq!(
        Secrets::several(["good", "bad "]).unwrap_err().to_string(),
        "secret 2 of the list ends with whitespace; expected none around it: trim it where it is read"
    );
    for invisible in [
        "\u{feff}", "\u{200b}", "\u{200d}", "\u{2060}", "\u{200e}", "\u{ad}", "\u{202c}",
    ] {
        for around in [
            format!("{invisible}secret"),
            format!("secret{invisible}"),
            invisible.to_owned(),
        ] {
            assert_eq!(kind(&around), SecretErrorKind::Invisible, "{around:?}");
        }
    }
    for quoted in [
        "\"secret\"",
        "'secret'",
        "`secret`",
        "“secret”",
        "‘secret’",
        "\"\"",
        "''",
    ] {
        assert_eq!(kind(quoted), SecretErrorKind::Quoted, "{quoted}");
    }
    for fine in [
        "\"",
        "'",
        "\"secret",
        "secret'",
        "\"secret'",
        "se\"cr\"et",
        "se\u{200d}cret",
    ] {
        assert!(Secrets::new(fine).is_ok(), "{fine}");
    }
    assert_eq!(
        Secrets::new("\"secret\"").unwrap_err().to_string(),
        "the secret stands in quotes; expected none around it: remove them where it is read, or use `Secrets::raw_key` if they belong to it"
    );
    assert_eq!(
        Secrets::several(["good", "bad\u{200b}"]).unwrap_err().to_string(),
        "secret 2 of the list begins or ends with a character that cannot be seen, such as a byte order mark or a zero-width space; \
         expected none around it: remove it where it is read"
    );
    // As Windows' shells write a file.
    let utf16: Vec<_> = "\u{feff}secret".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(Secrets::new(&utf16[..]).unwrap_err().kind(), SecretErrorKind::Invisible);
    assert!(Secrets::new("a secret with spaces inside").is_ok());
    assert!(Secrets::new(&[0xff, 0x00, 0x80][..]).is_ok(), "bytes need not be text");
}

#[test]
fn raw_keys_may_hold_anything_and_are_the_key() {
    let keys: [&[u8]; 10] = [
        b" ",
        b"\n",
        b" key",
        b"key\n",
        b"\"key\"",
        b"whsec_",
        "\u{feff}".as_bytes(),
        b"\xff\xfe",
        b"\0",
        &[0x20; 200],
    ];
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Hex);
    for key in keys {
        let theirs = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), b"body");
        let secrets = Secrets::raw_key(key).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets(1)");
        let headers = scheme.sign(&secrets, b"body").unwrap();
        assert_eq!(headers["x-signature"], hex::encode(theirs.as_ref()), "{key:?}");
        assert!(verify(&scheme, &secrets, &headers, b"body").is_ok());
    }
    let all = Secrets::raw_keys(keys).unwrap();
    assert_eq!(format!("{all:?}"), "Secrets(10)");
    let headers = scheme.sign(&Secrets::raw_key(keys[3]).unwrap(), b"body").unwrap();
    assert_eq!(verify(&scheme, &all, &headers, b"body").unwrap().secret_index(), 3);

    assert_eq!(Secrets::raw_key([]).unwrap_err().kind(), SecretErrorKind::Empty);
    assert_eq!(
        Secrets::raw_keys([[0; 0]; 0]).unwrap_err().kind(),
        SecretErrorKind::None
    );
    let error = Secrets::raw_keys(["key", ""]).unwrap_err();
    assert!(
        error.to_string().starts_with("secret 2 of the list is empty"),
        "{error}"
    );
}

#[test]
fn a_raw_key_is_not_decoded_and_takes_a_texts_place_while_requests_come_in() {
    let scheme = scheme(Algorithm::HmacSha256, Encoding::Hex).base64_secrets("whsec_");
    // Longer than a base64 secret may be, shorter, and base64 itself.
    for key in [&[7_u8; 200][..], b"k", b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
        let raw = Secrets::raw_key(key).unwrap();
        let theirs = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), b"body");
        let headers = scheme.sign(&raw, b"body").unwrap();
        assert_eq!(headers["x-signature"], hex::encode(theirs.as_ref()));
        assert!(verify(&scheme, &raw, &headers, b"body").is_ok());

        let verifier = Verifier::new(
            &scheme,
            &Secrets::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap(),
        )
        .unwrap();
        assert!(verifier.verify(&headers, b"body").is_err());
        verifier.secrets_handle().rotate(raw).unwrap();
        assert!(verifier.verify(&headers, b"body").is_ok());
        assert_eq!(verifier.shortest_secret(), Some(key.len()));
    }
}

#[test]
fn a_wrong_tag_says_how_many_secrets_it_was_compared_with() {
    let scheme = tower_webhook::dwolla::scheme();
    let text = |secrets: &[&str]| {
        let given = Secrets::new("another one").unwrap();
        let headers = scheme.sign(&given, b"{}").unwrap();
        let secrets = Secrets::try_from(secrets.to_vec()).unwrap();
        verify(&scheme, &secrets, &headers, b"{}").unwrap_err().to_string()
    };
    assert!(text(&["one"]).starts_with("the tag does not match the secret; expected the body's own: "));
    assert!(text(&["one", "two"]).starts_with("the tag matches none of the 2 secrets; expected the body's own: "));
}
