//! Signatures over raw bytes: the whole of it without a runtime, a parser or a store.
//!
//! A [`Scheme`] describes, as data, how a sender signs; [`Secrets`] are what both sides know; a [`Verifier`] is the two keyed
//! together once, at start-up. [`verify`] is the short form for a single request.
//!
//! 1. Exactly one value in the first of the scheme's headers that is present, of exactly the scheme's form.
//! 2. The MAC over the raw bytes under *every* secret; tags compared in constant time, no early exit.
//! 3. The answer is [`Verified`], which says which secret matched, or a [`SignatureError`] for your log. Tell the sender
//!    nothing of the reason.
//!
//! Pass the bytes as they came in: a body that was parsed and printed again, decompressed, or decoded to text signs differently.

mod scheme;
mod secret;
mod mac;
mod error;

pub use error::{SignatureError, SignatureErrorKind};
pub use scheme::{Algorithm, Encoding, Scheme, SchemeError};
pub use secret::{SecretError, SecretErrorKind, Secrets};

use std::{fmt, sync::Arc, time::SystemTime};

use http::HeaderMap;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use mac::{Mac, Tag};

/// Proof that a body is authentic.
///
/// ```
/// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets, verify};
/// use http::HeaderName;
///
/// let scheme = Scheme::new(HeaderName::from_static("x-signature"), Algorithm::HmacSha256, Encoding::Hex);
/// let old = Secrets::new("the old secret")?;
/// let headers = scheme.sign(&old, b"{}")?;
///
/// let both = Secrets::several(["the new secret", "the old secret"])?;
/// let verified = verify(&scheme, &both, &headers, b"{}")?;
/// assert_eq!(verified.secret(), 1); // still signed with the old one
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a body counts as authentic only where this exists"]
pub struct Verified {
    secret: usize,
}

impl Verified {
    /// Which of the [`Secrets`] matched, counted from 0 in the order they were given.
    #[must_use]
    pub fn secret(&self) -> usize {
        self.secret
    }
}

/// Checks one request's signature now. To check many, key a [`Verifier`] once.
///
/// ```
/// use tower_webhook::{signature::{Secrets, verify}, dwolla};
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
/// The signature is missing, malformed, doubled or wrong; [`SignatureError::kind`] tells which. The secrets are not of the form the
/// scheme asks for.
pub fn verify(
    scheme: &Scheme,
    secrets: &Secrets,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Verified, SignatureError> {
    Verifier::new(scheme, secrets)?.verify(headers, body)
}

/// Checks one request's signature at a time of the caller's choosing: a pure function.
///
/// No scheme of this version signs a time; where one does, `now` decides whether it is fresh.
///
/// ```
/// use std::time::SystemTime;
/// use tower_webhook::{signature::{Secrets, verify_at}, dwolla};
///
/// let secrets = Secrets::new("sshhhhhh")?;
/// let headers = dwolla::scheme().sign(&secrets, b"{}")?;
/// verify_at(&dwolla::scheme(), &secrets, &headers, b"{}", SystemTime::UNIX_EPOCH)?;
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
    Verifier::new(scheme, secrets)?.verify_at(headers, body, now)
}

/// A [`Scheme`] keyed with [`Secrets`]: the HMAC key schedule runs here once, not with each request. Cheap to clone.
///
/// ```
/// use tower_webhook::{signature::{Secrets, Verifier}, dwolla};
///
/// let secrets = Secrets::new("sshhhhhh")?;
/// let verifier = Verifier::new(&dwolla::scheme(), &secrets)?;
/// let headers = dwolla::scheme().sign(&secrets, b"one body, two frames")?;
///
/// verifier.verify(&headers, b"one body, two frames")?;
///
/// // the same while the body arrives
/// let mut verification = verifier.begin(&headers)?; // refuses a missing or malformed header before a byte is read
/// verification.update(b"one body, ");
/// verification.update(b"two frames");
/// verification.finish(std::time::SystemTime::now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier {
    keyed: Arc<Keyed>,
}

struct Keyed {
    scheme: Scheme,
    /// The first secret's state apart from the others': with one secret, which is usual, a request allocates nothing.
    first: Mac,
    rest: Box<[Mac]>,
    shortest_secret: usize,
}

