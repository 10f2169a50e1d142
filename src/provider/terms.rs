use std::time::Duration;

/// No sender waits for less; a limit of zero would have every delivery answered before it is read.
const LEAST_ANSWER_LIMIT: Duration = Duration::from_millis(100);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How a sender delivers: what the layer's defaults are made of.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::provider::DeliveryTerms;
///
/// let hour = Duration::from_secs(3600);
/// let terms = DeliveryTerms::new(Duration::from_secs(10), 72 * hour)
///     .resend_horizon(30 * 24 * hour)
///     .body_limit(256 * 1024);
/// assert_eq!(terms.retention(), 35 * 24 * hour); // what can come again is remembered, and five days more
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryTerms {
    answer_limit: Duration,
    retry_horizon: Duration,
    resend_horizon: Duration,
    retention: Duration,
    body_limit: usize,
}

impl DeliveryTerms {
    /// A sender that waits `answer_limit` for an answer and retries by itself for `retry_horizon` after the event
    /// (zero: it never retries). Bodies up to 1 MiB; ids kept five days longer than they can come.
    #[must_use]
    pub fn new(answer_limit: Duration, retry_horizon: Duration) -> Self {
        Self {
            answer_limit: answer_limit.max(LEAST_ANSWER_LIMIT),
            retry_horizon,
            resend_horizon: retry_horizon,
            retention: retry_horizon.saturating_add(5 * DAY),
            body_limit: 1024 * 1024,
        }
    }

    /// How long after the event the sender can be asked to send it again, by hand or through its API, where that is longer than
    /// it retries by itself. Ids are kept five days longer than that.
    #[must_use]
    pub fn resend_horizon(mut self, horizon: Duration) -> Self {
        self.resend_horizon = horizon.max(self.retry_horizon);
        self.retention = self.resend_horizon.saturating_add(5 * DAY);
        self
    }

    /// The largest body, in bytes, at least one.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes.max(1);
        self
    }

    /// How long the sender waits for an answer.
    #[must_use]
    pub fn answer_limit(&self) -> Duration {
        self.answer_limit
    }

    /// How long after the event the sender retries by itself; zero if it does not.
    #[must_use]
    pub fn retry_horizon(&self) -> Duration {
        self.retry_horizon
    }

    /// How long after the event it can still come at all.
    #[must_use]
    pub fn longest_horizon(&self) -> Duration {
        self.resend_horizon
    }

    /// How long an id is remembered by default.
    #[must_use]
    pub fn retention(&self) -> Duration {
        self.retention
    }

    /// The largest body accepted by default, in bytes.
    #[must_use]
    pub fn largest_body(&self) -> usize {
        self.body_limit
    }
}
