//! The sandbox's time, which may run faster than the world's and can be moved ahead.

use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;

/// Every provider counts retention and retries in this time. It is the machine's time at a speed,
/// plus what was skipped. Limits on a receiver's response are counted in the world's time: a
/// receiver does not get faster.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    started: SystemTime,
    since: Instant,
    speed: f64,
    skipped: watch::Sender<Duration>,
}

/// 100 years: more than any schedule, and little enough that no sum overflows.
const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Clock {
    pub(crate) fn new(started: SystemTime, speed: f64) -> Self {
        Self {
            started,
            since: Instant::now(),
            speed,
            skipped: watch::Sender::new(Duration::ZERO),
        }
    }

    pub(crate) fn speed(&self) -> f64 {
        self.speed
    }

    pub(crate) fn now(&self) -> SystemTime {
        let passed = self.since.elapsed().as_secs_f64() * self.speed;
        let passed = Duration::try_from_secs_f64(passed).unwrap_or(FAR).min(FAR);
        time_after(self.started, passed + *self.skipped.borrow())
    }

    /// Moves the time ahead.
    pub(crate) fn skip(&self, by: Duration) {
        self.skipped
            .send_modify(|skipped| *skipped = skipped.saturating_add(by).min(FAR));
    }

    /// Returns at that time, whether it comes by itself or is skipped to.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn sleep_until(&self, time: SystemTime) {
        let mut skipped = self.skipped.subscribe();
        loop {
            skipped.borrow_and_update();
            let Ok(left) = time.duration_since(self.now()) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            let real = Duration::try_from_secs_f64(left.as_secs_f64() / self.speed)
                .unwrap_or(FAR)
                .min(FAR);
            tokio::select! {
                // A tick more, so that rounding does not make this loop spin.
                () = tokio::time::sleep(real + Duration::from_millis(1)) => {}
                changed = skipped.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// A sum that stays where it is when no later time can be told.
pub(crate) fn time_after(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_add(by).unwrap_or(time)
}

/// A difference that ends at the epoch.
pub(crate) fn earlier(time: SystemTime, by: Duration) -> SystemTime {
    time.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}
