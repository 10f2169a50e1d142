//! Tags in every form but the provider's.

#![cfg(test)] // for clippy

use tower_webhook::signature::SignatureErrorKind as Kind;

use super::{verifier_endpoint::VerifierEndpoint, *};

const BODY: &[u8] = br#"{"id":"1"}"#;

/// The right headers with this value of the tag's.
fn with_value(provider: &Described, value: impl AsRef<[u8]>) -> HeaderMap {
    let claims = Claims {
        value: value.as_ref().to_vec(),
        ..provider.now(BODY)
    };
    provider.headers(&claims).unwrap()
}

/// The right headers with this for the tag.
fn with_tag(provider: &Described, tag: impl AsRef<[u8]>) -> HeaderMap {
    with_value(provider, provider.value(NOW.to_string().as_bytes(), tag.as_ref()))
}

fn right_tag(provider: &Described) -> String {
    provider.tag(b"msg_1", NOW.to_string().as_bytes(), BODY)
}

/// A body whose tag has the letters that the URL-safe alphabet writes otherwise.
fn body_with_both_letters(provider: &Described) -> Vec<u8> {
    let bodies = (0..).map(|number: u32| format!(r#"{{"id":"{number}"}}"#).into_bytes());
    let time = NOW.to_string();
    bodies
        .map(|body| (provider.tag(b"msg_1", time.as_bytes(), &body), body))
        .find(|(tag, _)| tag.contains('+') && tag.contains('/'))
        .unwrap()
        .1
}

#[tokio::test]
async fn hex_in_any_other_form_is_refused() {
    for provider in providers().into_iter().filter(|provider| provider.text == Text::Hex) {
        let endpoint = VerifierEndpoint::of(provider);
        let tag = right_tag(&provider);
        let mut raw = vec![0x80; 64];
        for (byte, number) in raw.iter_mut().zip(0x80..=0xff) {
            *byte = number;
        }
        let traps: Vec<(&str, Vec<u8>)> = vec![
            ("upper case", tag.to_uppercase().into()),
            ("one capital", {
                let at = tag.find(|letter: char| letter.is_ascii_lowercase()).unwrap();
                let mut tag = tag.clone();
                tag[at..=at].make_ascii_uppercase();
                tag.into()
            }),
            ("odd", tag[..63].into()),
            ("63 digits, the first gone", tag[1..].into()),
            ("65 digits", format!("{tag}0").into()),
            ("0x", format!("0x{tag}").into()),
            ("0x in place of two", format!("0x{}", &tag[2..]).into()),
            ("a space before", format!(" {tag}").into()),
            ("a space behind", format!("{tag} ").into()),
            ("a tab behind", format!("{tag}\t").into()),
            ("a space inside", format!("{} {}", &tag[..32], &tag[33..]).into()),
            ("a space between", format!("{} {}", &tag[..32], &tag[32..]).into()),
            ("colons between", tag.replace(['a', 'b'], ":").into()),
            ("quoted", format!("\"{tag}\"").into()),
            ("half a tag", tag[..32].into()),
            ("a tag and a half", format!("{tag}{}", &tag[..32]).into()),
            ("one byte", tag[..2].into()),
            ("bytes from 0x80 to 0xbf", raw),
            ("bytes 0xff", vec![0xff; 64]),
            ("full-width digits", "０".repeat(64).into()),
            (
                "full-width digits, 64 bytes",
                "０１".repeat(10).into_bytes()[..].to_vec(),
            ),
            ("no hex", vec![b'g'; 64]),
            (
                "base64",
                STANDARD
                    .encode(provider.mac(&provider.secret(1), b"msg_1", NOW.to_string().as_bytes(), BODY))
                    .into(),
            ),
            ("64 kB", vec![b'a'; 65_536]),
        ];
        for (what, tag) in traps {
            endpoint
                .refuse(what, &with_tag(&provider, tag), BODY, Kind::Malformed)
                .await;
        }
        endpoint.assert_untouched();
        endpoint.accept("the tag itself", &with_tag(&provider, tag), BODY).await;
    }
}

#[tokio::test]
async fn base64_in_any_other_form_is_refused() {
    for provider in providers().into_iter().filter(|provider| provider.text == Text::Base64) {
        let endpoint = VerifierEndpoint::of(provider);
        let body = body_with_both_letters(&provider);
        let time = NOW.to_string();
        let mac = provider.mac(&provider.secret(1), b"msg_1", time.as_bytes(), &body);
        let tag = STANDARD.encode(&mac);
        let last = tag.as_bytes()[42];
        // 32 bytes leave two bits of the last letter: they are zero in one text alone.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let index = alphabet.iter().position(|letter| *letter == last).unwrap();
        let twins = (1..4).map(|bits| format!("{}{}=", &tag[..42], char::from(alphabet[index + bits])));
        let mut traps: Vec<(&str, Vec<u8>)> = vec![
            ("no padding", tag.trim_end_matches('=').into()),
            ("more padding", format!("{tag}=").into()),
            ("padding for a letter", format!("{}==", &tag[..42]).into()),
            ("URL-safe", tag.replace('+', "-").replace('/', "_").into()),
            ("URL-safe in part", tag.replacen('+', "-", 1).into()),
            ("URL-safe without padding", URL_SAFE_NO_PAD.encode(&mac).into()),
            ("a space for a plus", tag.replacen('+', " ", 1).into()),
            ("escaped for a URL", tag.replace('+', "%2B").replace('=', "%3D").into()),
            ("a space before", format!(" {tag}").into()),
            ("a tab behind", format!("{tag}\t").into()),
            ("a tab between", format!("{}\t{}", &tag[..20], &tag[20..]).into()),
            ("quoted", format!("\"{tag}\"").into()),
            ("half a tag", STANDARD.encode(&mac[..16]).into()),
            ("31 bytes", STANDARD.encode(&mac[..31]).into()),
            ("33 bytes", STANDARD.encode([&mac[..], &[0]].concat()).into()),
            ("34 bytes", STANDARD.encode([&mac[..], &[0; 2]].concat()).into()),
            ("hex", hex::encode(&mac).into()),
            ("base64 of hex", STANDARD.encode(hex::encode(&mac)).into()),
            ("bytes 0x80", vec![0x80; 44]),
            ("bytes 0xff", vec![0xff; 44]),
            ("64 kB", vec![b'A'; 65_536]),
        ];
        traps.extend(twins.map(|twin| ("other trailing bits", twin.into())));
        for (what, tag) in traps {
            let claims = Claims {
                value: provider.value(time.as_bytes(), &tag),
                ..provider.now(&body)
            };
            let headers = provider.headers(&claims).unwrap();
            // In a list a space ends an item: what is left of the tag is too short.
            endpoint.refuse(what, &headers, &body, Kind::Malformed).await;
        }
        endpoint.assert_untouched();
        let headers = provider.headers(&provider.now(&body)).unwrap();
        endpoint.accept("the tag itself", &headers, &body).await;
    }
}

#[tokio::test]
async fn a_signature_that_is_not_there_is_no_signature() {
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let right = provider.headers(&provider.now(BODY)).unwrap();
        let mut without = right.clone();
        without.remove(provider.header);
        endpoint.refuse("no header", &without, BODY, Kind::Missing).await;
        endpoint
            .refuse("no headers", &HeaderMap::new(), BODY, Kind::Missing)
            .await;
        endpoint
            .refuse("empty", &with_value(&provider, ""), BODY, Kind::Empty)
            .await;
        endpoint
            .refuse("no tag", &with_tag(&provider, ""), BODY, {
                let alone = provider.form == Form::Alone("");
                if alone { Kind::Empty } else { Kind::Malformed }
            })
            .await;
        for blank in ["\t", ",", ";", "=", "null", "none", "undefined", "v1", "v0", "sha256"] {
            endpoint
                .refuse(blank, &with_value(&provider, blank), BODY, Kind::Malformed)
                .await;
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn two_signature_headers_are_refused_whichever_is_right_unless_they_are_equal() {
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let right = provider.headers(&provider.now(BODY)).unwrap();
        let good = right[provider.header].clone();
        let bad = with_tag(&provider, provider.write(&[0; 32]))[provider.header].clone();
        let with = |values: &[&HeaderValue]| {
            let mut headers = right.clone();
            headers.remove(provider.header);
            for value in values {
                headers.append(provider.header, (*value).clone());
            }
            headers
        };
        for different in [&[&good, &bad][..], &[&bad, &good], &[&good, &good, &bad]] {
            endpoint.refuse("two", &with(different), BODY, Kind::Repeated).await;
        }
        let empty = HeaderValue::from_static("");
        endpoint
            .refuse("one empty", &with(&[&good, &empty]), BODY, Kind::Repeated)
            .await;
        endpoint
            .refuse("a wrong one twice", &with(&[&bad, &bad]), BODY, Kind::Mismatch)
            .await;
        endpoint.assert_untouched();
        // As a gateway doubles headers.
        endpoint
            .accept("the right one twice", &with(&[&good, &good]), BODY)
            .await;
    }
}

#[tokio::test]
async fn a_comma_is_no_list_where_the_provider_has_none() {
    let alone = |provider: &Described| matches!(provider.form, Form::Alone(_));
    for provider in providers().into_iter().filter(alone) {
        let endpoint = VerifierEndpoint::of(provider);
        let value = String::from_utf8(provider.now(BODY).value).unwrap();
        for separator in [",", ", ", ";", " "] {
            for list in [
                format!("{value}{separator}{value}"),
                format!("{value}{separator}"),
                format!("{separator}{value}"),
            ] {
                endpoint
                    .refuse(&list.clone(), &with_value(&provider, list), BODY, Kind::Malformed)
                    .await;
            }
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn a_truncated_tag_is_refused_at_any_length() {
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let tag = right_tag(&provider);
        for length in 1..tag.len() {
            let kind = if length == 40 && provider.text == Text::Hex {
                Kind::Sha1
            } else {
                Kind::Malformed
            };
            let what = format!("{length} letters");
            endpoint
                .refuse(&what, &with_tag(&provider, &tag[..length]), BODY, kind)
                .await;
        }
        for bytes in 1..32 {
            let mac = provider.mac(&provider.secret(1), b"msg_1", NOW.to_string().as_bytes(), BODY);
            let kind = if bytes == 20 && provider.text == Text::Hex {
                Kind::Sha1
            } else {
                Kind::Malformed
            };
            let short = provider.write(&mac[..bytes]);
            endpoint
                .refuse(&format!("{bytes} bytes"), &with_tag(&provider, short), BODY, kind)
                .await;
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn the_request_cannot_name_the_algorithm() {
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let (secret, time) = (provider.secret(1), NOW.to_string());
        let content = provider.signed_bytes(b"msg_1", time.as_bytes(), BODY);
        let key = match provider.key {
            Key::AsIs => secret.as_bytes().to_vec(),
            Key::Base64 => vec![1; 24],
        };
        let tag = |algorithm| {
            let key = ring::hmac::Key::new(algorithm, &key);
            provider.write(ring::hmac::sign(&key, &content).as_ref())
        };
        let sha1 = tag(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY);
        let sha512 = tag(ring::hmac::HMAC_SHA512);
        let sha256 = tag(ring::hmac::HMAC_SHA256);
        let no_mac = provider.write(ring::digest::digest(&ring::digest::SHA256, &content).as_ref());
        assert_eq!(sha256, right_tag(&provider));
        // Right tags of other algorithms in the place of the provider's own.
        let kind = if provider.text == Text::Hex {
            Kind::Sha1
        } else {
            Kind::Malformed
        };
        endpoint.refuse("SHA-1", &with_tag(&provider, &sha1), BODY, kind).await;
        endpoint
            .refuse("SHA-512", &with_tag(&provider, &sha512), BODY, Kind::Malformed)
            .await;
        endpoint
            .refuse("no key", &with_tag(&provider, &no_mac), BODY, Kind::Mismatch)
            .await;
        // And behind a name, with the rest of the header as it is.
        let own = match provider.form {
            Form::Alone(prefix) | Form::List(_, prefix) => prefix,
        };
        let whole = String::from_utf8(provider.now(BODY).value).unwrap();
        let named = [
            ("sha1=", &sha1),
            ("sha512=", &sha512),
            ("sha256=", &sha256),
            ("SHA256=", &sha256),
            ("sha-256=", &sha256),
            ("hmac-sha256=", &sha256),
            ("none=", &sha256),
            ("v0=", &sha256),
            ("v1=", &sha256),
            ("v2=", &sha256),
            ("v1,", &sha256),
            ("v1a,", &sha256),
            ("h1=", &sha256),
            ("V0=", &sha256),
            ("H1=", &sha256),
            ("", &sha256),
        ];
        for (name, tag) in named.into_iter().filter(|(name, _)| *name != own) {
            let value = whole.replace(&format!("{own}{sha256}"), &format!("{name}{tag}"));
            endpoint
                .refuse(&value.clone(), &with_value(&provider, value), BODY, Kind::Malformed)
                .await;
        }
        // An empty key, all zeros, the tag of nothing.
        for (what, mac) in [
            ("zeros", vec![0; 32]),
            ("ones", vec![0xff; 32]),
            ("an empty key", {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"");
                ring::hmac::sign(&key, &content).as_ref().to_vec()
            }),
            ("another secret", {
                provider.mac(&provider.secret(2), b"msg_1", time.as_bytes(), BODY)
            }),
            ("an empty body", {
                provider.mac(&provider.secret(1), b"msg_1", time.as_bytes(), b"")
            }),
        ] {
            let headers = with_tag(&provider, provider.write(&mac));
            endpoint.refuse(what, &headers, BODY, Kind::Mismatch).await;
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn a_body_is_bytes_and_no_text() {
    let bodies: [&[u8]; 9] = [
        b"{\"name\":\"\xff\"}",
        "{\"name\":\"\u{fffd}\"}".as_bytes(),
        b"{\"name\":\"\xfe\"}",
        // a byte order mark, other ends of lines, other spaces, an escaped letter, a composed one
        b"\xef\xbb\xbf{\"name\":\"e\"}",
        b"{\"name\":\"e\"}",
        b"{\"name\":\"e\"}\n",
        b"{\"name\":\"e\"}\r\n",
        b"{\"name\": \"e\"}",
        b"{\"name\":\"\\u0065\"}",
    ];
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        for signed in bodies {
            let headers = provider.headers(&provider.now(signed)).unwrap();
            for sent in bodies {
                let what = format!(
                    "{:?} for {:?}",
                    String::from_utf8_lossy(sent),
                    String::from_utf8_lossy(signed)
                );
                if sent == signed {
                    endpoint.accept(&what, &headers, sent).await;
                } else {
                    endpoint.refuse(&what, &headers, sent, Kind::Mismatch).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn bodies_of_nothing_and_of_nul_bytes_are_signed_like_any_other() {
    for provider in providers() {
        let endpoint = VerifierEndpoint::of(provider);
        let bodies: [&[u8]; 4] = [b"", b"\0", b"\0\0", b"a\0b"];
        for body in bodies {
            let headers = provider.headers(&provider.now(body)).unwrap();
            endpoint.accept("itself", &headers, body).await;
            let longer = [body, b"\0"].concat();
            endpoint.refuse("one more", &headers, &longer, Kind::Mismatch).await;
        }
    }
}
