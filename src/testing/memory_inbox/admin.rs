//! An operator's calls.

use std::{sync::PoisonError, time::Duration};

use super::{MemoryInbox, Row, Stored};
use crate::{
    inbox::{Attempt, Cursor, Entry, Filter, InboxAdmin, Letter, Page},
    store::{Counts, Effect, Key, Replayed, Stage, State, StoreAdmin, StoreError, record},
};

impl MemoryInbox {
    /// The entries that match a filter, the oldest first.
    fn entries(&self, filter: &Filter) -> Vec<Entry> {
        let now = self.clock.now();
        let prefix = filter.tenant_prefix();
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries: Vec<Entry> = rows
            .iter()
            .filter(|(key, row)| key.namespace() == filter.namespace && !row.record.is_expired(now))
            .filter_map(|(key, row)| Some(entry(key, row, row.letter.as_ref()?)))
            .filter(|entry| filter.stage.is_none_or(|stage| stage == entry.stage))
            .filter(|entry| {
                prefix
                    .as_ref()
                    .is_none_or(|prefix| entry.key.id().as_str().starts_with(prefix))
            })
            .filter(|entry| filter.topic.as_ref().is_none_or(|topic| *topic == entry.topic))
            .filter(|entry| filter.since.is_none_or(|since| entry.received_at >= since))
            .filter(|entry| filter.before.is_none_or(|before| entry.received_at < before))
            .collect();
        entries.sort_by(|one, other| (one.received_at, one.key.id()).cmp(&(other.received_at, other.key.id())));
        entries
    }
}

fn entry(key: &Key, row: &Row, letter: &Stored) -> Entry {
    let record = &row.record;
    let schedule = record.schedule;
    Entry::new(
        key.clone(),
        &letter.delivery.topic,
        Stage::from(&record.state),
        letter.received_at,
    )
    .with_attempts(row.attempts, schedule.map_or(0, |schedule| schedule.crashes))
    .with_due_at(schedule.and_then(|schedule| schedule.due_at))
}

impl StoreAdmin for MemoryInbox {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let now = self.clock.now();
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts = Counts::default();
        for (key, row) in rows.iter() {
            if key.namespace() == namespace && !row.record.is_expired(now) {
                match row.record.state {
                    State::Claimed { .. } => counts.claimed += 1,
                    State::Free { .. } => counts.free += 1,
                    State::Done { .. } => counts.done += 1,
                    State::Dead { .. } => counts.dead += 1,
                }
            }
        }
        Ok(counts)
    }

    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let now = self.clock.now();
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let late = rows.iter().filter(|(key, row)| {
            key.namespace() == namespace
                && !row.record.is_expired(now)
                && matches!(row.record.state, State::Claimed { lease_until, .. } if lease_until <= now)
        });
        Ok(late.map(|(key, _)| key.clone()).take(limit).collect())
    }

    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let expired: Vec<Key> = rows
            .iter()
            .filter(|(_, row)| row.record.is_expired(now))
            .map(|(key, _)| key.clone())
            .take(limit)
            .collect();
        for key in &expired {
            rows.remove(key);
        }
        Ok(expired.len() as u64)
    }
}

impl InboxAdmin for MemoryInbox {
    async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let entries = self.entries(filter).into_iter().filter(|entry| {
            after.is_none_or(|after| (entry.received_at, entry.key.id()) > (after.received_at, &after.id))
        });
        Ok(Page::new(entries.take(limit).collect(), limit))
    }

    async fn letter(&self, key: &Key) -> Result<Option<Letter>, StoreError> {
        Ok(self.step(key, |row, now| {
            let row = row.as_ref().filter(|row| !row.record.is_expired(now))?;
            let letter = row.letter.as_ref()?;
            Some(Letter::new(
                entry(key, row, letter),
                letter.delivery.clone(),
                letter.history.clone(),
            ))
        }))
    }

    async fn replay(&self, key: &Key) -> Result<Replayed, StoreError> {
        let replayed = self.change(key, |row, now| record::replay(row, now, now));
        self.changed.notify_waiters();
        Ok(replayed)
    }

    async fn replay_all(&self, filter: &Filter, over: Duration) -> Result<u64, StoreError> {
        let entries = self.entries(filter);
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX).max(1);
        let mut replayed = 0;
        for (number, entry) in (0_u32..).zip(&entries) {
            let after = over.saturating_mul(number) / count;
            let effect = self.change(&entry.key, |row, now| {
                record::replay(row, now.checked_add(after).unwrap_or(now), now)
            });
            replayed += u64::from(effect == Replayed::Applied);
        }
        self.changed.notify_waiters();
        Ok(replayed)
    }

    async fn bury(&self, key: &Key, reason: &str) -> Result<Effect, StoreError> {
        let effect = self.change(key, record::bury_unfinished);
        if effect == Effect::Applied {
            let attempts = self.entries(&Filter::new(key.namespace()));
            let number = attempts
                .iter()
                .find(|entry| entry.key == *key)
                .map_or(0, |entry| entry.attempts);
            self.remember(key, &Attempt::new(number, "buried", reason, "operator"));
        }
        Ok(effect)
    }
}
