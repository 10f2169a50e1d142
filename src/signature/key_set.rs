//! Secrets keyed apart from a verifier: many of them under one scheme, a set for each tenant.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use super::{
    Scheme, SecretError, Secrets, Verification, Verifier,
    verification::Begun,
    verifier::{Keyed, Keys},
};

/// The keyed secrets of one tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KeySet(Arc<Keys>);

impl KeySet {
    pub(crate) fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        Ok(Self(Arc::new(Keys::new(scheme, secrets)?)))
    }
}

impl Verifier {
    /// A verifier whose only secret is a random one that nobody has: what is computed for a request
    /// whose tenant is unknown, and by which nothing is ever authentic.
    pub(crate) fn decoy(scheme: &Scheme) -> Result<Self, SecretError> {
        let random = || RandomState::new().hash_one("tower-webhook decoy").to_be_bytes();
        let key = [random(), random(), random(), random()].concat();
        Self::new(scheme, &Secrets::raw_key(key)?)
    }

    /// The same scheme under these secrets.
    pub(crate) fn with_key_set(&self, keys: &KeySet) -> Self {
        match self.keyed() {
            Some(keyed) => Self::of_keyed(Keyed::with(Arc::clone(&keyed.scheme), Arc::clone(&keys.0))),
            None => self.clone(),
        }
    }
}

impl Verification {
    /// From here on these secrets decide. It was fed nothing yet.
    pub(crate) fn decide_by(&mut self, keys: &KeySet) {
        if let Begun::Keyed(begun) = &mut self.0 {
            begun.keys = Arc::clone(&keys.0);
        }
    }
}
