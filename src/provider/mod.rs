//! Who sends: a [`Provider`] says how a provider signs, what its events are and how it delivers.
//!
//! To receive from a provider that is not here, describe it: [`custom`] takes how it signs and where id and topic are. Where that is
//! not enough, implement [`Provider`]: a keyed [`Verifier`], a function from a body to your [`Event`], and the provider's
//! [`DeliveryPolicy`].

mod policy;
mod topics;
mod handshake;
mod json;
mod form;
pub mod dwolla;
pub mod standard_webhooks;
pub mod svix;
pub mod stripe;
pub mod github;
pub mod slack;
pub mod shopify;
pub mod square;
pub mod paddle;
pub mod linear;
pub mod zoom;
pub mod custom;

pub use handshake::Handshake;
pub use json::JsonEvent;
pub use policy::DeliveryPolicy;
pub use topics::KnownTopics;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::HeaderMap;

use crate::{
    event::{Event, EventError},
    signature::{SignatureError, Verified, Verifier},
};

/// One provider, configured with the secrets shared with it.
///
/// ```
/// use http::{HeaderMap, HeaderName};
/// use std::time::Duration;
/// use tower_webhook::{
///     event::{Event, EventError, EventId, from_json},
///     provider::{DeliveryPolicy, Provider},
///     signature::{Algorithm, Encoding, Scheme, SecretError, Secrets, Verifier},
/// };
///
/// #[derive(Clone, serde::Deserialize)]
/// struct Build {
///     id: EventId,
///     status: String,
/// }
///
/// impl Event for Build {
///     fn id(&self) -> Option<&EventId> {
///         Some(&self.id)
///     }
///     fn topic(&self) -> &str {
///         &self.status
///     }
/// }
///
/// struct BuildServer(Verifier);
///
/// impl BuildServer {
///     fn new(secrets: &Secrets) -> Result<Self, SecretError> {
///         let header = HeaderName::from_static("x-build-signature");
///         Ok(Self(Verifier::new(&Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex), secrets)?))
///     }
/// }
///
/// impl Provider for BuildServer {
///     type Event = Build;
///
///     fn name(&self) -> &str {
///         "build-server"
///     }
///     fn verifier(&self) -> &Verifier {
///         &self.0
///     }
///     fn event(&self, _: &HeaderMap, body: &bytes::Bytes) -> Result<Build, EventError> {
///         from_json(body)
///     }
///     fn policy(&self) -> DeliveryPolicy {
///         DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(24 * 3600))
///     }
/// }
///
/// let provider = BuildServer::new(&Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?)?;
/// let event = provider.event(&HeaderMap::new(), &bytes::Bytes::from_static(br#"{"id":"7","status":"passed"}"#))?;
/// assert_eq!(event.topic(), "passed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Provider: Send + Sync + 'static {
    /// What this provider's bodies are.
    type Event: Event;

    /// The provider's name: the default namespace of its ids, and what logs call it.
    fn name(&self) -> &str;

    /// How the provider signs, keyed with its secrets. Where it signs by no HMAC, a function of
    /// yours: [`Verifier::from_fn`].
    fn verifier(&self) -> &Verifier;

    /// Reads an event. Called with authentic bodies only; the headers are *not* covered by the signature unless the scheme says so.
    ///
    /// # Errors
    /// The body is not an event. The provider is answered 400 and nothing is marked as seen, so a parser that was mended gets the
    /// event with the provider's next attempt.
    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Self::Event, EventError>;

    /// Whether the event was signed at a time near enough to now, where the provider says when in the body. Where it says so beside the body,
    /// the [`Scheme`](crate::signature::Scheme) knows, and this says nothing, as it does by default.
    ///
    /// # Errors
    /// It was not: [`check_time`](crate::signature::check_time) makes the error. The provider is answered as to any other wrong signature.
    fn check_time(&self, event: &Self::Event, now: SystemTime) -> Result<(), SignatureError> {
        let _ = (event, now);
        Ok(())
    }

    /// What is answered to an event that is no event: the request by which a provider sees whether this is an endpoint of its customer's. By
    /// default there is none.
    ///
    /// # Security
    /// The request is authentic; but whoever answers with something made of the secret signs what the request says. Make sure that it can be
    /// no signed content.
    ///
    /// # Errors
    /// The request is not what it says. The provider is answered 400.
    fn handshake(&self, event: &Self::Event, verified: Verified) -> Result<Option<Handshake>, EventError> {
        let _ = (event, verified);
        Ok(None)
    }

    /// Whether the provider documents that an id names one event. Then a delivery that says
    /// something else under the id of a finished event is its duplicate: the provider words a retry
    /// anew. By default not: the id may be read from a field that is no event's, so such a delivery
    /// is refused as a conflict, and nothing is lost unseen.
    fn ids_are_unique(&self) -> bool {
        false
    }

    /// How far from now a request may have been signed, where the provider signs a time: the record
    /// of an event must live at least as long. By default what the scheme says.
    fn signature_window(&self) -> Option<Duration> {
        self.verifier().scheme()?.time_tolerance()
    }

    /// How the provider delivers.
    fn policy(&self) -> DeliveryPolicy;

    /// The topics that this provider is known to send, so that a misspelt one is warned of when a
    /// router with it meets the layer. Default: none, and nothing is warned of.
    fn known_topics(&self) -> KnownTopics {
        KnownTopics::default()
    }
}
