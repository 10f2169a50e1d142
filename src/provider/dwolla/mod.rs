//! Webhooks from [Dwolla](https://developers.dwolla.com): [`Dwolla`] receives them, [`Event`] and
//! [`Topic`] are what they say.
//!
//! ```
//! use tower_webhook::{
//!     dwolla::{self, Dwolla, Topic},
//!     provider::Provider,
//!     signature::Secrets,
//! };
//!
//! let provider = Dwolla::new("sshhhhhh")?;
//!
//! // what Dwolla sends
//! let body = bytes::Bytes::from_static(
//!     br#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#,
//! );
//! let headers = dwolla::scheme().sign(&Secrets::new("sshhhhhh")?, &body)?;
//!
//! let _verified = provider.verifier().verify(&headers, &body)?;
//! let event = provider.event(&headers, &body)?;
//! assert_eq!(event.topic(), &Topic::CustomerCreated);
//!
//! // the same signature on another topic
//! let forged = bytes::Bytes::from_static(
//!     br#"{"id":"bb6531a2","topic":"customer_verified","created":"2019-02-04T14:58:45.144Z"}"#,
//! );
//! assert!(provider.verifier().verify(&headers, &forged).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The secret and the signature
//!
//! The secret is the text that you gave as `secret` when you created the webhook subscription. It
//! is not your application's key or secret, it belongs to that subscription alone, and Dwolla's API
//! does not show it again. It may have 128 characters at most. Make it of random bytes written as
//! text: Dwolla sets no minimum, and a short one can be guessed.
//!
//! Dwolla puts HMAC-SHA256 over the body's bytes, as lower-case hex, in
//! `X-Request-Signature-SHA-256`. [`scheme`] says how the older `X-Request-Signature` is treated.
//! No time is signed and there is no delivery id, so a captured request stays valid as long as the
//! secret. What stops a replay is the record of the event's id. The age of an event is no sign of a
//! replay, since Dwolla sends events again for up to 72 hours by itself and for up to 30 days on
//! request. The header `X-Dwolla-Topic` is not signed and not read.
//!
//! # What Dwolla does with each response
//!
//! | response | what Dwolla does |
//! | --- | --- |
//! | 2xx, headers within 10 seconds | done; it discards the response's body |
//! | 3xx | counts as a failure and is not followed; the event may never be sent again |
//! | 4xx, 5xx, or none in time | retries 15 min, 1, 3, 6, 12, 24, 48 and 72 hours after the event |
//! | 409 to a duplicate | the same; Dwolla warns that it may pause the subscription |
//! | 400 failures in a row, and no success for 24 hours | pauses the subscription |
//!
//! So the response to a duplicate must be 2xx, as the layer's is. A wrong secret is a failure like
//! any other and eventually pauses the subscription. What happens while a subscription is paused is
//! not sent later: list the subscription's webhooks, and ask for each to be sent again.
//!
//! # Changing the secret
//!
//! A subscription's secret cannot be changed. Create a second subscription with a new secret,
//! receive with both (`Dwolla::new([new, old])`), and delete the first when the second delivers. In
//! between each event comes twice, under the same id and signed with either secret. The
//! subscriptions must share one store and one namespace, as they do by default.
//!
//! # What to build on
//!
//! - The event's id is the same in every delivery. Nothing in a request tells a retry from a first
//!   delivery.
//! - Events come in no order, up to ten at once, and [`Event::created`] does not order them either.
//!   Where the order matters, act on the resource's state, fetched from the API.
//! - One transfer makes several events of one topic, each with its own id: one for each party.
//! - The links' host tells the sandbox from production: [`Event::is_sandbox`].
//! - What was missed can be fetched from the Events API and read with [`Event::from_json`]; the
//!   reconciler of `tower-webhook-reconcile` does both.

mod event;
mod topic;
mod category;
mod links;
mod texts;

pub use category::Category;
pub use event::Event;
pub use topic::{Topic, UnknownTopic};

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use crate::{
    event::EventError,
    provider::{DeliveryPolicy, KnownTopics, Provider, keyed},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Dwolla waits this long for the headers of a response. It waited 20 s until May 2018.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The last of the eight automatic retries, counted from the event's time.
const RETRY_WINDOW: Duration = HOUR.saturating_mul(72);

/// How long Dwolla keeps events and webhooks, and so how long it can be asked for a retry.
const REDELIVERY_WINDOW: Duration = HOUR.saturating_mul(30 * 24);

/// Our own choice: published bodies have 450 to 900 bytes and Dwolla states no limit, so this
/// leaves room for 290 times the largest.
const BODY_LIMIT: usize = 256 * 1024;

/// How Dwolla signs: HMAC-SHA256 over the raw body, in lower-case hex, in
/// `X-Request-Signature-SHA-256`.
///
/// `X-Request-Signature`, the older name that some of Dwolla's pages still show, is read where the
/// newer header is absent. The algorithm is the same under either name: the SHA-1 tags that the
/// older header carried in 2015 are refused, and the error names them.
///
/// ```
/// use tower_webhook::{dwolla, signature::{Secrets, SignatureErrorKind, verify}};
///
/// let secrets = Secrets::new("sshhhhhh")?;
/// let mut headers = dwolla::scheme().sign(&secrets, b"{}")?;
/// assert_eq!(
///     headers["x-request-signature-sha-256"],
///     "c0ce78991a2474b4ff1d2297a51bcebcc47bcdf791600401060f6a259f6cd994",
/// );
/// let verified = verify(&dwolla::scheme(), &secrets, &headers, b"{}")?;
/// assert_eq!(verified.secret_index(), 0);
///
/// // Dwolla can send the header empty
/// headers.insert("x-request-signature-sha-256", http::HeaderValue::from_static(""));
/// let error = verify(&dwolla::scheme(), &secrets, &headers, b"{}").unwrap_err();
/// assert_eq!(error.kind(), SignatureErrorKind::Empty);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("x-request-signature-sha-256"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
    .or_header(HeaderName::from_static("x-request-signature"))
}

/// Receives from Dwolla, with the secrets of one or more subscriptions. The [module](self) says
/// what Dwolla expects of a receiver.
///
/// `Debug` shows how many secrets there are, not what they are.
///
/// ```
/// use tower_webhook::{dwolla::Dwolla, signature::SecretErrorKind};
///
/// let one = Dwolla::new("the secret of the subscription")?;
/// let rotating = Dwolla::new(["the new subscription's", "the old one's"])?;
///
/// let error = Dwolla::new("").unwrap_err();
/// assert_eq!(error.kind(), SecretErrorKind::Empty);
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dwolla {
    verifier: Verifier,
}

impl Dwolla {
    /// Takes a text, a list of texts or [`Secrets`]. While one subscription replaces another, give
    /// both secrets, the new one first.
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

impl Provider for Dwolla {
    type Event = Event;

    fn name(&self) -> &str {
        "dwolla"
    }

    fn ids_are_unique(&self) -> bool {
        true
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        // The body alone: none of Dwolla's headers is signed.
        Event::from_json(body)
    }

    /// All of [`Topic::all`].
    fn known_topics(&self) -> KnownTopics {
        KnownTopics::all(Topic::all().iter().map(Topic::as_str))
    }

    /// 10 seconds for a response, retries for 72 hours, more on request for 30 days (so ids are
    /// kept for 35), bodies up to 256 KiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(RESPONSE_TIMEOUT, RETRY_WINDOW)
            .with_redelivery_window(REDELIVERY_WINDOW)
            .with_body_limit(BODY_LIMIT)
    }
}
