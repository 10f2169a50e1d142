#[cfg(feature = "service")]
use std::time::Duration;
use std::{fmt, sync::Arc, time::SystemTime};

#[cfg(feature = "service")]
use http::HeaderMap;

use super::{
    Scheme, SignatureError, Verified,
    mac::Mac,
    request::{Claims, Tags},
    verifier::{Keys, decide},
    verifier_fn::{KeptRequest, VerifierFn},
};

/// A signature being checked while the body arrives; see
/// [`Verifier::begin`](super::Verifier::begin).
#[must_use = "nothing is verified until `finish` says so"]
pub struct Verification(pub(super) VerificationState);

pub(super) enum VerificationState {
    Keyed(KeyedVerification),
    /// A function sees headers and body as a whole. A caller that already has both does not copy
    /// them here.
    VerifierFn {
        own: Arc<VerifierFn>,
        kept: Option<Box<KeptRequest>>,
    },
}

/// The MACs of all secrets at work.
pub(super) struct KeyedVerification {
    pub(super) tags: Tags,
    pub(super) time: Option<u64>,
    /// The secrets that were valid when it began.
    pub(super) keys: Arc<Keys>,
    pub(super) before_body: Vec<u8>,
    pub(super) after_body: Vec<u8>,
    /// The position of the tenant's name in the content before the body, if it is signed.
    #[cfg(feature = "service")]
    pub(super) tenant_at: Option<usize>,
    pub(super) scheme: Arc<Scheme>,
    /// A MAC for each secret, from the body's first bytes on. None for a body that comes whole: it
    /// is hashed in one go in the end, and no state of a MAC is kept until then.
    running: Option<Box<[Mac]>>,
    /// How many bytes of the body it was fed.
    fed: usize,
}

impl Verification {
    /// Takes the body's next bytes.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            VerificationState::Keyed(begun) => begun.update(bytes),
            VerificationState::VerifierFn { kept: Some(kept), .. } => kept.body.extend_from_slice(bytes),
            VerificationState::VerifierFn { kept: None, .. } => {}
        }
    }

    /// Takes what is new in a body that is collected elsewhere.
    #[cfg(feature = "service")]
    pub(crate) fn update_from(&mut self, body: &[u8]) {
        if let VerificationState::Keyed(begun) = &mut self.0 {
            let new = begun.left(body);
            if !new.is_empty() {
                begun.update(new);
            }
        }
    }

    /// Decides, after the body's last byte.
    ///
    /// # Errors
    /// No secret gives a tag that the request claims; or one does, but the signed time is outside
    /// the tolerance.
    pub fn finish(self, now: SystemTime) -> Result<Verified, SignatureError> {
        match self.0 {
            VerificationState::Keyed(begun) => begun.finish(&[], now),
            VerificationState::VerifierFn { own, kept } => {
                let kept = kept.unwrap_or_default();
                own.verify(&kept.headers, &kept.body, now)
            }
        }
    }

    /// The time that the request claims to be signed at, where the scheme signs one.
    #[cfg(feature = "service")]
    pub(crate) fn signed_time(&self) -> Option<SystemTime> {
        match &self.0 {
            VerificationState::Keyed(begun) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(begun.time?)),
            VerificationState::VerifierFn { .. } => None,
        }
    }

    /// [`finish`](Self::finish) with the headers that it began with, and the whole body: it takes
    /// what it was not fed yet.
    #[cfg(feature = "service")]
    #[inline]
    pub(crate) fn finish_with(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verified, SignatureError> {
        match &self.0 {
            VerificationState::Keyed(begun) => begun.finish(begun.left(body), now),
            VerificationState::VerifierFn { own, .. } => own.verify(headers, body, now),
        }
    }
}

impl KeyedVerification {
    pub(super) fn new(claims: Claims<'_>, keys: Arc<Keys>, scheme: &Arc<Scheme>) -> Self {
        let content = scheme.content();
        Self {
            before_body: content.before_body(claims.values).collect::<Vec<_>>().concat(),
            after_body: content.after_body(claims.values).collect::<Vec<_>>().concat(),
            #[cfg(feature = "service")]
            tenant_at: content.before_tenant(claims.values),
            tags: claims.tags,
            time: claims.time,
            keys,
            scheme: Arc::clone(scheme),
            running: None,
            fed: 0,
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.fed = self.fed.saturating_add(bytes.len());
        let running = self.running.get_or_insert_with(|| {
            let mut running: Box<[Mac]> = self.keys.all().cloned().collect();
            running.iter_mut().for_each(|mac| mac.update(&self.before_body));
            running
        });
        running.iter_mut().for_each(|mac| mac.update(bytes));
    }

    /// The rest of this body that it was not fed yet.
    #[cfg(feature = "service")]
    fn left<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        body.get(self.fed..).unwrap_or_default()
    }

    fn finish(&self, last: &[u8], now: SystemTime) -> Result<Verified, SignatureError> {
        let Self {
            tags,
            keys,
            before_body,
            after_body,
            ..
        } = self;
        let verified = match &self.running {
            None => {
                let signed = [before_body.as_slice(), last, after_body];
                decide(
                    tags,
                    keys.rotations,
                    keys.all().map(|mac| mac.tag_over(signed.into_iter())),
                )
            }
            Some(running) => {
                let signed = [last, after_body];
                decide(
                    tags,
                    keys.rotations,
                    running.iter().map(|mac| mac.tag_over(signed.into_iter())),
                )
            }
        }?;
        // After the MAC, so that an unsigned time decides nothing.
        if let Some(time) = self.time {
            self.scheme.fresh(time, now)?;
        }
        Ok(verified)
    }
}

impl fmt::Debug for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").finish_non_exhaustive()
    }
}
