//! Webhooks that go through [Svix](https://docs.svix.com): [`Svix`] receives them, [`Event`] is what they tell. Clerk, Resend and many others send so.
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
//! The secret is the endpoint's signing secret in the provider's portal: `whsec_` and base64. It is signed as by
//! [`standard_webhooks`](super::standard_webhooks), in headers that are called `svix-id`, `svix-timestamp` and `svix-signature`, or `webhook-…`. Where
//! `svix-signature` is there the three `svix-` headers count, else the other three; they are never mixed.
//!
//! A rotated secret stays valid for 24 hours by default, in which Svix signs with both.
//!
//! The signed id is the deduplication key. What an event is, and what it may lack, is said at
//! [`standard_webhooks`](super::standard_webhooks).
//!
//! # Several providers
//! Two providers that both go through Svix need a layer each, and a [name](Svix::named) each.
//!
//! # What Svix does with your answer
//! | answer | what Svix does |
//! | --- | --- |
//! | 2xx within 15 seconds | done |
//! | anything else | sends it again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h more, under the same id and signed anew |
//! | nothing but failures for 5 days | disables the endpoint |
//!
//! Messages can be sent again by hand, under the same id, for as long as Svix keeps them: 90 days.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    DeliveryPolicy, JsonEvent, Provider,
    json::{Configured, Facts, Reader},
    standard_webhooks::{PAYLOADS, PLACES, TOLERANCE},
};
use crate::{
    event::EventError,
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

const HOUR: Duration = Duration::from_secs(3600);

/// How Svix signs: as the Standard Webhooks specification has it, in headers `svix-…`, or `webhook-…` where `svix-signature` is absent.
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

/// Receives what is sent through Svix. See the [module](self).
#[derive(Debug)]
pub struct Svix {
    name: Cow<'static, str>,
    configured: Configured,
}

impl Svix {
    /// Takes the endpoint's signing secret, or several: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one is refused by [`Secrets::new`] (empty, say, or in quotes), is not
    /// base64, or stands for fewer than 24 or more than 75 bytes. A [raw key](Secrets::raw_key) may
    /// have any length.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(PLACES).facts(Facts::TopicAndTime).payload_at(PAYLOADS);
        Ok(Self {
            name: Cow::Borrowed("svix"),
            configured: Configured::new(&scheme(), secrets, reader)?,
        })
    }

    /// How far from now a request may have been signed, instead of 300 seconds.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Self {
        Self {
            configured: self.configured.tolerance(tolerance),
            ..self
        }
    }

    /// Another name: what logs call the provider, and the default namespace of its ids. Where more than one provider signs like this, each needs a name
    /// of its own: an id of one must not be taken for an id of the other.
    #[must_use]
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> Self {
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
        &self.configured.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        self.configured.event_under_signed_id(headers, body)
    }

    /// 15 seconds for an answer, retries for 28 hours, more on request for 90 days, bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(15), HOUR.saturating_mul(28))
            .with_redelivery_window(HOUR.saturating_mul(90 * 24))
    }
}
