//! What the clones of a memory store share: the segments, and the count that keeps them within the capacity.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::SystemTime,
};

use super::{
    super::{ClaimRequest, Effect, Key, Record, StoreError, record::Change},
    compact::{Epoch, Kept},
    namespaces::Namespaces,
    segment::{Digest, MEANT_FOR, Segment, Swept, Turn},
};
use crate::{clock::Clock, event::Fingerprint};

/// An empty segment takes half a kilobyte, all of them 8 MB. Above 53 million ids they grow in size, no longer in number.
const MAX_SEGMENTS: usize = 1 << 14;
/// How many segments a claim searches for room before it gives up, at some ten microseconds each.
const MAX_SEARCHED: usize = 16;

/// Whether a new id is refused when the store is full.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Room {
    IfAny,
    /// For a completion whose record somebody has forgotten: there are no more of them than handlers that run.
    InAnyCase,
}

pub(super) struct Shared {
    segments: Box<[Segment]>,
    /// So that nobody can choose ids that crowd one segment.
    salt: [u8; 8],
    epoch: Epoch,
    clock: Arc<dyn Clock>,
    capacity: usize,
    namespaces: Namespaces,
    /// Raised before a record goes in, lowered after it is out: never below what the segments hold.
    count: AtomicUsize,
    /// Taken while no record is locked.
    sweeping: Mutex<()>,
    dropped_early: AtomicU64,
    /// How many records the sweeps have looked at: the measure of pauses.
    #[cfg(test)]
    visited: AtomicU64,
}

