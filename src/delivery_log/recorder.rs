use std::{
    any::type_name,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{DeliveryLog, DeliveryLogEntry, entry::cut};
use crate::clock::Clock;

const MINUTE: Duration = Duration::from_secs(60);

/// The log of one layer: it bounds what strangers can cause.
#[derive(Clone)]
pub(crate) struct Recorder {
    log: Arc<dyn DeliveryLog>,
    name: &'static str,
    clock: Arc<dyn Clock>,
    per_minute: u32,
    strangers: Arc<Mutex<Strangers>>,
}

/// Requests that were refused before their signature was verified.
#[derive(Debug, Default)]
struct Strangers {
    /// When the minute began that is counted.
    since: Option<Instant>,
    recorded: u32,
    left_out: u64,
}

impl Recorder {
    /// How many refusals of unauthenticated requests a layer records in a minute.
    pub(crate) const PER_MINUTE: u32 = 60;

    pub(crate) fn new<L: DeliveryLog>(log: L, per_minute: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            log: Arc::new(log),
            name: type_name::<L>(),
            clock,
            per_minute,
            strangers: Arc::default(),
        }
    }

    /// Replaces the clock.
    pub(crate) fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Sets how many unauthenticated requests a minute are recorded.
    pub(crate) fn with_rate(self, per_minute: u32) -> Self {
        Self { per_minute, ..self }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Whether one more unauthenticated request is recorded. If it is: how many were left out.
    pub(crate) fn admits_stranger(&self) -> Option<u64> {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if strangers
            .since
            .is_none_or(|since| now.saturating_duration_since(since) >= MINUTE)
        {
            strangers.since = Some(now);
            strangers.recorded = 0;
        }
        if strangers.recorded >= self.per_minute {
            strangers.left_out = strangers.left_out.saturating_add(1);
            return None;
        }
        strangers.recorded = strangers.recorded.saturating_add(1);
        Some(std::mem::take(&mut strangers.left_out))
    }

    pub(crate) fn record(&self, entry: DeliveryLogEntry) {
        self.log.record(entry);
    }
}

impl DeliveryLogEntry {
    /// Sets which event it was, cut.
    pub(crate) fn identify(&mut self, id: Option<&str>, topic: Option<&str>) {
        self.id = id.map(|id| cut(id, Self::MAX_NAME));
        self.topic = topic.map(|topic| cut(topic, Self::MAX_NAME));
    }

    /// Sets why it ended so, cut.
    pub(crate) fn explain(&mut self, reason: &str) {
        self.reason = cut(reason, Self::MAX_REASON);
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({})", self.name)
    }
}
