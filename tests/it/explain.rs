//! The usual mistakes, of several providers: each is found and named, and no secret or tag is ever
//! said.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use tower_webhook::{
    dwolla, github, shopify,
    signature::{Explain, Explanation, ExplanationKind as Kind, Scheme, Secrets, verify_at},
    slack, square, stripe, svix,
};

const NOW: u64 = 1_700_000_000;
const URL: &str = "https://example.com/webhooks/square";

/// A secret that is base64 of 24 bytes, so that each provider's scheme takes it.
const SECRET: &str = "OGY3NDIyMzFiMTBlODg4OGFiY2Q5OXl5";

/// With all that a serializer may change: a slash, a letter that is not ASCII, `<`.
const BODY: &str = r#"{"id":"evt_1","url":"https://a.example/<b>","name":"é","list":[1,2.50,{}]}"#;

/// How a provider signs, said once more.
#[derive(Clone, Copy)]
struct Provider {
    name: &'static str,
    scheme: fn() -> Scheme,
    header: &'static str,
    form: &'static str,
    is_hex: bool,
    /// What is signed before the body.
    before: &'static str,
    others: &'static [(&'static str, &'static str)],
    decodes_secret: bool,
}

const PLAIN: Provider = Provider {
    name: "dwolla",
    scheme: dwolla::scheme,
    header: "x-request-signature-sha-256",
    form: "{tag}",
    is_hex: true,
    before: "",
    others: &[],
    decodes_secret: false,
};

const PROVIDERS: [Provider; 7] = [
    PLAIN,
    Provider {
        name: "github",
        scheme: github::scheme,
        header: "x-hub-signature-256",
        form: "sha256={tag}",
        ..PLAIN
    },
    Provider {
        name: "stripe",
        scheme: stripe::scheme,
        header: "stripe-signature",
        form: "t=1700000000,v1={tag}",
        before: "1700000000.",
        ..PLAIN
    },
    Provider {
        name: "slack",
        scheme: slack::scheme,
        header: "x-slack-signature",
        form: "v0={tag}",
        before: "v0:1700000000:",
        others: &[("x-slack-request-timestamp", "1700000000")],
        ..PLAIN
    },
    Provider {
        name: "svix",
        scheme: svix::scheme,
        header: "svix-signature",
        form: "v1,{tag}",
        is_hex: false,
        before: "msg_1.1700000000.",
        others: &[("svix-id", "msg_1"), ("svix-timestamp", "1700000000")],
        decodes_secret: true,
    },
    Provider {
        name: "shopify",
        scheme: shopify::scheme,
        header: "x-shopify-hmac-sha256",
        is_hex: false,
        ..PLAIN
    },
    Provider {
        name: "square",
        scheme: || square::scheme(URL),
        header: "x-square-hmacsha256-signature",
        is_hex: false,
        before: URL,
        ..PLAIN
    },
];

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

impl Provider {
    /// The provider's key of the secret.
    fn key(self) -> Vec<u8> {
        if self.decodes_secret {
            STANDARD.decode(SECRET).unwrap()
        } else {
            SECRET.into()
        }
    }

    fn encode(self, tag: &[u8]) -> String {
        if self.is_hex {
            hex::encode(tag)
        } else {
            STANDARD.encode(tag)
        }
    }

    fn tag(self, algorithm: hmac::Algorithm, key: &[u8], body: &[u8]) -> Vec<u8> {
        let signed = [self.before.as_bytes(), body].concat();
        hmac::sign(&hmac::Key::new(algorithm, key), &signed).as_ref().to_vec()
    }

