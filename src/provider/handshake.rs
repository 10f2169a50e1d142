use bytes::Bytes;

/// What is answered to a provider's question whether somebody is there.
///
/// ```
/// use tower_webhook::provider::Handshake;
///
/// let answer = Handshake::answer("application/json", r#"{"challenge":"3eZbrw1aB10FEMAGAZd4FyFQ"}"#);
/// assert_eq!(answer.content_type(), Some("application/json"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake(Option<(&'static str, Bytes)>);

impl Handshake {
    /// 200 with a body that the provider reads. No handler gets the request.
    pub fn answer(content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self(Some((content_type, body.into())))
    }

    /// 200 without a body, unless a handler is registered for the request's topic by its name: then it is an event like any other. No
    /// fallback gets it.
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
}
