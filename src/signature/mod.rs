//! Signatures over raw bytes: the whole of it without a runtime, a parser or a store.
//!
//! A [`Scheme`] describes, as data, how a provider signs; [`Secrets`] are what both sides know; a
//! [`Verifier`] is the two keyed together once, at start-up. [`verify`] is the short form for a
//! single request.
//!
//! 1. Exactly one value in the first of the scheme's headers that is present, of exactly the
//!    scheme's form; likewise of each header that is signed.
//! 2. The MAC over the raw bytes under *every* secret; tags compared in constant time, no early
//!    exit.
//! 3. Then, where the scheme signs a time, how far it is from now, in both directions.
//! 4. The result is [`Verified`], which says which secret matched, or a [`SignatureError`] for your
//!    log. Tell the provider nothing of the reason.
//!
//! A request is refused and nobody sees why? [`explain`](explain()) tries the usual mistakes (the
//! secret with a newline, the body printed again, a tag in another header) and says which one it
//! is. It is for developers and operators, never for providers.
//!
//! Pass the bytes as they came in: a body that was parsed and printed again, decompressed, or
//! decoded to text signs differently.

mod address;
mod scheme;
mod list;
mod content;
mod secret;
mod secret_error;
mod request;
mod tag;
mod mac;
mod timestamp;
mod verifier;
mod verification;
#[cfg(feature = "service")]
mod key_set;
mod verifier_fn;
mod rotate;
mod sign;
mod explain;
mod error;

pub use content::SchemeError;
pub use error::{SignatureError, SignatureErrorKind};
pub use explain::{Explain, Explanation, ExplanationKind, explain};
#[cfg(feature = "service")]
pub(crate) use key_set::KeySet;
pub use rotate::SecretsHandle;
pub use scheme::Scheme;
pub use secret::Secrets;
pub use secret_error::{SecretError, SecretErrorKind};
pub use sign::SignError;
pub use tag::{Algorithm, Encoding};
pub use timestamp::TimestampFormat;
pub(crate) use timestamp::read_rfc3339;
pub use verification::Verification;
pub use verifier::Verifier;

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::clock::{Clock as _, SystemClock};

/// Proof that a body is authentic.
///
/// ```
/// use http::HeaderName;
/// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets, verify};
///
/// let scheme = Scheme::new(
///     HeaderName::from_static("x-signature"),
///     Algorithm::HmacSha256,
///     Encoding::Hex,
/// );
/// let old = Secrets::new("the old secret")?;
/// let headers = scheme.sign(&old, b"{}")?;
///
/// let both = Secrets::new(["the new secret", "the old secret"])?;
/// let verified = verify(&scheme, &both, &headers, b"{}")?;
/// assert_eq!(verified.secret_index(), 1); // still signed with the old one
///     
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a body counts as authentic only where this exists"]
pub struct Verified {
    secret: usize,
    /// Which secrets those were: an exchange raises it.
    rotations: u64,
}

impl Verified {
    /// Which of the [`Secrets`] matched, counted from 0 in the order they were given.
    #[must_use]
    pub fn secret_index(&self) -> usize {
        self.secret
    }
}

/// Checks one request's signature now. To check many, key a [`Verifier`] once.
///
/// ```
/// use tower_webhook::{
///     dwolla,
///     signature::{Secrets, verify},
/// };
///
/// let secrets = Secrets::new("sshhhhhh")?;
/// let body = br#"{"id":"cac95329-9fa5-42f1-a4fc-c08af7b868fb"}"#;
/// let headers = dwolla::scheme().sign(&secrets, body)?;
///
/// verify(&dwolla::scheme(), &secrets, &headers, body)?;
/// assert!(verify(&dwolla::scheme(), &secrets, &headers, b"another body").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The signature is missing, malformed, doubled or wrong, or the time that it covers is outside the
/// tolerance; [`SignatureError::kind`] tells which. The secrets are not of the form the scheme asks
/// for.
pub fn verify(
    scheme: &Scheme,
    secrets: &Secrets,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Verified, SignatureError> {
    scheme.verify_once(secrets, headers, body, || SystemClock.now())
}

/// Checks one request's signature at a time of the caller's choosing: a pure function.
///
/// If the scheme signs a time, `now` decides whether it is fresh.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_webhook::{
///     dwolla,
///     signature::{Secrets, verify_at},
/// };
///
/// let secrets = Secrets::new("sshhhhhh")?;
/// let headers = dwolla::scheme().sign(&secrets, b"{}")?;
/// verify_at(
///     &dwolla::scheme(),
///     &secrets,
///     &headers,
///     b"{}",
///     SystemTime::UNIX_EPOCH,
/// )?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`verify`].
pub fn verify_at(
    scheme: &Scheme,
    secrets: &Secrets,
    headers: &HeaderMap,
    body: &[u8],
    now: SystemTime,
) -> Result<Verified, SignatureError> {
    scheme.verify_once(secrets, headers, body, || now)
}

/// Whether a time that stands in a signed body is near enough to now: for providers that sign their
/// time there, where a [`Scheme`] cannot see it. `None` is a time that is not there.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_webhook::signature::{SignatureErrorKind, check_time};
///
/// let minute = Duration::from_secs(60);
/// let now = SystemTime::now();
/// check_time(Some(now - minute), now, minute)?;
/// assert_eq!(
///     check_time(Some(now - 2 * minute), now, minute)
///         .unwrap_err()
///         .kind(),
///     SignatureErrorKind::Timestamp
/// );
/// assert_eq!(
///     check_time(None, now, minute).unwrap_err().kind(),
///     SignatureErrorKind::Missing
/// );
/// # Ok::<(), tower_webhook::signature::SignatureError>(())
/// ```
///
/// # Errors
/// There is none, or it is farther from now than the tolerance, in either direction. Compared in
/// whole seconds.
pub fn check_time(time: Option<SystemTime>, now: SystemTime, tolerance: Duration) -> Result<(), SignatureError> {
    let time = time.ok_or_else(SignatureError::no_time_in_body)?;
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    timestamp::check(seconds, now, tolerance).map_err(|off| SignatureError::off(off, tolerance))
}
