//! A provider's entries of one kind: found by id, listed in the order of its making, dropped when
//! it is old. Every change is noted, so that a state file has it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, VecDeque},
    time::SystemTime,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error,
    keep::{Keeper, Kept},
    time::exact,
};

/// A thing that a shelf can hold.
pub(crate) trait Shelved: Serialize + DeserializeOwned {
    /// The name of its kind in a state file.
    const KIND: &'static str;

    /// Which list it is in, of those that are asked for: a subscription's, say. It never changes.
    fn list(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
}

#[derive(Debug)]
pub(crate) struct Shelf<T> {
    /// In the order of their making.
    entries: BTreeMap<u64, Entry<T>>,
    places: HashMap<String, u64>,
    /// The places in each list. None is empty.
    lists: HashMap<String, VecDeque<u64>>,
    next: u64,
    keeper: Keeper,
}

#[derive(Debug, Deserialize, Serialize)]
struct Entry<T> {
    id: String,
    #[serde(with = "exact")]
    at: SystemTime,
    value: T,
}

impl<T: Shelved> Shelf<T> {
    /// A shelf with what was kept of this kind.
    pub(crate) fn of(kept: &mut Kept) -> Result<Self, Error> {
        let mut shelf = Self {
            entries: BTreeMap::new(),
            places: HashMap::new(),
            lists: HashMap::new(),
            next: 0,
            keeper: kept.keeper.clone(),
        };
        for (place, entry) in kept.take::<Entry<T>>(T::KIND)? {
            shelf.put(place, entry);
        }
        Ok(shelf)
    }

    /// Puts the newest entry in. One of the same id makes way.
    pub(crate) fn insert(&mut self, id: &str, at: SystemTime, value: T) {
        self.remove(id);
        let id = id.to_owned();
        // Two that were made at once may come in the wrong order; lists are searched by time.
        let at = self.entries.last_key_value().map_or(at, |(_, last)| at.max(last.at));
        let entry = Entry { id, at, value };
        self.keeper.put(T::KIND, self.next, &entry);
        self.put(self.next, entry);
    }

    fn put(&mut self, place: u64, entry: Entry<T>) {
        self.places.insert(entry.id.clone(), place);
        let list = entry.value.list();
        match self.lists.get_mut(&*list) {
            Some(list) => list.push_back(place),
            None => drop(self.lists.insert(list.into_owned(), VecDeque::from([place]))),
        }
        self.entries.insert(place, entry);
        self.next = place + 1;
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        Some(&self.entries.get(self.places.get(id)?)?.value)
    }

    /// Changes an entry, if there is one of this id.
    pub(crate) fn change<R>(&mut self, id: &str, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let place = *self.places.get(id)?;
        let entry = self.entries.get_mut(&place)?;
        let result = change(&mut entry.value);
        self.keeper.put(T::KIND, place, entry);
        Some(result)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let place = *self.places.get(id)?;
        self.take(place)
    }

    fn take(&mut self, place: u64) -> Option<T> {
        let Entry { id, value, .. } = self.entries.remove(&place)?;
        self.places.remove(&id);
        let name = value.list();
        if let Some(list) = self.lists.get_mut(&*name) {
            // The oldest is the first, and goes at no cost.
            if let Ok(position) = list.binary_search(&place) {
                list.remove(position);
            }
            if list.is_empty() {
                self.lists.remove(&*name);
            }
        }
        drop(name);
        self.keeper.remove(T::KIND, place);
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.values().map(|entry| &entry.value)
    }

    /// One of the lists.
    pub(crate) fn list(&self, name: &str) -> List<'_, T> {
        let places = self.lists.get(name);
        List {
            shelf: self,
            places,
            end: places.map_or(0, VecDeque::len),
            start: 0,
        }
    }

    /// Removes all of a list.
    pub(crate) fn remove_list(&mut self, name: &str) {
        for place in self.lists.get(name).cloned().unwrap_or_default() {
            self.take(place);
        }
    }

    /// Takes the newest entries away, at most `most`, and returns them in the order in which they
    /// were made.
    pub(crate) fn take_newest(&mut self, most: usize) -> Vec<T> {
        let places: Vec<u64> = self.entries.keys().rev().take(most).copied().collect();
        places.into_iter().rev().filter_map(|place| self.take(place)).collect()
    }

    /// Drops what is older, from the oldest on.
    pub(crate) fn drop_before(&mut self, time: SystemTime) {
        while let Some((place, _)) = self.entries.first_key_value().filter(|(_, entry)| entry.at < time) {
            self.take(*place);
        }
    }
}

/// A part of a list, which is found without looking at the rest.
#[derive(Debug)]
pub(crate) struct List<'a, T> {
    shelf: &'a Shelf<T>,
    places: Option<&'a VecDeque<u64>>,
    start: usize,
    end: usize,
}

impl<'a, T> List<'a, T> {
    /// The entries put in from then on.
    pub(crate) fn since(self, time: SystemTime) -> Self {
        let start = self.first(|entry| entry.at >= time);
        Self { start, ..self }
    }

    /// The entries put in before.
    pub(crate) fn until(self, time: SystemTime) -> Self {
        let end = self.first(|entry| entry.at >= time);
        Self { end, ..self }
    }

    /// The entries made before the one with this id; `None` if there is no such entry.
    pub(crate) fn older_than(self, id: &str) -> Option<Self> {
        let end = self.position(id)?;
        Some(Self { end, ..self })
    }

    /// The entries made after the one with this id; `None` if there is no such entry.
    pub(crate) fn newer_than(self, id: &str) -> Option<Self> {
        let start = self.position(id)? + 1;
        Some(Self { start, ..self })
    }

    /// The entries before the first one for which this is false: it is true up to there.
    pub(crate) fn while_older(self, is_older: impl Fn(&T) -> bool) -> Self {
        let end = self.first(|entry| !is_older(&entry.value));
        Self { end, ..self }
    }

    fn position(&self, id: &str) -> Option<usize> {
        let place = self.shelf.places.get(id)?;
        self.places?.binary_search(place).ok()
    }

    /// The first place of this part from which on something holds.
    fn first(&self, holds: impl Fn(&Entry<T>) -> bool) -> usize {
        let Some(places) = self.places else { return 0 };
        let holds = |place: &u64| self.shelf.entries.get(place).is_some_and(&holds);
        places
            .partition_point(|place| !holds(place))
            .clamp(self.start, self.end)
    }

    pub(crate) fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    pub(crate) fn oldest_first(&self) -> impl DoubleEndedIterator<Item = &'a T> + use<'a, T> {
        self.part(self.start, self.end)
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &'a T> + use<'a, T> {
        self.oldest_first().rev()
    }

    /// The newest first: skips `offset` entries and returns at most `limit`.
    pub(crate) fn page(&self, offset: usize, limit: usize) -> impl Iterator<Item = &'a T> + use<'a, T> {
        let end = self.end.saturating_sub(offset).max(self.start);
        let start = end.saturating_sub(limit).max(self.start);
        self.part(start, end).rev()
    }

    fn part(&self, start: usize, end: usize) -> impl DoubleEndedIterator<Item = &'a T> + use<'a, T> {
        let shelf = self.shelf;
        let places = self.places.map(|places| places.range(start.min(end)..end));
        let entries = places
            .into_iter()
            .flatten()
            .filter_map(|place| shelf.entries.get(place));
        entries.map(|entry| &entry.value)
    }
}
