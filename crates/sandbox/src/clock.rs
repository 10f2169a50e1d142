//! The sandbox's time, which may run faster than the world's and can be moved ahead.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::time::exact;

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

/// Which time it was in the sandbox and in the world, so that a later sandbox can go on from there.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Reading {
    #[serde(with = "exact")]
    sandbox: SystemTime,
    #[serde(with = "exact")]
    world: SystemTime,
    speed: f64,
}

impl Reading {
    /// The name of its kind in a state file.
    pub(crate) const KIND: &'static str = "clock";

    /// The sandbox's time now, if no sandbox has run since: as long as none runs it goes on as the
    /// world's does. At the sandbox's speed a night could be longer than anything is kept.
    #[cfg_attr(not(feature = "sqlite"), expect(dead_code, reason = "there is no file"))]
    pub(crate) fn now(self) -> SystemTime {
        let passed = SystemTime::now().duration_since(self.world).unwrap_or_default();
        time_after(self.sandbox, passed.mul_f64(self.speed.clamp(0.0, 1.0)))
    }
}

/// 100 years: more than any schedule, and little enough that no sum overflows.
pub(crate) const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

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

    pub(crate) fn reading(&self) -> Reading {
        Reading {
            sandbox: self.now(),
            world: SystemTime::now(),
            speed: self.speed,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// How long after an hour without a sandbox the time is, after that of the reading.
    fn after_an_hour(speed: f64) -> u64 {
        let world = SystemTime::now();
        let reading = Reading {
            sandbox: world + 24 * HOUR,
            world: world - HOUR,
            speed,
        };
        reading.now().duration_since(reading.sandbox).unwrap().as_secs()
    }

    #[test]
    fn while_no_sandbox_runs_its_time_is_no_faster_than_the_worlds() {
        for (speed, seconds) in [(0.0, 0), (0.5, 1800), (1.0, 3600), (3600.0, 3600)] {
            assert!(after_an_hour(speed).abs_diff(seconds) < 5, "{speed}");
        }
    }

    #[test]
    fn a_clock_of_the_world_that_was_set_back_takes_nothing_away() {
        let sandbox = SystemTime::now();
        let world = sandbox + HOUR;
        let reading = Reading {
            sandbox,
            world,
            speed: 1.0,
        };
        assert_eq!(reading.now(), sandbox);
    }
}
