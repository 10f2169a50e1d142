//! The one task that writes the file.

use std::time::Duration;

use super::{Changes, Notes, Written, file::File};
use crate::clock::{Clock, Reading};

/// How often the time is written where it runs faster than the world's: so much of it, in the
/// world's time, a sandbox that is killed may live through twice.
const TICK: Duration = Duration::from_secs(1);

pub(super) async fn write(mut file: File, notes: &Notes, clock: &Clock) {
    // Those who wait are told, however this task ends.
    let _ended = Ended(notes);
    let mut changes = Changes::new();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (count, closed) = notes.take(&mut changes);
        let reading = clock.reading();
        changes.insert((Reading::KIND, 0), serde_json::to_string(&reading).ok());
        let result = file.write(&changes).await;
        let failed = result.is_err();
        notes.written.send_modify(|written| match result {
            Ok(()) => written.count = written.count.max(count),
            Err(error) => {
                written.failures += 1;
                written.error = error;
            }
        });
        if !failed {
            changes.clear();
        }
        if closed {
            file.close().await;
            return;
        }
        let tick = async {
            if clock.speed() > 1.0 {
                ticks.tick().await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = notes.wake.notified() => {}
            () = tick => {}
        }
    }
}

struct Ended<'a>(&'a Notes);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.written.send_modify(|written: &mut Written| written.ended = true);
    }
}
