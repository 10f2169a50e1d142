//! The only file that knows which library computes a MAC.

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq};

use super::Algorithm;

/// The longest tag: HMAC-SHA512's.
pub(super) const MAX_TAG: usize = 64;

/// A MAC being computed. Cloning a keyed one saves the key schedule.
#[derive(Clone)]
pub(super) enum Mac {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Mac {
    pub(super) fn keyed(algorithm: Algorithm, secret: &[u8]) -> Self {
        // HMAC takes keys of every length (RFC 2104, section 2); the library's signature allows for
        // MACs that do not.
        #[expect(clippy::expect_used, reason = "an HMAC key has no invalid length")]
        match algorithm {
            Algorithm::HmacSha256 => Self::Sha256(Hmac::new_from_slice(secret).expect("any key length")),
            Algorithm::HmacSha512 => Self::Sha512(Hmac::new_from_slice(secret).expect("any key length")),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(mac) => mac.update(bytes),
            Self::Sha512(mac) => mac.update(bytes),
        }
    }

    /// The tag of these bytes after what it has taken so far, which stays as it is. It copies no
    /// more than it must: the tag of a body that is there takes hardly longer than the library's
    /// own.
    #[inline]
    pub(super) fn tag_over<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Tag {
        match self {
            Self::Sha256(mac) => tag_over(mac, parts),
            Self::Sha512(mac) => tag_over(mac, parts),
        }
    }
}

#[inline]
fn tag_over<'a, M: hmac::Mac + Clone>(mac: &M, parts: impl Iterator<Item = &'a [u8]>) -> Tag {
    let mut mac = mac.clone();
    for part in parts {
        mac.update(part);
    }
    Tag::new(&mac.finalize().into_bytes())
}

/// HMAC-SHA1, for [`explain`](super::explain()) to recognise. It is no [`Algorithm`], so that
/// nothing can be verified with it.
pub(super) struct LegacyMac(Hmac<Sha1>);

impl LegacyMac {
    pub(super) const TAG_LENGTH: usize = 20;

    pub(super) fn keyed(secret: &[u8]) -> Self {
        #[expect(clippy::expect_used, reason = "an HMAC key has no invalid length")]
        Self(Hmac::new_from_slice(secret).expect("any key length"))
    }

    pub(super) fn tag_over<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> Tag {
        tag_over(&self.0, parts)
    }
}

/// A tag of up to [`MAX_TAG`] bytes, the rest zero, as words.
pub(super) struct Tag([u64; MAX_TAG / 8]);

impl Tag {
    #[inline]
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut words = [0; MAX_TAG / 8];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
            let mut padded = [0; 8];
            for (to, from) in padded.iter_mut().zip(chunk) {
                *to = *from;
            }
            *word = u64::from_be_bytes(padded);
        }
        Self(words)
    }

    /// Big-endian words, in order.
    #[inline]
    pub(super) fn from_words(words: [u64; MAX_TAG / 8]) -> Self {
        Self(words)
    }

    pub(super) fn to_bytes(&self, length: usize) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_be_bytes()).take(length).collect()
    }
}

impl ConstantTimeEq for Tag {
    #[inline]
    fn ct_eq(&self, other: &Self) -> Choice {
        // Every word is looked at, whatever the first ones say.
        let difference = self
            .0
            .iter()
            .zip(&other.0)
            .fold(0, |all, (ours, theirs)| all | ours ^ theirs);
        difference.ct_eq(&0)
    }
}
