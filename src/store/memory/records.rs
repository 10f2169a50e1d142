//! The records, one atomic step on each, and which of them goes when there is no room. The only
//! file that names dashmap.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use dashmap::{DashMap, Entry};

use super::{
    super::{ClaimRequest, Effect, Key, Record, StoreError, record::Change},
    compact::{CompactRecord, Epoch, ExpiryQueue, KeyHash, Queues},
};
use crate::clock::Clock;

/// How many expired records a claim that adds one removes at most: more than one, so that a backlog
/// shrinks, and few enough to take some microseconds.
pub(super) const REMOVED_AT_ONCE: usize = 8;
/// How many records a map is meant for. With 819 to a shard, one shard in 250 has more than `SLOTS`
/// by chance. In one map for a million ids, more than half of the slots would be empty.
const PER_MAP: usize = SHARDS * 819;
const SHARDS: usize = 4;
/// How many records fit into a shard before it grows: it is a table of 1,024, of which an eighth
/// stays free.
const SLOTS: usize = 896;
/// An empty map takes half a kilobyte, and this many take 8 MB. For more than 53 million ids the
/// maps grow in size, no longer in number.
const MAX_MAPS: usize = 1 << 14;

type Map = DashMap<KeyHash, CompactRecord>;

/// Whether a new id is refused when the store is full.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum WhenFull {
    IfAny,
    /// For a completion whose record somebody has forgotten: there are no more of them than
    /// handlers that run.
    InAnyCase,
}

/// The state that the clones of a memory store share. Locks are taken in this order: `removing`, a
/// record, `namespaces` or `queues`.
pub(super) struct Records {
    maps: Box<[Map]>,
    hash: RandomState,
    epoch: Epoch,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) capacity: usize,
    /// Raised before a record goes in, lowered after it is out: never below what the maps hold.
    pub(super) count: AtomicUsize,
    /// A finished event says by a number in which namespace it is.
    namespaces: RwLock<Vec<Box<str>>>,
    /// Changed while the record is locked, so that each record is in its queue.
    queues: Mutex<Queues>,
    /// Held while a record is taken out of its queue, its map and the count, so that the next one
    /// who looks for room sees the count as it is.
    removing: Mutex<()>,
    pub(super) dropped_early: AtomicU64,
    /// The minute of the latest warning.
    warned: AtomicU32,
    /// How many records were taken out of a queue: the measure of pauses.
    #[cfg(test)]
    pub(super) visited: AtomicU64,
}

