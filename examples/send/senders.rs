//! What each sender posts: a usual event, and the headers beside it that nobody signs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tower_webhook::{
    dwolla, github, linear, paddle, shopify,
    signature::Scheme,
    signature::{Algorithm, Encoding},
    slack, square, standard_webhooks, stripe, svix, zoom,
};

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) name: &'static str,
    pub(crate) usual_topic: &'static str,
    /// How it signs what it posts to this address.
    pub(crate) scheme: fn(&str) -> Scheme,
    /// The body.
    pub(crate) event: fn(&Event) -> Value,
    /// Headers that are not signed.
    pub(crate) headers: fn(&Event) -> Vec<(&'static str, String)>,
}

/// An event to be sent.
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) created: SystemTime,
}

impl Event {
    fn rfc3339(&self) -> String {
        humantime::format_rfc3339_millis(self.created).to_string()
    }

    fn since_1970(&self) -> Duration {
        self.created.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// The topic before its first dot, and what is behind it.
    fn name_and_action(&self) -> (&str, Option<&str>) {
        match self.topic.split_once('.') {
            Some((name, action)) => (name, Some(action)),
            None => (&self.topic, None),
        }
    }
}

pub(crate) const SENDERS: [Sender; 12] = [
    Sender {
        name: "dwolla",
        usual_topic: "customer_created",
        scheme: |_| dwolla::scheme(),
        event: |event| {
            let (id, api) = (&event.id, "https://api-sandbox.dwolla.com");
            let customer = "6c57f372-e9a0-47d4-91f3-ab2b3aae56f0";
            json!({
                "id": id,
                "resourceId": customer,
                "topic": event.topic,
                "created": event.rfc3339(),
                "_links": {
                    "self": { "href": format!("{api}/events/{id}") },
                    "account": { "href": format!("{api}/accounts/ad5f2162-404a-4c4c-994e-6ab6c3a13254") },
                    "resource": { "href": format!("{api}/customers/{customer}") },
                    "customer": { "href": format!("{api}/customers/{customer}") },
                },
            })
        },
        headers: |event| vec![("x-dwolla-topic", event.topic.clone())],
    },
    Sender {
        name: "example",
        usual_topic: "user.created",
        scheme: |_| {
            let header = HeaderName::from_static("x-webhook-signature");
            Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="))
        },
        event: |event| {
            json!({
                "id": event.id,
                "type": event.topic,
                "created_at": event.rfc3339(),
                "data": { "id": "usr_1", "name": "Ada" },
            })
        },
        headers: |event| {
            vec![
                ("x-webhook-id", "wh_1".to_owned()),
                ("x-webhook-event", event.topic.clone()),
            ]
        },
    },
    Sender {
        name: "standard-webhooks",
        usual_topic: "invoice.paid",
        scheme: |_| standard_webhooks::scheme(),
        event: |event| json!({ "type": event.topic, "timestamp": event.rfc3339(), "data": { "id": "inv_1" } }),
        headers: |_| Vec::new(),
    },
    Sender {
        name: "svix",
        usual_topic: "user.created",
        scheme: |_| svix::scheme(),
        event: |event| json!({ "type": event.topic, "timestamp": event.rfc3339(), "data": { "id": "user_1" } }),
        headers: |_| Vec::new(),
    },
    Sender {
        name: "stripe",
        usual_topic: stripe::topic::PAYMENT_INTENT_SUCCEEDED,
        scheme: |_| stripe::scheme(),
        event: |event| {
            json!({
                "id": event.id,
                "object": "event",
                "created": event.since_1970().as_secs(),
                "data": { "object": { "id": "pi_1", "object": "payment_intent", "amount": 4200, "currency": "eur" } },
                "livemode": false,
                "pending_webhooks": 1,
                "type": event.topic,
            })
        },
        headers: |_| Vec::new(),
    },
    Sender {
        name: "github",
        usual_topic: github::topic::ISSUES_OPENED,
        scheme: |_| github::scheme(),
        event: |event| {
            let action = event.name_and_action().1;
            json!({
                "action": action,
                "issue": { "number": 17, "node_id": event.id, "title": "Pump 3 stops", "created_at": event.rfc3339() },
                "repository": { "full_name": "acme-water/pumps" },
            })
        },
        headers: |event| {
            vec![
                ("x-github-event", event.name_and_action().0.to_owned()),
                ("x-github-delivery", event.id.clone()),
            ]
        },
    },
    Sender {
        name: "slack",
        usual_topic: slack::topic::APP_MENTION,
        scheme: |_| slack::scheme(),
        event: |event| {
            json!({
                "team_id": "T1",
                "type": "event_callback",
                "event": { "type": event.topic, "user": "U1", "text": "status?", "channel": "C1" },
                "event_id": event.id,
                "event_time": event.since_1970().as_secs(),
            })
        },
        headers: |_| Vec::new(),
    },
    Sender {
        name: "shopify",
        usual_topic: shopify::topic::ORDERS_CREATE,
        scheme: |_| shopify::scheme(),
        event: |event| {
            json!({
                "id": 5_512_003_344_771_u64,
                "name": format!("#{}", event.id),
                "total_price": "42.00",
                "created_at": event.rfc3339(),
            })
        },
        headers: |event| {
            vec![
                ("x-shopify-topic", event.topic.clone()),
                ("x-shopify-shop-domain", "acme-water.myshopify.com".to_owned()),
                ("x-shopify-event-id", event.id.clone()),
            ]
        },
    },
    Sender {
        name: "square",
        usual_topic: square::topic::PAYMENT_UPDATED,
        scheme: square::scheme,
        event: |event| {
            json!({
                "merchant_id": "ML8",
                "type": event.topic,
                "event_id": event.id,
                "created_at": event.rfc3339(),
                "data": { "type": "payment", "id": "p1", "object": { "payment": { "id": "p1", "status": "COMPLETED" } } },
            })
        },
        headers: |_| Vec::new(),
    },
    Sender {
        name: "paddle",
        usual_topic: paddle::topic::TRANSACTION_COMPLETED,
        scheme: |_| paddle::scheme(),
        event: |event| {
            json!({
                "event_id": event.id,
                "event_type": event.topic,
                "occurred_at": event.rfc3339(),
                "notification_id": "ntf_1",
                "data": { "id": "txn_1", "status": "completed" },
            })
        },
        headers: |_| Vec::new(),
    },
    Sender {
        name: "linear",
        usual_topic: linear::topic::ISSUE_CREATE,
        scheme: |_| linear::scheme(),
        event: |event| {
            let (kind, action) = event.name_and_action();
            let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            json!({
                "action": action,
                "createdAt": event.rfc3339(),
                "data": { "id": event.id, "identifier": "OPS-17", "title": "Pump 3 stops" },
                "type": kind,
                "webhookTimestamp": sent.as_millis() as u64,
            })
        },
        headers: |event| {
            vec![
                ("linear-event", event.name_and_action().0.to_owned()),
                ("linear-delivery", event.id.clone()),
            ]
        },
    },
    Sender {
        name: "zoom",
        usual_topic: zoom::topic::MEETING_STARTED,
        scheme: |_| zoom::scheme(),
        event: |event| {
            json!({
                "event": event.topic,
                "payload": { "account_id": "a1", "object": { "uuid": event.id, "topic": "Pump review" } },
                "event_ts": event.since_1970().as_millis() as u64,
            })
        },
        headers: |_| Vec::new(),
    },
];
