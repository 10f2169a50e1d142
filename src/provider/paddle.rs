//! Webhooks from [Paddle Billing](https://developer.paddle.com/webhooks/overview): [`Paddle`]
//! receives them, [`Event`] is what they say. Paddle Classic signs in another way, which this
//! module does not verify.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, paddle::{self, Paddle}};
//!
//! #[derive(serde::Deserialize)]
//! struct Transaction {
//!     id: String,
//!     status: String,
//! }
//!
//! // the payload is `data`
//! async fn completed(Payload(transaction): Payload<Transaction>) {
//!     println!("{} is {}", transaction.id, transaction.status);
//! }
//!
//! let provider = Paddle::new("pdl_ntfset_8f742231b10e8888abcd99yyyzzz85a5")?;
//! let topics = TopicRouter::<paddle::Event>::new()
//!     .on(paddle::topic::TRANSACTION_COMPLETED, completed);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the notification destination's *secret key* (Developer tools, Notifications), the
//! whole of it. Sandbox and live have one each.
//!
//! The signature covers the time in `Paddle-Signature` and the body. Paddle's own libraries refuse
//! a request that was signed more than 5 seconds ago. That refuses ordinary deliveries and, if a
//! retry carries the first `ts` as one report has it, every retry. So a signature is valid for 4
//! days here, longer than Paddle retries; [`Paddle::with_tolerance`] sets another limit. What stops
//! a replay is the record of the event. While a secret is rotated the header holds several `h1`,
//! one of which is enough.
//!
//! # What Paddle does with each response
//! | response | what Paddle does |
//! | --- | --- |
//! | 200 within 5 seconds | done |
//! | anything else, or later | sends it again 60 times in 3 days |
//! | the same in the sandbox | sends it again 3 times in 15 minutes |
//!
//! A notification can be replayed for 90 days. It then has another `notification_id` and the same
//! `event_id`, which is the deduplication key.
//!
//! Missed events can be fetched from the API and read with [`Event::from_json`].

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

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Retries, for three days, are reported to carry the first `ts`; a day to spare.
const TOLERANCE: Duration = DAY.saturating_mul(4);

const PAYLOADS: Payloads = Payloads::Fixed(&[&["data"]]);

/// How Paddle signs: HMAC-SHA256 over `{ts}:{body}` in hex, in the list
/// `Paddle-Signature: ts=…;h1=…`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("paddle-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
        .list_of(b';', "h1=")
        .timestamp_item_of("ts=", TOLERANCE)
        .content_of("{timestamp}:{body}")
}

/// An event of Paddle. Its payload is `data`. All of it is signed.
pub type Event = JsonEvent<Paddle>;

impl SelfIdentified for Event {}

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(rename = "event_id")]
    id: Field<'a>,
    #[serde(rename = "event_type")]
    topic: Field<'a>,
    #[serde(rename = "occurred_at")]
    time: Field<'a>,
}

impl Event {
    /// Reads an event from its JSON. [`Paddle`] does this for deliveries; use it for events that
    /// you fetched from Paddle's API (`GET /events`). Such an event has the same key as its
    /// delivery.
    ///
    /// # Errors
    /// The JSON is not an object with the strings `event_id` and `event_type`, or it has a field
    /// twice.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        Self::of(&Bytes::copy_from_slice(json))
    }

    fn of(body: &Bytes) -> Result<Self, EventError> {
        let (id, topic, time) = read_json(body, Shape::Object, |json| {
            let body = Body::deserialize(json)?;
            Ok((
                body.id.required("event_id")?,
                body.topic.required("event_type")?,
                body.time.time(),
            ))
        })?;
        let mut fields = Fields::of(body, PAYLOADS).topic_and_time(Some(topic), &time);
        fields.id = Some(id);
        Ok(Self::new(fields))
    }
}

topics! {
    ADJUSTMENT_CREATED = "adjustment.created",
    CUSTOMER_CREATED = "customer.created",
    PAYOUT_PAID = "payout.paid",
    SUBSCRIPTION_ACTIVATED = "subscription.activated",
    SUBSCRIPTION_CANCELED = "subscription.canceled",
    SUBSCRIPTION_CREATED = "subscription.created",
    SUBSCRIPTION_PAST_DUE = "subscription.past_due",
    SUBSCRIPTION_UPDATED = "subscription.updated",
    TRANSACTION_COMPLETED = "transaction.completed",
    TRANSACTION_CREATED = "transaction.created",
    TRANSACTION_PAID = "transaction.paid",
    TRANSACTION_PAYMENT_FAILED = "transaction.payment_failed",
}

/// Receives from Paddle Billing. The [module](self) says what Paddle expects of a receiver.
#[derive(Clone, Debug)]
pub struct Paddle {
    verifier: Verifier,
}

impl Paddle {
    /// Takes the secret key of a notification destination, or several: a text, a list of texts or
    /// [`Secrets`].
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

    /// How far from now a request may have been signed, instead of 4 days.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self {
            verifier: self.verifier.with_tolerance(tolerance),
        }
    }
}

impl Provider for Paddle {
    type Event = Event;

    fn name(&self) -> &str {
        "paddle"
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

    /// 5 seconds for a response, retries for 3 days, more on request for 90 days, bodies up to 1
    /// MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(5), DAY.saturating_mul(3))
            .with_redelivery_window(DAY.saturating_mul(90))
    }
}
