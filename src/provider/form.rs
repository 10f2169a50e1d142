//! Bodies of the type `application/x-www-form-urlencoded`: GitHub's default, and Slack's for
//! everything but events.
//!
//! Its own bytes tell what a body is, because the header with its type is not signed.

use bytes::Bytes;
use serde_json::{Map, Value};

/// Whether the body is a form: it does not begin like JSON.
pub(super) fn is_form(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    !matches!(body.trim_ascii_start().first(), None | Some(b'{' | b'['))
}

/// The first field of this name, decoded.
pub(super) fn field(body: &[u8], name: &str) -> Option<Bytes> {
    let (_, value) = form_urlencoded::parse(body).find(|(found, _)| found == name)?;
    Some(Bytes::from(value.into_owned()))
}

/// All fields as a JSON object of strings; of two with one name the first.
pub(super) fn to_json(body: &[u8]) -> Bytes {
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::String(value.into_owned());
        fields.entry(name.into_owned()).or_insert(value);
    }
    // All values are strings, so this cannot fail.
    serde_json::to_vec(&fields).unwrap_or_default().into()
}
