//! The sources of time.
//!
//! Nothing in this crate asks the operating system for the time on its own: the layer asks its
//! clock (the age of events), a store asks *its own* (leases, retention). So tests set the time,
//! and a step of the application's clock moves no lease.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime},
};

/// Tells the time.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_webhook::clock::Clock;
///
/// #[derive(Debug)]
/// struct Stopped;
///
/// impl Clock for Stopped {
///     fn now(&self) -> SystemTime {
///         SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
///     }
/// }
///
/// assert_eq!(Stopped.now(), Stopped.now());
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> SystemTime;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}

/// The operating system's clock: wall-clock time, which may jump.
///
/// ```
/// use tower_webhook::clock::{Clock, SystemClock};
///
/// assert!(SystemClock.now() > std::time::SystemTime::UNIX_EPOCH);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that never steps: the system's time when it was made, plus what has passed since.
///
/// A store in this process measures leases with it, so that an operator who sets the clock back an
/// hour does not extend every lease by that hour.
///
/// ```
/// use tower_webhook::clock::{Clock, MonotonicClock};
///
/// let clock = MonotonicClock::new();
/// let first = clock.now();
/// assert!(clock.now() >= first);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    made_at: SystemTime,
    since: Instant,
}

impl MonotonicClock {
    /// Starts at the system's present time.
    #[must_use]
    pub fn new() -> Self {
        Self {
            made_at: SystemTime::now(),
            since: Instant::now(),
        }
    }
}

impl Default for MonotonicClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for MonotonicClock {
    fn now(&self) -> SystemTime {
        self.made_at + self.since.elapsed()
    }
}
