use std::{fmt, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{Outcome, singleflight::Singleflight};
use crate::store::Key;

/// Ends a layer's work when the process is to end. Cheap to clone. For an endpoint that stores, it
/// waits for the deposits; its worker is drained by
/// [`WorkerHandle::drain`](crate::inbox::WorkerHandle::drain).
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
///
/// let provider = Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let webhooks = WebhookLayer::new(provider, MemoryStore::new());
/// let handle = webhooks.drain_handle();
///
/// // on SIGTERM, when the server takes no more connections:
/// let report = handle.drain(Duration::from_secs(30)).await;
/// assert!(report.remaining().is_empty(), "not finished: {report}");
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct DrainHandle {
    singleflight: Arc<Singleflight>,
    store_timeout: Duration,
}

impl DrainHandle {
    pub(super) fn new(singleflight: Arc<Singleflight>, store_timeout: Duration) -> Self {
        Self {
            singleflight,
            store_timeout,
        }
    }

    /// Refuses new events, and waits at most `timeout` for handlers and for settling in the
    /// background. What is not finished then is cancelled and its claim released, so that another
    /// instance can run it at once; the report lists it.
    ///
    /// It takes at most `timeout` and the time of two store operations. A layer that drains stays
    /// closed.
    ///
    /// # Cancel safety
    /// Dropped before it completes, the layer stays closed and handlers run on; calling it again
    /// waits again.
    pub async fn drain(&self, timeout: Duration) -> DrainReport {
        self.singleflight.close();
        if tokio::time::timeout(timeout, self.singleflight.empty()).await.is_ok() {
            return DrainReport { remaining: Vec::new() };
        }
        let remaining = self
            .singleflight
            .cancel()
            .into_iter()
            .map(|(key, topic, end)| Remaining {
                key,
                topic,
                state: RemainingState::of(end),
            })
            .collect();
        // The cancelled release their claims meanwhile; a store that hangs is not waited for any
        // longer.
        let _ = self.wait_for_release().await;
        DrainReport { remaining }
    }

    async fn wait_for_release(&self) -> Result<(), tokio::time::error::Elapsed> {
        timeout(self.store_timeout.saturating_mul(2), self.singleflight.empty()).await
    }
}

impl fmt::Debug for DrainHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainHandle").finish_non_exhaustive()
    }
}

/// The events that a drain had to leave unfinished; one line each when displayed.
#[derive(Clone, Debug)]
#[must_use = "it lists what may run again"]
pub struct DrainReport {
    remaining: Vec<Remaining>,
}

impl DrainReport {
    /// The deliveries that were not finished in time.
    #[must_use]
    pub fn remaining(&self) -> &[Remaining] {
        &self.remaining
    }
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remaining in &self.remaining {
            writeln!(f, "{remaining}")?;
        }
        Ok(())
    }
}

/// A delivery that a drain could not finish.
#[derive(Clone, Debug)]
pub struct Remaining {
    key: Key,
    topic: String,
    state: RemainingState,
}

/// How far a delivery had come that a drain could not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemainingState {
    /// Its handler was cancelled, or it was still being stored. The next attempt, the provider's or
    /// a worker's, runs it again, or finds it stored.
    Cancelled,
    /// Its handler had finished (succeeded, or rejected it), and the store could not be told: it
    /// may run a second time.
    Unrecorded,
    /// It was not handled, and the store could not be told: its claim may hold until the lease
    /// ends.
    Unreleased,
}

impl RemainingState {
    fn of(end: Option<Outcome>) -> Self {
        match end {
            None => Self::Cancelled,
            Some(Outcome::Handled | Outcome::Rejected(_) | Outcome::Dead(_)) => Self::Unrecorded,
            Some(_) => Self::Unreleased,
        }
    }
}

impl Remaining {
    /// Which event.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// Its topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// How far it had come.
    #[must_use]
    pub fn state(&self) -> RemainingState {
        self.state
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            RemainingState::Cancelled => "its handler was cancelled",
            RemainingState::Unrecorded => "handled, but not recorded",
            RemainingState::Unreleased => "not handled, and its claim may hold until the lease ends",
        };
        write!(
            f,
            "{} {}: {state}",
            crate::trace::Brief(&self.topic),
            crate::trace::Brief(self.key.id().as_str())
        )
    }
}
