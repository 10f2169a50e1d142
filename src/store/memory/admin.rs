//! What an operator asks for.

use super::{
    super::{Counts, Key, State, StoreAdmin, StoreError},
    MemoryStore,
};

/// # What it costs
/// All records are looked at in one go, some hundred thousand in a few milliseconds, without holding any others up.
impl StoreAdmin for MemoryStore {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let mut counts = Counts::default();
        self.shared.each(namespace, |_, record| match record.state {
            State::Claimed { .. } => counts.claimed += 1,
            State::Free { .. } => counts.free += 1,
            State::Done { .. } => counts.done += 1,
        });
        Ok(counts)
    }

    /// The longest expired first.
    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let now = self.shared.now();
        let mut overdue = Vec::new();
        self.shared.each(namespace, |kept, record| {
            if let (State::Claimed { lease_until, .. }, Some(key)) = (&record.state, kept.key())
                && *lease_until <= now
            {
                overdue.push((*lease_until, key.clone()));
            }
        });
        overdue.sort_unstable();
        overdue.truncate(limit);
        Ok(overdue.into_iter().map(|(_, key)| key).collect())
    }

    /// Nothing: later claims remove them.
    async fn purge(&self, _limit: usize) -> Result<u64, StoreError> {
        Ok(0)
    }
}
