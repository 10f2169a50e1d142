//! Webhooks by the [Standard Webhooks](https://www.standardwebhooks.com) specification, version 1:
//! [`StandardWebhooks`] receives them, [`Event`] is what they say. Many providers sign like this.
//! Those that send through Svix may use its header names: [`svix`](super::svix).
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
//! The provider says where the secret is found. It is `whsec_` and base64 of 24 to 64 bytes; the
//! prefix may be left out. A `whpk_` text is the public key of another algorithm, which this module
//! does not verify.
//!
//! The signature covers `webhook-id`, `webhook-timestamp` and the body, with a dot between each, so
//! the id is the deduplication key. A request that was signed more than 300 seconds from now is
//! refused ([`StandardWebhooks::with_tolerance`] sets another limit). `webhook-signature` is a
//! list: while a secret is rotated it holds a tag for each secret, and one good `v1` is enough.
//!
//! # What an event is
//! JSON, usually an object: `type` is its topic, `timestamp` its time and `data` its payload. The
//! specification recommends these fields, and some providers leave them out. An event without a
//! topic goes to the router's fallback. Without `data` the whole body is the payload, which may be
//! an array.
//!
//! # Several providers
//! Two providers that both follow the specification need a layer each, and a
//! [name](StandardWebhooks::with_name) each: their ids are unrelated.
//!
//! # What providers do with each response
//! The specification recommends:
//!
//! | response | what the provider does |
//! | --- | --- |
//! | 2xx | done |
//! | 3xx | counts it as a failure and does not follow it |
//! | 410 | disables the endpoint |
//! | anything else | sends it again ten times over 75 hours, under the same id and signed again |

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;

use super::{
    DeliveryPolicy, JsonEvent, Provider,
    json_event::{Fields, Payloads},
    keyed,
    lenient::{Field, Object},
};
use crate::{
    event::{EventError, EventErrorKind, EventId, Shape, read_json},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
};

pub(super) const TOLERANCE: Duration = Duration::from_secs(300);
const PAYLOADS: Payloads = Payloads::Fixed(&[&["data"], &[]]);
const HOUR: Duration = Duration::from_secs(3600);

/// How they sign: HMAC-SHA256 over `{id}.{timestamp}.{body}` in base64, in the list
/// `webhook-signature: v1,… v1,…`.
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

/// Receives from a provider that follows the Standard Webhooks specification. The [module](self)
/// says what such a provider expects of a receiver.
#[derive(Clone, Debug)]
pub struct StandardWebhooks {
    name: Cow<'static, str>,
    verifier: Verifier,
}

impl StandardWebhooks {
    /// Takes the endpoint's secret, or several: a text, a list of texts or [`Secrets`].
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
    /// and is found only beside `webhook-signature`.
    #[must_use]
    pub fn reader() -> Self {
        Self::with(Verifier::refusing(&scheme()))
    }

    fn with(verifier: Verifier) -> Self {
        Self {
            name: Cow::Borrowed("standard-webhooks"),
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

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    #[serde(rename = "type")]
    topic: Field<'a>,
    timestamp: Field<'a>,
}

/// The id in the header that the scheme signs.
pub(super) fn signed_id(verifier: &Verifier, headers: &HeaderMap) -> Result<EventId, EventError> {
    let field = |message: String| EventError::new(EventErrorKind::Field, message);
    let id = verifier.scheme().and_then(|scheme| scheme.signed_id(headers));
    let id =
        id.ok_or_else(|| field("the event's id is missing; expected it in the header that is signed".to_owned()))?;
    EventId::new(id).map_err(|error| field(error.to_string()))
}

/// Reads an event whose id is in a header that the scheme signs.
pub(super) fn read<P>(verifier: &Verifier, headers: &HeaderMap, body: &Bytes) -> Result<JsonEvent<P>, EventError> {
    let id = signed_id(verifier, headers)?;
    let (topic, time) = read_json(body, Shape::Any, |json| {
        let body = Object::<Body<'_>>::deserialize(json)?.or_empty();
        Ok((body.topic.optional(), body.timestamp.time()))
    })?;
    let mut fields = Fields::of(body, PAYLOADS).topic_and_time(topic, &time);
    fields.id = Some(id);
    Ok(JsonEvent::new(fields))
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
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        read(&self.verifier, headers, body)
    }

    /// 15 seconds for a response, retries for 76 hours, more on request for 30 days (the
    /// specification sets no limit), bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(15), HOUR.saturating_mul(76))
            .with_redelivery_window(HOUR.saturating_mul(30 * 24))
    }
}
