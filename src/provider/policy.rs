use std::time::Duration;

/// No provider waits for less. A timeout of zero would end every delivery before it is read.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How a provider delivers. The layer takes its defaults from it.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::provider::DeliveryPolicy;
///
/// let hour = Duration::from_secs(3600);
/// let policy = DeliveryPolicy::new(Duration::from_secs(10), 72 * hour)
///     .with_redelivery_window(30 * 24 * hour)
///     .with_body_limit(256 * 1024);
/// assert_eq!(policy.body_limit(), 256 * 1024);
/// assert_eq!(policy.retention(), 35 * 24 * hour); // five days longer than it can be sent again
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    response_timeout: Duration,
    retry_window: Duration,
    redelivery_window: Duration,
    retention: Duration,
    body_limit: usize,
}

impl DeliveryPolicy {
    /// A provider that waits `response_timeout` for a response and retries by itself for
    /// `retry_window` after the event (zero: it never retries). Bodies may have up to 1 MiB, and
    /// ids are kept five days longer than events can be sent again.
    #[must_use]
    pub fn new(response_timeout: Duration, retry_window: Duration) -> Self {
        Self {
            response_timeout: response_timeout.max(SHORTEST_TIMEOUT),
            retry_window,
            redelivery_window: retry_window,
            retention: retry_window.saturating_add(5 * DAY),
            body_limit: 1024 * 1024,
        }
    }

    /// How long after the event the provider can be asked to send it again, by hand or through its
    /// API, where that is longer than it retries by itself. Ids are kept five days longer than
    /// that.
    #[must_use]
    pub fn with_redelivery_window(mut self, window: Duration) -> Self {
        self.redelivery_window = window.max(self.retry_window);
        self.retention = self.redelivery_window.saturating_add(5 * DAY);
        self
    }

    /// The largest body, in bytes, at least one.
    #[must_use]
    pub fn with_body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes.max(1);
        self
    }

    /// How long the provider waits for a response.
    #[must_use]
    pub fn response_timeout(&self) -> Duration {
        self.response_timeout
    }

    /// How long after the event the provider retries by itself; zero if it does not.
    #[must_use]
    pub fn retry_window(&self) -> Duration {
        self.retry_window
    }

    /// How long after the event the provider can send it at all.
    #[must_use]
    pub fn redelivery_window(&self) -> Duration {
        self.redelivery_window
    }

    /// How long an id is remembered by default.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// The largest body accepted by default, in bytes.
    #[must_use]
    pub fn body_limit(&self) -> usize {
        self.body_limit
    }
}
