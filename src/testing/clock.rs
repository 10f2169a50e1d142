use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::clock::Clock;

/// A clock that stands still until it is moved. Clones share their time.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::{clock::Clock, testing::ManualClock};
///
/// let clock = ManualClock::new();
/// let shared = clock.clone();
/// let before = clock.now();
///
/// shared.advance(Duration::from_secs(60));
/// assert_eq!(clock.now(), before + Duration::from_secs(60));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<Mutex<SystemTime>>,
}

impl ManualClock {
    /// A clock at the second 1,700,000,000 (14 November 2023, 22:13:20 UTC): the same in every run.
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
    }

    /// A clock at this time.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self {
            now: Arc::new(Mutex::new(time)),
        }
    }

    /// Moves the time on.
    ///
    /// # Panics
    /// The time would be one that the platform cannot say.
    pub fn advance(&self, by: Duration) {
        self.change(|now| now + by);
    }

    /// Sets the time, backwards too.
    pub fn set(&self, time: SystemTime) {
        self.change(|_| time);
    }

    fn change(&self, change: impl FnOnce(SystemTime) -> SystemTime) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        *now = change(*now);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
