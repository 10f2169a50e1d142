use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::time::Instant;

use crate::{event::Tenant, signature::KeySet};

/// How many requests a tenant has in flight.
pub(super) type InFlight = Arc<AtomicUsize>;

/// How many tenants are looked at, at most, to find one that was not used lately.
const MOST_LOOKS: usize = 64;

/// A tenant that the source knows.
pub(super) struct Entry {
    /// `None` after it was forgotten: the name is known, the secrets are not.
    pub(super) keys: Option<KeySet>,
    pub(super) fresh_until: Instant,
    pub(super) stale_until: Instant,
    /// When the source may be asked again, after it has failed.
    pub(super) next_look_up: Instant,
    pub(super) seats: InFlight,
    /// Whether it was used again since it came, or since it was last looked at to make room.
    pub(super) is_used: AtomicBool,
}

/// The tenants that the source knows, as many as fit.
pub(super) struct KnownTenants {
    entries: HashMap<Tenant, Entry>,
    /// Second-chance eviction: an entry used since it was last at the front moves to the back.
    order: VecDeque<Tenant>,
    most: usize,
}

impl KnownTenants {
    pub(super) fn new(most: usize) -> Self {
        Self {
            entries: HashMap::new(),
            order: VecDeque::new(),
            most,
        }
    }

    pub(super) fn get(&self, tenant: &Tenant) -> Option<&Entry> {
        let entry = self.entries.get(tenant)?;
        if !entry.is_used.load(Ordering::Relaxed) {
            entry.is_used.store(true, Ordering::Relaxed);
        }
        Some(entry)
    }

    pub(super) fn get_mut(&mut self, tenant: &Tenant) -> Option<&mut Entry> {
        self.entries.get_mut(tenant)
    }

    pub(super) fn insert(&mut self, tenant: Tenant, entry: Entry) {
        if self.entries.contains_key(&tenant) {
            entry.is_used.store(true, Ordering::Relaxed);
        } else {
            if self.entries.len() >= self.most {
                self.evict();
            }
            // Those that were removed are still in the queue.
            if self.order.len() >= self.most.saturating_mul(2) {
                self.order = self.entries.keys().cloned().collect();
            }
            self.order.push_back(tenant.clone());
        }
        self.entries.insert(tenant, entry);
    }

    pub(super) fn remove(&mut self, tenant: &Tenant) {
        self.entries.remove(tenant);
    }

    /// Makes room for one. Who has a request in flight stays, while others can be found.
    fn evict(&mut self) {
        let mut looks = 0;
        while let Some(tenant) = self.order.pop_front() {
            let Some(entry) = self.entries.get(&tenant) else {
                continue;
            };
            looks += 1;
            let was_used = entry.is_used.swap(false, Ordering::Relaxed);
            let is_busy = entry.seats.load(Ordering::Relaxed) > 0;
            if (was_used || is_busy) && looks < MOST_LOOKS {
                self.order.push_back(tenant);
            } else {
                self.entries.remove(&tenant);
                return;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
