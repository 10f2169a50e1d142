use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::{
    Scheme, SecretError, Secrets, SignatureError, Verified,
    content::{Content, Values},
    mac::{Mac, Tag},
    request::Tags,
    secret::SecretForm,
    timestamp,
};
use crate::clock::{Clock as _, SystemClock};

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
    scheme: Arc<Scheme>,
    /// Exchanged as a whole; held for no longer than a MAC takes.
    keys: Arc<RwLock<Keys>>,
}

pub(super) struct Keys {
    /// The first secret's state apart from the others': with one secret, which is usual, a request allocates nothing.
    pub(super) first: Mac,
    rest: Box<[Mac]>,
    shortest: usize,
    /// How often they were exchanged.
    pub(super) exchanges: u64,
}

impl Keys {
    fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        let keys = secrets.keys(scheme.secret_form())?;
        let mut macs = keys.iter().map(|key| Mac::keyed(scheme.algorithm(), key));
        let first = macs.next().ok_or_else(SecretError::none)?;
        Ok(Self {
            first,
            rest: macs.collect(),
            shortest: keys.iter().map(|key| key.len()).min().unwrap_or_default(),
            exchanges: 0,
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Mac> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl Verifier {
    /// Keys the scheme with the secrets.
    ///
    /// # Errors
    /// A secret is not of the form that the scheme asks for.
    pub fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        Ok(Self {
            keys: Arc::new(RwLock::new(Keys::new(scheme, secrets)?)),
            scheme: Arc::new(scheme.clone()),
        })
    }

    /// The scheme it was keyed for.
    #[must_use]
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// The same with another tolerance for the time that the scheme signs; see [`Scheme::tolerance`].
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        self.scheme = Arc::new(Scheme::clone(&self.scheme).tolerance(tolerance));
        self
    }

    /// The length of the shortest key, in bytes. Below 16 a secret can be guessed; senders set no minimum, so it is taken.
    #[must_use]
    pub fn shortest_secret(&self) -> usize {
        self.keys().shortest
    }

    /// To exchange the secrets while requests are being verified.
    #[must_use]
    pub fn secrets_handle(&self) -> SecretsHandle {
        SecretsHandle(self.clone())
    }

    /// Whether a request may be authentic for both: some secret of this one makes the same tags as
    /// some secret of the other.
    #[cfg(feature = "service")]
    pub(crate) fn shares_a_secret(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.keys, &other.keys) {
            return true;
        }
        // Tags are compared, and dropped: the secrets themselves are not kept.
        let tags = |verifier: &Self| -> Vec<Tag> {
            let probe = || std::iter::once(b"do both have this secret?".as_slice());
            verifier.keys().all().map(|mac| mac.tag_over(probe())).collect()
        };
        let theirs = tags(other);
        let ours = tags(self);
        ours.iter()
            .any(|our| theirs.iter().any(|their| our.ct_eq(their).into()))
    }

    pub(super) fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        // Nothing panics while it is written.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks one request's signature now.
    ///
    /// # Errors
    /// As [`verify`](super::verify).
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Verified, SignatureError> {
        self.verify_with(headers, body, || SystemClock.now())
    }

    /// Checks one request's signature at the given time.
    ///
    /// # Errors
    /// As [`verify`](super::verify).
    pub fn verify_at(&self, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Result<Verified, SignatureError> {
        self.verify_with(headers, body, || now)
    }

    #[inline]
    fn verify_with(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: impl FnOnce() -> SystemTime,
    ) -> Result<Verified, SignatureError> {
        self.scheme.check(headers, body, now, |tags, signed| {
            let keys = self.keys();
            decide(tags, keys.exchanges, keys.all().map(|mac| mac.tag_over(signed.parts())))
        })
    }

    /// Starts with the headers alone, for a body that arrives in pieces.
    ///
    /// # Errors
    /// The signature, or what else is signed, is missing, doubled or malformed: known before a byte of the body is read.
    pub fn begin(&self, headers: &HeaderMap) -> Result<Verification, SignatureError> {
        let claims = self.scheme.claims(headers)?;
        let content = self.scheme.content();
        let (mut first, mut rest, exchanges) = {
            let keys = self.keys();
            (keys.first.clone(), keys.rest.to_vec(), keys.exchanges)
        };
        for part in content.before_body(claims.values) {
            first.update(part);
            rest.iter_mut().for_each(|mac| mac.update(part));
        }
        Ok(Verification {
            after_body: content.after_body(claims.values).collect::<Vec<_>>().concat(),
            tags: claims.tags,
            time: claims.time,
            first,
            rest,
            exchanges,
            scheme: Arc::clone(&self.scheme),
        })
    }
}

/// All that a request signs.
#[derive(Clone, Copy)]
struct Signed<'a> {
    content: &'a Content,
    values: Values<'a>,
    body: &'a [u8],
}

impl<'a> Signed<'a> {
    fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        let (before, after) = (
            self.content.before_body(self.values),
            self.content.after_body(self.values),
        );
        before.chain(std::iter::once(self.body)).chain(after)
    }
}

