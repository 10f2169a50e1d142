//! Webhooks from [Shopify](https://shopify.dev/docs/apps/build/webhooks): [`Shopify`] receives them, [`Event`] is what they tell.
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
//!     let order: Order = event.payload().reject()?;
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
//! The secret is the app's *client secret*, as it stands in its settings; webhooks made in a shop's admin are signed with a key of that shop, shown beside
//! them. HMAC-SHA256 over the body alone, in base64, in `X-Shopify-Hmac-Sha256`. No time is signed.
//!
//! When the client secret is rotated, Shopify signs with the *oldest* one that is not revoked, so the new one alone is not enough: see
//! [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! # What is not signed
//! Everything but the body: the topic, the shop and the ids are headers. Whoever captured a request can send its body again under others. So none of them is the
//! deduplication key, which is the digest of the body, and a body that comes again under another topic is refused as a conflict (500), logged, and runs
//! nothing.
//!
//! **Two topics can have one body.** `orders/create` and `orders/paid` of one checkout may be the same order in the same bytes, and then the second is such a conflict.
//! Where you subscribe to topics that overlap, give each a path of its own, and its layer a
//! [namespace](crate::layer::WebhookLayerBuilder::namespace) of its own (`shopify/orders/paid`): it is the path then, which you chose, that tells them
//! apart. A captured body can be sent to each of them, and runs there once.
//!
//! **So are two events of one topic whose bodies are the same**, `shop/redact` twice within the five days for which a body is remembered: the second is taken for a
//! duplicate. Most bodies have an `updated_at`, which tells them apart.
//!
//! # What Shopify does with your answer
//! | answer | what Shopify does |
//! | --- | --- |
//! | 2xx within 5 seconds | done |
//! | anything else, or later | sends the same body again, 8 times in 4 hours |
//! | 8 failures on end | may delete the subscription |
//!
//! There is no redelivery by hand: what was missed is fetched through the API.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    DeliveryTerms, JsonEvent, KnownTopics, Provider,
    json::{Reader, Sender, topics},
};
use crate::{
    event::{EventError, Unsigned},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const TOPIC: HeaderName = HeaderName::from_static("x-shopify-topic");
const SHOP_DOMAIN: HeaderName = HeaderName::from_static("x-shopify-shop-domain");
const EVENT_ID: HeaderName = HeaderName::from_static("x-shopify-event-id");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("x-shopify-webhook-id");
const TRIGGERED_AT: HeaderName = HeaderName::from_static("x-shopify-triggered-at");

/// Ours: Shopify states no limit, and its bodies were seen to exceed a megabyte.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// How Shopify signs: HMAC-SHA256 over the body, in base64, in `X-Shopify-Hmac-Sha256`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("x-shopify-hmac-sha256");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64)
}

/// An event of Shopify. Its payload is the whole body, which is signed; its topic is not.
pub type Event = JsonEvent<Shopify>;

impl Event {
    /// The shop: from `X-Shopify-Shop-Domain`.
    #[must_use]
    pub fn shop_domain(&self) -> Option<Unsigned<&str>> {
        self.unsigned_header(SHOP_DOMAIN.as_str())
    }

    /// The same for all webhooks, of all topics, that one action of the merchant's caused: from `X-Shopify-Event-Id`.
    #[must_use]
    pub fn event_id(&self) -> Option<Unsigned<&str>> {
        self.unsigned_header(EVENT_ID.as_str())
    }

    /// From `X-Shopify-Webhook-Id`.
    #[must_use]
    pub fn webhook_id(&self) -> Option<Unsigned<&str>> {
        self.unsigned_header(WEBHOOK_ID.as_str())
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

/// Receives from Shopify. See the [module](self) for what Shopify expects of a receiver.
#[derive(Debug)]
pub struct Shopify(Sender);

impl Shopify {
    /// Takes the app's client secret, or several while one replaces another: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one is empty, blank or has whitespace at an end.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader =
            Reader::of(&[])
                .topic_header(TOPIC)
                .unsigned([TOPIC, SHOP_DOMAIN, EVENT_ID, WEBHOOK_ID, TRIGGERED_AT]);
        Sender::new(&scheme(), secrets, reader).map(Self)
    }
}

impl Provider for Shopify {
    type Event = Event;

    fn name(&self) -> &str {
        "shopify"
    }

    fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        self.0.reader.read(headers, body, None)
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 5 seconds for an answer, retries for 4 hours, bodies up to 4 MiB.
    fn terms(&self) -> DeliveryTerms {
        DeliveryTerms::new(Duration::from_secs(5), Duration::from_secs(4 * 3600)).body_limit(BODY_LIMIT)
    }
}
