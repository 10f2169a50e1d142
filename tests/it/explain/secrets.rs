//! Wrong secrets, and right ones in a wrong form.

#![cfg(test)] // for clippy

use super::*;

#[test]
fn each_form_of_the_secret_is_named_for_every_provider() {
    let bytes = STANDARD.decode(SECRET).unwrap();
    let hex_text = hex::encode(&bytes);
    let text = |text: &str| text.as_bytes().to_vec();
    let prefixed = format!("whsec_{SECRET}");
    for provider in PROVIDERS {
        let finds = |kind, key: &[u8], secret: &str| {
            provider.finds(&[kind], key, BODY.as_bytes(), secret, BODY.as_bytes());
        };
        finds(Kind::SecretWhitespace, format!("{SECRET}\n").as_bytes(), SECRET);
        finds(Kind::SecretWhitespace, format!("{SECRET}\r\n").as_bytes(), SECRET);
        finds(Kind::SecretQuotes, format!("\"{SECRET}\"").as_bytes(), SECRET);
        finds(Kind::SecretEncoding, text(&hex_text).as_slice(), SECRET_OF_BYTES);
        if provider.decodes_secret {
            finds(Kind::SecretEncoding, SECRET.as_bytes(), SECRET);
        } else {
            finds(Kind::SecretEncoding, &bytes, SECRET);
            finds(Kind::SecretEncoding, &bytes, &hex_text);
            finds(Kind::SecretEncoding, &bytes, &prefixed);
            finds(Kind::SecretPrefix, SECRET.as_bytes(), &prefixed);
            finds(Kind::SecretPrefix, prefixed.as_bytes(), SECRET);
            finds(Kind::SecretPrefix, SECRET.as_bytes(), &format!("pdl_ntfset_{SECRET}"));
        }
    }
}

/// The text of the bytes that `SECRET` is base64 of.
const SECRET_OF_BYTES: &str = "8f742231b10e8888abcd99yy";

#[test]
fn quotes_around_the_secret_are_named() {
    for provider in PROVIDERS {
        for quoted in [format!("\"{SECRET}\""), format!("'{SECRET}'")] {
            // A constructor may refuse them: then nobody has them here.
            if Secrets::new(quoted.as_str()).is_ok() && !provider.decodes_secret {
                let body = BODY.as_bytes();
                provider.finds(&[Kind::SecretQuotes], SECRET.as_bytes(), body, &quoted, body);
            }
        }
    }
}

#[test]
fn a_wrong_secret_says_what_is_known() {
    let headers = PLAIN.sign(b"another secret", BODY.as_bytes());
    let explanation = PLAIN.explain(SECRET, &headers, BODY.as_bytes());
    assert_eq!(explanation.kind(), Kind::Unknown);
    assert!(!explanation.is_certain());
    let text = explanation.to_string();
    assert!(
        text.starts_with("none of the usual mistakes matches: the secret is another one"),
        "{text}"
    );
    let length = format!("the body has {} bytes", BODY.len());
    assert!(text.contains(&length), "{text}");

    let mut headers = headers;
    headers.insert("content-length", HeaderValue::from_static("7"));
    let explanation = PLAIN.explain(SECRET, &headers, BODY.as_bytes());
    assert_eq!(explanation.kind(), Kind::BodyLength);
    assert!(
        explanation.to_string().contains("Content-Length says 7"),
        "{explanation}"
    );

    let explanation = PLAIN.explain(SECRET, &HeaderMap::new(), BODY.as_bytes());
    assert_eq!(explanation.kind(), Kind::NoTag);

    let lossy = "{\"name\":\"\u{fffd}\"}";
    let explanation = PLAIN.explain(
        SECRET,
        &PLAIN.sign(SECRET.as_bytes(), b"{\"name\":\"\xe9\"}"),
        lossy.as_bytes(),
    );
    assert_eq!(explanation.kind(), Kind::BodyText, "{explanation}");
}
