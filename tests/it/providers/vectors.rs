//! The published vectors through the whole layer, and every bit of them the other way round.

#![cfg(test)] // for clippy

use std::collections::BTreeMap;

use serde::Deserialize;
use tower::ServiceExt as _;
use tower_webhook::{TopicRouter, WebhookLayer, testing::ManualClock};

use super::{
    verifier_endpoint::{VerifierEndpoint, calls, store},
    *,
};
use crate::endpoint::Answer;

#[derive(Deserialize)]
struct Vector {
    provider: String,
    secret: String,
    body: String,
    headers: BTreeMap<String, String>,
    /// In seconds since 1970, where the provider signs a time.
    now: Option<u64>,
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("../../fixtures/providers/vectors.json")).unwrap()
}

impl Vector {
    fn provider(&self) -> Option<Described> {
        providers().into_iter().find(|provider| provider.name == self.provider)
    }

    fn now(&self) -> SystemTime {
        at(self.now.unwrap_or(NOW))
    }

    fn headers(&self) -> HeaderMap {
        let all = self.headers.iter();
        all.map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap()))
            .collect()
    }
}

/// The vectors with their providers. None is left out.
fn all() -> impl Iterator<Item = (Vector, Described)> {
    vectors().into_iter().map(|vector| {
        let provider = vector.provider();
        let name = vector.provider.clone();
        (vector, provider.unwrap_or_else(|| panic!("{name} is not in the table")))
    })
}

#[test]
fn there_are_vectors_of_seven_providers() {
    let named: Vec<_> = vectors().into_iter().map(|vector| vector.provider).collect();
    let expected = [
        "standard-webhooks",
        "stripe",
        "github",
        "slack",
        "paddle",
        "square",
        "dwolla",
    ];
    assert_eq!(named, expected);
}

#[tokio::test]
async fn a_published_request_is_accepted_by_the_whole_layer_and_its_handler_runs() {
    for (vector, provider) in all() {
        let endpoint = VerifierEndpoint::with(provider, &vector.secret, vector.now());
        endpoint
            .accept("the vector", &vector.headers(), vector.body.as_bytes())
            .await;
    }
}

#[test]
fn signing_a_published_body_gives_the_published_headers() {
    for (vector, provider) in all() {
        let secrets = Secrets::new(vector.secret.as_str()).unwrap();
        let id = provider.id.map_or("", |name| vector.headers[name].as_str());
        let scheme = (provider.scheme)();
        let signed = scheme
            .sign_at(&secrets, id, vector.now(), vector.body.as_bytes())
            .unwrap();
        let mut published = vector.headers();
        if provider.name == "stripe" {
            // Stripe's own tests put an item of an older form behind it, which is not signed again.
            let value = published[provider.header].to_str().unwrap();
            let value = value.split(",v0=").next().unwrap().parse().unwrap();
            published.insert(provider.header, value);
        }
        assert_eq!(signed, published, "{}", provider.name);
    }
}

#[tokio::test]
async fn a_published_event_is_one_for_the_providers_own_type() {
    async fn runs<P: Provider>(provider: P, vector: &Vector, topic: &'static str) {
        let (runs, _) = tokio::sync::watch::channel(0);
        let counted = runs.clone();
        let topics = TopicRouter::new().on(topic, move |_: P::Event| {
            counted.send_modify(|runs| *runs += 1);
            std::future::ready(())
        });
        let service = WebhookLayer::builder(provider, store())
            .clock(ManualClock::at(vector.now()))
            .build()
            .unwrap()
            .topics(topics);
        for _ in 0..2 {
            let request = request(vector.headers(), vector.body.as_bytes());
            let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
            assert_eq!(
                (answer.status.as_u16(), *runs.borrow()),
                (200, 1),
                "{}",
                vector.provider
            );
        }
    }
    for vector in vectors() {
        let secret = vector.secret.as_str();
        match vector.provider.as_str() {
            "square" => {
                let square = Square::new(SQUARE_URL, secret).unwrap();
                runs(square, &vector, "webhooks.test_notification").await
            }
            "stripe" => runs(Stripe::new(secret).unwrap(), &vector, "invoiceitem.created").await,
            "dwolla" => runs(Dwolla::new(secret).unwrap(), &vector, "customer_transfer_created").await,
            _ => {}
        }
    }
}

/// Each single bit of these bytes the other way round.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}

#[tokio::test]
async fn each_bit_of_a_published_requests_headers_matters() {
    for (vector, provider) in all() {
        let endpoint = VerifierEndpoint::with(provider, &vector.secret, vector.now());
        let right = vector.headers();
        let body = vector.body.as_bytes();
        for (name, value) in &right {
            // Stripe's item of an older form is not signed and ignored.
            let value = value.as_bytes();
            let signed = value.windows(4).position(|four| four == b",v0=").unwrap_or(value.len());
            for (bit, mut flipped) in flips(&value[..signed]) {
                flipped.extend_from_slice(&value[signed..]);
                // What is no header's value no server hands on.
                let Ok(flipped) = HeaderValue::from_bytes(&flipped) else {
                    continue;
                };
                let mut headers = right.clone();
                headers.insert(name, flipped);
                endpoint
                    .refuse_for_any(&format!("bit {bit} of {name}"), &headers, body)
                    .await;
            }
        }
        endpoint.assert_untouched();
    }
}

#[tokio::test]
async fn each_bit_of_a_published_body_matters() {
    for (vector, provider) in all() {
        let endpoint = VerifierEndpoint::with(provider, &vector.secret, vector.now());
        let headers = vector.headers();
        for (bit, flipped) in flips(vector.body.as_bytes()) {
            let answer = endpoint.send(&headers, &flipped).await;
            assert_eq!(answer.status.as_u16(), 401, "{}: bit {bit} of the body", provider.name);
            assert_eq!(answer.body, super::verifier_endpoint::UNIFORM);
        }
        endpoint.assert_untouched();
        assert_eq!(calls(&endpoint.store), 0);
    }
}

#[tokio::test]
async fn a_published_request_is_of_its_own_provider_alone() {
    // Each vector to every other provider's endpoint, keyed with the vector's own secret where it
    // is one.
    for (vector, of) in all() {
        for provider in providers().into_iter().filter(|provider| provider.name != of.name) {
            if (provider.keyed)(&vector.secret).is_err() {
                continue;
            }
            let endpoint = VerifierEndpoint::with(provider, &vector.secret, vector.now());
            let answer = endpoint.send(&vector.headers(), vector.body.as_bytes()).await;
            // Svix is a Standard Webhooks provider under two sets of names.
            let same = (of.name, provider.name) == ("standard-webhooks", "svix");
            let expected = if same { 200 } else { 401 };
            assert_eq!(answer.status.as_u16(), expected, "{} to {}", of.name, provider.name);
            assert_eq!(endpoint.runs(), usize::from(same));
        }
    }
}
