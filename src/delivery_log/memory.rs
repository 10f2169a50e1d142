use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::ready,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{DeliveryLog, DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader, Numbered, PerMinute, Reading};

/// A reader holds the lock for this many entries at a time: a delivery waits no longer.
const AT_ONCE: usize = 256;

/// The newest entries, in this process's memory. Cheap to clone: clones are the same log.
///
/// An entry takes about 400 bytes, and at most some 1,500.
#[derive(Clone)]
pub struct MemoryLog(Arc<Mutex<Ring>>);

struct Ring {
    entries: VecDeque<DeliveryLogEntry>,
    capacity: usize,
    /// The number of the next entry.
    next: u64,
}

impl MemoryLog {
    /// Keeps the newest `capacity` entries, at least one.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(Ring {
            entries: VecDeque::new(),
            capacity: capacity.max(1),
            next: 0,
        })))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows the entries to `look`, the newest first, until it has seen enough.
    fn walk(&self, before: Option<u64>, mut look: impl FnMut(u64, &DeliveryLogEntry) -> bool) {
        let mut before = before.unwrap_or(u64::MAX);
        loop {
            let ring = self.ring();
            let oldest = ring.oldest();
            before = before.min(ring.next);
            let end = usize::try_from(before.saturating_sub(oldest)).unwrap_or(usize::MAX);
            let begin = end.saturating_sub(AT_ONCE);
            for (number, entry) in (oldest..before).rev().zip(ring.entries.range(begin..end).rev()) {
                before = number;
                if !look(number, entry) {
                    return;
                }
            }
            if begin == 0 {
                return;
            }
        }
    }
}

impl Ring {
    fn oldest(&self) -> u64 {
        self.next.saturating_sub(self.entries.len() as u64)
    }
}

impl DeliveryLog for MemoryLog {
    fn record(&self, entry: DeliveryLogEntry) {
        let mut ring = self.ring();
        let evicted = (ring.entries.len() >= ring.capacity)
            .then(|| ring.entries.pop_front())
            .flatten();
        ring.entries.push_back(entry);
        ring.next = ring.next.saturating_add(1);
        drop(ring);
        drop(evicted); // outside the lock
    }
}

impl DeliveryLogReader for MemoryLog {
    fn list<'a>(
        &'a self,
        filter: &'a DeliveryLogFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Reading<'a, Vec<Numbered>> {
        let mut found = Vec::new();
        if limit > 0 {
            self.walk(before, |number, entry| {
                if filter.matches(entry) {
                    found.push(Numbered::new(number, entry.clone()));
                }
                found.len() < limit
            });
        }
        Box::pin(ready(Ok(found)))
    }

    fn per_minute<'a>(&'a self, filter: &'a DeliveryLogFilter) -> Reading<'a, Vec<PerMinute>> {
        let mut counts: BTreeMap<(u64, String), u64> = BTreeMap::new();
        self.walk(None, |_, entry| {
            if filter.matches(entry) {
                let since_epoch = entry.time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let minute = since_epoch.as_secs() / 60;
                *counts.entry((minute, entry.outcome.to_string())).or_default() += 1;
            }
            true
        });
        let counts = counts
            .into_iter()
            .filter_map(|((minute, outcome), count)| {
                let began = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(minute.saturating_mul(60)))?;
                Some(PerMinute::new(began, outcome, count))
            })
            .collect();
        Box::pin(ready(Ok(counts)))
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ring = self.ring();
        f.debug_struct("MemoryLog")
            .field("entries", &ring.entries.len())
            .field("capacity", &ring.capacity)
            .finish()
    }
}