    fn headers(self, tag: &str) -> HeaderMap {
        let value = self.form.replace("{tag}", tag);
        self.others
            .iter()
            .copied()
            .chain([(self.header, value.as_str())])
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    /// The headers of a request that the provider signs with this key.
    fn sign(self, key: &[u8], body: &[u8]) -> HeaderMap {
        self.headers(&self.encode(&self.tag(hmac::HMAC_SHA256, key, body)))
    }

    /// Explains a request that is refused here, and looks for a secret in what is said.
    #[track_caller]
    fn explain(self, secret: &str, headers: &HeaderMap, body: &[u8]) -> Explanation {
        self.explain_with(secret, headers, body, |explain| explain)
    }

    #[track_caller]
    fn explain_with(
        self,
        secret: &str,
        headers: &HeaderMap,
        body: &[u8],
        with: impl FnOnce(Explain) -> Explain,
    ) -> Explanation {
        let (scheme, secrets) = ((self.scheme)(), Secrets::new(secret).unwrap());
        let refused = verify_at(&scheme, &secrets, headers, body, at(NOW));
        assert!(refused.is_err(), "{}: nothing to explain", self.name);
        let explain = with(Explain::new(&scheme, &secrets));
        let explanation = explain.request_at(headers, body, at(NOW));
        let said = format!("{explanation} {explanation:?} {explain:?}");
        let mut kept = vec![secret.as_bytes().to_vec(), SECRET.into(), self.key()];
        for algorithm in [
            hmac::HMAC_SHA256,
            hmac::HMAC_SHA512,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        ] {
            for key in [secret.as_bytes(), SECRET.as_bytes(), &self.key()] {
                kept.extend([body, BODY.as_bytes()].map(|body| self.tag(algorithm, key, body)));
            }
        }
        for bytes in kept {
            let debug = format!("{bytes:?}");
            let texts = [
                hex::encode(&bytes),
                hex::encode_upper(&bytes),
                STANDARD.encode(&bytes),
                debug,
            ];
            let text = String::from_utf8(bytes).unwrap_or_default();
            for text in texts.into_iter().chain([text]).filter(|text| !text.is_empty()) {
                assert!(!said.contains(&text), "{}: {said}", self.name);
                // Half of it would be half of a secret.
                let half = &text[..text.len() / 2];
                assert!(
                    half.len() < 8 || !half.is_ascii() || !said.contains(half),
                    "{}: {said}",
                    self.name
                );
            }
        }
        assert!(!said.contains("evt_1"), "{}: the body is said: {said}", self.name);
        explanation
    }

    /// The mistake is found in a request that the provider signs with this key over this body.
    #[track_caller]
    fn finds(self, kinds: &[Kind], key: &[u8], signed: &[u8], secret: &str, received: &[u8]) {
        let explanation = self.explain(secret, &self.sign(key, signed), received);
        assert_eq!(explanation.kinds(), kinds, "{}: {explanation}", self.name);
        assert_eq!(explanation.kind(), kinds[0]);
        assert!(explanation.is_certain());
    }
}

fn with_crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}

fn printed(indent: &str) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_str(BODY).unwrap();
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    serde::Serialize::serialize(&value, &mut serializer).unwrap();
    text
}

#[cfg(feature = "gzip")]
fn gzipped(level: u32) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(BODY.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Each with the body that was signed and the one that came.
fn bodies() -> Vec<(Kind, Vec<u8>, Vec<u8>)> {
    let spaced = r#"{"a": [1, 2], "id": "evt_1"}"#;
    let compact = r#"{"a":[1,2],"id":"evt_1"}"#;
    let escaped = BODY.replace('/', r"\/").replace('é', r"\u00e9");
    let html = BODY.replace('<', r"\u003c").replace('>', r"\u003e");
    let lines = "{\n\"id\":\"evt_1\"\n}\n";
    let bom = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let text = |text: &str| text.as_bytes().to_vec();
    let newline = format!("{BODY}\n");
    let mojibake: String = BODY.bytes().map(char::from).collect();
    vec![
        (Kind::BodyReserialized, text(compact), text(spaced)),
        (Kind::BodyReserialized, text(spaced), text(compact)),
        (Kind::BodyReserialized, text(compact), printed_of(compact)),
        (Kind::BodyReserialized, printed_of(compact), text(compact)),
        (Kind::BodyReserialized, text(&escaped), text(BODY)),
        (Kind::BodyReserialized, text(BODY), text(&escaped)),
        (Kind::BodyReserialized, text(&html), text(BODY)),
        (Kind::BodyReserialized, text(&format!("{compact}\n")), text(spaced)),
        (Kind::BodyWhitespace, text(BODY), text(&newline)),
        (Kind::BodyWhitespace, text(&newline), text(BODY)),
        (Kind::BodyWhitespace, text(BODY), text(&format!("{BODY}\r\n"))),
        (Kind::BodyWhitespace, text(&format!("{BODY}\r\n")), text(BODY)),
        (Kind::BodyWhitespace, text(BODY), text(&format!("{BODY} \n\n"))),
        (Kind::BodyWhitespace, text(lines), text(&with_crlf(lines))),
        (Kind::BodyWhitespace, text(&with_crlf(lines)), text(lines)),
        (Kind::BodyText, text(BODY), bom(BODY)),
        (Kind::BodyText, bom(BODY), text(BODY)),
        (Kind::BodyText, text(BODY), text(&mojibake)),
        (Kind::BodyByte, text(BODY), text(&format!("{BODY}x"))),
        (Kind::BodyByte, text(BODY), text(&BODY[..BODY.len() - 1])),
        #[cfg(feature = "gzip")]
        (Kind::BodyCompressed, text(BODY), gzipped(6)),
        #[cfg(feature = "gzip")]
        (Kind::BodyDecompressed, gzipped(6), text(BODY)),
        #[cfg(feature = "gzip")]
        (Kind::BodyDecompressed, gzipped(9), text(BODY)),
    ]
}

fn printed_of(text: &str) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    serde_json::to_vec_pretty(&value).unwrap()
}

