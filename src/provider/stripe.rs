//! Webhooks from [Stripe](https://docs.stripe.com/webhooks): [`Stripe`] receives them, [`Event`] is what they tell.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, stripe};
//!
//! #[derive(serde::Deserialize)]
//! struct PaymentIntent {
//!     id: String,
//!     amount: u64,
//! }
//!
//! // the payload is `data.object`
//! async fn paid(Payload(intent): Payload<PaymentIntent>) {
//!     println!("{} brought {}", intent.id, intent.amount);
//! }
//!
//! let provider = stripe::Stripe::new("whsec_8f742231b10e8888abcd99yyyzzz85a5")?;
//! let topics = TopicRouter::<stripe::Event>::new().on(stripe::topic::PAYMENT_INTENT_SUCCEEDED, paid);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the endpoint's *signing secret* (Workbench, Webhooks, the endpoint), or what `stripe listen` prints: the whole text with its
//! `whsec_`, which is not base64 here. Each endpoint has one of its own, and so have test and live mode.
//!
//! Signed are the time in `Stripe-Signature` and the body: id, topic and time of an event all stand in signed bytes, and a request is
//! refused when it was signed more than 300 seconds from now ([`Stripe::tolerance`] sets another limit). `v0` items are not looked at.
//!
//! When a secret is rolled, Stripe signs with both for up to 24 hours. One is enough; see [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! # What Stripe does with your answer
//! | answer | what Stripe does |
//! | --- | --- |
//! | 2xx | done |
//! | 3xx, 4xx, 5xx, none in time | sends it again for up to 3 days in live mode, at growing intervals; in a sandbox 3 times in some hours |
//! | failures for several days | mails you, then disables the endpoint; what happens meanwhile is not sent later |
//!
//! How long it waits for an answer Stripe does not say; the layer answers within 8 seconds by default. An event can be sent again by hand for up to
//! 30 days. Each attempt is signed anew and has the same `id`; other fields of the body (`pending_webhooks`) may differ, so topic and time are
//! what two deliveries of one event must have in common.
//!
//! Events come in no order.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    DeliveryPolicy, JsonEvent, KnownTopics, Provider,
    json::{Configured, Facts, Reader, Role, topics},
};
use crate::{
    event::{EventError, SelfIdentified},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const TOLERANCE: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How Stripe signs: HMAC-SHA256 over `{t}.{body}` in hex, in the list `Stripe-Signature: t=…,v1=…`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("stripe-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
        .list_of(b',', "v1=")
        .timestamp_item_of("t=", TOLERANCE)
}

/// An event of Stripe. Its payload is `data.object`, or the whole body where that is absent (thin
/// events); all of it is signed.
pub type Event = JsonEvent<Stripe>;

impl SelfIdentified for Event {}

topics! {
    CHARGE_DISPUTE_CREATED = "charge.dispute.created",
    CHARGE_REFUNDED = "charge.refunded",
    CHECKOUT_SESSION_COMPLETED = "checkout.session.completed",
    CUSTOMER_CREATED = "customer.created",
    CUSTOMER_SUBSCRIPTION_CREATED = "customer.subscription.created",
    CUSTOMER_SUBSCRIPTION_DELETED = "customer.subscription.deleted",
    CUSTOMER_SUBSCRIPTION_UPDATED = "customer.subscription.updated",
    INVOICE_PAID = "invoice.paid",
    INVOICE_PAYMENT_FAILED = "invoice.payment_failed",
    PAYMENT_INTENT_PAYMENT_FAILED = "payment_intent.payment_failed",
    PAYMENT_INTENT_SUCCEEDED = "payment_intent.succeeded",
    PAYOUT_PAID = "payout.paid",
}

/// Receives from Stripe. See the [module](self) for what Stripe expects of a receiver.
#[derive(Debug)]
pub struct Stripe(Configured);

impl Stripe {
    /// Takes the signing secret of an endpoint, or those of several: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one is `whsec_` alone or refused by [`Secrets::new`]: empty, say, or
    /// in quotes.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(&[
            (Role::Id, &["id"]),
            (Role::Topic, &["type"]),
            (Role::Time, &["created"]),
        ]);
        Configured::new(
            &scheme(),
            secrets,
            reader
                .facts(Facts::TopicAndTime)
                .payload_at(&[&["data", "object"], &[]]),
        )
        .map(Self)
    }

    /// How far from now a request may have been signed, instead of 300 seconds.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Self {
        Self(self.0.tolerance(tolerance))
    }
}

impl Provider for Stripe {
    type Event = Event;

    fn name(&self) -> &str {
        "stripe"
    }

    fn ids_are_unique(&self) -> bool {
        true
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

    /// 10 seconds for an answer (Stripe publishes no limit), retries for 3 days, more on request for 30 days, bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), DAY.saturating_mul(3))
            .with_redelivery_window(DAY.saturating_mul(30))
    }
}
