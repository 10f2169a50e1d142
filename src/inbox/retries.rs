use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use crate::store::Key;

/// When a worker runs a delivery again that failed: how long the pauses are, and how many attempts
/// there are before it is given up.
///
/// By default 20 attempts in five days: after 10 s, 30 s, 1, 5, 15 and 30 min, 1, 2, 4, 6 and 12 h,
/// and then every 12 h. That is longer than any provider here sends an event again. Each pause is
/// up to 10 % shorter or longer, so that what failed together does not come back together.
///
/// A handler's [`retry_after`](crate::HandlerError::retry_after) replaces the pause, and a
/// [permanent](crate::HandlerError::permanent) error ends the event at once.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::inbox::Retries;
///
/// let retries = Retries::new([Duration::from_secs(10), Duration::from_secs(60)]).max_attempts(5);
/// // 10 s, then 60 s three times
/// assert_eq!(retries.total(), Duration::from_secs(190));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retries {
    pauses: Arc<[Duration]>,
    attempts: u32,
    jitter_percent: u8,
    may_be_short: bool,
}

impl Retries {
    /// These pauses, the last one again and again, up to 20 attempts. Without a pause, an attempt
    /// follows at once.
    #[must_use]
    pub fn new(pauses: impl IntoIterator<Item = Duration>) -> Self {
        Self {
            pauses: pauses.into_iter().collect(),
            attempts: 20,
            jitter_percent: 10,
            may_be_short: false,
        }
    }

    /// How many attempts there are, the first included; at least one.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// By how many percent a pause may differ from the schedule; at most 50.
    #[must_use]
    pub fn jitter(mut self, percent: u8) -> Self {
        self.jitter_percent = percent.min(50);
        self
    }

    /// Allows a schedule that ends before the provider itself would give up, which a worker refuses
    /// otherwise: with the provider's own retries the event would have lived longer.
    #[must_use]
    pub fn allow_shorter_than_provider(mut self) -> Self {
        self.may_be_short = true;
        self
    }

    /// How long it takes from the first attempt to the last, without jitter and the attempts
    /// themselves.
    #[must_use]
    pub fn total(&self) -> Duration {
        let count = self.attempts.saturating_sub(1);
        let listed = u32::try_from(self.pauses.len()).unwrap_or(u32::MAX).min(count);
        let sum = (1..=listed).fold(Duration::ZERO, |sum, attempt| {
            sum.saturating_add(self.scheduled(attempt))
        });
        let rest = self.scheduled(u32::MAX).saturating_mul(count.saturating_sub(listed));
        sum.saturating_add(rest)
    }

    /// How many attempts there are.
    pub(crate) fn most_attempts(&self) -> u32 {
        self.attempts
    }

    pub(crate) fn may_be_short(&self) -> bool {
        self.may_be_short
    }

    /// The pause after this attempt, counted from 1. The same event gets the same pauses.
    pub(crate) fn pause(&self, attempt: u32, key: &Key) -> Duration {
        let scheduled = self.scheduled(attempt);
        let mut hasher = DefaultHasher::new();
        (key.id().as_str(), attempt).hash(&mut hasher);
        // From 0 to 1, in thousandths.
        let at = (hasher.finish() % 1001) as f64 / 1000.0;
        let spread = f64::from(self.jitter_percent) / 100.0;
        scheduled.mul_f64(1.0 - spread + 2.0 * spread * at)
    }

    fn scheduled(&self, attempt: u32) -> Duration {
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let pause = self.pauses.get(index).or_else(|| self.pauses.last());
        // No clock goes further, and no database either.
        const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
        pause.copied().unwrap_or_default().min(LONGEST)
    }
}

impl Default for Retries {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 3600;
        Self::new(
            [
                10,
                30,
                MINUTE,
                5 * MINUTE,
                15 * MINUTE,
                30 * MINUTE,
                HOUR,
                2 * HOUR,
                4 * HOUR,
                6 * HOUR,
                12 * HOUR,
            ]
            .map(Duration::from_secs),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    fn key(id: u32) -> Key {
        Key::new("dwolla", EventId::new(&id.to_string()).unwrap())
    }

    #[test]
    fn pauses_follow_the_schedule_within_the_jitter_and_spread() {
        let retries = Retries::default();
        let pauses: Vec<_> = (0..100).map(|id| retries.pause(1, &key(id))).collect();
        assert!(pauses.iter().all(|pause| (9.0..=11.0).contains(&pause.as_secs_f64())));
        let distinct: std::collections::BTreeSet<_> = pauses.iter().collect();
        assert!(distinct.len() > 50, "{} of 100 differ", distinct.len());
        let last = retries.jitter(0).pause(u32::MAX, &key(1));
        assert_eq!(last, Duration::from_secs(12 * 3600));
    }

    #[test]
    fn the_defaults_take_five_days() {
        let days = Retries::default().total().as_secs_f64() / 86400.0;
        assert!((5.0..5.2).contains(&days), "{days}");
    }

    #[test]
    fn no_schedule_overflows() {
        let endless = Retries::new([Duration::MAX]).max_attempts(u32::MAX).jitter(100);
        assert!(endless.pause(3, &key(1)) < Duration::MAX);
        assert!(endless.total() > Duration::from_secs(1));
        assert_eq!(Retries::new([]).pause(1, &key(1)), Duration::ZERO);
        assert_eq!(Retries::new([]).total(), Duration::ZERO);
        assert_eq!(Retries::new([]).max_attempts(0).most_attempts(), 1);
    }
}
