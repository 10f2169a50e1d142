use std::collections::{HashMap, VecDeque};

use tokio::time::Instant;

use crate::event::Tenant;

/// How many unknown tenant names are cached.
const MOST: usize = 10_000;

/// Names for which the source has said that there is no such tenant.
#[derive(Default)]
pub(super) struct Unknown {
    until: HashMap<Tenant, Instant>,
    /// In the order in which they expire: each is remembered for the same time.
    order: VecDeque<(Tenant, Instant)>,
}

impl Unknown {
    pub(super) fn has(&self, tenant: &Tenant, now: Instant) -> bool {
        self.until.get(tenant).is_some_and(|until| *until > now)
    }

    pub(super) fn insert(&mut self, tenant: Tenant, now: Instant, until: Instant) {
        while let Some((_, first)) = self.order.front()
            && (*first <= now || self.order.len() >= MOST)
            && let Some((tenant, first)) = self.order.pop_front()
        {
            // Unless it was looked up again since.
            if self.until.get(&tenant) == Some(&first) {
                self.until.remove(&tenant);
            }
        }
        self.order.push_back((tenant.clone(), until));
        self.until.insert(tenant, until);
    }

    pub(super) fn remove(&mut self, tenant: &Tenant) {
        self.until.remove(tenant);
    }
}
