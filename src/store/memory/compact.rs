//! How a record is kept in few bytes, and the queues that say which record goes next.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use super::super::{Completion, Key, Record, State};
use crate::event::Fingerprint;

/// A record's place: a keyed hash of its key.
pub(super) type KeyHash = [u8; 12];

/// Times as seconds since the store was made; 32 bits hold 136 years.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(pub(super) SystemTime);

impl Epoch {
    /// The last whole second; `None` for times that 32 bits cannot hold, such as those before the
    /// epoch, where somebody has set the clock back.
    pub(super) fn floor(self, time: SystemTime) -> Option<u32> {
        let second = u32::try_from(time.duration_since(self.0).ok()?.as_secs()).ok()?;
        (second < u32::MAX).then_some(second)
    }

    /// The next whole second, so that nothing is due too early.
    fn ceil(self, time: SystemTime) -> u32 {
        let since = time.duration_since(self.0).unwrap_or_default();
        let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn time(self, second: u32) -> SystemTime {
        self.0 + Duration::from_secs(second.into())
    }
}

/// A record as the memory store keeps it. Nearly all records are finished; the text of their key is
/// not kept.
#[derive(Debug)]
pub(super) enum CompactRecord {
    Done {
        fingerprint: Fingerprint,
        at: u32,
        due: ExpiryQueue,
        completion: Completion,
        namespace: u16,
    },
    /// Not finished yet, or finished at a time that 32 bits cannot hold.
    Full(Box<(Key, Record)>),
}

// With the key's place and hashbrown's one byte, an id takes 49 bytes of a full table.
const _: () = assert!(size_of::<(KeyHash, CompactRecord)>() <= 48);

impl CompactRecord {
    /// `namespace` is the number of the key's, if it has one.
    pub(super) fn new(key: &Key, record: Record, retry_window: Duration, epoch: Epoch, namespace: Option<u16>) -> Self {
        if let State::Done { completion, at: time } = record.state
            && let (Some(at), Some(namespace)) = (epoch.floor(time), namespace)
            && let expires = epoch.ceil(record.expires)
            && expires < u32::MAX
        {
            let retention = record.expires.duration_since(time).unwrap_or_default();
            // Below `expires`, which fits.
            let spare = retention.saturating_sub(retry_window).as_secs() as u32;
            let fingerprint = record.fingerprint;
            let due = ExpiryQueue { spare, expires };
            return Self::Done {
                fingerprint,
                at,
                due,
                completion,
                namespace,
            };
        }
        Self::Full(Box::new((key.clone(), record)))
    }

    pub(super) fn to_record(&self, epoch: Epoch) -> Record {
        match self {
            Self::Done {
                fingerprint,
                at,
                due,
                completion,
                ..
            } => Record::new(
                State::Done {
                    completion: *completion,
                    at: epoch.time(*at),
                },
                *fingerprint,
                epoch.time(due.expires),
            ),
            Self::Full(full) => full.1.clone(),
        }
    }

    pub(super) fn due(&self, epoch: Epoch) -> ExpiryQueue {
        match self {
            Self::Done { due, .. } => *due,
            Self::Full(full) => ExpiryQueue {
                spare: 0,
                expires: epoch.ceil(full.1.expires),
            },
        }
    }
}

/// When a record may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpiryQueue {
    /// For how many seconds before its expiry a full store may drop it.
    spare: u32,
    /// The second from which it counts as absent.
    expires: u32,
}

impl ExpiryQueue {
    pub(super) fn expiry(self) -> u32 {
        self.expires
    }

    pub(super) fn droppable(self) -> u32 {
        self.expires.saturating_sub(self.spare)
    }
}

/// All records, in a queue for each length of the time for which a full store may drop them: there
/// are about as many as layers. Within one queue, the first to expire is the first that may be
/// dropped.
///
/// The queues are B-trees. A ring buffer would take half the memory, but it is copied when it
/// grows, which is a pause, and what is forgotten cannot be taken out of it.
#[derive(Default)]
pub(super) struct Queues(BTreeMap<u32, BTreeSet<(u32, KeyHash)>>);

impl Queues {
    pub(super) fn insert(&mut self, due: ExpiryQueue, place: KeyHash) {
        self.0.entry(due.spare).or_default().insert((due.expires, place));
    }

    pub(super) fn remove(&mut self, due: ExpiryQueue, place: KeyHash) {
        if let Some(queue) = self.0.get_mut(&due.spare) {
            queue.remove(&(due.expires, place));
        }
    }

    /// Takes out the record whose time comes first, if it has come.
    pub(super) fn take_first(&mut self, time: fn(ExpiryQueue) -> u32, now: u32) -> Option<KeyHash> {
        let firsts = self.0.iter().filter_map(|(&spare, queue)| {
            let &(expires, _) = queue.first()?;
            Some((time(ExpiryQueue { spare, expires }), spare))
        });
        let (_, spare) = firsts.min().filter(|(time, _)| *time <= now)?;
        self.0.get_mut(&spare)?.pop_first().map(|(_, place)| place)
    }
}
