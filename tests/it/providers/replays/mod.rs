//! One body again under other headers: a new event where the provider's id says so, and none in
//! strict mode.

#![cfg(test)] // for clippy

mod github;
mod linear;
mod shopify;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_webhook::{
    RefusalKind, TopicRouter, WebhookLayer,
    event::Event as _,
    layer::{WebhookLayerBuilder, WebhookService},
    testing::ManualClock,
};

use super::{
    verifier_endpoint::{Store, UNIFORM, calls, store},
    *,
};
use crate::endpoint::Answer;

type Seen = Arc<Mutex<Vec<String>>>;

/// A provider's own type behind the whole layer; its one handler notes topics.
pub(super) struct Endpoint<P: Provider> {
    scheme: Scheme,
    service: WebhookService<P, Store, TopicRouter<P::Event>>,
    pub(super) clock: ManualClock,
    pub(super) store: Store,
    seen: Seen,
}

impl<P: Provider> Endpoint<P> {
    /// Everything to the fallback.
    pub(super) fn new(provider: P) -> Self {
        Self::on(provider, &[])
    }

    /// These topics to a handler of their own, everything else to the fallback.
    pub(super) fn on(provider: P, topics: &[&'static str]) -> Self {
        Self::with(provider, topics, |builder| builder)
    }

    /// What is signed alone tells events apart.
    fn strict(provider: P) -> Self {
        Self::with(provider, &[], WebhookLayerBuilder::strict_identity)
    }

    fn with(
        provider: P,
        topics: &[&'static str],
        settings: impl FnOnce(WebhookLayerBuilder<P, Store>) -> WebhookLayerBuilder<P, Store>,
    ) -> Self {
        let seen = Seen::default();
        let note = |what: &'static str| {
            let seen = Arc::clone(&seen);
            move |event: P::Event| {
                seen.lock().unwrap().push(format!("{what}{}", event.topic()));
                std::future::ready(())
            }
        };
        let router = topics
            .iter()
            .fold(TopicRouter::new().fallback(note("")), |router, topic| {
                router.on(*topic, note("named: "))
            });
        let (clock, store) = (ManualClock::at(at(NOW)), store());
        let scheme = provider.verifier().scheme().unwrap().clone();
        let layer = settings(WebhookLayer::builder(provider, store.clone()).clock(clock.clone()))
            .build()
            .unwrap();
        Self {
            scheme,
            service: layer.topics(router),
            clock,
            store,
            seen,
        }
    }

    pub(super) async fn send(&self, headers: HeaderMap, body: &[u8]) -> Answer {
        let request = request(headers, body);
        Answer::of(self.service.clone().oneshot(request).await.unwrap()).await
    }

    /// Signs the body now and sends it with these headers, which are not signed.
    pub(super) async fn post(&self, body: &[u8], unsigned: &[(&'static str, &str)]) -> Answer {
        let now = tower_webhook::clock::Clock::now(&self.clock);
        let secrets = Secrets::new(SECRET).unwrap();
        let mut headers = self.scheme.sign_at(&secrets, "msg_1", now, body).unwrap();
        for (name, value) in unsigned {
            headers.append(*name, value.parse().unwrap());
        }
        self.send(headers, body).await
    }

    pub(super) fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Refused as unsigned, and nothing has heard of it.
    #[track_caller]
    pub(super) fn assert_unauthorized(&self, answer: &Answer) {
        answer.assert_refused(401, RefusalKind::Signature);
        assert_eq!(answer.body, UNIFORM);
    }

    /// Neither store nor handler has heard of anything.
    #[track_caller]
    pub(super) fn assert_untouched(&self) {
        assert_eq!(calls(&self.store), 0);
        assert!(self.seen().is_empty(), "{:?}", self.seen());
    }
}

pub(super) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

// ---- GitHub ----

#[tokio::test]
async fn one_slack_event_id_of_two_apps_is_two_events() {
    let endpoint = Endpoint::new(Slack::new(SECRET).unwrap());
    for app in ["A1", "A2", "A1"] {
        let body = json!({
            "api_app_id": app,
            "event_id": "Ev1",
            "event_time": NOW,
            "event": {"type": "message"},
        });
        endpoint
            .post(body.to_string().as_bytes(), &[])
            .await
            .assert_acknowledged();
    }
    assert_eq!(endpoint.seen(), ["message"; 2]);
}

// ---- bodies without a topic ----

#[tokio::test]
async fn a_body_without_a_type_is_an_event_without_a_topic_and_goes_to_the_fallback() {
    for body in [
        r#"{"event_type":"a","event_id":"e"}"#,
        r#"{"type":7}"#,
        r#"{"type":null,"data":{}}"#,
        r#"{"type":""}"#,
    ] {
        let endpoint = Endpoint::on(Svix::new(BASE64_SECRET).unwrap(), &["a"]);
        let secrets = Secrets::new(BASE64_SECRET).unwrap();
        for _ in 0..2 {
            let headers = endpoint.scheme.sign_at(&secrets, "msg_1", at(NOW), body.as_bytes());
            endpoint
                .send(headers.unwrap(), body.as_bytes())
                .await
                .assert_acknowledged();
        }
        assert_eq!(endpoint.seen(), [""], "{body}");
    }
}

// ---- Linear ----

/// Every provider's event with this id, as its documents show one.
fn event_of(provider: &str, id: &str, more: &str) -> Option<String> {
    let body = match provider {
        "stripe" => {
            json!({"id": id, "type": "payout.paid", "created": NOW, "pending_webhooks": more, "data": {"object": {}}})
        }
        "square" => {
            json!({"event_id": id, "type": "payment.updated", "created_at": "2023-11-14T22:13:19Z", "data": {"more": more}})
        }
        "paddle" => {
            json!({"event_id": id, "event_type": "payout.paid", "occurred_at": "2023-11-14T22:13:19Z", "notification_id": more})
        }
        "slack" => {
            json!({"event_id": id, "type": "event_callback", "event_time": NOW, "event": {"type": "message"}, "more": more})
        }
        "standard-webhooks" | "svix" => {
            json!({"type": "invoice.paid", "timestamp": "2023-11-14T22:13:19Z", "data": more})
        }
        _ => return None,
    };
    Some(body.to_string())
}

/// Retries, each signed anew, are one event; another id is another one.
async fn assert_retries_are_one_event<P: Provider>(provider: P) {
    let name = provider.name().to_owned();
    let scheme = provider.verifier().scheme().unwrap().clone();
    let secrets = Secrets::new(if scheme.signs_id() { BASE64_SECRET } else { SECRET }).unwrap();
    let endpoint = Endpoint::new(provider);
    let send = async |id: &str, more: &str| {
        let now = tower_webhook::clock::Clock::now(&endpoint.clock);
        let body = event_of(&name, id, more).unwrap();
        let headers = scheme.sign_at(&secrets, id, now, body.as_bytes()).unwrap();
        endpoint.send(headers, body.as_bytes()).await
    };
    send("evt_1", "1").await.assert_acknowledged();
    for minutes in [5, 60] {
        endpoint.clock.set(at(NOW + minutes * 60));
        send("evt_1", "1").await.assert_acknowledged();
        // The same event, and its body says more.
        send("evt_1", "0").await.assert_acknowledged();
    }
    assert_eq!(endpoint.seen().len(), 1, "{name}");
    send("evt_2", "1").await.assert_acknowledged();
    assert_eq!(endpoint.seen().len(), 2, "{name}");
}

const BASE64_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test]
async fn a_retry_that_was_signed_anew_is_a_duplicate() {
    assert_retries_are_one_event(Stripe::new(SECRET).unwrap()).await;
    assert_retries_are_one_event(Square::new(SQUARE_URL, SECRET).unwrap()).await;
    assert_retries_are_one_event(Paddle::new(SECRET).unwrap()).await;
    assert_retries_are_one_event(Slack::new(SECRET).unwrap()).await;
    assert_retries_are_one_event(StandardWebhooks::new(BASE64_SECRET).unwrap()).await;
    assert_retries_are_one_event(Svix::new(BASE64_SECRET).unwrap()).await;
}

// ---- several providers of one specification ----

#[tokio::test]
async fn an_id_of_one_provider_is_not_taken_for_an_id_of_another_under_its_own_name() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let named = |name: &'static str| StandardWebhooks::new(secret).unwrap().with_name(name);
    assert_eq!((named("acme").name(), named("pumps").name()), ("acme", "pumps"));
    assert_eq!(Svix::new(secret).unwrap().with_name("clerk").name(), "clerk");

    // Without a time in the body, another body under the same id is another event.
    let provider = StandardWebhooks::new(secret).unwrap();
    let event = |body: &'static str| {
        let headers = provider.verifier().sign_at("1", at(NOW), body.as_bytes()).unwrap();
        provider.event(&headers, &body.into()).unwrap()
    };
    let (one, other) = (event(r#"{"type":"a","data":1}"#), event(r#"{"type":"a","data":2}"#));
    assert_eq!(one.id(), other.id());
    use tower_webhook::event::Event as _;
    assert_ne!(one.fingerprint(), other.fingerprint());
}
