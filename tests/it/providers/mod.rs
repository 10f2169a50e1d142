//! What must hold for the signature of every provider, from one table of them.
//!
//! The table repeats how each provider signs, and another HMAC signs the requests: also requests
//! that no provider sends, with a time in letters or a list of seventeen items, and the right tag
//! over it.

mod verifier_endpoint;
mod vectors;
mod times;
mod tags;
mod lists;
mod secrets;
mod round_trip;
mod rotate;
mod replays;
mod odd_but_legitimate;
mod adversary;
mod steering;
#[cfg(feature = "tracing")]
mod logged;
mod handshakes;
mod readers;
mod checklist;

use std::time::{Duration, SystemTime};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use tower_webhook::{
    custom::{Custom, FieldPath},
    dwolla::{self, Dwolla},
    github::{self, GitHub},
    linear::{self, Linear},
    paddle::{self, Paddle},
    provider::{DeliveryPolicy, Provider},
    shopify::{self, Shopify},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
    slack::{self, Slack},
    square::{self, Square},
    standard_webhooks::{self, StandardWebhooks},
    stripe::{self, Stripe},
    svix::{self, Svix},
    zoom::{self, Zoom},
};

/// The time of every clock here, in seconds since 1970.
const NOW: u64 = 1_700_000_000;

/// The URL of the published vector: Square signs it, and it is configured.
const SQUARE_URL: &str = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9";

