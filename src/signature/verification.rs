#[cfg(feature = "service")]
use std::time::Duration;
use std::{fmt, sync::Arc, time::SystemTime};

#[cfg(feature = "service")]
use http::HeaderMap;

use super::{
    Scheme, SignatureError, Verified,
    mac::Mac,
    own::{Kept, Own},
    request::Tags,
    verifier::decide,
};

/// A signature being checked while the body arrives; see
/// [`Verifier::begin`](super::Verifier::begin).
#[must_use = "nothing is verified until `finish` says so"]
pub struct Verification(pub(super) Begun);

#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is the large variant, and lives on the stack"
)]
pub(super) enum Begun {
    Keyed(OfKeys),
    /// A function sees headers and body as a whole. Who has them at hand keeps none here.
    Own {
        own: Arc<Own>,
        kept: Option<Box<Kept>>,
    },
}

/// The MACs of all secrets at work.
pub(super) struct OfKeys {
    pub(super) tags: Tags,
    pub(super) time: Option<u64>,
    pub(super) first: Mac,
    pub(super) rest: Vec<Mac>,
    pub(super) rotations: u64,
    pub(super) after_body: Vec<u8>,
    pub(super) scheme: Arc<Scheme>,
}

impl Verification {
    /// Takes the body's next bytes.
    #[inline]
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Begun::Keyed(begun) => {
                begun.first.update(bytes);
                for mac in &mut begun.rest {
                    mac.update(bytes);
                }
            }
            Begun::Own { kept: Some(kept), .. } => kept.body.extend_from_slice(bytes),
            Begun::Own { kept: None, .. } => {}
        }
    }

    /// Decides, after the body's last byte.
    ///
    /// # Errors
    /// No secret gives a tag that the request claims; or one does, but the signed time is outside
    /// the tolerance.
    pub fn finish(self, now: SystemTime) -> Result<Verified, SignatureError> {
        match self.0 {
            Begun::Keyed(begun) => begun.finish(now),
            Begun::Own { own, kept } => {
                let kept = kept.unwrap_or_default();
                own.verify(&kept.headers, &kept.body, now)
            }
        }
    }

    /// The time that the request claims to be signed at, where the scheme signs one.
    #[cfg(feature = "service")]
    pub(crate) fn signed_time(&self) -> Option<SystemTime> {
        match &self.0 {
            Begun::Keyed(begun) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(begun.time?)),
            Begun::Own { .. } => None,
        }
    }

    /// The same with the headers that it began with, and the body that it was fed.
    #[cfg(feature = "service")]
    #[inline]
    pub(crate) fn finish_with(
        self,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Verified, SignatureError> {
        match self.0 {
            Begun::Keyed(begun) => begun.finish(now),
            Begun::Own { own, .. } => own.verify(headers, body, now),
        }
    }
}

impl OfKeys {
    fn finish(self, now: SystemTime) -> Result<Verified, SignatureError> {
        let Self {
            tags,
            time,
            first,
            rest,
            rotations,
            after_body,
            scheme,
        } = self;
        let computed = std::iter::once(first).chain(rest).map(|mut mac| {
            mac.update(&after_body);
            mac.tag()
        });
        let verified = decide(&tags, rotations, computed)?;
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
