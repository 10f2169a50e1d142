use std::fmt;

use sha2::{Digest, Sha256};

/// A digest of an event's facts: two deliveries of one event have the same. It is the first 16
/// bytes of a SHA-256.
///
/// A store keeps it beside the id. A second event under the id of a finished one is then
/// reported as a conflict, instead of being taken for a duplicate and lost.
///
/// ```
/// use tower_webhook::event::Fingerprint;
///
/// let one = Fingerprint::of(["customer_created", "6c57f372"]);
/// assert_eq!(one, Fingerprint::of(["customer_created", "6c57f372"]));
/// assert_ne!(one, Fingerprint::of(["customer_created6", "c57f372"]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of these parts in this order. Each part's length goes in too, so that no two
    /// lists run together.
    #[must_use]
    pub fn of<T: AsRef<[u8]>>(parts: impl IntoIterator<Item = T>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self::cut(hash)
    }

    pub(crate) fn cut(hash: Sha256) -> Self {
        let [front @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = hash.finalize().0;
        Self(front)
    }

    /// A fingerprint that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes for a store to keep.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", hex::encode(self.0))
    }
}
