use std::{fmt, sync::Arc, time::Duration};

use tokio::time::timeout;

use crate::{receive::Flights, store::Key};

/// Ends a layer's work when the process is to end. Cheap to clone.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
///
/// let webhooks = WebhookLayer::new(Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap(), MemoryStore::new());
/// let handle = webhooks.handle();
///
/// // on SIGTERM, when the server takes no more connections:
/// let report = handle.drain(Duration::from_secs(30)).await;
/// assert!(report.remaining().is_empty(), "not finished: {report}");
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct WebhookHandle {
    flights: Arc<Flights>,
    store_timeout: Duration,
}

impl WebhookHandle {
    pub(super) fn new(flights: Arc<Flights>, store_timeout: Duration) -> Self {
        Self { flights, store_timeout }
    }

    /// Refuses new deliveries with 503 and waits for handlers and for settling in the background, at most `timeout`. What is not finished
    /// then is cancelled and its claim released, so that another instance can run it at once; the report lists it.
    ///
    /// It takes at most `timeout` and the time of one store operation. A layer that drains stays closed.
    ///
    /// # Cancel safety
    /// Dropped before it completes, the layer stays closed and handlers run on; calling it again waits anew.
    pub async fn drain(&self, timeout: Duration) -> DrainReport {
        self.flights.close();
        if tokio::time::timeout(timeout, self.flights.empty()).await.is_ok() {
            return DrainReport { remaining: Vec::new() };
        }
        let remaining = self
            .flights
            .cancel()
            .into_iter()
            .map(|(key, topic, running)| Remaining { key, topic, running })
            .collect();
        // The cancelled release their claims meanwhile; a store that hangs is not waited for any longer.
        let _ = self.wait_for_release().await;
        DrainReport { remaining }
    }

    async fn wait_for_release(&self) -> Result<(), tokio::time::error::Elapsed> {
        timeout(self.store_timeout, self.flights.empty()).await
    }
}

impl fmt::Debug for WebhookHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookHandle").finish_non_exhaustive()
    }
}

/// What a drain had to leave unfinished; one line each when displayed.
#[derive(Clone, Debug)]
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
    running: bool,
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

    /// Whether its handler was cancelled. If not, the handler had finished, and the store could not be told: the event may run
    /// a second time.
    #[must_use]
    pub fn was_running(&self) -> bool {
        self.running
    }
}

impl fmt::Display for Remaining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.running {
            "its handler was cancelled"
        } else {
            "handled, but not recorded"
        };
        write!(
            f,
            "{} {}: {state}",
            crate::trace::Brief(&self.topic),
            crate::trace::Brief(self.key.id().as_str())
        )
    }
}
