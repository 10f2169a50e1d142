use std::fmt;

use http::HeaderName;

/// Where in a request something is: at a path into the body, in a header that the signature does
/// not cover, or, for a payload, in the whole body.
///
/// ```
/// use http::HeaderName;
/// use tower_webhook::custom::FieldPath;
///
/// assert_eq!(FieldPath::body("id").to_string(), "`id`");
/// // {"event":{"type":…}}
/// assert_eq!(FieldPath::body("event.type").to_string(), "`event.type`");
/// // {"acme.example":{"type":…}}
/// let dotted = FieldPath::keys(["acme.example", "type"]);
/// assert_eq!(dotted.to_string(), "`acme.example.type`");
///
/// let header = FieldPath::unsigned_header(HeaderName::from_static("x-webhook-event"));
/// assert_eq!(header.to_string(), "the header `x-webhook-event`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(pub(super) FieldPlace);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FieldPlace {
    Body(Vec<String>),
    WholeBody,
    UnsignedHeader(HeaderName),
}

impl FieldPath {
    /// A field of the body: its key, or the keys that lead to it with dots between them. They lead
    /// into objects; an array has no keys.
    #[must_use]
    pub fn body(path: &str) -> Self {
        if path.is_empty() {
            return Self(FieldPlace::Body(Vec::new()));
        }
        Self::keys(path.split('.'))
    }

    /// A field of the body by its keys, for keys that contain a dot.
    #[must_use]
    pub fn keys<K: Into<String>>(keys: impl IntoIterator<Item = K>) -> Self {
        Self(FieldPlace::Body(keys.into_iter().map(Into::into).collect()))
    }

    /// The whole body. Only a payload can be there, and it is tried last.
    #[must_use]
    pub fn whole_body() -> Self {
        Self(FieldPlace::WholeBody)
    }

    /// A header, which the signature does not cover.
    ///
    /// # Security
    /// Someone who captured one request can send it again with any value here, and the signature
    /// still holds. [`CustomBuilder`](super::CustomBuilder) says what that means for an id and for
    /// a topic.
    #[must_use]
    pub fn unsigned_header(name: HeaderName) -> Self {
        Self(FieldPlace::UnsignedHeader(name))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            FieldPlace::Body(keys) => write!(f, "`{}`", keys.join(".")),
            FieldPlace::WholeBody => f.write_str("the whole body"),
            FieldPlace::UnsignedHeader(name) => write!(f, "the header `{name}`"),
        }
    }
}
