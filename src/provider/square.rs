//! Webhooks from [Square](https://developer.squareup.com/docs/webhooks/overview): [`Square`] receives them, [`Event`] is what they tell.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, square::{self, Square}};
//!
//! #[derive(serde::Deserialize)]
//! struct Changed {
//!     payment: Payment,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Payment {
//!     id: String,
//!     status: String,
//! }
//!
//! // the payload is `data.object`
//! async fn updated(Payload(changed): Payload<Changed>) {
//!     println!("{} is {}", changed.payment.id, changed.payment.status);
//! }
//!
//! let provider = Square::new("https://example.com/webhooks/square", "Ibxx_5AKakO-3qeNVR61Dw")?;
//! let topics = TopicRouter::<square::Event>::new().on(square::topic::PAYMENT_UPDATED, updated);
//! # }
//! # Ok::<(), tower_webhook::square::SquareError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the subscription's *signature key* (Developer Console, Webhooks, Subscriptions), as it stands there. Replacing it takes effect at once: exchange the old
//! for both before, and both for the new one after ([`SecretsHandle`](crate::signature::SecretsHandle)).
//!
//! Square signs the address that it posts to, then the body. The address is what you give to [`Square::new`], letter for letter as it stands in the
//! subscription (scheme, port, slash at the end, query): it is never taken from a request, of which a proxy changes it and a stranger chooses it. No time is
//! signed. The SHA-1 in `x-square-signature` is not looked at.
//!
//! # What Square does with your answer
//! | answer | what Square does |
//! | --- | --- |
//! | 2xx within 10 seconds | done |
//! | 3xx, 4xx, 5xx, none in time | sends it again after 1, 2, 4, 8, 16, 32 and 60 min, 2, 4, 8 and 8 h |
//! | no success in three weeks | disables the subscription |
//!
//! An event has the same `event_id` each time: that is the deduplication key.

use std::{fmt, time::Duration};

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

/// How Square signs: HMAC-SHA256 over the notification URL and the body, in base64, in `x-square-hmacsha256-signature`.
#[must_use]
pub fn scheme(notification_url: &str) -> Scheme {
    let header = HeaderName::from_static("x-square-hmacsha256-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64).text_before_body(notification_url.to_owned())
}

/// An event of Square. Its payload is `data.object`, or `data` where that is absent (what was
/// deleted has no object); all of it is signed.
pub type Event = JsonEvent<Square>;

impl SelfIdentified for Event {}

topics! {
    CATALOG_VERSION_UPDATED = "catalog.version.updated",
    CUSTOMER_CREATED = "customer.created",
    DISPUTE_CREATED = "dispute.created",
    INVENTORY_COUNT_UPDATED = "inventory.count.updated",
    INVOICE_PAYMENT_MADE = "invoice.payment_made",
    OAUTH_AUTHORIZATION_REVOKED = "oauth.authorization.revoked",
    ORDER_CREATED = "order.created",
    ORDER_UPDATED = "order.updated",
    PAYMENT_CREATED = "payment.created",
    PAYMENT_UPDATED = "payment.updated",
    REFUND_CREATED = "refund.created",
    REFUND_UPDATED = "refund.updated",
    SUBSCRIPTION_UPDATED = "subscription.updated",
}

/// Receives from Square. See the [module](self) for what Square expects of a receiver.
#[derive(Debug)]
pub struct Square(Configured);

impl Square {
    /// Takes the address of the subscription, as it stands there, and its signature key, or several while one replaces another.
    ///
    /// # Errors
    /// The address is no absolute URL. There is no secret, or one that [`Secrets::new`] refuses: an
    /// empty one, or one in quotes, say.
    pub fn new(
        notification_url: &str,
        secrets: impl TryInto<Secrets, Error: Into<SecretError>>,
    ) -> Result<Self, SquareError> {
        let is_url = ["https://", "http://"].iter().any(|scheme| {
            notification_url
                .strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty())
        });
        if !is_url || notification_url.trim() != notification_url {
            return Err(SquareError(Wrong::Url));
        }
        let reader = Reader::of(&[
            (Role::Id, &["event_id"]),
            (Role::Topic, &["type"]),
            (Role::Time, &["created_at"]),
        ]);
        let configured = Configured::new(
            &scheme(notification_url),
            secrets,
            reader
                .facts(Facts::TopicAndTime)
                .payload_at(&[&["data", "object"], &["data"]]),
        );
        configured.map(Self).map_err(|error| SquareError(Wrong::Secret(error)))
    }
}

impl Provider for Square {
    type Event = Event;

    fn name(&self) -> &str {
        "square"
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

    /// 10 seconds for an answer, retries for 72 hours (what older pages of Square's say; the table
    /// above makes 24), bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(72 * 3600))
    }
}

/// Why a [`Square`] cannot be. Its text repeats no secret.
///
/// ```
/// use tower_webhook::square::Square;
///
/// let error = Square::new("example.com/webhooks", "Ibxx_5AKakO-3qeNVR61Dw").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the notification URL is not absolute, or has whitespace around it; expected it as it stands in the subscription: https://…",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquareError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Url,
    Secret(SecretError),
}

impl fmt::Display for SquareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::Url => f.write_str(
                "the notification URL is not absolute, or has whitespace around it; expected it as it stands in the subscription: \
                 https://…",
            ),
            Wrong::Secret(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SquareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Wrong::Url => None,
            Wrong::Secret(error) => Some(error),
        }
    }
}
