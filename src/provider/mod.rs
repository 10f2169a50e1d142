//! A [`Provider`] says how a provider signs, what its events are and how it delivers them.
//!
//! To receive from a provider that is not listed here, describe it: [`custom`] takes how it signs
//! and where id and topic are. Where a description is not enough, implement [`Provider`]: a keyed
//! [`Verifier`], a function from a body to your [`Event`], and the provider's [`DeliveryPolicy`].
//!
//! # Reading without a secret
//! An inbox worker handles deliveries that another process has verified and stored. It needs the
//! provider to read them, not its secrets: each built-in provider has a `reader()` that holds none,
//! such as [`Dwolla::reader`](dwolla::Dwolla::reader), and [`custom`] has
//! [`build_reader`](custom::CustomBuilder::build_reader). In front of requests a reader refuses
//! everything.
//!
//! ```
//! use http::HeaderMap;
//! use tower_webhook::{provider::Provider as _, stripe::Stripe};
//!
//! let stored = br#"{"id":"evt_1","type":"invoice.paid","created":1782907200}"#;
//! let reader = Stripe::reader();
//! assert_eq!(reader.event(&HeaderMap::new(), &stored[..].into())?.topic(), "invoice.paid");
//! assert!(reader.verifier().verify(&HeaderMap::new(), stored).is_err());
//! # Ok::<(), tower_webhook::event::EventError>(())
//! ```

mod policy;
mod topics;
mod handshake;
mod json_event;
mod lenient;
mod times;
mod signing_time;
mod unsigned_headers;
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
pub mod tenant;

pub use handshake::Handshake;
pub use json_event::JsonEvent;
pub use policy::DeliveryPolicy;
pub use topics::KnownTopics;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderMap;

use tenant::{PerTenant, PerTenantError, TenantOf, TenantSecrets, Tenants};

