//! Secrets keyed apart from a verifier: many of them under one scheme, a set for each tenant.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use super::{
    Scheme, SecretError, Secrets, Verification, Verifier,
    verification::VerificationState,
    verifier::{Keyed, Keys},
};

/// The keyed secrets of one tenant. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KeySet(Arc<Keys>);

impl KeySet {
    pub(crate) fn new(scheme: &Scheme, secrets: &Secrets) -> Result<Self, SecretError> {
        Ok(Self(Arc::new(Keys::new(scheme, secrets)?)))
    }

    /// The length of the shortest secret, in bytes.
    pub(crate) fn shortest_secret(&self) -> usize {
        self.0.shortest
    }
}

impl Verifier {
    /// A verifier whose only secret is a random one that nobody has: what is computed for a request
    /// whose tenant is unknown, and by which nothing is ever authentic.
    pub(crate) fn decoy(scheme: &Scheme) -> Result<Self, SecretError> {
        let random = || RandomState::new().hash_one("tower-webhook decoy").to_be_bytes();
        let key = [random(), random(), random(), random()].concat();
        Self::of_any_tenant(scheme, &Secrets::raw_key(key)?)
    }

    /// The scheme for the tenant of this name, under its secrets.
    pub(crate) fn with_key_set(&self, tenant: &str, keys: &KeySet) -> Self {
        let Some(keyed) = self.keyed() else {
            return self.clone();
        };
        let scheme = match keyed.scheme.signs_tenant() {
            true => Arc::new(keyed.scheme.of_tenant(tenant)),
            false => Arc::clone(&keyed.scheme),
        };
        Self::of_keyed(Keyed::with(scheme, Arc::clone(&keys.0)))
    }
}

impl Verification {
    /// It is a request to the tenant of this name. Must be called before any `update`.
    pub(crate) fn is_of_tenant(&mut self, name: &str) {
        if let VerificationState::Keyed(begun) = &mut self.0
            && let Some(at) = begun.tenant_at.take()
        {
            begun.before_body.splice(at..at, name.bytes());
        }
    }

    /// From here on these secrets decide. Must be called before any `update`.
    pub(crate) fn decide_by(&mut self, keys: &KeySet) {
        if let VerificationState::Keyed(begun) = &mut self.0 {
            begun.keys = Arc::clone(&keys.0);
        }
    }
}
