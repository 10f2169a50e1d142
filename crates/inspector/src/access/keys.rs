//! Tags that this process, or another one with the same token, can make and check.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// A key for HMAC-SHA256. Neither printed nor compared.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// A key of this process alone. `None` if the system has no random numbers.
    pub(super) fn random() -> Option<Self> {
        Self::of(&random::<32>()?)
    }

    /// The key that follows from a secret.
    pub(super) fn derived(secret: &str) -> Option<Self> {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        mac.update(b"tower-webhook-inspector: sessions and forms, 1");
        Self::of(&mac.finalize().into_bytes())
    }

    fn of(key: &[u8]) -> Option<Self> {
        // HMAC takes keys of every length (RFC 2104, section 2).
        Hmac::new_from_slice(key).ok().map(Self)
    }

    fn mac(&self, parts: &[&str]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            // With its length, so that no two lists of parts are the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    /// The tag of these parts, in hex.
    pub(crate) fn tag(&self, parts: &[&str]) -> String {
        hex::encode(self.mac(parts).finalize().into_bytes())
    }

    /// Whether this is their tag, in a time that does not depend on where it differs.
    pub(crate) fn verifies(&self, parts: &[&str], tag: &str) -> bool {
        hex::decode(tag).is_ok_and(|tag| self.mac(parts).verify_slice(&tag).is_ok())
    }
}

pub(super) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}
