//! The providers' requests: a usual event, how it is signed, and the headers that nobody signs.

use http::{HeaderName, HeaderValue};
use serde_json::json;
use tower_webhook::{
    dwolla, github, linear, paddle, shopify,
    signature::{Algorithm, Encoding, Scheme},
    slack, square, standard_webhooks, stripe, svix, zoom,
};

use super::{FieldPlace, Hash, Key, Provider, Resent, Shape, Text, Time};

const UTF8: &str = "application/json; charset=utf-8";
/// The tag over the body alone, in hex.
const PLAIN: Shape = Shape {
    content: "{body}",
    value: "{tag}",
    hash: Hash::Sha256,
    text: Text::Hex,
    key: Key::AsIs,
    id: None,
    time: Time::Unsigned,
};
const LISTED: Shape = Shape {
    content: "{id}.{time}.{body}",
    value: "v1,{tag}",
    hash: Hash::Sha256,
    text: Text::Base64,
    key: Key::Base64,
    id: Some("webhook-id"),
    time: Time::Header("webhook-timestamp"),
};

pub(super) const PROVIDERS: [Provider; 12] = [
    Provider {
        name: "dwolla",
        shape: PLAIN,
        resent: Resent::FirstBytes,
        usual_topic: "customer_created",
        scheme: &|_| dwolla::scheme(),
        topic: FieldPlace::Body(&["/topic"]),
        id: FieldPlace::Body(&["/id"]),
        list: None,
        event: &|event| {
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
        headers: &|event| vec![("x-dwolla-topic", event.topic.clone())],
    },
    Provider {
        name: "example",
        shape: Shape {
            value: "sha256={tag}",
            ..PLAIN
        },
        resent: Resent::FirstBytes,
        usual_topic: "user.created",
        scheme: &|_| {
            let header = HeaderName::from_static("x-webhook-signature");
            Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="))
        },
        topic: FieldPlace::Body(&["/type"]),
        id: FieldPlace::Body(&["/id"]),
        list: None,
        event: &|event| {
            json!({
                "id": event.id,
                "type": event.topic,
                "created_at": event.rfc3339(),
                "data": { "id": "usr_1", "name": "Ada" },
            })
        },
        headers: &|event| {
            vec![
                ("x-webhook-id", "wh_1".to_owned()),
                ("x-webhook-event", event.topic.clone()),
            ]
        },
    },
    Provider {
        name: "standard-webhooks",
        shape: LISTED,
        resent: Resent::SignedAgain,
        usual_topic: "invoice.paid",
        scheme: &|_| standard_webhooks::scheme(),
        topic: FieldPlace::Body(&["/type"]),
        id: FieldPlace::Header,
        list: Some((" ", "v1,")),
        event: &|event| json!({ "type": event.topic, "timestamp": event.rfc3339(), "data": { "id": "inv_1" } }),
        headers: &|_| Vec::new(),
    },
    Provider {
        name: "svix",
        shape: Shape {
            id: Some("svix-id"),
            time: Time::Header("svix-timestamp"),
            ..LISTED
        },
        resent: Resent::SignedAgain,
        usual_topic: "user.created",
        scheme: &|_| svix::scheme(),
        topic: FieldPlace::Body(&["/type"]),
        id: FieldPlace::Header,
        list: Some((" ", "v1,")),
        event: &|event| json!({ "type": event.topic, "timestamp": event.rfc3339(), "data": { "id": "user_1" } }),
        headers: &|_| vec![("user-agent", "Svix-Webhooks/1.0".to_owned())],
    },
    Provider {
        name: "stripe",
        shape: Shape {
            content: "{time}.{body}",
            value: "t={time},v1={tag}",
            time: Time::Item("t="),
            ..PLAIN
        },
        resent: Resent::SignedAgain,
        usual_topic: stripe::topic::PAYMENT_INTENT_SUCCEEDED,
        scheme: &|_| stripe::scheme(),
        topic: FieldPlace::Body(&["/type"]),
        id: FieldPlace::Body(&["/id"]),
        list: Some((",", "v1=")),
        event: &|event| {
            json!({
                "id": event.id,
                "object": "event",
                "api_version": "2025-09-30.clover",
                "created": event.since_1970().as_secs(),
                "data": { "object": { "id": "pi_1", "object": "payment_intent", "amount": 4200, "currency": "eur" } },
                "livemode": false,
                "pending_webhooks": 1,
                "request": { "id": null, "idempotency_key": null },
                "type": event.topic,
            })
        },
        headers: &|_| {
            vec![
                ("content-type", UTF8.to_owned()),
                (
                    "user-agent",
                    "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned(),
                ),
            ]
        },
    },
    Provider {
        name: "github",
        shape: Shape {
            value: "sha256={tag}",
            ..PLAIN
        },
        resent: Resent::FirstBytes,
        usual_topic: github::topic::ISSUES_OPENED,
        scheme: &|_| github::scheme(),
        topic: FieldPlace::Header,
        id: FieldPlace::Header,
        list: None,
        event: &|event| {
            let action = event.name_and_action().1;
            json!({
                "action": action,
                "issue": { "number": 17, "node_id": event.id, "title": "Pump 3 stops", "created_at": event.rfc3339() },
                "repository": { "full_name": "acme-water/pumps" },
            })
        },
        headers: &|event| {
            vec![
                ("x-github-event", event.name_and_action().0.to_owned()),
                ("x-github-delivery", event.id.clone()),
                ("x-github-hook-id", "292430182".to_owned()),
                ("x-github-hook-installation-target-id", "79929171".to_owned()),
                ("x-github-hook-installation-target-type", "repository".to_owned()),
                ("user-agent", "GitHub-Hookshot/044aadd".to_owned()),
            ]
        },
    },
    Provider {
        name: "slack",
        shape: Shape {
            content: "v0:{time}:{body}",
            value: "v0={tag}",
            time: Time::Header("x-slack-request-timestamp"),
            ..PLAIN
        },
        resent: Resent::SignedAgain,
        usual_topic: slack::topic::APP_MENTION,
        scheme: &|_| slack::scheme(),
        topic: FieldPlace::Body(&["/event/type"]),
        id: FieldPlace::Body(&["/event_id"]),
        list: None,
        event: &|event| {
            json!({
                "team_id": "T1",
                "api_app_id": "A1",
                "type": "event_callback",
                "event": { "type": event.topic, "user": "U1", "text": "status?", "channel": "C1" },
                "event_id": event.id,
                "event_time": event.since_1970().as_secs(),
            })
        },
        headers: &|_| {
            let agent = "Slackbot 1.0 (+https://api.slack.com/robots)";
            vec![("user-agent", agent.to_owned())]
        },
    },
    Provider {
        name: "shopify",
        shape: Shape {
            text: Text::Base64,
            ..PLAIN
        },
        resent: Resent::FirstBytes,
        usual_topic: shopify::topic::ORDERS_CREATE,
        scheme: &|_| shopify::scheme(),
        topic: FieldPlace::Header,
        id: FieldPlace::Header,
        list: None,
        event: &|event| {
            json!({
                "id": 5_512_003_344_771_u64,
                "name": format!("#{}", event.id),
                "total_price": "42.00",
                "created_at": event.rfc3339(),
            })
        },
        headers: &|event| {
            vec![
                ("x-shopify-topic", event.topic.clone()),
                ("x-shopify-shop-domain", "acme-water.myshopify.com".to_owned()),
                ("x-shopify-api-version", "2025-10".to_owned()),
                ("x-shopify-webhook-id", event.id.clone()),
                ("x-shopify-event-id", event.id.clone()),
                ("x-shopify-triggered-at", event.rfc3339()),
                ("user-agent", "Shopify-Captain-Hook".to_owned()),
            ]
        },
    },
    Provider {
        name: "square",
        shape: Shape {
            content: "{url}{body}",
            text: Text::Base64,
            ..PLAIN
        },
        resent: Resent::FirstBytes,
        usual_topic: square::topic::PAYMENT_UPDATED,
        scheme: &square::scheme,
        topic: FieldPlace::Body(&["/type"]),
        id: FieldPlace::Body(&["/event_id"]),
        list: None,
        event: &|event| {
            json!({
                "merchant_id": "ML8",
                "type": event.topic,
                "event_id": event.id,
                "created_at": event.rfc3339(),
                "data": { "type": "payment", "id": "p1", "object": { "payment": { "id": "p1", "status": "COMPLETED" } } },
            })
        },
        headers: &|event| {
            vec![
                ("square-environment", "Sandbox".to_owned()),
                ("square-initial-delivery-timestamp", event.rfc3339()),
                ("user-agent", "Square Connect v2".to_owned()),
            ]
        },
    },
    Provider {
        name: "paddle",
        shape: Shape {
            content: "{time}:{body}",
            value: "ts={time};h1={tag}",
            time: Time::Item("ts="),
            ..PLAIN
        },
        resent: Resent::FirstBytes,
        usual_topic: paddle::topic::TRANSACTION_COMPLETED,
        scheme: &|_| paddle::scheme(),
        topic: FieldPlace::Body(&["/event_type"]),
        id: FieldPlace::Body(&["/event_id"]),
        list: Some((";", "h1=")),
        event: &|event| {
            json!({
                "event_id": event.id,
                "event_type": event.topic,
                "occurred_at": event.rfc3339(),
                "notification_id": "ntf_1",
                "data": { "id": "txn_1", "status": "completed" },
            })
        },
        headers: &|_| Vec::new(),
    },
    Provider {
        name: "linear",
        shape: PLAIN,
        resent: Resent::FirstBytes,
        usual_topic: linear::topic::ISSUE_CREATE,
        scheme: &|_| linear::scheme(),
        topic: FieldPlace::Body(&["/type", "/action"]),
        id: FieldPlace::Header,
        list: None,
        event: &|event| {
            let (kind, action) = event.name_and_action();
            json!({
                "action": action,
                "createdAt": event.rfc3339(),
                "data": { "id": event.id, "identifier": "OPS-17", "title": "Pump 3 stops" },
                "type": kind,
                "webhookTimestamp": event.sent_in_milliseconds(),
            })
        },
        headers: &|event| {
            vec![
                ("linear-event", event.name_and_action().0.to_owned()),
                ("linear-delivery", event.id.clone()),
                ("content-type", UTF8.to_owned()),
                ("user-agent", "Linear-Webhook".to_owned()),
            ]
        },
    },
    Provider {
        name: "zoom",
        shape: Shape {
            content: "v0:{time}:{body}",
            value: "v0={tag}",
            time: Time::Header("x-zm-request-timestamp"),
            ..PLAIN
        },
        resent: Resent::Unknown,
        usual_topic: zoom::topic::MEETING_STARTED,
        scheme: &|_| zoom::scheme(),
        topic: FieldPlace::Body(&["/event"]),
        id: FieldPlace::Body(&["/payload/object/uuid"]),
        list: None,
        event: &|event| {
            json!({
                "event": event.topic,
                "payload": { "account_id": "a1", "object": { "uuid": event.id, "topic": "Pump review" } },
                "event_ts": event.created_in_milliseconds(),
            })
        },
        headers: &|_| {
            vec![
                ("content-type", UTF8.to_owned()),
                ("user-agent", "Zoom Marketplace/1.0a".to_owned()),
            ]
        },
    },
];
