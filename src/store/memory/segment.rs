//! A part of the memory store, small enough to be searched or moved within one operation. The only file that names dashmap.

use std::{
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        MutexGuard,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, Entry};

use super::compact::{Kept, NEVER};

/// How many records a segment is meant for.
pub(super) const MEANT_FOR: usize = SHARDS * PER_SHARD;

/// Enough that two tasks rarely wait for each other: there are hundreds of segments besides.
const SHARDS: usize = 4;
/// A shard's table has 1,024 slots and doubles when it needs more than 896. With 0.8 of the slots taken on average, chance
/// brings one shard in 250 above that.
const PER_SHARD: usize = 819;
/// A segment is swept when new ids made up this part of it since the last time: so a claim looks at 8 records on average, and
/// no more than about an eighth of a store's records are expired.
const SWEEP_PART: usize = 8;

/// Where a record is. The bytes are random already: one half says which segment, the other where in it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) segment: u64,
    pub(super) in_map: u64,
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.in_map);
    }
}

#[derive(Default)]
struct PassThrough(u64);

impl Hasher for PassThrough {
    fn write_u64(&mut self, random: u64) {
        self.0 = random;
    }

    // A `Digest` never comes here.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// A few thousand records: the most that one operation looks at or moves.
pub(super) struct Segment {
    map: DashMap<Digest, Kept, BuildHasherDefault<PassThrough>>,
    /// No record in here expires before this second.
    expiry: AtomicU32,
    /// No record in here may be dropped early before this second.
    droppable: AtomicU32,
    /// How many more new ids make a sweep worth its while.
    patience: AtomicUsize,
}

/// The right to sweep. One sweep at a time, so that who looks for room sees the true times of every segment.
pub(super) type Turn<'a> = MutexGuard<'a, ()>;

/// What a sweep did.
#[derive(Default)]
pub(super) struct Swept {
    pub(super) expired: usize,
    pub(super) dropped: usize,
    pub(super) left: usize,
}

impl Segment {
    pub(super) fn new() -> Self {
        Self {
            map: DashMap::with_capacity_and_hasher_and_shard_amount(0, BuildHasherDefault::default(), SHARDS),
            expiry: AtomicU32::new(NEVER),
            droppable: AtomicU32::new(NEVER),
            patience: AtomicUsize::new(0),
        }
    }

    /// Writes what `decide` makes of the record, which stays locked meanwhile. `None` if it is a new one and not admitted.
    pub(super) fn apply<A>(
        &self,
        digest: Digest,
        decide: impl FnOnce(Option<&Kept>) -> (Option<Kept>, A),
        admit: impl FnOnce() -> bool,
    ) -> Option<A> {
        match self.map.entry(digest) {
            Entry::Occupied(mut entry) => {
                let (write, answer) = decide(Some(entry.get()));
                if let Some(kept) = write {
                    entry.insert(kept);
                    self.note(entry.get());
                }
                Some(answer)
            }
            Entry::Vacant(entry) => {
                let (write, answer) = decide(None);
                if let Some(kept) = write {
                    if !admit() {
                        return None;
                    }
                    self.note(&entry.insert(kept));
                    self.lose_patience();
                }
                Some(answer)
            }
        }
    }

    pub(super) fn read<A>(&self, digest: Digest, read: impl FnOnce(&Kept) -> A) -> Option<A> {
        self.map.get(&digest).map(|kept| read(&kept))
    }

    /// Looks at all records, while others wait for no more than a few hundred of them.
    pub(super) fn each(&self, mut look: impl FnMut(&Kept)) {
        self.map.iter().for_each(|entry| look(entry.value()));
    }

    pub(super) fn remove(&self, digest: Digest) -> Option<Kept> {
        self.map.remove(&digest).map(|(_, kept)| kept)
    }

    /// How many records fit without another allocation.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.map.capacity()
    }

    /// The second before which nothing expires.
    pub(super) fn expiry(&self) -> u32 {
        self.expiry.load(Relaxed)
    }

    /// The second before which nothing may be dropped early.
    pub(super) fn droppable(&self) -> u32 {
        self.droppable.load(Relaxed)
    }

    /// Whether a sweep would find something, and enough is new since the last one.
    pub(super) fn is_due(&self, now: u32) -> bool {
        self.expiry() <= now && self.patience.load(Relaxed) == 0
    }

    /// Removes what has expired, and of the finished events those that may be dropped since `drop_until` or longer.
    pub(super) fn sweep(&self, now: u32, drop_until: Option<u32>, _: &Turn<'_>) -> Swept {
        let mut swept = Swept::default();
        let (mut expiry, mut droppable) = (NEVER, NEVER);
        self.expiry.store(NEVER, Relaxed);
        self.droppable.store(NEVER, Relaxed);
        self.map.retain(|_, kept| {
            if kept.expires() <= now {
                swept.expired += 1;
                return false;
            }
            if drop_until.is_some_and(|until| kept.droppable() <= until) {
                swept.dropped += 1;
                return false;
            }
            swept.left += 1;
            expiry = expiry.min(kept.expires());
            droppable = droppable.min(kept.droppable());
            true
        });
        self.expiry.fetch_min(expiry, Relaxed);
        self.droppable.fetch_min(droppable, Relaxed);
        self.patience.store(swept.left / SWEEP_PART, Relaxed);
        // Removals leave marks in hashbrown's tables, and a table full of marks doubles: without this, all do in the end.
        self.map.shrink_to_fit();
        swept
    }

    /// Under the record's lock and after it was written: a sweep either sees the record, or has reset the times before.
    fn note(&self, kept: &Kept) {
        self.expiry.fetch_min(kept.expires(), Relaxed);
        self.droppable.fetch_min(kept.droppable(), Relaxed);
    }

    fn lose_patience(&self) {
        // Of two at once one may go uncounted: the sweep then comes one id later.
        let patience = self.patience.load(Relaxed);
        self.patience.store(patience.saturating_sub(1), Relaxed);
    }
}
