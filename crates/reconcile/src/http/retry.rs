//! Which failures are tried again, and when.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};

use super::Retries;
use crate::Error;

/// A failed attempt, and whether another may follow.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    pub(super) again: RetryRule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RetryRule {
    /// The next attempt would fail as well.
    Never,
    /// The request may have been carried out: only where a second time changes nothing.
    IfSafe,
    /// The request was certainly not carried out.
    Always,
}

impl Retries {
    pub(super) fn schedule(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.max_delay)
            .with_factor(2.0)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_jitter()
            .build()
    }

    /// The wait before the next attempt; `None` if the provider wants a longer one than is waited.
    ///
    /// `pause` is what the API's documents say about a 429 that names no time.
    pub(super) fn wait(&self, failed: &Failed, planned: Duration, pause: Duration) -> Option<Duration> {
        match failed.error.retry_after() {
            Some(asked) if asked > self.max_retry_after => None,
            Some(asked) => Some(asked.max(planned)),
            None if failed.error.status() == Some(StatusCode::TOO_MANY_REQUESTS) => {
                Some(planned.max(pause.min(self.max_retry_after)))
            }
            None => Some(planned),
        }
    }
}

/// The delay that `Retry-After` asks for, in seconds or as a date. GitHub says in a header of its
/// own when its limit ends.
pub(super) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(asked) = text(RETRY_AFTER.as_str()) {
        if let Ok(seconds) = asked.parse() {
            return Some(Duration::from_secs(seconds));
        }
        if let Ok(date) = jiff::fmt::rfc2822::parse(asked) {
            let date = SystemTime::from(date.timestamp());
            return Some(date.duration_since(now).unwrap_or_default());
        }
    }
    if text("x-ratelimit-remaining") != Some("0") {
        return None;
    }
    let reset = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(text("x-ratelimit-reset")?.parse().ok()?))?;
    // A second more: the header is in whole seconds.
    Some(
        reset
            .duration_since(now)
            .unwrap_or_default()
            .saturating_add(Duration::from_secs(1)),
    )
}
