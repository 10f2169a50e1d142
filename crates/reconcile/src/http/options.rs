use std::{fmt, sync::Arc, time::Duration};

use crate::{Timer, TokioTimer};

pub(crate) type Configure = dyn FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send;

/// How a client talks to its API. [`Options::default`] fits; each setting says what it is for.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook_reconcile::{Options, Retries, dwolla::{self, DwollaApi}};
///
/// let options = Options::new()
///     .timeout(Duration::from_secs(10))
///     .retries(Retries::new().attempts(3));
/// let api = DwollaApi::with_options(dwolla::SANDBOX, "client id", "client secret", options)?;
/// # Ok::<(), tower_webhook_reconcile::Error>(())
/// ```
#[must_use]
pub struct Options {
    pub(crate) timeout: Duration,
    pub(crate) retries: Retries,
    pub(crate) max_response_bytes: usize,
    pub(crate) max_pages: usize,
    pub(crate) allow_plain_http: bool,
    pub(crate) http: Option<Box<Configure>>,
    pub(crate) timer: Arc<dyn Timer>,
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            retries: Retries::new(),
            // GitHub keeps payloads of up to 25 MiB.
            max_response_bytes: 32 * 1024 * 1024,
            max_pages: 20_000,
            allow_plain_http: false,
            http: None,
            timer: Arc::new(TokioTimer),
        }
    }

    /// How long one attempt may take, from connecting to the body's last byte. Default: 30 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often and when a failed call is tried again.
    pub fn retries(mut self, retries: Retries) -> Self {
        self.retries = retries;
        self
    }

    /// The largest response that is read. Default: 32 MiB.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// The most pages of one list; more end with [`ErrorKind::Endless`](crate::ErrorKind::Endless).
    /// Default: 20,000, which are 2 million entries in pages of 100.
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.max_pages = pages;
        self
    }

    /// Whether the base URL may be `http://` on a host that is not this machine: a sandbox in
    /// another container, say. Default: no, since everybody on the way reads the token.
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// Changes the HTTP client: a proxy, root certificates, another TLS backend. Redirects stay off
    /// whatever it says, because they are followed here, within the host only.
    ///
    /// The client that it is given uses rustls with the platform's roots and the cryptography of
    /// the feature that is on (`ring`, `aws-lc-rs`), or else of the process's default. No default
    /// is installed. With neither feature and no default, this is required and must set a TLS
    /// backend: reqwest panics without one.
    pub fn http(
        mut self,
        configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder + Send + 'static,
    ) -> Self {
        self.http = Some(Box::new(configure));
        self
    }

    /// The source of time. Default: [`TokioTimer`].
    pub fn timer(mut self, timer: impl Timer) -> Self {
        self.timer = Arc::new(timer);
        self
    }
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .field("max_response_bytes", &self.max_response_bytes)
            .field("max_pages", &self.max_pages)
            .field("allow_plain_http", &self.allow_plain_http)
            .field("timer", &self.timer)
            .finish_non_exhaustive()
    }
}

/// How often and when a failed call is tried again.
///
/// What is tried again: a connection that failed, no response in time, half a body, 408, 429 and
/// 5xx. A request that the provider may carry out twice is tried again only where it cannot have
/// been carried out: after a failed connection and after a 429. Dwolla's requests that create
/// something carry an idempotency key, so they are repeated like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Retries {
    pub(crate) attempts: usize,
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) max_retry_after: Duration,
}

impl Retries {
    /// Six attempts, half a second after the first and twice as long each time, with jitter, and at
    /// most 30 s. A `Retry-After` of up to 5 minutes goes before that.
    pub const fn new() -> Self {
        Self {
            attempts: 6,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(300),
        }
    }

    /// How often a call is sent in all; at least once.
    pub const fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts;
        self
    }

    /// The wait after the first attempt.
    pub const fn first_delay(mut self, delay: Duration) -> Self {
        self.first_delay = delay;
        self
    }

    /// The longest wait that is not the provider's wish.
    pub const fn max_delay(mut self, delay: Duration) -> Self {
        self.max_delay = delay;
        self
    }

    /// The longest `Retry-After` that is waited for. A longer one fails the call at once, and
    /// [`Error::retry_after`](crate::Error::retry_after) says how long it is.
    pub const fn max_retry_after(mut self, limit: Duration) -> Self {
        self.max_retry_after = limit;
        self
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self::new()
    }
}
