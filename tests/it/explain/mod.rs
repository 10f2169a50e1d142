//! The usual mistakes, of several providers: each is found and named, and no secret or tag is ever
//! said.

mod bodies;
#[cfg(all(feature = "memory", feature = "test-util", feature = "tracing"))]
mod explain_refusals;
mod headers_and_times;
mod secrets;

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

/// Indented, with the keys in their order: `serde_json`'s values sort them.
fn printed_in_order() -> Vec<u8> {
    BODY.replace(",\"", ",\n  \"").replace("\":", "\": ").into_bytes()
}