impl Shared {
    pub(super) fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        let segments = capacity.div_ceil(MEANT_FOR).clamp(1, MAX_SEGMENTS);
        Self {
            segments: (0..segments).map(|_| Segment::new()).collect(),
            // The standard library seeds its hash maps from the operating system's random numbers.
            salt: RandomState::new().hash_one("tower-webhook memory store").to_be_bytes(),
            epoch: Epoch::at(clock.now()),
            clock,
            capacity,
            namespaces: Namespaces::default(),
            count: AtomicUsize::new(0),
            sweeping: Mutex::new(()),
            dropped_early: AtomicU64::new(0),
            #[cfg(test)]
            visited: AtomicU64::new(0),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(super) fn dropped_early(&self) -> u64 {
        self.dropped_early.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn visited(&self) -> u64 {
        self.visited.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.segments.iter().map(Segment::slots).sum()
    }

    /// One operation: what the transition table makes of the record.
    pub(super) fn apply<A>(
        &self,
        claim_request: &ClaimRequest,
        room: Room,
        transition: impl Fn(Option<&Record>, SystemTime) -> Change<A>,
    ) -> Result<A, StoreError> {
        // Read before the record is locked: whoever waits for the lock gets a moment's less lease, never more.
        let now = self.clock.now();
        let digest = self.digest(&claim_request.key);
        let segment = self.segment(digest);
        self.sweep_if_due(segment, now);
        let decide = |kept: Option<&Kept>| {
            let record = kept.map(|kept| kept.to_record(self.epoch));
            let change = transition(record.as_ref(), now);
            let namespace = || self.namespaces.number_of(claim_request.key.namespace());
            let write = change.write.map(|record| {
                Kept::new(
                    &claim_request.key,
                    namespace,
                    record,
                    claim_request.retry_window,
                    self.epoch,
                )
            });
            (write, change.answer)
        };
        let mut limit = self.capacity;
        loop {
            if let Some(answer) = segment.apply(digest, decide, || self.reserve(limit)) {
                return Ok(answer);
            }
            if !self.make_room(now) {
                match room {
                    Room::IfAny => return Err(self.full()),
                    Room::InAnyCase => limit = usize::MAX,
                }
            }
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Record> {
        let digest = self.digest(key);
        let record = self.segment(digest).read(digest, |kept| kept.to_record(self.epoch))?;
        (!record.is_expired(self.clock.now())).then_some(record)
    }

    pub(super) fn forget(&self, key: &Key) -> Effect {
        let digest = self.digest(key);
        let Some(kept) = self.segment(digest).remove(digest) else {
            return Effect::NotHeld;
        };
        self.count.fetch_sub(1, Relaxed);
        if kept.to_record(self.epoch).is_expired(self.clock.now()) {
            Effect::NotHeld
        } else {
            Effect::Applied
        }
    }

    /// Looks at all records of a namespace that have not expired.
    pub(super) fn each(&self, namespace: &str, mut look: impl FnMut(&Kept, &Record)) {
        let now = self.clock.now();
        let number = self.namespaces.known(namespace);
        for segment in &self.segments {
            segment.each(|kept| {
                let record = kept.to_record(self.epoch);
                if kept.is_in(namespace, number) && !record.is_expired(now) {
                    look(kept, &record);
                }
            });
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    fn digest(&self, key: &Key) -> Digest {
        // What makes a fingerprint makes a place: 16 bytes of a SHA-256, in which namespace and id cannot run together.
        let parts = [&self.salt[..], key.namespace().as_bytes(), key.id().as_str().as_bytes()];
        let bytes = u128::from_be_bytes(Fingerprint::of(parts).to_bytes());
        Digest {
            segment: (bytes >> 64) as u64,
            in_map: bytes as u64,
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a fraction of the number of segments, of which there is one at least, is below it"
    )]
    fn segment(&self, digest: Digest) -> &Segment {
        let scaled = u128::from(digest.segment) * self.segments.len() as u128;
        &self.segments[(scaled >> 64) as usize]
    }

    /// Counts one id more, if that does not exceed the limit.
    fn reserve(&self, limit: usize) -> bool {
        self.count
            .fetch_update(Relaxed, Relaxed, |count| (count < limit).then(|| count + 1))
            .is_ok()
    }

    fn sweep_if_due(&self, segment: &Segment, now: SystemTime) {
        let Some(now) = self.epoch.floor(now).filter(|now| segment.is_due(*now)) else {
            return;
        };
        // Where another sweep runs, the next claim will do.
        if let Ok(turn) = self.sweeping.try_lock() {
            self.sweep(segment, now, None, &turn);
        }
    }

    /// Removes what the capacity is better used for: expired records, else the oldest of the finished events whose provider has
    /// stopped retrying. Whether there is room now.
    fn make_room(&self, now: SystemTime) -> bool {
        let turn = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..MAX_SEARCHED {
            // Whoever had the turn before may have made room for all that waited.
            if self.count() < self.capacity {
                return true;
            }
            let Some(now) = self.epoch.floor(now) else { break };
            if let Some((segment, _)) = self.earliest(Segment::expiry, now) {
                self.sweep(segment, now, None, &turn);
            } else if let Some((segment, droppable)) = self.earliest(Segment::droppable, now) {
                // An eighth of the time, so that the next claims find room without a search.
                let drop_until = droppable + (now - droppable) / 8;
                let dropped = self.sweep(segment, now, Some(drop_until), &turn).dropped;
                self.tell_dropped(dropped);
            } else {
                break;
            }
        }
        self.count() < self.capacity
    }

    /// The segment whose time comes first, and the time, if it has come.
    fn earliest(&self, time: impl Fn(&Segment) -> u32, now: u32) -> Option<(&Segment, u32)> {
        self.segments
            .iter()
            .map(|segment| (segment, time(segment)))
            .min_by_key(|(_, time)| *time)
            .filter(|(_, time)| *time <= now)
    }

    fn sweep(&self, segment: &Segment, now: u32, drop_until: Option<u32>, turn: &Turn<'_>) -> Swept {
        let swept = segment.sweep(now, drop_until, turn);
        let gone = swept.expired + swept.dropped;
        self.count.fetch_sub(gone, Relaxed);
        #[cfg(test)]
        self.visited.fetch_add((gone + swept.left) as u64, Relaxed);
        swept
    }

    fn tell_dropped(&self, dropped: usize) {
        // None, where the segment's time was that of a record which is gone.
        if dropped > 0 {
            self.dropped_early.fetch_add(dropped as u64, Relaxed);
            crate::trace::warn(format_args!(
                "the memory store is full ({} ids): it forgot {dropped} finished events before their retention was over, \
                 since their provider no longer retries them; raise its capacity",
                self.capacity
            ));
        }
    }

    fn full(&self) -> StoreError {
        StoreError::full(format!(
            "it holds {} ids, of which none may be forgotten yet; nothing is lost, because the provider retries; \
             raise the capacity (see `MemoryStore::builder`)",
            self.capacity
        ))
    }
}
