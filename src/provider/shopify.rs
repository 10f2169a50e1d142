//! Webhooks from [Shopify](https://shopify.dev/docs/apps/build/webhooks): [`Shopify`] receives
//! them, [`Event`] is what they say.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Delivery, HandlerError, ResultExt, TopicRouter, shopify::{self, Shopify}};
//!
//! #[derive(serde::Deserialize)]
//! struct Order {
//!     id: u64,
//!     total_price: String,
//! }
//!
//! // the payload is the whole body
//! async fn created(delivery: Delivery<shopify::Event>) -> Result<(), HandlerError> {
//!     let event = delivery.event();
//!     let order: Order = event.payload().permanent()?;
//!     println!("order {} of {} in {:?}", order.id, order.total_price, event.shop_domain());
//!     Ok(())
//! }
//!
//! let provider = Shopify::new("hush")?;
//! let topics = TopicRouter::new().on(shopify::topic::ORDERS_CREATE, created);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the app's *client secret*, as its settings show it. Webhooks made in a shop's
//! admin are signed with a key of that shop, shown beside them. The signature is HMAC-SHA256 over
//! the body alone, in base64, in `X-Shopify-Hmac-Sha256`. No time is signed.
//!
//! While the client secret is being rotated, Shopify signs with the *oldest* one that is not
//! revoked, so the new one alone is not enough: see
//! [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! # Two families of headers
//! Deliveries of the newer *Events* carry `Shopify-Hmac-Sha256`, `Shopify-Topic` and so on, with or
//! without the `X-Shopify-` headers beside them. Their topic and action are in the signed body:
//! `Product.update`.
//!
//! # What is not signed
//! Everything but the body. In the usual family the topic, the shop and the ids are headers.
//!
//! The deduplication key is the event's id (`X-Shopify-Event-Id`, or where that is absent
//! `X-Shopify-Webhook-Id`), the topic, the shop, and the digest of the body. So two topics, two
//! shops, or two events with one body all run, and a retry, which keeps its headers, is a
//! duplicate. Whoever captured a request can send its body again under another id or topic, and it
//! runs again.
//!
//! If a replay worries you more than losing a repeated event, build the layer with
//! [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity): then the digest of the
//! body is the key. It costs the second of two events with one body. Under the same topic
//! (`shop/redact` twice within the five days for which a body is remembered) the second gets 200
//! and is never handled. Under another topic (`orders/create` and `orders/paid` of one checkout) it
//! is a conflict and gets 500 until Shopify gives up, and eight such failures in a row may cost the
//! subscription.
//!
//! # What Shopify does with each response
//! | response | what Shopify does |
//! | --- | --- |
//! | 2xx within 5 seconds | done |
//! | anything else, or later | sends the same body again, 8 times in 4 hours |
//! | 8 failures in a row | may delete the subscription |
//!
//! There is no redelivery by hand. Fetch what was missed through the API.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::{Deserialize, de::IgnoredAny};

use super::{
    DeliveryPolicy, JsonEvent, KnownTopics, Provider,
    json_event::{Fields, Payloads, with_action},
    keyed,
    lenient::{Field, Object},
    topics::topics,
    unsigned_headers,
};
use crate::{
    event::{EventError, Fingerprint, Identity, Shape, Unsigned, read_json},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const TOPIC: HeaderName = HeaderName::from_static("x-shopify-topic");
const SHOP_DOMAIN: HeaderName = HeaderName::from_static("x-shopify-shop-domain");
const EVENT_ID: HeaderName = HeaderName::from_static("x-shopify-event-id");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("x-shopify-webhook-id");
const TRIGGERED_AT: HeaderName = HeaderName::from_static("x-shopify-triggered-at");

/// The headers of Events, the newer family.
mod events {
    use http::HeaderName;

    pub(super) const TAG: HeaderName = HeaderName::from_static("shopify-hmac-sha256");
    pub(super) const TOPIC: HeaderName = HeaderName::from_static("shopify-topic");
    pub(super) const ACTION: HeaderName = HeaderName::from_static("shopify-action");
    pub(super) const SHOP_DOMAIN: HeaderName = HeaderName::from_static("shopify-shop-domain");
    pub(super) const EVENT_ID: HeaderName = HeaderName::from_static("shopify-event-id");
    pub(super) const WEBHOOK_ID: HeaderName = HeaderName::from_static("shopify-webhook-id");
    pub(super) const TRIGGERED_AT: HeaderName = HeaderName::from_static("shopify-triggered-at");
}

/// The headers that an event keeps. Either family may come beside the other, so both are kept and
/// no id is missed.
const KEPT: [HeaderName; 11] = [
    TOPIC,
    SHOP_DOMAIN,
    EVENT_ID,
    WEBHOOK_ID,
    TRIGGERED_AT,
    events::TOPIC,
    events::ACTION,
    events::SHOP_DOMAIN,
    events::EVENT_ID,
    events::WEBHOOK_ID,
    events::TRIGGERED_AT,
];

/// Our own choice: Shopify states no limit, and its bodies were seen to exceed a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How Shopify signs: HMAC-SHA256 over the body, in base64, in `X-Shopify-Hmac-Sha256`, or where
/// that is absent in `Shopify-Hmac-Sha256`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("x-shopify-hmac-sha256");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64).or_header(events::TAG)
}