impl Records {
    pub(super) fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        let map = |_| Map::with_shard_amount(SHARDS);
        Self {
            maps: (0..capacity.div_ceil(PER_MAP).clamp(1, MAX_MAPS)).map(map).collect(),
            hash: RandomState::new(),
            epoch: Epoch(clock.now()),
            clock,
            capacity,
            count: AtomicUsize::new(0),
            namespaces: RwLock::default(),
            queues: Mutex::default(),
            removing: Mutex::default(),
            dropped_early: AtomicU64::new(0),
            warned: AtomicU32::new(u32::MAX),
            #[cfg(test)]
            visited: AtomicU64::new(0),
        }
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.maps.iter().map(Map::capacity).sum()
    }

    /// One operation: what the transition table makes of the record.
    pub(super) fn apply<A>(
        &self,
        claim_request: &ClaimRequest,
        room: WhenFull,
        transition: impl Fn(Option<&Record>, SystemTime) -> Change<A>,
    ) -> Result<A, StoreError> {
        // Read before the record is locked: a caller that waits for the lock gets a moment less of
        // lease, never more.
        let now = self.clock.now();
        let key = &claim_request.key;
        let place = self.place(key);
        let keep = |record: Record| {
            let namespace = self.number_of(key.namespace());
            CompactRecord::new(key, record, claim_request.retry_window, self.epoch, namespace)
        };
        let mut limit = self.capacity;
        loop {
            match self.map(&place).entry(place) {
                Entry::Occupied(mut entry) => {
                    let change = transition(Some(&entry.get().to_record(self.epoch)), now);
                    if let Some(record) = change.write {
                        let kept = keep(record);
                        let mut queues = self.queues();
                        queues.remove(entry.get().due(self.epoch), place);
                        queues.insert(kept.due(self.epoch), place);
                        drop(queues);
                        entry.insert(kept);
                    }
                    return Ok(change.response);
                }
                Entry::Vacant(entry) => {
                    let change = transition(None, now);
                    let Some(record) = change.write else {
                        return Ok(change.response);
                    };
                    if self.reserve(limit) {
                        let kept = keep(record);
                        self.queues().insert(kept.due(self.epoch), place);
                        drop(entry.insert(kept));
                        self.remove_expired(now);
                        return Ok(change.response);
                    }
                }
            }
            if !self.make_room(now) {
                match room {
                    WhenFull::IfAny => return Err(self.full()),
                    WhenFull::InAnyCase => limit = usize::MAX,
                }
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Record> {
        let place = self.place(key);
        let record = self.map(&place).get(&place)?.to_record(self.epoch);
        (!record.is_expired(self.clock.now())).then_some(record)
    }

    pub(super) fn forget(&self, key: &Key) -> Effect {
        let place = self.place(key);
        let Entry::Occupied(entry) = self.map(&place).entry(place) else {
            return Effect::NotHeld;
        };
        self.queues().remove(entry.get().due(self.epoch), place);
        let record = entry.remove().to_record(self.epoch);
        self.count.fetch_sub(1, Relaxed);
        if record.is_expired(self.clock.now()) {
            Effect::NotHeld
        } else {
            Effect::Applied
        }
    }

    /// Looks at all records of a namespace that have not expired. Those that are not finished have
    /// a key.
    pub(super) fn each(&self, namespace: &str, mut look: impl FnMut(Option<&Key>, &Record)) {
        let now = self.clock.now();
        let number = self.number_of(namespace);
        for kept in self.maps.iter().flat_map(Map::iter) {
            let (is_theirs, key) = match kept.value() {
                CompactRecord::Done { namespace, .. } => (Some(*namespace) == number, None),
                CompactRecord::Full(full) => (full.0.namespace() == namespace, Some(&full.0)),
            };
            let record = kept.to_record(self.epoch);
            if is_theirs && !record.is_expired(now) {
                look(key, &record);
            }
        }
    }

    fn remove_expired(&self, now: SystemTime) {
        // Where another claim does it, this one need not.
        if let (Some(now), Ok(turn)) = (self.epoch.floor(now), self.removing.try_lock()) {
            let mut left = REMOVED_AT_ONCE;
            while left > 0 && self.remove_first(ExpiryQueue::expiry, now, &turn) {
                left -= 1;
            }
        }
    }

    /// Removes the record that there is least need of. Whether there is room now.
    ///
    /// The policy is *expired, then oldest finished*: first what has expired; else, of the finished
    /// events whose provider has stopped retrying, the one for which that is longest ago; never
    /// what is CLAIMED or FREE.
    fn make_room(&self, now: SystemTime) -> bool {
        let turn = self.removing.lock().unwrap_or_else(PoisonError::into_inner);
        // The caller before may have made room.
        self.count.load(Relaxed) < self.capacity
            || self
                .epoch
                .floor(now)
                .is_some_and(|now| self.remove_first(ExpiryQueue::expiry, now, &turn) || self.drop_finished(now, &turn))
    }

    fn drop_finished(&self, now: u32, turn: &MutexGuard<'_, ()>) -> bool {
        let is_dropped = self.remove_first(ExpiryQueue::droppable, now, turn);
        if is_dropped {
            let dropped = self.dropped_early.fetch_add(1, Relaxed) + 1;
            let minute = now / 60;
            if self.warned.swap(minute, Relaxed) != minute {
                crate::trace::warn(format_args!(
                    "the memory store is full ({} ids): so far it forgot {dropped} finished events before \
                     their retention was over, since their provider no longer retries them; raise its capacity",
                    self.capacity
                ));
            }
        }
        is_dropped
    }

    /// Removes the record whose time comes first, if it has come.
    fn remove_first(&self, time: fn(ExpiryQueue) -> u32, now: u32, _: &MutexGuard<'_, ()>) -> bool {
        loop {
            let Some(place) = self.queues().take_first(time, now) else {
                return false;
            };
            #[cfg(test)]
            self.visited.fetch_add(1, Relaxed);
            let map = self.map(&place);
            // Written anew since it left the queue, the record stays, and is in a queue again.
            let is_due = |_: &KeyHash, kept: &CompactRecord| time(kept.due(self.epoch)) <= now;
            if map.remove_if(&place, is_due).is_some() {
                self.count.fetch_sub(1, Relaxed);
                // Removals leave marks in hashbrown's tables, and a table full of marks doubles.
                // One removal in 64 finds it soon enough. (By the last byte of the place, because
                // within a second records go in the order of the first.)
                if place[11] % 64 == 0 && map.capacity() > SHARDS * SLOTS {
                    map.shrink_to_fit();
                }
                return true;
            }
        }
    }

    fn full(&self) -> StoreError {
        StoreError::full(format!(
            "it holds {} ids, of which none may be forgotten yet; nothing is lost, because the provider \
             retries; raise the capacity (see `MemoryStore::builder`)",
            self.capacity
        ))
    }

    /// The place of a key's record: 96 bits of SipHash, under a key that never leaves the process.
    ///
    /// Two ids in one place would be one event, and the second of them lost. Chance does that to
    /// one of 10¹⁷ stores with a million ids. Nobody can look for such ids, or for ids that crowd
    /// one map: that takes the key, or hashes made with it, and neither is seen from outside.
    fn place(&self, key: &Key) -> KeyHash {
        let hash = |part: u8| {
            let mut hasher = self.hash.build_hasher();
            hasher.write_u8(part);
            // A `str` hashes an end with it, so that namespace and id cannot run together.
            key.namespace().hash(&mut hasher);
            key.id().as_str().hash(&mut hasher);
            hasher.finish().to_le_bytes()
        };
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, ..]) = (hash(0), hash(1));
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a fraction of the number of maps, of which there is one at least, is below it"
    )]
    fn map(&self, [a, b, c, d, ..]: &KeyHash) -> &Map {
        let part = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        &self.maps[((part * self.maps.len() as u64) >> 32) as usize]
    }

    /// Counts one id more, if that does not exceed the limit.
    fn reserve(&self, limit: usize) -> bool {
        let more = |count| (count < limit).then(|| count + 1);
        self.count.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// The number of a namespace, a new one if need be; `None` when all are taken.
    fn number_of(&self, namespace: &str) -> Option<u16> {
        let position = |names: &[Box<str>]| names.iter().position(|name| **name == *namespace);
        let known = position(&self.namespaces.read().unwrap_or_else(PoisonError::into_inner));
        let number = known.or_else(|| {
            let mut names = self.namespaces.write().unwrap_or_else(PoisonError::into_inner);
            // Another thread may have come first.
            position(&names).or_else(|| {
                (names.len() <= u16::MAX.into()).then(|| names.push(namespace.into()))?;
                names.len().checked_sub(1)
            })
        });
        u16::try_from(number?).ok()
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
