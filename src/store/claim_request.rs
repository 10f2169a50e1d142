use std::time::Duration;

use super::{Key, Token};
use crate::event::Fingerprint;

/// The request with which one run of one delivery claims its event: it goes to `claim`, `renew`,
/// `complete` and `release` unchanged.
///
/// The layer makes it from the event and its settings. Stores read it; tests of stores build it:
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::{event::{EventId, Fingerprint}, store::{ClaimRequest, Key, Token}};
///
/// let key = Key::new("dwolla", EventId::new("bb6531a2")?);
/// let first = ClaimRequest::new(key, Token::random(), Fingerprint::of(["customer_created"]))
///     .with_lease(Duration::from_secs(30));
/// assert_eq!(first.key.to_string(), "dwolla/bb6531a2");
///
/// // another run of the same event
/// let second = first.clone().with_token(Token::random());
/// assert_eq!(second.lease, first.lease);
/// # Ok::<(), tower_webhook::event::EventIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// Which event.
    pub key: Key,
    /// The run that claims.
    pub token: Token,
    /// The facts that make it the same event.
    pub fingerprint: Fingerprint,
    /// How long a claim holds without a renewal.
    pub lease: Duration,
    /// How long DONE is remembered, and FREE and an expired claim after that.
    pub retention: Duration,
    /// How long after DONE the provider retries by itself. A bounded store may drop an older DONE
    /// early rather than refuse a claim.
    pub retry_window: Duration,
}

impl ClaimRequest {
    /// A request with a lease of 60 s, a retention of 35 days and a retry window of 72 hours.
    #[must_use]
    pub fn new(key: Key, token: Token, fingerprint: Fingerprint) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            key,
            token,
            fingerprint,
            lease: Duration::from_secs(60),
            retention: HOUR * 24 * 35,
            retry_window: HOUR * 72,
        }
    }

    /// Replaces the event's key.
    #[must_use]
    pub fn with_key(mut self, key: Key) -> Self {
        self.key = key;
        self
    }

    /// Replaces the run's token.
    #[must_use]
    pub fn with_token(mut self, token: Token) -> Self {
        self.token = token;
        self
    }

    /// Replaces the event's facts.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Sets how long a claim holds without a renewal.
    #[must_use]
    pub fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long DONE is remembered.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets how long after DONE the provider retries by itself.
    #[must_use]
    pub fn with_retry_window(mut self, retry_window: Duration) -> Self {
        self.retry_window = retry_window;
        self
    }
}