/// An event of Shopify. Its payload is the whole body, which is signed. Its topic is signed only
/// where the body says it, in the newer family of headers.
pub type Event = JsonEvent<Shopify>;

impl Event {
    fn either(&self, classic: &HeaderName, newer: &HeaderName) -> Option<Unsigned<&str>> {
        self.unsigned_header(classic.as_str())
            .or_else(|| self.unsigned_header(newer.as_str()))
    }

    /// The shop: from `X-Shopify-Shop-Domain`, or `Shopify-Shop-Domain`.
    #[must_use]
    pub fn shop_domain(&self) -> Option<Unsigned<&str>> {
        self.either(&SHOP_DOMAIN, &events::SHOP_DOMAIN)
    }

    /// The id shared by all webhooks, of any topic, that one action of the merchant's caused: from
    /// `X-Shopify-Event-Id`, or `Shopify-Event-Id`.
    #[must_use]
    pub fn event_id(&self) -> Option<Unsigned<&str>> {
        self.either(&EVENT_ID, &events::EVENT_ID)
    }

    /// From `X-Shopify-Webhook-Id`, or `Shopify-Webhook-Id`.
    #[must_use]
    pub fn webhook_id(&self) -> Option<Unsigned<&str>> {
        self.either(&WEBHOOK_ID, &events::WEBHOOK_ID)
    }
}

topics! {
    APP_UNINSTALLED = "app/uninstalled",
    CUSTOMERS_CREATE = "customers/create",
    CUSTOMERS_DATA_REQUEST = "customers/data_request",
    CUSTOMERS_REDACT = "customers/redact",
    INVENTORY_LEVELS_UPDATE = "inventory_levels/update",
    ORDERS_CANCELLED = "orders/cancelled",
    ORDERS_CREATE = "orders/create",
    ORDERS_FULFILLED = "orders/fulfilled",
    ORDERS_PAID = "orders/paid",
    ORDERS_UPDATED = "orders/updated",
    PRODUCTS_CREATE = "products/create",
    PRODUCTS_UPDATE = "products/update",
    REFUNDS_CREATE = "refunds/create",
    SHOP_REDACT = "shop/redact",
}

/// Receives from Shopify. The [module](self) says what Shopify expects of a receiver.
#[derive(Clone, Debug)]
pub struct Shopify {
    verifier: Verifier,
}

impl Shopify {
    /// Takes the app's client secret, or several while one replaces another: a text, a list of
    /// texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or [`Secrets::new`] refuses one: it is empty or in quotes, say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        keyed(&scheme(), secrets).map(|verifier| Self { verifier })
    }

    /// Reads deliveries that were verified and stored earlier. It has no secret and
    /// [refuses](Verifier::refusing) every request.
    #[must_use]
    pub fn reader() -> Self {
        Self {
            verifier: Verifier::refusing(&scheme()),
        }
    }
}

/// The fields that are read from a body of Events, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    topic: Field<'a>,
    action: Field<'a>,
}

impl Provider for Shopify {
    type Event = Event;

    fn name(&self) -> &str {
        "shopify"
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        let mut fields = Fields::of(body, Payloads::WHOLE_BODY);
        let is_of_events = headers.contains_key(events::TAG);
        if is_of_events {
            fields.topic = read_json(body, Shape::Any, |json| {
                let body = Object::<Body<'_>>::deserialize(json)?.or_empty();
                let action = body.action.optional();
                Ok(body.topic.optional().map(|topic| with_action(topic, action.as_ref())))
            })?;
        } else {
            read_json(body, Shape::Any, |json| IgnoredAny::deserialize(json).map(drop))?;
        }
        // Without a topic in the body, the newer headers merely accompany the classic ones.
        if fields.topic.is_none() && (!is_of_events || headers.contains_key(TOPIC)) {
            let topic = unsigned_headers::required(headers, &TOPIC)?;
            fields.fingerprint = Some(Fingerprint::of([topic.as_str().as_bytes(), body]));
            fields.topic = Some(topic);
        }
        fields.unsigned = unsigned_headers::present(headers, KEPT);
        let first = |names: &[HeaderName]| names.iter().find_map(|name| fields.unsigned(name)).unwrap_or_default();
        let id = first(&[EVENT_ID, events::EVENT_ID, WEBHOOK_ID, events::WEBHOOK_ID]);
        let shop = first(&[SHOP_DOMAIN, events::SHOP_DOMAIN]);
        fields.identity = Some(Identity::of_body().with_unsigned(id, &[fields.topic(), shop]));
        Ok(JsonEvent::new(fields))
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 5 seconds for a response, retries for 4 hours, bodies up to 4 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(5), Duration::from_secs(4 * 3600)).with_body_limit(BODY_LIMIT)
    }
}
