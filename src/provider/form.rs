//! Bodies of the type `application/x-www-form-urlencoded`: GitHub's default, Slack's for all but
//! events.
//!
//! What a body is, its own bytes tell. The header that says it is not signed.

use bytes::Bytes;
use serde_json::{Map, Value};

/// Whether the body is a form: JSON begins otherwise.
pub(super) fn is_form(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    !matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['))
}

/// The first field of this name, decoded.
pub(super) fn field(body: &[u8], name: &str) -> Option<Bytes> {
    let (_, value) = form_urlencoded::parse(body).find(|(found, _)| found == name)?;
    Some(Bytes::from(value.into_owned()))
}

/// All fields as a JSON object of texts; of two with one name the first.
pub(super) fn to_json(body: &[u8]) -> Bytes {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::String(value.into_owned());
        fields.entry(name.into_owned()).or_insert(value);
    }
    // Texts alone: there is nothing to fail.
    serde_json::to_vec(&fields).unwrap_or_default().into()
}