impl Scheme {
    /// Checks one request with secrets that are keyed for it alone.
    pub(super) fn verify_once(
        &self,
        secrets: &Secrets,
        headers: &HeaderMap,
        body: &[u8],
        now: impl FnOnce() -> SystemTime,
    ) -> Result<Verified, SignatureError> {
        let tag = |key: &[u8], signed: Signed<'_>| Mac::keyed(self.algorithm(), key).tag_over(signed.parts());
        match self.secret_form() {
            SecretForm::Text => self.check(headers, body, now, |tags, signed| {
                decide(tags, 0, secrets.texts().map(|key| tag(key, signed)))
            }),
            form @ SecretForm::Base64(_) => {
                let keys = secrets.keys(form)?;
                self.check(headers, body, now, |tags, signed| {
                    decide(tags, 0, keys.iter().map(|key| tag(key, signed)))
                })
            }
        }
    }

    /// The clock is only asked where the scheme signs a time, and after the MAC, so that an unsigned time decides nothing.
    #[inline]
    fn check(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: impl FnOnce() -> SystemTime,
        decide: impl FnOnce(&Tags, Signed<'_>) -> Result<Verified, SignatureError>,
    ) -> Result<Verified, SignatureError> {
        let claims = self.claims(headers)?;
        let signed = Signed {
            content: self.content(),
            values: claims.values,
            body,
        };
        let verified = decide(&claims.tags, signed)?;
        if let Some(time) = claims.time {
            self.fresh(time, now())?;
        }
        Ok(verified)
    }

    fn fresh(&self, time: u64, now: SystemTime) -> Result<(), SignatureError> {
        let tolerance = self.time_tolerance().unwrap_or_default();
        timestamp::check(time, now, tolerance).map_err(|off| SignatureError::off(off, tolerance))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("scheme", &self.scheme)
            .field("secrets", &self.keys().all().count())
            .finish_non_exhaustive()
    }
}

/// Exchanges the secrets of a [`Verifier`], and of the layer that it was given to, while requests come in.
///
/// A rotation takes three steps: exchange the old secret for the new one *and* the old one; have the sender use the new one; when
/// deliveries are verified by the first secret alone ([`Verified::secret`], or the metric `webhook_verified_total`), exchange both for the new one.
///
/// ```
/// use tower_webhook::{dwolla::{self, Dwolla}, provider::Provider, signature::Secrets};
///
/// let provider = Dwolla::new("the old secret")?;
/// let handle = provider.verifier().secrets_handle();
/// // … the provider goes into a layer …
///
/// let signed = dwolla::scheme().sign(&Secrets::new("the new secret")?, b"{}")?;
/// assert!(provider.verifier().verify(&signed, b"{}").is_err());
///
/// handle.exchange(["the new secret", "the old secret"])?;
/// assert_eq!(provider.verifier().verify(&signed, b"{}")?.secret(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SecretsHandle(Verifier);

impl SecretsHandle {
    /// From here on these secrets are the valid ones, and no others. A request whose headers came before is still checked against the
    /// ones that were valid then.
    ///
    /// # Errors
    /// One of them is not of the form that the scheme asks for. The old ones stay.
    pub fn exchange(&self, secrets: impl TryInto<Secrets, Error: Into<SecretError>>) -> Result<(), SecretError> {
        let secrets = secrets.try_into().map_err(Into::into)?;
        let mut keys = Keys::new(&self.0.scheme, &secrets)?;
        let mut valid = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.exchanges = valid.exchanges.saturating_add(1);
        *valid = keys;
        Ok(())
    }
}

/// A signature being checked while the body arrives; see [`Verifier::begin`].
#[must_use = "nothing is verified until `finish` says so"]
pub struct Verification {
    tags: Tags,
    time: Option<u64>,
    first: Mac,
    rest: Vec<Mac>,
    exchanges: u64,
    after_body: Vec<u8>,
    scheme: Arc<Scheme>,
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
    /// No secret gives a tag that the request claims; or one does, but the signed time is outside the tolerance.
    pub fn finish(self, now: SystemTime) -> Result<Verified, SignatureError> {
        let Self {
            tags,
            time,
            first,
            rest,
            exchanges,
            after_body,
            scheme,
        } = self;
        let computed = std::iter::once(first).chain(rest).map(|mut mac| {
            mac.update(&after_body);
            mac.tag()
        });
        let verified = decide(&tags, exchanges, computed)?;
        // After the MAC, so that an unsigned time decides nothing.
        if let Some(time) = time {
            scheme.fresh(time, now)?;
        }
        Ok(verified)
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").finish_non_exhaustive()
    }
}

/// Compares every secret's tag with every one claimed, and selects without a branch which secret matched.
#[inline]
fn decide(claimed: &Tags, exchanges: u64, computed: impl Iterator<Item = Tag>) -> Result<Verified, SignatureError> {
    let mut matched = subtle::Choice::from(0);
    let (mut position, mut secrets) = (0_u64, 0_u64);
    for tag in computed {
        let mut equal = tag.ct_eq(&claimed.first);
        for other in &claimed.rest {
            equal |= tag.ct_eq(other);
        }
        position.conditional_assign(&secrets, equal & !matched);
        matched |= equal;
        secrets += 1;
    }
    if bool::from(matched) {
        let secret = usize::try_from(position).unwrap_or(usize::MAX);
        Ok(Verified { secret, exchanges })
    } else {
        Err(SignatureError::mismatch(usize::try_from(secrets).unwrap_or(usize::MAX)))
    }
}
