use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION},
    request::Parts,
};
use tokio::time::Instant;

/// Refused requests as they came, body and headers, for an operator to look at: off until it is
/// switched on, for a time, and in this process's memory alone. Cheap to clone: clones are the
/// same.
///
/// Give it to a layer with
/// [`capture`](crate::layer::WebhookLayerBuilder::capture), and what was captured to
/// [`Explain`](crate::signature::Explain) with the provider's secrets.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use tower_webhook::delivery_log::Captures;
///
/// let captures = Captures::new();
/// assert!(!captures.is_on());
///
/// captures.start(Duration::from_secs(600));
/// assert!(captures.is_on());
/// # });
/// ```
///
/// # Security
/// A captured request holds what a stranger has sent, and the signature: whoever sees it can send
/// it again. So it keeps the newest [`MAX_REQUESTS`](Self::MAX_REQUESTS) requests whose bodies
/// together have at most [`MAX_BYTES`](Self::MAX_BYTES), and forgets all of them when the time is
/// over. `Authorization` and cookies are left out.
#[derive(Clone, Default)]
pub struct Captures(Arc<Mutex<CaptureState>>);

#[derive(Default)]
struct CaptureState {
    until: Option<Instant>,
    requests: VecDeque<(u64, Captured)>,
    bytes: usize,
    /// The lowest number that the next request may have.
    next: u64,
}

/// A refused request, as it came. Its `Debug` output shows neither headers nor body.
#[derive(Clone)]
#[non_exhaustive]
pub struct Captured {
    /// When it was refused, by the layer's clock.
    pub time: SystemTime,
    /// The provider's name.
    pub provider: String,
    /// The layer's namespace.
    pub namespace: Arc<str>,
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, as far as it was read.
    pub body: Bytes,
    /// Why it was refused: the name of a [`RefusalKind`](crate::RefusalKind).
    pub outcome: &'static str,
    /// Why.
    pub reason: String,
}

impl Captures {
    /// How many requests are kept.
    pub const MAX_REQUESTS: usize = 32;

    /// How many bytes their bodies may have together; a larger one is not captured.
    pub const MAX_BYTES: usize = 4 * 1024 * 1024;

    /// Captures nothing until [`start`](Self::start).
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, CaptureState> {
        // Nothing panics while it is held.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.until.is_some_and(|until| Instant::now() >= until) {
            kept.forget();
        }
        kept
    }

    /// Captures for so long from now.
    pub fn start(&self, time: Duration) {
        /// As good as for ever, and a time that every clock can tell.
        const LONGEST: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        self.kept().until = Instant::now().checked_add(time.min(LONGEST));
    }

    /// Captures no more, and forgets what was captured.
    pub fn stop(&self) {
        self.kept().forget();
    }

    /// Whether requests are captured now.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.kept().until.is_some()
    }

    /// For how much longer.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.kept().until?.saturating_duration_since(Instant::now()))
    }

    /// The request with this number, if it is still kept.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<Captured> {
        let kept = self.kept();
        let found = kept.requests.iter().find(|(kept, _)| *kept == number);
        found.map(|(_, captured)| captured.clone())
    }

    /// All that are kept, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<(u64, Captured)> {
        self.kept().requests.iter().rev().cloned().collect()
    }

    pub(crate) fn add(&self, captured: Captured) -> Option<u64> {
        let size = captured.body.len();
        if size > Self::MAX_BYTES {
            return None;
        }
        let mut kept = self.kept();
        kept.until?;
        while kept.requests.len() >= Self::MAX_REQUESTS || kept.bytes.saturating_add(size) > Self::MAX_BYTES {
            let (_, oldest) = kept.requests.pop_front()?;
            kept.bytes = kept.bytes.saturating_sub(oldest.body.len());
        }
        // Later ones have higher numbers, in another process too: an entry that outlives this one
        // leads to no other request.
        let since_epoch = captured.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX);
        let number = micros.max(kept.next);
        kept.next = number.saturating_add(1);
        kept.bytes = kept.bytes.saturating_add(size);
        kept.requests.push_back((number, captured));
        Some(number)
    }
}

impl CaptureState {
    fn forget(&mut self) {
        self.until = None;
        self.requests.clear();
        self.bytes = 0;
    }
}

impl Captured {
    pub(crate) fn new(parts: &Parts, body: Bytes, time: SystemTime) -> Self {
        let mut headers = parts.headers.clone();
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            headers.remove(name);
        }
        Self {
            time,
            provider: String::new(),
            namespace: Arc::from(""),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            headers,
            body,
            outcome: "",
            reason: String::new(),
        }
    }
}

impl fmt::Debug for Captures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        f.debug_struct("Captures")
            .field("is_on", &kept.until.is_some())
            .field("requests", &kept.requests.len())
            .finish()
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured")
            .field("time", &self.time)
            .field("provider", &self.provider)
            .field("namespace", &self.namespace)
            .field("method", &self.method)
            .field("outcome", &self.outcome)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
