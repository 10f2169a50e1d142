//! Webhooks from [Zoom](https://developers.zoom.us/docs/api/webhooks/): [`Zoom`] receives them,
//! [`Event`] is what they say.
//!
//! ```
//! # #[cfg(feature = "service")] {
//! use tower_webhook::{Payload, TopicRouter, zoom::{self, Zoom}};
//!
//! #[derive(serde::Deserialize)]
//! struct Meeting {
//!     uuid: String,
//!     topic: String,
//! }
//!
//! // the payload is `payload.object`
//! async fn started(Payload(meeting): Payload<Meeting>) {
//!     println!("{}: {}", meeting.uuid, meeting.topic);
//! }
//!
//! let provider = Zoom::new("8f742231b10e8888abcd99yyyzzz85a5")?;
//! let topics = TopicRouter::<zoom::Event>::new().on(zoom::topic::MEETING_STARTED, started);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! # The secret and the signature
//! The secret is the app's *secret token* (Marketplace, the app, Features, Access), as shown there.
//! The *verification token* beside it is the older mechanism. Before the secret token is
//! regenerated, be ready to accept both: see [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! The signature covers `x-zm-request-timestamp` and the body. A request that was signed more than
//! 2 hours from now is refused ([`Zoom::with_tolerance`] sets another limit): Zoom does not say
//! whether a retry, the last of which comes 85 minutes after the event, is signed again.
//!
//! Zoom gives its events no id: the digest of the body is the deduplication key. Events have a time
//! in milliseconds, so two of them differ. One event that Zoom sends with another body (a
//! recording's fresh download token) is two.
//!
//! # The handshake
//! When the address is entered, and every 72 hours, Zoom sends `endpoint.url_validation` with a
//! token to be signed with the secret. The layer signs it once the request's own signature is
//! verified, and hands the request to no handler. It refuses a token with anything but letters,
//! digits and `-_+/=`: such a token can never be the signed content of a request, which begins with
//! `v0:`.
//!
//! # What Zoom does with each response
//! | response | what Zoom does |
//! | --- | --- |
//! | 200 or 204 within 3 seconds | done |
//! | anything else, or later | sends it again after 5, 25 and 85 minutes |
//! | the handshake fails again and again | disables the subscription |
//!
//! The layer responds after 1.5 seconds by default, with 503 if the handler is still running. Hand
//! longer work to a queue.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::{
    DeliveryPolicy, Handshake, JsonEvent, KnownTopics, Provider,
    json_event::{Fields, Payloads},
    keyed,
    lenient::Field,
    topics::topics,
};
use crate::{
    event::{EventError, EventErrorKind, Shape, read_json, read_payload},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verified, Verifier},
};

/// Zoom does not say whether a retry, the last 85 minutes after the event, is signed again.
const TOLERANCE: Duration = Duration::from_secs(2 * 3600);

/// Zoom's tokens have 22 characters.
const LONGEST_TOKEN: usize = 128;

const PAYLOADS: Payloads = Payloads::Fixed(&[&["payload", "object"], &["payload"]]);

/// How Zoom signs: HMAC-SHA256 over `v0:{timestamp}:{body}`, in hex after `v0=`, in
/// `x-zm-signature`.
#[must_use]
pub fn scheme() -> Scheme {
    Scheme::new(
        HeaderName::from_static("x-zm-signature"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    )
    .prefix(HeaderValue::from_static("v0="))
    .timestamp_header(HeaderName::from_static("x-zm-request-timestamp"), TOLERANCE)
    .content_of("v0:{timestamp}:{body}")
}

/// An event of Zoom. Its payload is `payload.object`, or `payload` where that is absent
/// (`app_deauthorized`). All of it is signed, and it has no id.
pub type Event = JsonEvent<Zoom>;

topics! {
    APP_DEAUTHORIZED = "app_deauthorized",
    MEETING_CREATED = "meeting.created",
    MEETING_ENDED = "meeting.ended",
    MEETING_PARTICIPANT_JOINED = "meeting.participant_joined",
    MEETING_PARTICIPANT_LEFT = "meeting.participant_left",
    MEETING_STARTED = "meeting.started",
    RECORDING_COMPLETED = "recording.completed",
    RECORDING_TRANSCRIPT_COMPLETED = "recording.transcript_completed",
    USER_CREATED = "user.created",
    USER_DEACTIVATED = "user.deactivated",
    WEBINAR_ENDED = "webinar.ended",
    WEBINAR_STARTED = "webinar.started",
}

/// Receives from Zoom. The [module](self) says what Zoom expects of a receiver.
#[derive(Clone, Debug)]
pub struct Zoom {
    verifier: Verifier,
}

impl Zoom {
    /// Takes the app's secret token, or several while one replaces another: a text, a list of texts
    /// or [`Secrets`].
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

    /// How far from now a request may have been signed, instead of 2 hours.
    #[must_use]
    pub fn with_tolerance(self, tolerance: Duration) -> Self {
        Self {
            verifier: self.verifier.with_tolerance(tolerance),
        }
    }
}

/// The fields that are read from a body, apart from the payload.
#[derive(Default, Deserialize)]
#[serde(default, bound(deserialize = "'de: 'a"))]
struct Body<'a> {
    event: Field<'a>,
    event_ts: Field<'a>,
}

impl Provider for Zoom {
    type Event = Event;

    fn name(&self) -> &str {
        "zoom"
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        let mut fields = Fields::of(body, PAYLOADS);
        (fields.topic, fields.time) = read_json(body, Shape::Object, |json| {
            let body = Body::deserialize(json)?;
            Ok((Some(body.event.required("event")?), body.event_ts.milliseconds()))
        })?;
        Ok(JsonEvent::new(fields))
    }

    fn handshake(&self, event: &Event, verified: Verified) -> Result<Option<Handshake>, EventError> {
        self.handshake_with(event, verified, &self.verifier)
    }

    fn handshake_with(
        &self,
        event: &Event,
        verified: Verified,
        verifier: &Verifier,
    ) -> Result<Option<Handshake>, EventError> {
        if event.topic() != "endpoint.url_validation" {
            return Ok(None);
        }
        let refused = |message: &'static str| EventError::new(EventErrorKind::Field, message);
        let token = read_payload::<String>(event.json(), &["payload", "plainToken"])
            .ok()
            .filter(|text| Handshake::is_plain(text, LONGEST_TOKEN) && !text.contains('.'))
            .ok_or_else(|| {
                refused(
                    "the event's payload.plainToken is no token; expected 1 to 128 letters, digits and -_+/= in an endpoint.url_validation",
                )
            })?;
        let tag = verifier.hex_tag_of(verified, token.as_bytes());
        let tag =
            tag.ok_or_else(|| refused("the secrets were rotated while the request came in; expected it once more"))?;
        let body = format!(r#"{{"plainToken":"{token}","encryptedToken":"{tag}"}}"#);
        Ok(Some(Handshake::respond("application/json", body)))
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 3 seconds for a response, retries for 90 minutes, bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(3), Duration::from_secs(90 * 60))
    }
}
