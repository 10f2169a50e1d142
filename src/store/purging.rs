use std::{
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use super::StoreAdmin;

/// How many records one batch removes at most: a database holds their locks for some
/// milliseconds.
const BATCH: usize = 1000;
/// Between two batches, so that deliveries get their turn.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) async fn purge_every<S: StoreAdmin>(store: S, interval: Duration) -> Infallible {
    // Processes that were started together do not purge together, and one that never lives for a
    // whole interval still purges now and then.
    tokio::time::sleep(interval.mul_f64(random())).await;
    loop {
        let purged = purge(&store).await;
        let fifth = interval / 5;
        let wait = (interval - fifth / 2)
            .saturating_add(fifth.mul_f64(random()))
            .max(PAUSE);
        if let Err(error) = purged {
            crate::trace::warn(format_args!(
                "cannot remove expired records, and tries again in {} s: {error}",
                wait.as_secs()
            ));
        }
        tokio::time::sleep(wait).await;
    }
}

/// Removes all that has expired.
async fn purge<S: StoreAdmin>(store: &S) -> Result<(), super::StoreError> {
    // A batch that is not full was the last one.
    while store.purge(BATCH).await? >= BATCH as u64 {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// From 0 to just below 1. The standard library seeds its hash maps from the operating system's
/// random numbers.
fn random() -> f64 {
    let bits = RandomState::new().hash_one("tower-webhook purge") >> 32;
    bits as f64 / (1_u64 << 32) as f64
}
