//! Webhooks from [Stripe](https://docs.stripe.com/webhooks): [`Stripe`] receives them, [`Event`] is
//! what they say.
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
//! let topics = TopicRouter::<stripe::Event>::new()
//!     .on(stripe::topic::PAYMENT_INTENT_SUCCEEDED, paid);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the endpoint's *signing secret* (Workbench, Webhooks, the endpoint), or what
//! `stripe listen` prints: the whole text with its `whsec_`, which is not base64 here. Each
//! endpoint has its own, and so have test and live mode.
//!
//! The signature covers the time in `Stripe-Signature` and the body, so the id, the topic and the
//! time of an event are all signed. A request that was signed more than 300 seconds from now is
//! refused ([`Stripe::with_tolerance`] sets another limit). `v0` items are ignored.
//!
//! While a secret is rolled, Stripe signs with both for up to 24 hours. One is enough; see
//! [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! # What Stripe does with each response
//! | response | what Stripe does |
//! | --- | --- |
//! | 2xx | done |
//! | 3xx, 4xx, 5xx, or none in time | sends it again for up to 3 days, at growing intervals |
//! | the same in a sandbox | sends it again 3 times in some hours |
//! | failures for several days | mails you, then disables the endpoint |
//!
//! Events that occur while the endpoint is disabled are not sent later. Stripe does not say how
//! long it waits for a response; the layer responds within 8 seconds by default.
//!
//! An event can be sent again by hand for up to 30 days. Each attempt is signed again and has the
//! same `id`. Other fields of the body (`pending_webhooks`) may differ, so topic and time are what
//! two deliveries of one event must have in common. Events come in no particular order.
//!
//! Missed events can be fetched from the API and read with [`Event::from_json`]; the reconciler
//! of `tower-webhook-reconcile` does both.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use super::{
    DeliveryPolicy, JsonEvent, KnownTopics, Provider,
    json_event::{Fields, Payloads},
    keyed,
    lenient::Field,
    topics::topics,
};
use crate::{
    event::{EventError, SelfIdentified, Shape, read_json},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const TOLERANCE: Duration = Duration::from_secs(300);
const DAY: Duration = Duration::from_secs(24 * 3600);

const PAYLOADS: Payloads = Payloads::Fixed(&[&["data", "object"], &[]]);

/// How Stripe signs: HMAC-SHA256 over `{t}.{body}` in hex, in the list
/// `Stripe-Signature: t=…,v1=…`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("stripe-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
        .list_of(b',', "v1=")
        .timestamp_item_of("t=", TOLERANCE)
}

/// An event of Stripe. Its payload is `data.object`, or the whole body where that is absent (thin
/// events). All of it is signed.
pub type Event = JsonEvent<Stripe>;

impl SelfIdentified for Event {}

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    id: Field<'a>,
    #[serde(rename = "type")]
    topic: Field<'a>,
    #[serde(rename = "created")]
    time: Field<'a>,
}

impl Event {
    /// Reads an event from its JSON. [`Stripe`] does this for deliveries; use it for events that
    /// you fetched from Stripe's API (`GET /v1/events`). Such an event has the same key as its
    /// delivery.
    ///
    /// # Errors
    /// The JSON is not an object with the strings `id` and `type`, or it has a field twice.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        Self::of(&Bytes::copy_from_slice(json))
    }

    fn of(body: &Bytes) -> Result<Self, EventError> {
        let (id, topic, time) = read_json(body, Shape::Object, |json| {
            let body = Body::deserialize(json)?;
            Ok((body.id.required("id")?, body.topic.required("type")?, body.time.time()))
        })?;
        let mut fields = Fields::of(body, PAYLOADS).topic_and_time(Some(topic), &time);
        fields.id = Some(id);
        Ok(Self::new(fields))
    }
}

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

/// Receives from Stripe. The [module](self) says what Stripe expects of a receiver.
#[derive(Clone, Debug)]
pub struct Stripe {
    verifier: Verifier,
}

impl Stripe {
    /// Takes the signing secret of an endpoint, or those of several: a text, a list of texts or
    /// [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or [`Secrets::new`] refuses one: it is empty, in quotes, or `whsec_`
    /// alone, say.
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

    /// How far from now a request may have been signed, instead of 300 seconds.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self {
            verifier: self.verifier.with_tolerance(tolerance),
        }
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
        &self.verifier
    }

    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        Event::of(body)
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 10 seconds for a response (Stripe publishes no limit), retries for 3 days, more on request
    /// for 30 days, bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), DAY.saturating_mul(3))
            .with_redelivery_window(DAY.saturating_mul(30))
    }
}
