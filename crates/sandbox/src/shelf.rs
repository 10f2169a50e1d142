//! What a provider keeps for a while: found by id, listed newest first, dropped when it is old.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

#[derive(Debug)]
pub(crate) struct Shelf<T> {
    /// In the order of their making.
    entries: BTreeMap<u64, Entry<T>>,
    places: HashMap<String, u64>,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    id: String,
    at: SystemTime,
    value: T,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
            places: HashMap::new(),
            next: 0,
        }
    }
}

impl<T> Shelf<T> {
    /// Puts the newest entry in. One of the same id makes way.
    pub(crate) fn insert(&mut self, id: &str, at: SystemTime, value: T) {
        if let Some(place) = self.places.insert(id.to_owned(), self.next) {
            self.entries.remove(&place);
        }
        let id = id.to_owned();
        self.entries.insert(self.next, Entry { id, at, value });
        self.next += 1;
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        Some(&self.entries.get(self.places.get(id)?)?.value)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        Some(&mut self.entries.get_mut(self.places.get(id)?)?.value)
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.entries.values().rev().map(|entry| &entry.value)
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let places = &mut self.places;
        self.entries.retain(|_, entry| {
            let stays = keep(&entry.value);
            if !stays {
                places.remove(&entry.id);
            }
            stays
        });
    }

    /// Drops what is older, from the oldest on.
    pub(crate) fn drop_before(&mut self, time: SystemTime) {
        while let Some(oldest) = self.entries.first_entry() {
            if oldest.get().at >= time {
                return;
            }
            let dropped = oldest.remove();
            self.places.remove(&dropped.id);
        }
    }
}