/// A provider, as its documents describe it.
#[derive(Clone, Copy)]
struct Described {
    name: &'static str,
    scheme: fn() -> Scheme,
    /// What the provider's own type is keyed with.
    keyed: fn(&str) -> Result<Verifier, SecretError>,
    key: Key,
    header: &'static str,
    form: Form,
    text: Text,
    id: Option<&'static str>,
    time: Time,
    /// With `{id}`, `{time}` and `{body}`.
    content: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Key {
    AsIs,
    /// Base64 behind `whsec_`.
    Base64,
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// The tag after this text.
    Alone(&'static str),
    /// Items between separators, a tag behind this label.
    List(char, &'static str),
}

#[derive(Clone, Copy, PartialEq)]
enum Text {
    Hex,
    Base64,
}

#[derive(Clone, Copy, PartialEq)]
enum Time {
    Unsigned,
    /// In this header, and tolerated for so many seconds.
    Header(&'static str, u64),
    /// In the tag's list behind this label, and tolerated for so many seconds.
    Item(&'static str, u64),
}

fn keyed<P: Provider>(provider: Result<P, SecretError>) -> Result<Verifier, SecretError> {
    provider.map(|provider| provider.verifier().clone())
}

/// The provider of the generic guide, described as a user does it.
fn example_scheme() -> Scheme {
    let header = HeaderName::from_static("x-webhook-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="))
}

fn example(secrets: Secrets) -> Custom {
    Custom::builder("example", example_scheme())
        .secrets(secrets)
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .policy(DeliveryPolicy::new(
            Duration::from_secs(10),
            Duration::from_secs(8 * 3600),
        ))
        .build()
        .unwrap()
}

/// All of them.
fn providers() -> Vec<Described> {
    let dwolla = Described {
        name: "dwolla",
        scheme: dwolla::scheme,
        keyed: |secret| keyed(Dwolla::new(secret)),
        key: Key::AsIs,
        header: "x-request-signature-sha-256",
        form: Form::Alone(""),
        text: Text::Hex,
        id: None,
        time: Time::Unsigned,
        content: "{body}",
    };
    let standard_webhooks = Described {
        name: "standard-webhooks",
        scheme: standard_webhooks::scheme,
        keyed: |secret| keyed(StandardWebhooks::new(secret)),
        key: Key::Base64,
        header: "webhook-signature",
        form: Form::List(' ', "v1,"),
        text: Text::Base64,
        id: Some("webhook-id"),
        time: Time::Header("webhook-timestamp", 300),
        content: "{id}.{time}.{body}",
    };
    vec![
        dwolla,
        Described {
            name: "example",
            scheme: example_scheme,
            keyed: |secret| Ok(example(Secrets::new(secret)?).verifier().clone()),
            header: "x-webhook-signature",
            form: Form::Alone("sha256="),
            ..dwolla
        },
        Described {
            name: "github",
            scheme: github::scheme,
            keyed: |secret| keyed(GitHub::new(secret)),
            header: "x-hub-signature-256",
            form: Form::Alone("sha256="),
            ..dwolla
        },
        Described {
            name: "linear",
            scheme: linear::scheme,
            keyed: |secret| keyed(Linear::new(secret)),
            header: "linear-signature",
            ..dwolla
        },
        Described {
            name: "shopify",
            scheme: shopify::scheme,
            keyed: |secret| keyed(Shopify::new(secret)),
            header: "x-shopify-hmac-sha256",
            text: Text::Base64,
            ..dwolla
        },
        Described {
            name: "square",
            scheme: || square::scheme(SQUARE_URL),
            keyed: |secret| {
                let square = Square::new(SQUARE_URL, Secrets::new(secret)?);
                Ok(square.unwrap().verifier().clone())
            },
            header: "x-square-hmacsha256-signature",
            text: Text::Base64,
            content: "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9{body}",
            ..dwolla
        },
        Described {
            name: "stripe",
            scheme: stripe::scheme,
            keyed: |secret| keyed(Stripe::new(secret)),
            header: "stripe-signature",
            form: Form::List(',', "v1="),
            time: Time::Item("t=", 300),
            content: "{time}.{body}",
            ..dwolla
        },
        Described {
            name: "paddle",
            scheme: paddle::scheme,
            keyed: |secret| keyed(Paddle::new(secret)),
            header: "paddle-signature",
            form: Form::List(';', "h1="),
            time: Time::Item("ts=", 4 * 24 * 3600),
            content: "{time}:{body}",
            ..dwolla
        },
        Described {
            name: "slack",
            scheme: slack::scheme,
            keyed: |secret| keyed(Slack::new(secret)),
            header: "x-slack-signature",
            form: Form::Alone("v0="),
            time: Time::Header("x-slack-request-timestamp", 300),
            content: "v0:{time}:{body}",
            ..dwolla
        },
        Described {
            name: "zoom",
            scheme: zoom::scheme,
            keyed: |secret| keyed(Zoom::new(secret)),
            header: "x-zm-signature",
            form: Form::Alone("v0="),
            time: Time::Header("x-zm-request-timestamp", 2 * 3600),
            content: "v0:{time}:{body}",
            ..dwolla
        },
        standard_webhooks,
        Described {
            name: "svix",
            scheme: svix::scheme,
            keyed: |secret| keyed(Svix::new(secret)),
            header: "svix-signature",
            id: Some("svix-id"),
            time: Time::Header("svix-timestamp", 300),
            ..standard_webhooks
        },
    ]
}

/// A POST with these headers and this body.
fn request(headers: HeaderMap, body: &[u8]) -> Request<Full<Bytes>> {
    let mut request = Request::post("/webhooks")
        .body(Full::from(Bytes::copy_from_slice(body)))
        .unwrap();
    *request.headers_mut() = headers;
    request
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// What a request claims, piece by piece, so that each can be wrong alone.
#[derive(Clone, Debug)]
struct Claims {
    id: Vec<u8>,
    time: Vec<u8>,
    /// The value of the tag's header.
    value: Vec<u8>,
}

impl Described {
    /// The secret with this number, of a form that the provider gives out.
    fn secret(&self, number: u8) -> String {
        match self.key {
            Key::AsIs => format!("secret {number:03} of this provider"),
            Key::Base64 => format!("whsec_{}", STANDARD.encode([number; 24])),
        }
    }

    fn secrets(&self) -> Secrets {
        Secrets::new(self.secret(1)).unwrap()
    }

    /// HMAC-SHA256 over what this provider signs, by another implementation.
    fn mac(&self, secret: &str, id: &[u8], time: &[u8], body: &[u8]) -> Vec<u8> {
        let key = match self.key {
            Key::AsIs => secret.as_bytes().to_vec(),
            Key::Base64 => STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap(),
        };
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        ring::hmac::sign(&key, &self.signed_bytes(id, time, body))
            .as_ref()
            .to_vec()
    }

    fn signed_bytes(&self, id: &[u8], time: &[u8], body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = self.content;
        while let Some(letter) = rest.chars().next() {
            let parts: [(&str, &[u8]); 3] = [("{id}", id), ("{time}", time), ("{body}", body)];
            match parts.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, part)) => {
                    bytes.extend_from_slice(part);
                    rest = &rest[name.len()..];
                }
                None => {
                    bytes.push(u8::try_from(letter).unwrap());
                    rest = &rest[1..];
                }
            }
        }
        bytes
    }

    /// The tag as this provider writes it, under the secret number 1.
    fn tag(&self, id: &[u8], time: &[u8], body: &[u8]) -> String {
        self.write(&self.mac(&self.secret(1), id, time, body))
    }

    fn write(&self, mac: &[u8]) -> String {
        match self.text {
            Text::Hex => hex::encode(mac),
            Text::Base64 => STANDARD.encode(mac),
        }
    }

    /// The value of the tag's header, with this for the tag.
    fn value(&self, time: &[u8], tag: &[u8]) -> Vec<u8> {
        match (self.form, self.time) {
            (Form::Alone(prefix), _) => [prefix.as_bytes(), tag].concat(),
            (Form::List(separator, label), Time::Item(of_time, _)) => {
                let separator = [u8::try_from(separator).unwrap()];
                [of_time.as_bytes(), time, &separator, label.as_bytes(), tag].concat()
            }
            (Form::List(_, label), _) => [label.as_bytes(), tag].concat(),
        }
    }

    /// Right claims for this body, under the secret number 1.
    fn claims(&self, id: &[u8], time: &[u8], body: &[u8]) -> Claims {
        Claims {
            id: id.to_vec(),
            time: time.to_vec(),
            value: self.value(time, self.tag(id, time, body).as_bytes()),
        }
    }

    /// Right claims for this body, now.
    fn now(&self, body: &[u8]) -> Claims {
        self.claims(b"msg_1", NOW.to_string().as_bytes(), body)
    }

    /// The claims as headers; `None` where no server would hand one of them on.
    fn headers(&self, claims: &Claims) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &[u8]| {
            headers.append(name, HeaderValue::from_bytes(value).ok()?);
            Some(())
        };
        if let Some(name) = self.id {
            put(name, &claims.id)?;
        }
        if let Time::Header(name, _) = self.time {
            put(name, &claims.time)?;
        }
        put(self.header, &claims.value)?;
        Some(headers)
    }

    fn tolerance(&self) -> Option<u64> {
        match self.time {
            Time::Unsigned => None,
            Time::Header(_, seconds) | Time::Item(_, seconds) => Some(seconds),
        }
    }
}

#[test]
fn the_table_knows_each_provider_as_the_crate_does() {
    for provider in providers() {
        let scheme = (provider.scheme)();
        let verifier = (provider.keyed)(&provider.secret(1)).unwrap();
        assert_eq!(verifier.scheme(), Some(&scheme), "{}", provider.name);
        assert_eq!(scheme.headers()[0], provider.header, "{}", provider.name);
        assert_eq!(scheme.signs_id(), provider.id.is_some(), "{}", provider.name);
        assert_eq!(
            scheme.signs_timestamp(),
            provider.tolerance().is_some(),
            "{}",
            provider.name
        );

        let body = br#"{"a body":1}"#;
        let signed = scheme.sign_at(&provider.secrets(), "msg_1", at(NOW), body).unwrap();
        assert_eq!(
            signed,
            provider.headers(&provider.now(body)).unwrap(),
            "{}",
            provider.name
        );
    }
}
