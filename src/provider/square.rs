//! Webhooks from [Square](https://developer.squareup.com/docs/webhooks/overview): [`Square`]
//! receives them, [`Event`] is what they say.
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
//! The secret is the subscription's *signature key* (Developer Console, Webhooks, Subscriptions),
//! as shown there. Replacing it takes effect at once. To replace it without a gap, first accept the
//! old and the new key together ([`SecretsHandle`](crate::signature::SecretsHandle)).
//!
//! Square signs the URL that it posts to, then the body. Give that URL to [`Square::new`] letter
//! for letter as the subscription has it (scheme, port, trailing slash, query). It is never taken
//! from a request, where a proxy changes it and an attacker chooses it. No time is signed. The
//! SHA-1 tag in `x-square-signature` is ignored.
//!
//! # What Square does with each response
//! | response | what Square does |
//! | --- | --- |
//! | 2xx within 10 seconds | done |
//! | 3xx, 4xx, 5xx, or none in time | sends it again 11 times within 24 hours |
//! | no success in three weeks | disables the subscription |
//!
//! The retries come after 1, 2, 4, 8, 16, 32 and 60 minutes, then after 2, 4, 8 and 8 hours. An
//! event keeps its `event_id`, which is the deduplication key.
//!
//! Missed events can be fetched from the API and read with [`Event::from_json`].

use std::{fmt, time::Duration};

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

const PAYLOADS: Payloads = Payloads::Fixed(&[&["data", "object"], &["data"]]);

/// How Square signs: HMAC-SHA256 over the notification URL and the body, in base64, in
/// `x-square-hmacsha256-signature`.
#[must_use]
pub fn scheme(notification_url: &str) -> Scheme {
    let header = HeaderName::from_static("x-square-hmacsha256-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Base64).text_before_body(notification_url.to_owned())
}

/// The scheme, where the URL may hold `{tenant}`.
fn scheme_of(notification_url: &str) -> Scheme {
    match notification_url.split_once("{tenant}") {
        Some((before, behind)) => scheme("").tenant_before_body(before.to_owned(), behind.to_owned()),
        None => scheme(notification_url),
    }
}

fn check_url(notification_url: &str) -> Result<(), SquareError> {
    let is_url = ["https://", "http://"].iter().any(|scheme| {
        notification_url
            .strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    if is_url && notification_url.trim() == notification_url {
        Ok(())
    } else {
        Err(SquareError(Wrong::Url))
    }
}

/// An event of Square. Its payload is `data.object`, or `data` where that is absent (deleted things
/// have no object). All of it is signed.
pub type Event = JsonEvent<Square>;

impl SelfIdentified for Event {}

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(rename = "event_id")]
    id: Field<'a>,
    #[serde(rename = "type")]
    topic: Field<'a>,
    #[serde(rename = "created_at")]
    time: Field<'a>,
}

impl Event {
    /// Reads an event from its JSON. [`Square`] does this for deliveries; use it for events that
    /// you fetched from Square's API (`POST /v2/events`). Such an event has the same key as its
    /// delivery.
    ///
    /// # Errors
    /// The JSON is not an object with the strings `event_id` and `type`, or it has a field twice.
    pub fn from_json(json: &[u8]) -> Result<Self, EventError> {
        Self::of(&Bytes::copy_from_slice(json))
    }

    fn of(body: &Bytes) -> Result<Self, EventError> {
        let (id, topic, time) = read_json(body, Shape::Object, |json| {
            let body = Body::deserialize(json)?;
            Ok((
                body.id.required("event_id")?,
                body.topic.required("type")?,
                body.time.time(),
            ))
        })?;
        let mut fields = Fields::of(body, PAYLOADS).topic_and_time(Some(topic), &time);
        fields.id = Some(id);
        Ok(Self::new(fields))
    }
}

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

/// Receives from Square. The [module](self) says what Square expects of a receiver.
#[derive(Clone, Debug)]
pub struct Square {
    verifier: Verifier,
}

impl Square {
    /// Takes the subscription's notification URL, exactly as Square shows it, and its signature
    /// key, or several while one replaces another.
    ///
    /// # Errors
    /// The notification URL is not absolute. There is no secret, or [`Secrets::new`] refuses one:
    /// it is empty or in quotes, say.
    pub fn new(
        notification_url: &str,
        secrets: impl TryInto<Secrets, Error: Into<SecretError>>,
    ) -> Result<Self, SquareError> {
        check_url(notification_url)?;
        keyed(&scheme(notification_url), secrets)
            .map(|verifier| Self { verifier })
            .map_err(|error| SquareError(Wrong::Secret(error)))
    }

    /// Has the URL and no secret: what [`per_tenant`](Provider::per_tenant) makes a provider with
    /// tenants of. `{tenant}` in it stands for the name of each; without it, all have this URL.
    ///
    /// ```
    /// use tower_webhook::{
    ///     event::Tenant,
    ///     provider::{Provider as _, tenant::{BoxError, TenantOf}},
    ///     signature::Secrets,
    ///     square::Square,
    /// };
    ///
    /// async fn secrets(tenant: Tenant) -> Result<Option<Secrets>, BoxError> {
    /// #   drop(tenant);
    ///     Ok(None) // a query
    /// }
    ///
    /// let provider = Square::reader_at("https://example.com/webhooks/square/{tenant}")?
    ///     .per_tenant(TenantOf::last_path_segment(), secrets)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The notification URL is not absolute, or has `{tenant}` more than once.
    pub fn reader_at(notification_url: &str) -> Result<Self, SquareError> {
        check_url(notification_url)?;
        if notification_url.matches("{tenant}").count() > 1 {
            return Err(SquareError(Wrong::Tenants));
        }
        Ok(Self {
            verifier: Verifier::refusing(&scheme_of(notification_url)),
        })
    }

    /// Reads deliveries that were verified and stored earlier. It has neither URL nor secret and
    /// [refuses](Verifier::refusing) every request. For tenants take
    /// [`reader_at`](Self::reader_at).
    #[must_use]
    pub fn reader() -> Self {
        Self {
            verifier: Verifier::refusing(&scheme("")),
        }
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
        &self.verifier
    }

    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        Event::of(body)
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 10 seconds for a response, retries for 72 hours (as Square's older pages say; the schedule
    /// in the [module](self) takes 24), bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(72 * 3600))
    }
}

/// Why a [`Square`] cannot be built. Its text repeats no secret.
///
/// ```
/// use tower_webhook::square::Square;
///
/// let error = Square::new("example.com/webhooks", "Ibxx_5AKakO-3qeNVR61Dw").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the notification URL is not absolute, or has whitespace around it; \
///      expected it as it stands in the subscription: https://…",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SquareError(Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wrong {
    Url,
    Tenants,
    Secret(SecretError),
}

impl SquareError {
    /// The error of the secrets, where they are what is wrong. Its text is this error's text.
    #[must_use]
    pub fn secret_error(&self) -> Option<&SecretError> {
        match &self.0 {
            Wrong::Secret(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for SquareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::Url => f.write_str(
                "the notification URL is not absolute, or has whitespace around it; expected it as it stands in the subscription: \
                 https://…",
            ),
            Wrong::Tenants => f.write_str(
                "the notification URL names {tenant} more than once; expected it once, where the tenant's name stands",
            ),
            Wrong::Secret(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SquareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The secrets' error has this error's text.
        self.secret_error().and_then(std::error::Error::source)
    }
}
