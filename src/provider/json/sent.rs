//! Bodies that say when they were signed: but for that time, a retry is the same body.

use sha2::{Digest as _, Sha256};

use crate::event::{EventError, EventErrorKind, EventId};

/// The digest of the signed bytes without this value of this key, which says when they were signed.
/// Without a value, or where the value is not found, the digest of all.
pub(in crate::provider) fn id_without(body: &[u8], key: &str, value: Option<&str>) -> Result<EventId, EventError> {
    let mut digest = Sha256::new();
    match value.and_then(|value| place_of(body, key, value)) {
        Some((begin, end)) => {
            digest.update(body.get(..begin).unwrap_or_default());
            digest.update(body.get(end..).unwrap_or_default());
        }
        None => digest.update(body),
    }
    EventId::new(&format!("sha256:{}", hex::encode(digest.finalize())))
        .map_err(|error| EventError::new(EventErrorKind::Field, error.to_string()))
}

/// Where in the body this value of this key stands.
fn place_of(body: &[u8], key: &str, value: &str) -> Option<(usize, usize)> {
    let key = format!("\"{key}\"");
    memchr::memmem::find_iter(body, key.as_bytes()).find_map(|at| {
        let behind = body.get(at + key.len()..)?.trim_ascii_start();
        let behind = behind.strip_prefix(b":")?.trim_ascii_start();
        let begin = body.len() - behind.len();
        behind
            .starts_with(value.as_bytes())
            .then_some((begin, begin + value.len()))
    })
}
