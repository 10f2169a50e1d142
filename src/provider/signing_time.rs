//! Bodies that say when they were signed. Apart from that time, a retry is the same body.

use sha2::{Digest as _, Sha256};

use crate::event::{EventError, EventErrorKind, EventId};

/// The digest of the signed bytes without the value of this key, which says when they were signed.
/// Where there is no value, or it is not found in the body, the digest of the whole body.
pub(super) fn id_without(body: &[u8], key: &str, value: Option<&str>) -> Result<EventId, EventError> {
    let mut digest = Sha256::new();
    match value.and_then(|value| span_of(body, key, value)) {
        Some((begin, end)) => {
            digest.update(body.get(..begin).unwrap_or_default());
            digest.update(body.get(end..).unwrap_or_default());
        }
        None => digest.update(body),
    }
    EventId::new(&format!("sha256:{}", hex::encode(digest.finalize())))
        .map_err(|error| EventError::new(EventErrorKind::Field, error.to_string()))
}

/// The span of this value of this key in the body.
fn span_of(body: &[u8], key: &str, value: &str) -> Option<(usize, usize)> {
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
