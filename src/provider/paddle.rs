//! Webhooks from [Paddle Billing](https://developer.paddle.com/webhooks/overview): [`Paddle`] receives them, [`Event`] is what they tell. Paddle Classic signs in
//! another way, which this does not verify.
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
//! let topics = TopicRouter::<paddle::Event>::new().on(paddle::topic::TRANSACTION_COMPLETED, completed);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the notification destination's *secret key* (Developer tools, Notifications), the whole of it. Sandbox and live have one each.
//!
//! Signed are the time in `Paddle-Signature` and the body. Paddle's own libraries refuse a request
//! that was signed more than 5 seconds ago, which refuses ordinary deliveries and, if a retry
//! carries the first `ts` as one report has it, every retry. So a signature is good for 4 days
//! here, longer than Paddle retries; [`Paddle::tolerance`] sets another limit. What stops a replay
//! is the record of the event. The header holds several `h1` while a secret is rotated, one of
//! which is enough.
//!
//! # What Paddle does with your answer
//! | answer | what Paddle does |
//! | --- | --- |
//! | 200 within 5 seconds | done |
//! | anything else, or later | sends it again 60 times in 3 days, in the sandbox 3 times in 15 minutes |
//!
//! A notification can be replayed for 90 days; it has another `notification_id` then and the same
//! `event_id`, which is the deduplication key.

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

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Retries, for three days, are reported to carry the first `ts`; a day to spare.
const TOLERANCE: Duration = DAY.saturating_mul(4);

/// How Paddle signs: HMAC-SHA256 over `{ts}:{body}` in hex, in the list `Paddle-Signature: ts=…;h1=…`.
#[must_use]
pub fn scheme() -> Scheme {
    let header = HeaderName::from_static("paddle-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex)
        .list_of(b';', "h1=")
        .timestamp_item_of("ts=", TOLERANCE)
        .content_of("{timestamp}:{body}")
}

/// An event of Paddle. Its payload is `data`; all of it is signed.
pub type Event = JsonEvent<Paddle>;

impl SelfIdentified for Event {}

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

/// Receives from Paddle Billing. See the [module](self) for what Paddle expects of a receiver.
#[derive(Debug)]
pub struct Paddle(Configured);

impl Paddle {
    /// Takes the secret key of a notification destination, or several: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one that [`Secrets::new`] refuses: an empty one, or one in quotes,
    /// say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(&[
            (Role::Id, &["event_id"]),
            (Role::Topic, &["event_type"]),
            (Role::Time, &["occurred_at"]),
        ]);
        Configured::new(
            &scheme(),
            secrets,
            reader.facts(Facts::TopicAndTime).payload_at(&[&["data"]]),
        )
        .map(Self)
    }

    /// How far from now a request may have been signed, instead of 4 days.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Self {
        Self(self.0.tolerance(tolerance))
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
        &self.0.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        self.0.reader.read(headers, body, None)
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 5 seconds for an answer, retries for 3 days, more on request for 90 days, bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(5), DAY.saturating_mul(3))
            .with_redelivery_window(DAY.saturating_mul(90))
    }
}
