//! The lease of a claim, renewed while its handler runs.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{Receiver, catch_panic::store_operation, deadline_after};
use crate::{
    delivery::LeaseHandle,
    provider::Provider,
    store::{Effect, IdempotencyStore},
};
use std::time::Duration;

/// After a renewal that failed: how long until the next, where that is sooner than usual.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Renews the lease for as long as it is polled. It never completes.
pub(super) async fn renew<P: Provider, S: IdempotencyStore>(lease: &Arc<LeaseHandle>, receiver: &Receiver<P, S>) {
    let every = receiver.settings.renew_every;
    let request = lease.request();
    let mut next = deadline_after(lease.asked().unwrap_or_else(Instant::now), every);
    loop {
        sleep_until(next).await;
        let asked = Instant::now();
        match store_operation(receiver, "renew", receiver.store.renew(request)).await {
            Ok(Effect::Applied) => {
                lease.renewed(asked);
                next = deadline_after(asked, every);
            }
            // The handler's transaction has completed the event.
            Ok(Effect::NotHeld) if lease.is_completion_handed_over() => return std::future::pending().await,
            Ok(Effect::NotHeld) => {
                lease.taken();
                receiver.warn(&request.key, format_args!("the lease was lost to another run"));
                return std::future::pending().await;
            }
            // The lease may still hold.
            Err(_) => next = deadline_after(Instant::now(), every.min(AFTER_FAILURE)),
        }
    }
}