#[test]
fn each_change_of_the_body_is_named_for_every_provider() {
    for provider in PROVIDERS {
        for (kind, signed, received) in bodies() {
            provider.finds(&[kind], &provider.key(), &signed, SECRET, &received);
        }
        // indented by 4, as it came or as it was signed; keys in another order are what nobody can
        // undo
        let sorted: serde_json::Value = serde_json::from_str(BODY).unwrap();
        let sorted = sorted.to_string();
        let four = printed("    ");
        let kinds = [Kind::BodyReserialized];
        provider.finds(&kinds, &provider.key(), sorted.as_bytes(), SECRET, &four);
        provider.finds(&kinds, &provider.key(), &four, SECRET, sorted.as_bytes());
    }
}

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

/// Indented, with the keys in their order: `serde_json`'s values sort them.
fn printed_in_order() -> Vec<u8> {
    BODY.replace(",\"", ",\n  \"").replace("\":", "\": ").into_bytes()
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

/// Whatever a stranger sends, a search ends, and soon: the bound is on work, and this is what takes
/// most of it.
#[test]
fn a_search_is_bounded() {
    let nested = "[".repeat(100_000) + &"]".repeat(100_000);
    let large = vec![b'x'; 8 << 20];
    let mut many = HeaderMap::new();
    for index in 0..200 {
        let name: HeaderName = format!("x-signature-{index}").parse().unwrap();
        many.insert(
            name,
            format!("{index:064x},{index:064x},{index:0128x}").parse().unwrap(),
        );
    }
    many.extend(PLAIN.sign(b"another secret", BODY.as_bytes()));
    for body in [nested.as_bytes(), &large, b"\x1f\x8b\x08", BODY.as_bytes()] {
        let explanation = PLAIN.explain(SECRET, &many, body);
        assert!(!explanation.is_certain());
    }
    let stopped = PLAIN.explain(SECRET, &many, &large).to_string();
    assert!(stopped.contains("the search stopped at its limit"), "{stopped}");
    let mut said = String::new();
    write!(said, "{}", PLAIN.explain(SECRET, &many, BODY.as_bytes())).unwrap();
    assert!(!said.contains("stopped"), "{said}");
}

/// A megabyte of zeros is a kilobyte of gzip: what it stands for is not written beyond the bound.
#[cfg(feature = "gzip")]
#[test]
fn a_body_that_stands_for_a_large_one_is_not_unpacked() {
    use std::io::Write as _;
    let zeros = vec![0; 16 << 20];
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(&zeros).unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 64 << 10);
    let explanation = PLAIN.explain(SECRET, &PLAIN.sign(SECRET.as_bytes(), &zeros), &bomb);
    assert_eq!(explanation.kind(), Kind::BodyCompressed);
    assert!(!explanation.is_certain());
}

#[cfg(all(feature = "memory", feature = "test-util", feature = "tracing"))]
mod switch {
    use http::StatusCode;
    use tower_webhook::{Delivery, HandlerError, signature::SecretError};

    use super::*;
    use crate::{
        endpoint::{Builder, Endpoint, Event, event, secrets, signature, signed, with_body},
        logs::Capture,
    };

    async fn succeed(_: Delivery<Event>) -> Result<(), HandlerError> {
        Ok(())
    }

