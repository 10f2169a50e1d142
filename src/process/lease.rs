//! The lease of a claim, renewed while its handler runs.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::{Engine, catch_panic::store_operation, timeout::deadline_after};
use crate::{
    delivery::LeaseHandle,
    store::{Effect, IdempotencyStore},
};

/// How long after a failed renewal the next one begins, where that is sooner than usual.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Renews the lease for as long as it is polled. It never completes.
pub(super) async fn renew<S: IdempotencyStore>(lease: &Arc<LeaseHandle>, engine: &Engine<S>) {
    let every = engine.settings.renew_every;
    let request = lease.request();
    let mut next = deadline_after(lease.asked().unwrap_or_else(Instant::now), every);
    loop {
        sleep_until(next).await;
        let asked = Instant::now();
        match store_operation(engine, "renew", engine.store.renew(request)).await {
            Ok(Effect::Applied) => {
                lease.renewed(asked);
                next = deadline_after(asked, every);
            }
            // The handler's transaction has completed the event.
            Ok(Effect::NotHeld) if lease.is_completion_handed_over() => return std::future::pending().await,
            Ok(Effect::NotHeld) => {
                lease.taken();
                engine.warn(&request.key, format_args!("the lease was lost to another run"));
                return std::future::pending().await;
            }
            // The lease may still be running.
            Err(_) => next = deadline_after(Instant::now(), every.min(AFTER_FAILURE)),
        }
    }
}