impl Verifier {
    /// Keys the scheme with the secrets.
    ///
    /// # Errors
    /// A secret is not of the form that the scheme asks for.
    pub fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        let mut macs = secrets.iter().map(|secret| {
            let mut mac = Mac::keyed(scheme.algorithm(), secret);
            mac.update(scheme.before_body());
            mac
        });
        let first = macs.next().ok_or_else(SecretError::none)?;
        let rest = macs.collect();
        let shortest_secret = secrets.iter().map(<[u8]>::len).min().unwrap_or_default();
        Ok(Self {
            keyed: Arc::new(Keyed {
                scheme: scheme.clone(),
                first,
                rest,
                shortest_secret,
            }),
        })
    }

    /// The scheme it was keyed for.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.keyed.scheme
    }

    /// The length of the shortest secret, in bytes. Below 16 a secret can be guessed; senders set no minimum, so it is taken.
    #[must_use]
    pub fn shortest_secret(&self) -> usize {
        self.keyed.shortest_secret
    }

    /// Checks one request's signature now.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Verified, SignatureError> {
        // No scheme so far signs a time: nobody asks for it.
        let keyed = &*self.keyed;
        let claimed = keyed.scheme.claimed_tag(headers)?;
        let macs = std::iter::once(&keyed.first).chain(&keyed.rest);
        decide(
            &claimed,
            macs.map(|mac| mac.tag_over([body, keyed.scheme.after_body()])),
        )
    }

    /// Checks one request's signature at the given time.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify_at(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<Verified, SignatureError> {
        let _ = now;
        self.verify(headers, body)
    }

    /// Starts with the headers alone, for a body that arrives in pieces.
    ///
    /// # Errors
    /// The signature is missing, doubled or malformed: known before a byte of the body is read.
    pub fn begin(&self, headers: &HeaderMap) -> Result<Verification, SignatureError> {
        let claimed = self.keyed.scheme.claimed_tag(headers)?;
        Ok(Verification {
            claimed,
            first: self.keyed.first.clone(),
            rest: self.keyed.rest.to_vec(),
            keyed: Arc::clone(&self.keyed),
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.keyed.scheme)
            .field("secrets", &(1 + self.keyed.rest.len()))
            .finish_non_exhaustive()
    }
}

/// A signature being checked while the body arrives; see [`Verifier::begin`].
#[must_use = "nothing is verified until `finish` says so"]
pub struct Verification {
    claimed: Tag,
    first: Mac,
    rest: Vec<Mac>,
    keyed: Arc<Keyed>,
}

impl Verification {
    /// Takes the body's next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.first.update(bytes);
        for mac in &mut self.rest {
            mac.update(bytes);
        }
    }

    /// Decides, after the body's last byte.
    ///
    /// # Errors
    /// No secret gives the tag that the request claims.
    pub fn finish(self, now: SystemTime) -> Result<Verified, SignatureError> {
        // No scheme so far signs a time. It comes after the MAC, so that an unsigned time decides nothing.
        let _ = now;
        let Self {
            claimed,
            first,
            rest,
            keyed,
        } = self;
        let macs = std::iter::once(first).chain(rest);
        let tags = macs.map(|mut mac| {
            mac.update(keyed.scheme.after_body());
            mac.tag()
        });
        decide(&claimed, tags)
    }
}

/// Compares with every secret's tag, and selects without a branch which one matched.
#[inline]
fn decide(claimed: &Tag, tags: impl Iterator<Item = Tag>) -> Result<Verified, SignatureError> {
    let mut matched = subtle::Choice::from(0);
    let (mut position, mut secrets) = (0_u64, 0_u64);
    for tag in tags {
        let equal = tag.ct_eq(claimed);
        position.conditional_assign(&secrets, equal & !matched);
        matched |= equal;
        secrets += 1;
    }
    if bool::from(matched) {
        let secret = usize::try_from(position).unwrap_or(usize::MAX);
        Ok(Verified { secret })
    } else {
        Err(SignatureError::mismatch(usize::try_from(secrets).unwrap_or(usize::MAX)))
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").finish_non_exhaustive()
    }
}
