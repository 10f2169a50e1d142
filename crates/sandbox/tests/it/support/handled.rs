use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    custom::{self, Custom, FieldPath},
    dwolla::{self, Dwolla},
    github::{self, GitHub},
    provider::{DeliveryPolicy, Provider},
    signature::{Algorithm, Encoding, Scheme},
    stripe::{self, Stripe},
};

use super::SECRET;

/// How often each event was handled, by receivers that are made with the library.
#[derive(Clone, Default)]
pub(crate) struct Handled(Arc<Mutex<HashMap<String, usize>>>);

impl Handled {
    fn add(&self, id: &str) {
        *self.0.lock().unwrap().entry(id.to_owned()).or_default() += 1;
    }

    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    #[track_caller]
    pub(crate) fn each_once(&self, fired: &[String]) {
        let handled = self.0.lock().unwrap();
        for id in fired {
            assert_eq!(handled.get(id), Some(&1), "{id}");
        }
        assert_eq!(handled.len(), fired.len());
    }

    pub(crate) fn dwolla(&self) -> axum::Router {
        let handled = self.clone();
        let topics = TopicRouter::new().fallback(move |event: dwolla::Event| {
            let handled = handled.clone();
            async move { handled.add(event.id().as_str()) }
        });
        receiver(Dwolla::new(SECRET).unwrap(), topics)
    }

    pub(crate) fn github(&self) -> axum::Router {
        let handled = self.clone();
        let topics = TopicRouter::new().fallback(move |event: github::Event| {
            let handled = handled.clone();
            async move { handled.add(event.delivery_id().unwrap().into_unsigned()) }
        });
        receiver(GitHub::new(SECRET).unwrap(), topics)
    }

    pub(crate) fn stripe(&self) -> axum::Router {
        let handled = self.clone();
        let topics = TopicRouter::new().fallback(move |event: stripe::Event| {
            let handled = handled.clone();
            async move { handled.add(event.id().unwrap().as_str()) }
        });
        receiver(Stripe::new(SECRET).unwrap(), topics)
    }

    pub(crate) fn example(&self) -> axum::Router {
        let handled = self.clone();
        let topics = TopicRouter::new().fallback(move |event: custom::Event| {
            let handled = handled.clone();
            async move { handled.add(event.id().unwrap().as_str()) }
        });
        let header = "x-webhook-signature".parse().unwrap();
        let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix("sha256=".parse().unwrap());
        let provider = Custom::builder("example", scheme)
            .secrets(SECRET)
            .id(FieldPath::body("id"))
            .topic(FieldPath::body("type"))
            .topic_repeated_in("x-webhook-event".parse().unwrap())
            .time(FieldPath::body("created_at"))
            .payload(FieldPath::body("data"))
            .policy(DeliveryPolicy::new(
                Duration::from_secs(10),
                Duration::from_secs(8 * 3600),
            ))
            .build()
            .unwrap();
        receiver(provider, topics)
    }
}

fn receiver<P: Provider>(provider: P, topics: TopicRouter<P::Event>) -> axum::Router {
    let layer = WebhookLayer::new(provider, MemoryStore::new()).topics(topics);
    axum::Router::new().route_service("/webhooks", layer)
}