use crate::{
    event::{Event, EventError},
    signature::{Scheme, SecretError, Secrets, SignatureError, Verified, Verifier},
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
///         let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex);
///         Ok(Self(Verifier::new(&scheme, secrets)?))
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
/// let body = bytes::Bytes::from_static(br#"{"id":"7","status":"passed"}"#);
/// let event = provider.event(&HeaderMap::new(), &body)?;
/// assert_eq!(event.topic(), "passed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Provider: Send + Sync + 'static {
    /// The type that this provider's bodies are read as.
    type Event: Event;

    /// The provider's name: logs use it, and it is the default namespace of the provider's ids.
    fn name(&self) -> &str;

    /// How the provider signs, keyed with its secrets. For a signature that is no HMAC, a function
    /// of yours: [`Verifier::from_fn`].
    fn verifier(&self) -> &Verifier;

    /// Reads an event. Called with authentic bodies only. The signature does *not* cover the
    /// headers unless the scheme says so.
    ///
    /// # Errors
    /// The body is not an event. The provider gets 400 and nothing is marked as seen, so a fixed
    /// parser gets the event with the provider's next attempt.
    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Self::Event, EventError>;

    /// Whether the event was signed at a time near enough to now, where the body says when it was
    /// signed. Where a header says so, the [`Scheme`] checks it, and this method checks nothing,
    /// which is the default.
    ///
    /// # Errors
    /// It was not: return the error of [`check_time`](crate::signature::check_time). The provider
    /// gets the same response as for any other wrong signature.
    fn check_time(&self, event: &Self::Event, now: SystemTime) -> Result<(), SignatureError> {
        let _ = (event, now);
        Ok(())
    }

    /// Responds to the provider's handshake, the request that verifies the endpoint (Slack
    /// `url_verification`, Zoom `endpoint.url_validation`). Default: `None`, the request is an
    /// event.
    ///
    /// # Security
    /// The request is authentic. But a response made with the secret signs whatever the request
    /// says: make sure that this can never be the signed content of another request.
    ///
    /// # Errors
    /// The handshake is malformed. The provider gets 400.
    fn handshake(&self, event: &Self::Event, verified: Verified) -> Result<Option<Handshake>, EventError> {
        let _ = (event, verified);
        Ok(None)
    }

    /// [`handshake`](Self::handshake) with a [tenant's](tenant) secrets instead of the provider's
    /// own: `verifier` is keyed with them. Default: [`handshake`](Self::handshake). Needed where
    /// the response is made with a secret.
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake).
    fn handshake_with(
        &self,
        event: &Self::Event,
        verified: Verified,
        verifier: &Verifier,
    ) -> Result<Option<Handshake>, EventError> {
        let _ = verifier;
        self.handshake(event, verified)
    }

    /// Whether the provider documents that an id names one event. Then a delivery with other facts
    /// under the id of a finished event is a duplicate, because the provider rewords its retries.
    /// Default: `false`. The id may have been read from a field that is not the event's, so such a
    /// delivery is refused as a conflict, and nothing is lost unseen.
    fn ids_are_unique(&self) -> bool {
        false
    }

    /// How far from now a request may have been signed, where the provider signs a time. The record
    /// of an event must live at least as long. Default: what the scheme says.
    fn signature_window(&self) -> Option<Duration> {
        self.verifier().scheme()?.time_tolerance()
    }

    /// How the provider delivers.
    fn policy(&self) -> DeliveryPolicy;

    /// The topics that this provider is known to send. The layer warns of a router with a misspelt
    /// one. Default: none, so it warns of nothing.
    fn known_topics(&self) -> KnownTopics {
        KnownTopics::default()
    }

    /// How a tenant is found, and its secrets, where many [tenants](tenant) share one endpoint.
    /// Default: none, the secrets are the [`verifier`](Self::verifier)'s.
    fn tenants(&self) -> Option<&Tenants> {
        None
    }

    /// This provider with secrets for each tenant, which are looked up as requests come. Take a
    /// `reader()`; for [Square](square), which signs the address of the endpoint,
    /// [`Square::new`](square::Square::new) with that address. Secrets of the provider's own verify
    /// nothing here. The [module](tenant) has an example and says what a layer does.
    ///
    /// # Errors
    /// The provider's verifier is [a function](Verifier::from_fn), so it cannot be keyed with the
    /// secrets of a tenant; or `tenant_of` has an empty path into the body.
    fn per_tenant(self, tenant_of: TenantOf, source: impl TenantSecrets) -> Result<PerTenant<Self>, PerTenantError>
    where
        Self: Sized,
    {
        PerTenant::new(self, tenant_of, source)
    }
}

impl<P: Provider> Provider for Arc<P> {
    type Event = P::Event;

    fn name(&self) -> &str {
        P::name(self)
    }

    fn verifier(&self) -> &Verifier {
        P::verifier(self)
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Self::Event, EventError> {
        P::event(self, headers, body)
    }

    fn check_time(&self, event: &Self::Event, now: SystemTime) -> Result<(), SignatureError> {
        P::check_time(self, event, now)
    }

    fn handshake(&self, event: &Self::Event, verified: Verified) -> Result<Option<Handshake>, EventError> {
        P::handshake(self, event, verified)
    }

    fn ids_are_unique(&self) -> bool {
        P::ids_are_unique(self)
    }

    fn signature_window(&self) -> Option<Duration> {
        P::signature_window(self)
    }

    fn policy(&self) -> DeliveryPolicy {
        P::policy(self)
    }

    fn known_topics(&self) -> KnownTopics {
        P::known_topics(self)
    }

    fn handshake_with(
        &self,
        event: &Self::Event,
        verified: Verified,
        verifier: &Verifier,
    ) -> Result<Option<Handshake>, EventError> {
        P::handshake_with(self, event, verified, verifier)
    }

    fn tenants(&self) -> Option<&Tenants> {
        P::tenants(self)
    }
}

/// Keys a built-in provider's scheme with the secrets given to its `new`.
fn keyed(scheme: &Scheme, secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<Verifier, SecretError> {
    Verifier::new(scheme, &secrets.try_into().map_err(Into::into)?)
}
