//! Webhooks from [Zoom](https://developers.zoom.us/docs/api/webhooks/): [`Zoom`] receives them, [`Event`] is what they tell.
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
//! The secret is the app's *secret token* (Marketplace, the app, Features, Access), as it stands there; the *verification token* beside it is an older means. When it is
//! regenerated, be ready for both: see [`SecretsHandle`](crate::signature::SecretsHandle).
//!
//! Signed are `x-zm-request-timestamp` and the body. A request that was signed more than 2 hours
//! from now is refused ([`Zoom::tolerance`] sets another limit): Zoom does not say whether a retry,
//! the last of which comes 85 minutes after the event, is signed anew.
//!
//! Zoom gives its events no id: the digest of the body is the deduplication key. Events have a time in milliseconds, so two of them differ; one event that Zoom sends with
//! another body (a recording's fresh download token) is two.
//!
//! # The handshake
//! When the address is entered, and every 72 hours, Zoom sends `endpoint.url_validation` with a token that is to be signed with the secret. The layer does it, once the request's own
//! signature is verified, and hands it to no handler. A token is refused that is anything but letters, digits and `-_+/=`: what this signs can never be what signs a
//! request, which begins with `v0:`.
//!
//! # What Zoom does with your answer
//! | answer | what Zoom does |
//! | --- | --- |
//! | 200 or 204 within 3 seconds | done |
//! | anything else, or later | sends it again after 5, 25 and 85 minutes |
//! | the handshake fails again and again | disables the subscription |
//!
//! The layer answers after 1.5 seconds by default, by 503 if the handler still runs. Hand what
//! takes longer to a queue.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    DeliveryPolicy, Handshake, JsonEvent, KnownTopics, Provider,
    json::{Configured, Reader, Role, topics},
};
use crate::{
    event::{EventError, EventErrorKind, read_payload},
    signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verified, Verifier},
};

/// Zoom does not say whether a retry, the last 85 minutes after the event, is signed anew.
const TOLERANCE: Duration = Duration::from_secs(2 * 3600);

/// Zoom's tokens have 22.
const LONGEST_TOKEN: usize = 128;

/// How Zoom signs: HMAC-SHA256 over `v0:{timestamp}:{body}`, in hex after `v0=`, in `x-zm-signature`.
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
/// (`app_deauthorized`); all of it is signed, and it has no id.
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

/// Receives from Zoom. See the [module](self) for what Zoom expects of a receiver.
#[derive(Debug)]
pub struct Zoom(Configured);

impl Zoom {
    /// Takes the app's secret token, or several while one replaces another: a text, a list of texts or [`Secrets`].
    ///
    /// # Errors
    /// There is no secret, or one that [`Secrets::new`] refuses: an empty one, or one in quotes,
    /// say.
    pub fn new(secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Self, SecretError> {
        let reader = Reader::of(&[(Role::Topic, &["event"]), (Role::Milliseconds, &["event_ts"])])
            .payload_at(&[&["payload", "object"], &["payload"]]);
        Configured::new(&scheme(), secrets, reader).map(Self)
    }

    /// How far from now a request may have been signed, instead of 2 hours.
    #[must_use]
    pub fn tolerance(self, tolerance: Duration) -> Self {
        Self(self.0.tolerance(tolerance))
    }
}

impl Provider for Zoom {
    type Event = Event;

    fn name(&self) -> &str {
        "zoom"
    }

    fn verifier(&self) -> &Verifier {
        &self.0.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        self.0.reader.read(headers, body, None)
    }

    fn handshake(&self, event: &Event, verified: Verified) -> Result<Option<Handshake>, EventError> {
        if event.topic() != "endpoint.url_validation" {
            return Ok(None);
        }
        let is_token = |text: &String| {
            let plain = text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte));
            plain && (1..=LONGEST_TOKEN).contains(&text.len())
        };
        let refused = |message: &'static str| EventError::new(EventErrorKind::Field, message);
        let plain = read_payload::<String>(event.json(), &["payload", "plainToken"])
            .ok()
            .filter(is_token)
            .ok_or_else(|| {
                refused(
                    "the event's payload.plainToken is no token; expected 1 to 128 letters, digits and -_+/= in an endpoint.url_validation",
                )
            })?;
        let tag = self.0.verifier.hex_tag_of(verified, plain.as_bytes());
        let tag =
            tag.ok_or_else(|| refused("the secrets were rotated while the request came in; expected it once more"))?;
        let answer = format!(r#"{{"plainToken":"{plain}","encryptedToken":"{tag}"}}"#);
        Ok(Some(Handshake::answer("application/json", answer)))
    }

    fn known_topics(&self) -> KnownTopics {
        KnownTopics::common(COMMON_TOPICS.iter().copied())
    }

    /// 3 seconds for an answer, retries for 90 minutes, bodies up to 1 MiB.
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(3), Duration::from_secs(90 * 60))
    }
}