    fn endpoint(settings: impl FnOnce(Builder) -> Builder) -> Endpoint {
        Endpoint::with(succeed, settings)
    }

    /// A request whose body has a newline more than was signed.
    async fn refuse(endpoint: &Endpoint) {
        let body = event("1");
        let received = http_body_util::Full::from(format!("{body}\n"));
        let answer = endpoint.send(with_body(signature(body.as_bytes()), received)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.body.contains("newline"), "{}", answer.body);
        // The explanation works on a thread of its own; a paused clock waits for it.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    fn explained(capture: &Capture) -> usize {
        capture
            .text()
            .matches("the signature matches the body without its last newline")
            .count()
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_explained_in_the_log_and_at_most_at_the_rate() -> Result<(), SecretError> {
        let capture = Capture::start();
        let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
        for _ in 0..10 {
            refuse(&endpoint).await;
        }
        assert_eq!(explained(&capture), 3);
        assert!(
            capture.text().contains("a signature from dwolla was refused"),
            "{}",
            capture.text()
        );
        assert!(capture.text().contains("WARN"));

        tokio::time::advance(Duration::from_secs(58)).await;
        refuse(&endpoint).await;
        assert_eq!(explained(&capture), 3);
        tokio::time::advance(Duration::from_secs(2)).await;
        for _ in 0..10 {
            refuse(&endpoint).await;
        }
        assert_eq!(explained(&capture), 6);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_not_explained_unless_it_is_switched_on() {
        let capture = Capture::start();
        refuse(&endpoint(|builder| builder)).await;
        assert!(!capture.text().contains("was refused"), "{}", capture.text());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_refused_for_its_headers_is_explained_without_its_body() {
        let capture = Capture::start();
        let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
        let mut request = signed(event("1"));
        let value = request.headers_mut().remove("x-request-signature-sha-256").unwrap();
        request.headers_mut().insert("x-signature", value.clone());
        assert_eq!(endpoint.send(request).await.status, StatusCode::UNAUTHORIZED);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let text = capture.text();
        assert!(
            text.contains("x-signature holds what looks like a tag; the body was not read"),
            "{text}"
        );
        assert!(!text.contains(value.to_str().unwrap()), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_any_tag_is_explained_without_counts() {
        let capture = Capture::start();
        let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
        let mut request = signed(event("1"));
        request.headers_mut().remove("x-request-signature-sha-256").unwrap();
        assert_eq!(endpoint.send(request).await.status, StatusCode::UNAUTHORIZED);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let text = capture.text();
        assert!(text.contains("(known: the body was not read)"), "{text}");
    }

    /// Several endpoints of one provider can have the switch on.
    #[tokio::test(start_paused = true)]
    async fn an_explanation_says_of_which_endpoint_it_is() {
        let capture = Capture::start();
        refuse(&endpoint(|builder| {
            builder.namespace("tenant-7").explain_refusals(secrets(), 3)
        }))
        .await;
        let text = capture.text();
        let explanation = text.split_once("was refused").unwrap().1;
        assert!(explanation.contains(r#"namespace="tenant-7""#), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_accepted_request_is_not_explained() {
        let capture = Capture::start();
        let endpoint = endpoint(|builder| builder.explain_refusals(secrets(), 3));
        endpoint.deliver("1").await.assert_acknowledged();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!capture.text().contains("was refused"), "{}", capture.text());
    }

    #[test]
    fn a_rate_of_none_is_refused() {
        use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
        let error = WebhookLayer::builder(Dwolla::new(secrets()).unwrap(), MemoryStore::new())
            .explain_refusals(secrets(), 0)
            .build()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "explain_refusals may explain 0 refusals a minute, so it would explain none; expected more"
        );
    }

    #[test]
    fn another_endpoint_to_try_is_refused_where_nothing_is_explained() {
        use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla, github};
        let builder = || {
            WebhookLayer::builder(Dwolla::new(secrets()).unwrap(), MemoryStore::new()).explain_also(
                "github",
                github::scheme(),
                secrets(),
            )
        };
        assert_eq!(
            builder().build().unwrap_err().to_string(),
            "explain_also is set without explain_refusals, so it would explain nothing; expected both"
        );
        assert!(builder().explain_refusals(secrets(), 1).build().is_ok());
    }
}
