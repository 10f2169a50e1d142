//! What of a request its signature covers, as a table for each provider; all else may be anything,
//! and nothing of it has a say in how the request is verified.

#![cfg(test)] // for clippy

use http::{Method, Request, Uri};
use tower::ServiceExt as _;
use tower_webhook::signature::SignatureErrorKind as Kind;

use super::{
    verifier_endpoint::{UNIFORM, VerifierEndpoint},
    *,
};
use crate::endpoint::Answer;

const BODY: &[u8] = br#"{"id":"1","type":"a.b","event":"c"}"#;

/// What a provider's requests say, and whether it is signed.
struct Covers {
    provider: &'static str,
    /// Parts whose every change is refused.
    signed: &'static [&'static str],
    /// Headers that it sends, with their values in a usual request. They may also be missing.
    unsigned: &'static [(&'static str, &'static str)],
    /// Headers of the same provider that look like its signature and are not looked at.
    ignored: &'static [(&'static str, &'static str)],
}

const NO_TAG: &str = "0000000000000000000000000000000000000000";

const TABLE: [Covers; 12] = [
    Covers {
        provider: "dwolla",
        signed: &["x-request-signature-sha-256", "body"],
        unsigned: &[
            ("x-dwolla-topic", "customer_created"),
            ("user-agent", "dwolla-webhooks/1.1"),
        ],
        // the older name of the same header, where the newer one is there
        ignored: &[("x-request-signature", NO_TAG)],
    },
    Covers {
        provider: "example",
        signed: &["x-webhook-signature", "body"],
        unsigned: &[("x-webhook-id", "wh_1"), ("x-webhook-event", "a.b")],
        ignored: &[],
    },
    Covers {
        provider: "github",
        signed: &["x-hub-signature-256", "body"],
        unsigned: &[
            ("x-github-event", "issues"),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-github-hook-id", "30"),
            ("x-github-hook-installation-target-type", "repository"),
            ("x-github-hook-installation-target-id", "660011223"),
            ("user-agent", "GitHub-Hookshot/044aadd"),
        ],
        ignored: &[("x-hub-signature", "sha1=0000000000000000000000000000000000000000")],
    },
    Covers {
        provider: "linear",
        signed: &["linear-signature", "body"],
        unsigned: &[
            ("linear-event", "Issue"),
            ("linear-delivery", "234d1a4e-b617-4388-90fe-adc3633d6b72"),
            ("linear-timestamp", "1700000000000"),
        ],
        ignored: &[],
    },
    Covers {
        provider: "shopify",
        signed: &["x-shopify-hmac-sha256", "body"],
        unsigned: &[
            ("x-shopify-topic", "orders/create"),
            ("x-shopify-shop-domain", "a.myshopify.com"),
            ("x-shopify-event-id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            ("x-shopify-webhook-id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            ("x-shopify-triggered-at", "2023-11-14T22:13:20.120Z"),
            ("x-shopify-api-version", "2026-04"),
        ],
        ignored: &[],
    },
    Covers {
        // The address is signed, but as it was configured, not as the request says it.
        provider: "square",
        signed: &["x-square-hmacsha256-signature", "body"],
        unsigned: &[
            ("square-environment", "Production"),
            ("square-initial-delivery-timestamp", "2023-11-14T22:13:20Z"),
            ("square-retry-number", "1"),
            ("square-retry-reason", "http_timeout"),
        ],
        ignored: &[("x-square-signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")],
    },
    Covers {
        provider: "stripe",
        signed: &["stripe-signature", "time", "body"],
        unsigned: &[("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")],
        ignored: &[],
    },
    Covers {
        provider: "paddle",
        signed: &["paddle-signature", "time", "body"],
        unsigned: &[("paddle-version", "1"), ("user-agent", "Paddle")],
        ignored: &[("p_signature", "AAAA")],
    },
    Covers {
        provider: "slack",
        signed: &["x-slack-signature", "time", "body"],
        unsigned: &[
            ("x-slack-retry-num", "1"),
            ("x-slack-retry-reason", "http_timeout"),
            ("user-agent", "Slackbot 1.0 (+https://api.slack.com/robots)"),
        ],
        ignored: &[],
    },
    Covers {
        provider: "zoom",
        signed: &["x-zm-signature", "time", "body"],
        unsigned: &[
            ("x-zm-request-id", "a1b2"),
            ("x-zm-trackingid", "c3d4"),
            ("clientid", "e5f6"),
            ("authorization", "the old verification token"),
        ],
        ignored: &[],
    },
    Covers {
        provider: "standard-webhooks",
        signed: &["webhook-signature", "id", "time", "body"],
        unsigned: &[],
        ignored: &[
            ("svix-signature", "v1,AAAA"),
            ("svix-id", "msg_2"),
            ("svix-timestamp", "1"),
        ],
    },
    Covers {
        provider: "svix",
        signed: &["svix-signature", "id", "time", "body"],
        unsigned: &[("user-agent", "Svix-Webhooks/1.40")],
        // the other set of names, where the first one is there
        ignored: &[
            ("webhook-signature", "v1,AAAA"),
            ("webhook-id", "msg_2"),
            ("webhook-timestamp", "1"),
        ],
    },
];

/// What every request says.
const ALWAYS: [(&str, &str); 6] = [
    ("host", "example.com"),
    ("content-type", "application/json"),
    ("accept", "*/*"),
    ("x-forwarded-host", "example.com"),
    ("x-forwarded-proto", "https"),
    ("forwarded", "host=example.com;proto=https"),
];

fn rows() -> impl Iterator<Item = (Described, &'static Covers)> {
    providers().into_iter().map(|provider| {
        let row = TABLE.iter().find(|row| row.provider == provider.name);
        (provider, row.unwrap_or_else(|| panic!("no row for {}", provider.name)))
    })
}

/// A usual request.
struct Usual {
    endpoint: VerifierEndpoint,
    row: &'static Covers,
    headers: HeaderMap,
}

fn usual() -> impl Iterator<Item = Usual> {
    rows().map(|(provider, row)| {
        let mut headers = provider.headers(&provider.now(BODY)).unwrap();
        for (name, value) in row.unsigned.iter().chain(&ALWAYS) {
            headers.append(*name, HeaderValue::from_static(value));
        }
        let endpoint = VerifierEndpoint::of(provider);
        Usual { endpoint, row, headers }
    })
}

#[test]
fn the_table_is_of_all_providers_and_says_what_their_schemes_say() {
    assert_eq!(providers().len(), TABLE.len());
    for (provider, row) in rows() {
        let mut signed = vec![provider.header];
        signed.extend(provider.id.map(|_| "id"));
        signed.extend(provider.tolerance().map(|_| "time"));
        signed.push("body");
        assert_eq!(row.signed, signed, "{}", row.provider);
        // The names under which a tag is looked for, and no others.
        let mut names = vec![provider.header];
        match row.provider {
            "dwolla" => names.push("x-request-signature"),
            "svix" => names.push("webhook-signature"),
            "shopify" => names.push("shopify-hmac-sha256"),
            _ => {}
        }
        assert_eq!((provider.scheme)().headers(), names, "{}", row.provider);
    }
}

#[tokio::test]
async fn whatever_is_signed_cannot_be_changed() {
    for Usual { endpoint, row, headers } in usual() {
        let provider = endpoint.provider;
        endpoint.accept("as it is", &headers, BODY).await;
        let tag = provider.tag(b"msg_1", NOW.to_string().as_bytes(), BODY);
        for part in row.signed {
            let mut changed = headers.clone();
            let mut body = BODY.to_vec();
            match (*part, provider.time) {
                ("body", _) => body[7] = b'2',
                ("id", _) => drop(changed.insert(provider.id.unwrap(), HeaderValue::from_static("msg_2"))),
                ("time", Time::Header(name, _)) => drop(changed.insert(name, HeaderValue::from(NOW + 1))),
                ("time", _) => {
                    let value = provider.value((NOW + 1).to_string().as_bytes(), tag.as_bytes());
                    changed.insert(provider.header, HeaderValue::from_bytes(&value).unwrap());
                }
                _ => {
                    let value = provider.value(NOW.to_string().as_bytes(), provider.write(&[7; 32]).as_bytes());
                    changed.insert(provider.header, HeaderValue::from_bytes(&value).unwrap());
                }
            }
            endpoint.refuse(part, &changed, &body, Kind::Mismatch).await;
        }
    }
}

#[tokio::test]
async fn whatever_is_not_signed_may_be_anything_and_steers_nothing() {
    for Usual { endpoint, row, headers } in usual() {
        let names = || row.unsigned.iter().chain(&ALWAYS).map(|(name, _)| *name);
        for name in names() {
            let mut without = headers.clone();
            without.remove(name);
            endpoint.accept(&format!("no {name}"), &without, BODY).await;
            for value in ["", "another", "0", "sha1", "none", "*"] {
                let mut changed = headers.clone();
                changed.insert(name, HeaderValue::from_static(value));
                endpoint.accept(&format!("{name}: {value}"), &changed, BODY).await;
            }
            let mut twice = headers.clone();
            twice.append(name, HeaderValue::from_static("another"));
            endpoint.accept(&format!("{name} twice"), &twice, BODY).await;
        }
        // And without any of it.
        let mut bare = headers.clone();
        names().for_each(|name| drop(bare.remove(name)));
        endpoint.accept("bare", &bare, BODY).await;
        // Nor does any of it make a wrong tag right.
        let mut other = BODY.to_vec();
        other[7] = b'2';
        for name in names() {
            for value in ["", "another", "sha1", "none"] {
                let mut changed = headers.clone();
                changed.insert(name, HeaderValue::from_static(value));
                endpoint
                    .refuse(&format!("{name}: {value}"), &changed, &other, Kind::Mismatch)
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn headers_that_look_like_a_signature_replace_none() {
    for Usual { endpoint, row, headers } in usual() {
        let mut all = headers.clone();
        for (name, value) in row.ignored {
            let mut with = headers.clone();
            with.insert(*name, HeaderValue::from_static(value));
            all.insert(*name, HeaderValue::from_static(value));
            endpoint.accept(name, &with, BODY).await;
        }
        endpoint.accept("all of them", &all, BODY).await;
        // Nor is the provider's own tag one under such a name, where it is not the provider's
        // second name for it.
        if let Some((name, _)) = row.ignored.first() {
            let mut moved = headers.clone();
            let right = moved.remove(endpoint.provider.header).unwrap();
            moved.insert(*name, right);
            if row.provider == "dwolla" {
                endpoint.accept(name, &moved, BODY).await;
            } else {
                endpoint.refuse(name, &moved, BODY, Kind::Missing).await;
            }
        }
        // Without the provider's own they are none, or a wrong one.
        all.remove(endpoint.provider.header);
        endpoint.refuse_for_any("without its own", &all, BODY).await;
        // Nor are the other providers', signed with the same secret.
        for other in providers()
            .into_iter()
            .filter(|other| other.header != endpoint.provider.header)
        {
            if (endpoint.provider.name, other.name) == ("svix", "standard-webhooks") {
                continue; // one scheme under two sets of names
            }
            let theirs = other.headers(&other.now(BODY)).unwrap();
            endpoint.refuse(other.name, &theirs, BODY, Kind::Missing).await;
        }
    }
}

#[tokio::test]
async fn the_address_of_a_request_is_not_what_is_signed() {
    for Usual { endpoint, headers, .. } in usual() {
        let send = async |method: Method, uri: &'static str, body: &[u8]| {
            let mut request: Request<_> = super::request(headers.clone(), body);
            *request.method_mut() = method;
            *request.uri_mut() = Uri::from_static(uri);
            Answer::of(endpoint.service().oneshot(request).await.unwrap()).await
        };
        for uri in [
            "/",
            "/another/path",
            "/webhooks?secret=x&algorithm=none",
            "/webhooks#a",
            "https://example.org/webhooks",
            SQUARE_URL,
            "*",
        ] {
            let answer = send(Method::POST, uri, BODY).await;
            assert_eq!(answer.status.as_u16(), 200, "{}: {uri}", endpoint.provider.name);
            let refused = send(Method::POST, uri, b"{}").await;
            assert_eq!((refused.status.as_u16(), refused.body.as_str()), (401, UNIFORM));
        }
        assert_eq!(endpoint.runs(), 1, "the same body is one event, wherever it goes");
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            assert_eq!(send(method, "/", BODY).await.status.as_u16(), 405);
        }
    }
}

// ---- one provider with two sets of names ----

fn svix() -> Described {
    providers()
        .into_iter()
        .find(|provider| provider.name == "svix")
        .unwrap()
}

#[tokio::test]
async fn svixs_other_names_are_read_where_its_own_are_absent_and_never_mixed() {
    let provider = svix();
    let endpoint = VerifierEndpoint::of(provider);
    let own = provider.headers(&provider.now(BODY)).unwrap();
    let renamed = |names: &[&str]| -> HeaderMap {
        own.iter()
            .map(|(name, value)| {
                let other = name.as_str().replace("svix-", "webhook-");
                let name = if names.contains(&name.as_str()) {
                    HeaderName::from_bytes(other.as_bytes()).unwrap()
                } else {
                    name.clone()
                };
                (name, value.clone())
            })
            .collect()
    };
    let (tag, id, time) = ("svix-signature", "svix-id", "svix-timestamp");
    endpoint.accept("its own", &own, BODY).await;
    endpoint.accept("the others", &renamed(&[tag, id, time]), BODY).await;
    for mixed in [&[tag][..], &[id], &[time], &[tag, id], &[tag, time], &[id, time]] {
        let what = format!("others for {mixed:?}");
        endpoint.refuse(&what, &renamed(mixed), BODY, Kind::Missing).await;
    }
    // Both sets, and the second is another request's: the first counts.
    let other = Claims {
        id: b"msg_2".to_vec(),
        ..provider.now(b"other")
    };
    let mut both = renamed(&[tag, id, time]);
    for (name, value) in provider.headers(&other).unwrap() {
        both.insert(name.unwrap(), value);
    }
    endpoint.refuse("two sets", &both, BODY, Kind::Mismatch).await;
    // With a first set that is right the second says nothing, also of the id.
    let mut both = own.clone();
    for (name, value) in [
        ("webhook-signature", "v1,AAAA"),
        ("webhook-id", "msg_2"),
        ("webhook-timestamp", "1"),
    ] {
        both.insert(name, HeaderValue::from_static(value));
    }
    endpoint.accept("two sets, the first right", &both, BODY).await;
    assert_eq!((provider.scheme)().signed_id(&both), Some("msg_1"));
    assert_eq!((provider.scheme)().signed_id(&renamed(&[tag, id, time])), Some("msg_1"));
}
