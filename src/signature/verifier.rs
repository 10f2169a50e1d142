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
    rotate::SecretsHandle,
    secret::SecretForm,
    timestamp,
    verification::{KeyedVerification, Verification, VerificationState},
    verifier_fn::VerifierFn,
};
use crate::clock::{Clock as _, SystemClock};

/// A [`Scheme`] keyed with [`Secrets`]: the HMAC key schedule runs here once, not with each
/// request. Cheap to clone.
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
/// // (a missing or malformed header is refused here, before a byte is read)
/// let mut verification = verifier.begin(&headers)?;
/// verification.update(b"one body, ");
/// verification.update(b"two frames");
/// verification.finish(std::time::SystemTime::now())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Verifier(VerifierKind);

#[derive(Clone)]
enum VerifierKind {
    Keyed(Keyed),
    VerifierFn(Arc<VerifierFn>),
}

/// A scheme, keyed.
#[derive(Clone)]
pub(super) struct Keyed {
    pub(super) scheme: Arc<Scheme>,
    /// Exchanged as a whole; locked for no longer than a MAC takes.
    keys: Arc<RwLock<Arc<Keys>>>,
}

impl Keyed {
    #[cfg(feature = "service")]
    pub(super) fn with(scheme: Arc<Scheme>, keys: Arc<Keys>) -> Self {
        Self {
            scheme,
            keys: Arc::new(RwLock::new(keys)),
        }
    }

    pub(super) fn keys(&self) -> RwLockReadGuard<'_, Arc<Keys>> {
        // Nothing panics while it is written.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rotate(&self, secrets: &Secrets) -> Result<(), SecretError> {
        let mut keys = Keys::new(&self.scheme, secrets)?;
        let mut valid = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.rotations = valid.rotations.saturating_add(1);
        *valid = Arc::new(keys);
        Ok(())
    }
}

pub(super) struct Keys {
    /// The first secret's state apart from the others': with one secret, which is usual, a request
    /// allocates nothing.
    pub(super) first: Mac,
    rest: Box<[Mac]>,
    pub(super) shortest: usize,
    /// How often they were rotated.
    pub(super) rotations: u64,
}

