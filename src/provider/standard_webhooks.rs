//! Webhooks by the [Standard Webhooks](https://www.standardwebhooks.com) specification, version 1: [`StandardWebhooks`] receives them, [`Event`] is
//! what they tell. Many providers sign like this; those that go through Svix may use its headers' names: [`svix`](super::svix).
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, standard_webhooks::{self, StandardWebhooks}};
//!
//! #[derive(serde::Deserialize)]
//! struct Invoice {
//!     id: String,
//! }
//!
//! // the payload is `data`
//! async fn paid(Payload(invoice): Payload<Invoice>) {
//!     println!("{} is paid", invoice.id);
//! }
//!
//! let provider = StandardWebhooks::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
//! let topics = TopicRouter::<standard_webhooks::Event>::new().on("invoice.paid", paid);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! Where the secret is found, the provider says. It is `whsec_` and base64 of 24 to 64 bytes; the prefix may be left out. A `whpk_` is the public
//! key of another algorithm, which this does not verify.
//!
//! Signed are `webhook-id`, `webhook-timestamp` and the body, each with a dot between, so the id is the deduplication key. A request that was signed
//! more than 300 seconds from now is refused ([`StandardWebhooks::tolerance`] sets another limit). `webhook-signature` is a list: while a secret is
//! rotated, a provider puts a tag for either there, and one good `v1` is enough.
//!
//! # What an event is
//! JSON, most often an object: `type` is its topic, `timestamp` its time and `data` its payload.
//! The specification recommends these fields, and some providers leave them out. An event without a
//! topic goes to the router's fallback; without `data` the whole body is the payload, which may be
//! an array.
//!
//! # Several providers
//! Two providers that both follow the specification need a layer each, and a [name](StandardWebhooks::named) each: their ids know nothing of one another.
//!
//! # What providers do with your answer
//! Recommended are: 2xx is done; 3xx is a failure and not followed; 410 disables the endpoint; all else is sent again ten times over 75 hours, under the
//! same id and signed anew.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};

use super::{
    DeliveryPolicy, JsonEvent, Provider,
    json::{Configured, Facts, Path, Reader, Role},
};
use crate::{
    event::EventError,
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

pub(super) const TOLERANCE: Duration = Duration::from_secs(300);
pub(super) const PLACES: &[(Role, Path)] = &[(Role::MaybeTopic, &["type"]), (Role::Time, &["timestamp"])];
pub(super) const PAYLOADS: &[Path] = &[&["data"], &[]];
const HOUR: Duration = Duration::from_secs(3600);

/// How they sign: HMAC-SHA256 over `{id}.{timestamp}.{body}` in base64, in the list `webhook-signature: v1,… v1,…`.
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("webhook-signature"),
        Algorithm::HmacSha256,
        Encoding::Base64,
    )
    .list_of(b' ', "v1,")
    .timestamp_header(HeaderName::from_static("webhook-timestamp"), TOLERANCE)
    .id_header(HeaderName::from_static("webhook-id"))
    .base64_secrets("whsec_")
}

/// An event by the Standard Webhooks specification. Its id is the signed header's.
pub type Event = JsonEvent<StandardWebhooks>;

/// Receives from a provider that follows the Standard Webhooks specification. See the [module](self).
#[derive(Debug)]
pub struct StandardWebhooks {
    name: Cow<'static, str>,
    configured: Configured,
}

impl StandardWebhooks {
    /// Takes the endpoint's secret, or several: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one is refused by [`Secrets::new`] (empty, say, or in quotes), is not
    /// base64, or stands for fewer than 24 or more than 75 bytes. A [raw key](Secrets::raw_key) may
    /// have any length.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(PLACES).facts(Facts::TopicAndTime).payload_at(PAYLOADS);
        Ok(Self {
            name: Cow::Borrowed("standard-webhooks"),
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

impl Provider for StandardWebhooks {
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

    /// 15 seconds for an answer, retries for 76 hours, more on request for 30 days (the specification sets no limit), bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(15), HOUR.saturating_mul(76))
            .with_redelivery_window(HOUR.saturating_mul(30 * 24))
    }
}
