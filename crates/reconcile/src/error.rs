use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;

/// Why a call to a provider's API failed.
///
/// The text holds no token, no secret and no body. What the provider said is in it, shortened and
/// in quotes. Clones share one error: callers that waited for one token get the same one.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    status: Option<StatusCode>,
    code: Option<String>,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// The message ends with the source's text, or is it.
    says_source: bool,
}

/// A category of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting or an argument: a base URL that cannot be used, an empty id. Nothing was sent.
    Config,
    /// No connection to the host, or it broke before a response began.
    Connect,
    /// No response in time.
    Timeout,
    /// The response's body broke off, or is larger than the limit.
    Body,
    /// 401: the credentials are missing, wrong or expired.
    Unauthorized,
    /// 403: the credentials do not allow this.
    Forbidden,
    /// 404: there is no such thing, or the credentials do not show it.
    NotFound,
    /// 429, or GitHub's 403 for the same: too many requests.
    RateLimited,
    /// Another 4xx: the request is not what the API expects.
    Refused,
    /// 5xx: the provider's own failure.
    Server,
    /// A response that is not what the API documents.
    Unreadable,
    /// A link or a redirect leads to another host than the configured one. It was not followed.
    ForeignHost,
    /// A list that does not end: its pages repeat, bring nothing new, or are more than the limit.
    Endless,
    /// The receiver's store did not respond, or has something else where a lease should be.
    Store,
    /// An error from outside of this crate: of a function that fetches tokens, or of a source.
    Other,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            source: None,
            says_source: false,
        }))
    }

    /// An error of a response.
    pub(crate) fn of_response(
        kind: ErrorKind,
        message: String,
        status: StatusCode,
        code: Option<String>,
        request_id: Option<String>,
        retry_after: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            status: Some(status),
            code,
            request_id,
            retry_after,
            source: None,
            says_source: false,
        }))
    }

    pub(crate) fn caused_by(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            source: Some(source.into()),
            says_source: false,
        }))
    }

    /// An error whose cause belongs into its own text: a report's line has room for one text.
    pub(crate) fn saying(
        kind: ErrorKind,
        message: impl Into<Cow<'static, str>>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        let (message, source) = (message.into(), source.into());
        Self(Arc::new(Inner {
            kind,
            message: match &*message {
                "" => source.to_string().into(),
                before => format!("{before}: {source}").into(),
            },
            status: None,
            code: None,
            request_id: None,
            retry_after: None,
            source: Some(source),
            says_source: true,
        }))
    }

    /// An error of your own, for a function that fetches tokens or for a source of events. Its text
    /// must hold no secret.
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::saying(ErrorKind::Other, "", error)
    }

    /// The error's category.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The response's status, if there was a response.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The provider's code for the error, if its response names one: `ValidationError`, say.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// The provider's id of the request, which its support asks for.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The error that caused this one: yours, of [`other`](Self::other), or the store's, whose text
    /// is then part of this error's; an HTTP client's, which is the
    /// [source](std::error::Error::source), too.
    ///
    /// ```
    /// use std::{error::Error as _, io};
    /// use tower_webhook_reconcile::Error;
    ///
    /// let error = Error::other(io::Error::other("the vault is sealed"));
    /// assert_eq!(error.to_string(), "the vault is sealed");
    /// assert!(error.get_ref().unwrap().is::<io::Error>());
    /// assert!(error.source().is_none());
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// How long the provider asked to wait, if it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("request_id", &self.0.request_id)
            .field("retry_after", &self.0.retry_after)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self.get_ref() {
            Some(said) if self.0.says_source => said.source(),
            source => source.map(|source| source as _),
        }
    }
}
