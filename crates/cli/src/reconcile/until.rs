//! Until when, where nobody says it.

use std::time::{Duration, SystemTime};

use tower_webhook_reconcile::reconciler::{Source, Window};

use super::compare::failed;
use crate::{failure::Failure, output::note, time};

/// The largest difference of two clocks that is not reported.
const SLACK: Duration = Duration::from_secs(60);

/// Now, by the later of the provider's clock and this machine's. What the provider recorded is told
/// in its own time: if that is ahead, this machine's now would leave all of it out.
pub(super) async fn now<S: Source>(source: &S) -> Result<SystemTime, Failure> {
    let now = SystemTime::now();
    let last_minute = Window::new(now.checked_sub(SLACK).unwrap_or(now), now);
    // One page, and with it the time.
    let page = source.list(last_minute).next().await;
    page.transpose().map_err(|error| failed(&error))?;
    let Some(told) = source.provider_time() else {
        return Ok(now);
    };
    // It is told in whole seconds.
    let told = told.checked_add(Duration::from_secs(1)).unwrap_or(told);
    let seconds = |by: Duration| humantime::format_duration(Duration::from_secs(by.as_secs())).to_string();
    match (told.duration_since(now), now.duration_since(told)) {
        (Ok(ahead), _) if ahead > SLACK => {
            note(&format!(
                "the provider's clock is {} ahead of this machine's: --until is its time, {}",
                seconds(ahead),
                time::write(told)
            ));
            Ok(told)
        }
        (_, Ok(behind)) if behind > SLACK => {
            note(&format!(
                "the provider's clock is {} behind this machine's: --since and --until mean its time, and an age is \
                 counted from this machine's",
                seconds(behind)
            ));
            Ok(now)
        }
        _ => Ok(now),
    }
}
