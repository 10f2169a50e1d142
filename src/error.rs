//! Why a delivery did not get a 2xx, and why a layer could not be built.

use std::{borrow::Cow, fmt, time::Duration};

use crate::signature::SecretError;

/// Why a delivery was refused: in the response's extensions, for layers further out.
///
/// It holds no secret, tag or body. The [`reason`](Self::reason) is for operators: the client sees
/// a fixed text for each kind, except for [`NotAnEvent`](RefusalKind::NotAnEvent), whose reason is
/// sent: such a body is authentic, so its provider may know.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use http_body_util::Empty;
/// use tower::ServiceExt as _;
/// use tower_webhook::{
///     MemoryStore, Refusal, RefusalKind, TopicRouter, WebhookLayer, dwolla::Dwolla,
/// };
///
/// let service = WebhookLayer::new(Dwolla::new("sshhhhhh").unwrap(), MemoryStore::new())
///     .topics(TopicRouter::new());
/// let unsigned = http::Request::post("/")
///     .body(Empty::<bytes::Bytes>::new())
///     .unwrap();
/// let response = service.oneshot(unsigned).await.unwrap();
///
/// let refusal = response.extensions().get::<Refusal>().unwrap();
/// assert_eq!(refusal.kind(), RefusalKind::Signature);
/// # });
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: RefusalKind,
    reason: Cow<'static, str>,
    retry_after: Option<Duration>,
    /// For metrics: which of the kind's causes it was.
    cause: &'static str,
    /// The status of the HTTP service behind the layer, where that is the refusal.
    inner_status: Option<u16>,
}

/// Why a delivery was refused. Each kind has one status, where a request waits for it. In a
/// worker's log and in the history of attempts it says why a run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// 405: not a POST.
    Method,
    /// 415: the body is encoded; the signature is over the plain bytes.
    Encoding,
    /// 413: the body is larger than the limit.
    TooLarge,
    /// 408: the body did not arrive in time.
    TooSlow,
    /// 400: the body broke off.
    BrokenBody,
    /// 503: too many requests in flight, of all or of one tenant; too many unauthenticated bytes;
    /// or too many tenants that were not seen before.
    Overloaded,
    /// 503: the layer is draining. A worker that drains puts the delivery back.
    Draining,
    /// 401: the signature is missing, malformed, doubled or wrong.
    Signature,
    /// 400: authentic, but not an event of this provider. In a worker: what is stored cannot be
    /// read.
    NotAnEvent,
    /// 400: the event is older than the oldest accepted.
    TooOld,
    /// 500: the id belongs to another event.
    Conflict,
    /// 503: another process runs this event, before its response.
    InFlight,
    /// 503: too many deliveries already wait for this event.
    TooManyWaiting,
    /// 503: the response was due while the handler still ran. It runs on.
    StillRunning,
    /// 503: the store did not respond, or has no room; or `redact` panicked.
    Store,
    /// 503: the secrets of a [tenant](crate::provider::tenant) could not be looked up.
    Tenants,
    /// 503: too many stored deliveries wait for a worker.
    Backlog,
    /// 500, or 503 where it asks for a delay: the handler failed.
    HandlerFailed,
    /// 500: the handler panicked.
    HandlerPanicked,
    /// 500: the provider's own code panicked on the request, or its verifier's.
    ProviderPanicked,
    /// 503: the handler took longer than its cap and was cancelled.
    HandlerTimeout,
    /// 500: the HTTP service behind the layer responded neither 2xx, 4xx nor 5xx. Its 4xx and 5xx
    /// are forwarded as they are.
    InnerResponse,
    /// A copy that waited while the HTTP service refused the first delivery of its event. It gets
    /// the same status.
    InnerRefused,
}

impl RefusalKind {
    /// How many kinds there are.
    #[cfg(feature = "service")]
    pub(crate) const COUNT: usize = Self::InnerRefused as usize + 1;

    /// A name for programs: the `code` in the response's problem, and the `outcome` in logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Encoding => "encoding",
            Self::TooLarge => "too-large",
            Self::TooSlow => "too-slow",
            Self::BrokenBody => "broken-body",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::Signature => "signature",
            Self::NotAnEvent => "not-an-event",
            Self::TooOld => "too-old",
            Self::Conflict => "conflict",
            Self::InFlight => "in-flight",
            Self::TooManyWaiting => "too-many-waiting",
            Self::StillRunning => "still-running",
            Self::Store => "store",
            Self::Tenants => "tenants",
            Self::Backlog => "backlog",
            Self::HandlerFailed => "handler-failed",
            Self::HandlerPanicked => "handler-panicked",
            Self::ProviderPanicked => "provider-panicked",
            Self::HandlerTimeout => "handler-timeout",
            Self::InnerResponse => "inner-response",
            Self::InnerRefused => "inner-refused",
        }
    }
}

/// The word of [`as_str`](RefusalKind::as_str).
impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            retry_after: None,
            cause: "",
            inner_status: None,
        }
    }

    /// The HTTP service behind the layer refused the event with this status.
    pub(crate) fn inner(status: u16) -> Self {
        Self {
            inner_status: Some(status),
            ..Self::new(RefusalKind::InnerRefused, "the HTTP service refused the event")
        }
    }

    pub(crate) fn inner_status(&self) -> Option<u16> {
        self.inner_status
    }

    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    pub(crate) fn because(mut self, cause: &'static str) -> Self {
        self.cause = cause;
        self
    }

    pub(crate) fn cause(&self) -> &'static str {
        self.cause
    }

    /// Why the delivery was refused, as a kind.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        self.kind
    }

    /// The exact reason, for a log. It includes a handler's own error and a panic's message.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// How long the provider is asked to wait.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Refusal {}

/// Why a layer or a worker cannot be built: two settings contradict each other, or one can never
/// work. The text names both, and what to change.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use std::time::Duration;
/// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
///
/// let error = WebhookLayer::builder(Dwolla::new("sshhhhhh")?, MemoryStore::new())
///     .retention(Duration::from_secs(60))
///     .build()
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the retention (60s) is not longer than the provider's retry window (259200s) plus the \
///      handler cap (300s): \
///      a late retry would run twice; expected more than 259500s",
/// );
/// # }
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    message: Cow<'static, str>,
    source: Option<SecretError>,
}

impl BuildError {
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// The scheme of a provider with tenants takes no key.
    pub(crate) fn no_key(source: SecretError) -> Self {
        Self {
            source: Some(source),
            ..Self::new(
                "the provider's scheme takes no key of 32 bytes, which stands in for the secrets of an unknown tenant; expected one that \
                 does",
            )
        }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;
    use crate::signature::Secrets;

    #[test]
    fn a_scheme_without_a_key_is_caused_by_the_error_of_the_secrets() {
        let cause = Secrets::new("").unwrap_err();
        let error = BuildError::no_key(cause.clone());
        assert_eq!(error.source().unwrap().downcast_ref(), Some(&cause));
        assert!(!error.to_string().contains(&cause.to_string()));
        assert!(BuildError::new("the lease is zero").source().is_none());
    }
}