impl Keys {
    pub(super) fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        let keys = secrets.keys(scheme.secret_form())?;
        let mut macs = keys.iter().map(|key| Mac::keyed(scheme.algorithm(), key));
        let first = macs.next().ok_or_else(SecretError::none)?;
        Ok(Self {
            first,
            rest: macs.collect(),
            shortest: keys.iter().map(|key| key.len()).min().unwrap_or_default(),
            rotations: 0,
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
    /// A secret is not of the form that the scheme asks for. Or the scheme signs the name of a
    /// tenant, and is not that [of one](Scheme::of_tenant).
    pub fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        if scheme.signs_tenant() {
            return Err(SecretError::no_tenant());
        }
        Self::of_any_tenant(scheme, secrets)
    }

    pub(super) fn of_any_tenant(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        Ok(Self(VerifierKind::Keyed(Keyed {
            keys: Arc::new(RwLock::new(Arc::new(Keys::new(scheme, secrets)?))),
            scheme: Arc::new(scheme.clone()),
        })))
    }

    #[cfg(feature = "service")]
    pub(super) fn of_keyed(keyed: Keyed) -> Self {
        Self(VerifierKind::Keyed(keyed))
    }

    pub(super) fn of(own: VerifierFn) -> Self {
        Self(VerifierKind::VerifierFn(Arc::new(own)))
    }

    pub(super) fn keyed(&self) -> Option<&Keyed> {
        match &self.0 {
            VerifierKind::Keyed(keyed) => Some(keyed),
            VerifierKind::VerifierFn(_) => None,
        }
    }

    /// The scheme it was keyed for; `None` for a [function](Self::from_fn).
    #[must_use]
    pub fn scheme(&self) -> Option<&Scheme> {
        match &self.0 {
            VerifierKind::Keyed(keyed) => Some(&keyed.scheme),
            VerifierKind::VerifierFn(own) => own.scheme(),
        }
    }

    /// Sets another tolerance for the time that the scheme signs; see
    /// [`Scheme::tolerance`].
    #[must_use]
    pub fn with_tolerance(mut self, tolerance: Duration) -> Self {
        match &mut self.0 {
            VerifierKind::Keyed(keyed) => keyed.scheme = Arc::new(Scheme::clone(&keyed.scheme).tolerance(tolerance)),
            // What it refuses by; of a function nothing else is known.
            VerifierKind::VerifierFn(own) => {
                if let Some(scheme) = own.scheme() {
                    return Self::refusing(&scheme.clone().tolerance(tolerance));
                }
            }
        }
        self
    }

    /// The length of the shortest key, in bytes; `None` for a [function](Self::from_fn), whose keys
    /// nobody else knows. Below 16 a secret can be guessed; providers set no minimum, so it is
    /// taken.
    #[must_use]
    pub fn shortest_secret(&self) -> Option<usize> {
        self.keyed().map(|keyed| keyed.keys().shortest)
    }

    /// To rotate the secrets while requests are being verified.
    #[must_use]
    pub fn secrets_handle(&self) -> SecretsHandle {
        SecretsHandle::new(self.clone())
    }

    /// Whether a request may be authentic for both: some secret of this one makes the same tags as
    /// some secret of the other. For two functions this cannot be known.
    #[cfg(feature = "service")]
    pub(crate) fn shares_a_secret(&self, other: &Self) -> bool {
        let (us, them) = match (&self.0, &other.0) {
            (VerifierKind::Keyed(us), VerifierKind::Keyed(them)) => (us, them),
            (VerifierKind::VerifierFn(_), VerifierKind::VerifierFn(_)) => return true,
            _ => return false,
        };
        if Arc::ptr_eq(&us.keys, &them.keys) {
            return true;
        }
        // Tags are compared, and dropped: the secrets themselves are not kept.
        let tags = |keyed: &Keyed| -> Vec<Tag> {
            let probe = || std::iter::once(b"do both have this secret?".as_slice());
            keyed.keys().all().map(|mac| mac.tag_over(probe())).collect()
        };
        let theirs = tags(them);
        let ours = tags(us);
        ours.iter()
            .any(|our| theirs.iter().any(|their| our.ct_eq(their).into()))
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
        let keyed = match &self.0 {
            VerifierKind::Keyed(keyed) => keyed,
            VerifierKind::VerifierFn(own) => return own.verify(headers, body, now()),
        };
        keyed.scheme.check(headers, body, now, |tags, signed| {
            let keys = keyed.keys();
            decide(tags, keys.rotations, keys.all().map(|mac| mac.tag_over(signed.parts())))
        })
    }

    /// Starts with the headers alone, for a body that arrives in pieces.
    ///
    /// # Errors
    /// The signature, or what else is signed, is missing, doubled or malformed: known before a byte
    /// of the body is read.
    pub fn begin(&self, headers: &HeaderMap) -> Result<Verification, SignatureError> {
        match &self.0 {
            VerifierKind::Keyed(keyed) => keyed
                .begin(headers)
                .map(|begun| Verification(VerificationState::Keyed(begun))),
            VerifierKind::VerifierFn(own) => own.begin(headers).map(|kept| {
                let (own, kept) = (Arc::clone(own), Some(Box::new(kept)));
                Verification(VerificationState::VerifierFn { own, kept })
            }),
        }
    }

    /// [`begin`](Self::begin) for a caller that has headers and body at hand when it
    /// [finishes](Verification::finish_with).
    #[cfg(feature = "service")]
    #[inline]
    pub(crate) fn begin_with(&self, headers: &HeaderMap) -> Result<Verification, SignatureError> {
        match &self.0 {
            VerifierKind::Keyed(keyed) => keyed
                .begin(headers)
                .map(|begun| Verification(VerificationState::Keyed(begun))),
            VerifierKind::VerifierFn(own) => {
                own.claims(headers)?;
                let own = Arc::clone(own);
                Ok(Verification(VerificationState::VerifierFn { own, kept: None }))
            }
        }
    }
}

impl Keyed {
    fn begin(&self, headers: &HeaderMap) -> Result<KeyedVerification, SignatureError> {
        let claims = self.scheme.claims(headers)?;
        Ok(KeyedVerification::new(claims, Arc::clone(&self.keys()), &self.scheme))
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

    /// The clock is only asked where the scheme signs a time, and after the MAC, so that an
    /// unsigned time decides nothing.
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

    pub(super) fn fresh(&self, time: u64, now: SystemTime) -> Result<(), SignatureError> {
        let tolerance = self.time_tolerance().unwrap_or_default();
        timestamp::check(time, now, tolerance).map_err(|off| SignatureError::off(off, tolerance))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Verifier");
        match &self.0 {
            VerifierKind::Keyed(keyed) => shown
                .field("scheme", &keyed.scheme)
                .field("secrets", &keyed.keys().all().count()),
            VerifierKind::VerifierFn(own) => shown.field("headers", &own.headers()),
        };
        shown.finish_non_exhaustive()
    }
}

/// Compares every secret's tag with every one claimed, and selects without a branch which secret
/// matched.
#[inline]
pub(super) fn decide(
    claimed: &Tags,
    rotations: u64,
    computed: impl Iterator<Item = Tag>,
) -> Result<Verified, SignatureError> {
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
        Ok(Verified { secret, rotations })
    } else {
        Err(SignatureError::mismatch(usize::try_from(secrets).unwrap_or(usize::MAX)))
    }
}
