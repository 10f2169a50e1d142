use std::fmt;

use bytes::Bytes;

/// The response to a handshake: the request by which a provider checks that the endpoint belongs to
/// its customer.
///
/// ```
/// use tower_webhook::provider::Handshake;
///
/// let response = Handshake::respond("application/json", r#"{"challenge":"3eZbrw1aB10F"}"#);
/// assert_eq!(response.content_type(), Some("application/json"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Handshake(Option<(&'static str, Bytes)>);

impl Handshake {
    /// 200 with a body that the provider reads. No handler gets the request.
    #[must_use]
    pub fn respond(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self(Some((content_type, body.into())))
    }

    /// 200 without a body. A handler that is registered for exactly the request's topic gets the
    /// request as an event instead. No fallback gets it.
    #[must_use]
    pub const fn acknowledge() -> Self {
        Self(None)
    }

    /// The type of the body, if there is one.
    #[must_use]
    pub fn content_type(&self) -> Option<&'static str> {
        self.0.as_ref().map(|(content_type, _)| *content_type)
    }

    /// The body that the provider reads, if it reads one.
    #[must_use]
    pub fn body(&self) -> Option<&Bytes> {
        self.0.as_ref().map(|(_, body)| body)
    }

    /// Whether a challenge may be echoed: a browser can take it for nothing but text.
    pub(super) fn is_plain(challenge: &str, longest: usize) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+/=".contains(&byte);
        (1..=longest).contains(&challenge.len()) && challenge.bytes().all(is_plain)
    }
}

/// Without the body: Zoom's has a tag under the secret.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("content_type", &self.content_type())
            .finish_non_exhaustive()
    }
}
