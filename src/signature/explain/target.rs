//! The target that a request is compared with: a scheme, keyed with all that the secrets may stand
//! for.

use http::HeaderMap;

use super::{
    super::{
        Algorithm, Scheme, Secrets,
        mac::{LegacyMac, Mac, Tag},
    },
    claimed::Claimed,
    contents::{self, Content},
    explanation::Finding,
    keys::{self, KeyChange},
};

/// How many secrets of each set are tried.
const MAX_SECRETS: usize = 8;

/// A scheme, and what it may have been keyed with. The first is the receiver's own.
pub(super) struct Target<'a> {
    pub(super) scheme: &'a Scheme,
    pub(super) whose: Option<Finding>,
    pub(super) keys: Vec<Key>,
    pub(super) contents: Vec<Content>,
}

pub(super) struct Key {
    pub(super) change: Option<KeyChange>,
    pub(super) macs: Vec<(Hash, AnyMac)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Accepted(Algorithm),
}

pub(super) enum AnyMac {
    Legacy(LegacyMac),
    Accepted(Mac),
}

impl<'a> Target<'a> {
    /// Only algorithms whose tags have the length of a claimed one are keyed.
    pub(super) fn new(
        whose: Option<Finding>,
        scheme: &'a Scheme,
        secrets: &Secrets,
        headers: &HeaderMap,
        claimed: &[Claimed<'_>],
    ) -> Self {
        let hashes = [scheme.algorithm(), Algorithm::HmacSha256, Algorithm::HmacSha512];
        let mut keys = Vec::new();
        let mut add = |change, key: &[u8]| {
            let mut macs: Vec<(Hash, AnyMac)> = Vec::new();
            for hash in hashes.map(Hash::Accepted).into_iter().chain([Hash::Sha1]) {
                let is_claimed = claimed.iter().any(|claimed| claimed.length == hash.tag_length());
                if is_claimed && !macs.iter().any(|(other, _)| *other == hash) {
                    macs.push((hash, hash.keyed(key)));
                }
            }
            keys.push(Key { change, macs });
        };
        // Secrets that do not fit the scheme have no keys of its form; their texts are tried all
        // the same.
        let fitting = secrets.keys(scheme.secret_form());
        for key in fitting.into_iter().flatten().take(MAX_SECRETS) {
            add(None, &key);
        }
        for text in secrets.texts().take(MAX_SECRETS) {
            for (change, key) in keys::forms(text) {
                add(Some(change), &key);
            }
        }
        Self {
            scheme,
            whose,
            keys,
            contents: contents::of(scheme, headers),
        }
    }
}

impl Hash {
    pub(super) fn tag_length(self) -> usize {
        match self {
            Self::Sha1 => LegacyMac::TAG_LENGTH,
            Self::Accepted(algorithm) => algorithm.tag_length(),
        }
    }

    fn keyed(self, key: &[u8]) -> AnyMac {
        match self {
            Self::Sha1 => AnyMac::Legacy(LegacyMac::keyed(key)),
            Self::Accepted(algorithm) => AnyMac::Accepted(Mac::keyed(algorithm, key)),
        }
    }
}

impl AnyMac {
    pub(super) fn tag_over<'b>(&self, parts: impl Iterator<Item = &'b [u8]>) -> Tag {
        match self {
            Self::Legacy(mac) => mac.tag_over(parts),
            Self::Accepted(mac) => mac.tag_over(parts),
        }
    }
}
