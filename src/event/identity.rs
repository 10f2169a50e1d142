use sha2::{Digest as _, Sha256};

use super::EventId;

/// The deduplication key of an event: the id that the provider documents, completed by what scopes
/// it.
///
/// Where the signature covers the id, the id alone is the deduplication key. Where the id stands in
/// a header that nobody signs, the key is made of that header, of the headers that scope it (the
/// topic, the shop), and of the digest of the signed body. A redelivery has the same headers and
/// the same body, so it is a duplicate; another event that happens to have the same body is not.
///
/// # Security
/// Whoever captured a request can send its body again under a new unsigned id, and it runs again. A
/// layer with [`strict_identity`](crate::layer::WebhookLayerBuilder::strict_identity) goes by what
/// is signed alone, and treats two events with identical bodies as one.
///
/// ```
/// use tower_webhook::event::{EventId, Identity};
///
/// let push = Identity::of_body().with_unsigned("72d3162e", &["push"]);
/// let key = push.key(b"{}", false)?;
/// assert!(key.as_str().starts_with("72d3162e:"));
/// assert_ne!(key, Identity::of_body().with_unsigned("72d3162f", &["push"]).key(b"{}", false)?);
/// assert_ne!(key, push.key(b"{ }", false)?);
///
/// // strict: the digest of the body
/// assert!(push.key(b"{}", true)?.as_str().starts_with("sha256:44136fa355b3678a"));
///
/// let signed = Identity::signed(EventId::new("evt_1")?);
/// assert_eq!(signed.key(b"{}", false)?.as_str(), "evt_1");
/// # Ok::<(), tower_webhook::event::EventIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The part that the signature covers; `None` for the digest of the body.
    signed: Option<EventId>,
    unsigned: Option<Unsigned>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Unsigned {
    id: String,
    scope: Vec<String>,
}

impl Identity {
    /// An id that the signature covers.
    #[must_use]
    pub const fn signed(id: EventId) -> Self {
        Self {
            signed: Some(id),
            unsigned: None,
        }
    }

    /// The digest of the signed body.
    #[must_use]
    pub const fn of_body() -> Self {
        Self {
            signed: None,
            unsigned: None,
        }
    }

    /// Completed by an id that the signature does not cover, and by what scopes it. An empty id is
    /// none: the scope alone completes the identity then.
    #[must_use]
    pub fn with_unsigned(self, id: &str, scope: &[&str]) -> Self {
        let scope = scope.iter().map(|part| (*part).to_owned()).collect();
        Self {
            unsigned: Some(Unsigned {
                id: id.to_owned(),
                scope,
            }),
            ..self
        }
    }

    /// Whether everything that the key is made of is signed.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.unsigned.is_none()
    }

    /// The id under which a store remembers the event. `strict` leaves out what nobody signed.
    ///
    /// # Errors
    /// None for ids that this crate checked; a longer one than a key holds is replaced by its
    /// digest.
    pub fn key(&self, body: &[u8], strict: bool) -> Result<EventId, super::EventIdError> {
        let signed = self.signed.clone().unwrap_or_else(|| EventId::digest_of(body));
        let Some(Unsigned { id, scope }) = self.unsigned.as_ref().filter(|_| !strict) else {
            return Ok(signed);
        };
        // Lengths go in too: no two lists of parts run together.
        let mut digest = Sha256::new();
        let parts = [id.as_str(), signed.as_str()].into_iter();
        for part in parts.chain(scope.iter().map(String::as_str)) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest = hex::encode(digest.finalize());
        // The id first, so that an operator finds the event by it.
        let readable = if id.is_empty() { "sha256" } else { id.as_str() };
        EventId::new(&format!("{readable}:{digest}")).or_else(|_| EventId::new(&format!("sha256:{digest}")))
    }
}
