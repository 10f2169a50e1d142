//! Webhooks sent through [Svix](https://docs.svix.com), as Clerk, Resend and many others do:
//! [`Svix`] receives them, [`Event`] is what they say.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, svix::{self, Svix}};
//!
//! #[derive(serde::Deserialize)]
//! struct User {
//!     id: String,
//! }
//!
//! // the payload is `data`
//! async fn created(Payload(user): Payload<User>) {
//!     println!("{} joined", user.id);
//! }
//!
//! let provider = Svix::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
//! let topics = TopicRouter::<svix::Event>::new().on("user.created", created);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the endpoint's signing secret in the provider's portal: `whsec_` and base64. Svix
//! signs like [`standard_webhooks`](super::standard_webhooks), in headers that are called
//! `svix-id`, `svix-timestamp` and `svix-signature`, or `webhook-…`. Where `svix-signature` is
//! present the three `svix-` headers count, otherwise the other three. The two sets are never
//! mixed.
//!
//! A rotated secret stays valid for 24 hours by default. During that time Svix signs with both.
//!
//! The signed id is the deduplication key. What an event is, and what it may lack, is described in
//! [`standard_webhooks`](super::standard_webhooks).
//!
//! # Several providers
//! Two providers that both send through Svix need a layer each, and a [name](Svix::with_name) each.
//!
//! # What Svix does with each response
//! | response | what Svix does |
//! | --- | --- |
//! | 2xx within 15 seconds | done |
//! | anything else | sends it again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h more |
//! | only failures for 5 days | disables the endpoint |
//!
//! Each attempt has the same id and is signed again. Messages can be sent again by hand, under the
//! same id, for as long as Svix keeps them: 90 days.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    DeliveryPolicy, JsonEvent, Provider, keyed,
    standard_webhooks::{TOLERANCE, read},
};
use crate::{
    event::EventError,
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const HOUR: Duration = Duration::from_secs(3600);

/// How Svix signs: by the Standard Webhooks specification, in headers `svix-…`, or `webhook-…`
/// where `svix-signature` is absent.
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("svix-signature"),
        Algorithm::HmacSha256,
        Encoding::Base64,
    )
    .list_of(b' ', "v1,")
    .timestamp_header(HeaderName::from_static("svix-timestamp"), TOLERANCE)
    .id_header(HeaderName::from_static("svix-id"))
    .or_headers(
        HeaderName::from_static("webhook-signature"),
        HeaderName::from_static("webhook-id"),
        HeaderName::from_static("webhook-timestamp"),
    )
    .base64_secrets("whsec_")
}

/// An event that came through Svix. Its id is the signed header's.
pub type Event = JsonEvent<Svix>;

/// Receives webhooks that are sent through Svix. The [module](self) says what Svix expects of a
/// receiver.
#[derive(Clone, Debug)]
pub struct Svix {
    name: Cow<'static, str>,
    verifier: Verifier,
}

impl Svix {
    /// Takes the endpoint's signing secret, or several: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or [`Secrets::new`] refuses one (it is empty or in quotes, say), or one
    /// is not base64 or encodes fewer than 24 or more than 75 bytes. A [raw key](Secrets::raw_key)
    /// may have any length.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        keyed(&scheme(), secrets).map(Self::with)
    }

    /// Reads deliveries that were verified and stored earlier. It has no secret and
    /// [refuses](Verifier::refusing) every request. The id of a stored delivery is in its headers,
    /// and is found only beside `svix-signature`.
    #[must_use]
    pub fn reader() -> Self {
        Self::with(Verifier::refusing(&scheme()))
    }

    fn with(verifier: Verifier) -> Self {
        Self {
            name: Cow::Borrowed("svix"),
            verifier,
        }
    }

    /// How far from now a request may have been signed, instead of 300 seconds.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self {
            verifier: self.verifier.with_tolerance(tolerance),
            ..self
        }
    }

    /// Another name: logs call the provider by it, and it is the default namespace of its ids.
    /// Where more than one provider signs like this, each needs its own name, so that an id of one
    /// is not taken for an id of another.
    #[must_use]
    pub fn with_name(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }
}

impl Provider for Svix {
    type Event = Event;

    fn name(&self) -> &str {
        &self.name
    }

    fn ids_are_unique(&self) -> bool {
        true
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        read(&self.verifier, headers, body)
    }

    /// 15 seconds for a response, retries for 28 hours, more on request for 90 days, bodies up to
    /// 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(15), HOUR.saturating_mul(28))
            .with_redelivery_window(HOUR.saturating_mul(90 * 24))
    }
}
