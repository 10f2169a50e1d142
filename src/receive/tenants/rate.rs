use std::time::Duration;

use tokio::time::Instant;

/// A token bucket with a rate per second and a burst.
pub(super) struct Rate {
    between: Duration,
    burst: Duration,
    /// When all that was taken so far has been paid for.
    paid: Instant,
}

impl Rate {
    pub(super) fn new((per_second, burst): (u32, u32)) -> Self {
        let between = Duration::from_secs(1) / per_second.max(1);
        Self {
            between,
            burst: between.saturating_mul(burst),
            paid: Instant::now(),
        }
    }

    /// Takes one, or says how long to wait for it.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let owed = self.paid.saturating_duration_since(now).saturating_add(self.between);
        if owed > self.burst {
            return Err(owed.saturating_sub(self.burst));
        }
        self.paid = now.checked_add(owed).unwrap_or(now);
        Ok(())
    }
}
