//! How the memory store keeps a record: a finished one in 32 bytes, since nearly all of them are, any other behind a pointer.

use std::time::{Duration, SystemTime};

use super::super::{Completion, Key, Record, State};
use crate::event::Fingerprint;

/// Past every time that [`Epoch`] can say.
pub(super) const NEVER: u32 = u32::MAX;

/// Counts seconds since the store was made: in 32 bits, that is 136 years.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(SystemTime);

impl Epoch {
    pub(super) fn at(start: SystemTime) -> Self {
        Self(start)
    }

    /// The last whole second; `None` outside what 32 bits can say (before the start, where somebody set the clock back).
    pub(super) fn floor(self, time: SystemTime) -> Option<u32> {
        let seconds = u32::try_from(time.duration_since(self.0).ok()?.as_secs()).ok()?;
        (seconds < NEVER).then_some(seconds)
    }

    /// The next whole second, so that nothing is due too early.
    fn ceil(self, time: SystemTime) -> u32 {
        let Ok(since) = time.duration_since(self.0) else {
            return 0;
        };
        let seconds = since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0));
        u32::try_from(seconds).unwrap_or(NEVER)
    }

    fn time(self, seconds: u32) -> SystemTime {
        self.0 + Duration::from_secs(seconds.into())
    }
}

/// A namespace's number: there are as many as layers, or fewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespace(pub(super) u16);

/// A record as the memory store keeps it. What an operator asks for by name is kept by name; of a finished event, the namespace only.
#[derive(Debug)]
pub(super) enum Kept {
    Done {
        fingerprint: Fingerprint,
        at: u32,
        expires: u32,
        droppable: u32,
        completion: Completion,
        namespace: Namespace,
    },
    /// Not finished yet, or finished at a time that seconds since the start cannot say.
    Boxed(Box<Full>),
}

#[derive(Debug)]
pub(super) struct Full {
    key: Key,
    record: Record,
    expires: u32,
    droppable: u32,
}

// With the key's 16 bytes and hashbrown's one, an id costs 49 bytes in a full table.
const _: () = assert!(size_of::<Kept>() <= 32);

impl Kept {
    /// Keeps the record; once it is DONE, it may be dropped early when the provider's retry window has passed.
    pub(super) fn new(
        key: &Key,
        namespace: impl FnOnce() -> Namespace,
        record: Record,
        retry_window: Duration,
        epoch: Epoch,
    ) -> Self {
        let expires = epoch.ceil(record.expires);
        let full = |record, droppable| {
            Self::Boxed(Box::new(Full {
                key: key.clone(),
                record,
                expires,
                droppable,
            }))
        };
        let State::Done { completion, at } = record.state else {
            return full(record, NEVER);
        };
        let droppable = at.checked_add(retry_window).map_or(NEVER, |time| epoch.ceil(time));
        match epoch.floor(at) {
            Some(at) if expires < NEVER => Self::Done {
                fingerprint: record.fingerprint,
                at,
                expires,
                droppable,
                completion,
                namespace: namespace(),
            },
            _ => full(record, droppable),
        }
    }

    pub(super) fn to_record(&self, epoch: Epoch) -> Record {
        match self {
            Self::Done {
                fingerprint,
                at,
                expires,
                completion,
                ..
            } => Record {
                state: State::Done {
                    completion: *completion,
                    at: epoch.time(*at),
                },
                fingerprint: *fingerprint,
                expires: epoch.time(*expires),
            },
            Self::Boxed(full) => full.record.clone(),
        }
    }

    /// Whether the record is one of this namespace, whose number is given if it has one.
    pub(super) fn is_in(&self, name: &str, number: Option<Namespace>) -> bool {
        match self {
            Self::Done { namespace, .. } => Some(*namespace) == number,
            Self::Boxed(full) => full.key.namespace() == name,
        }
    }

    /// Which event, unless it is finished.
    pub(super) fn key(&self) -> Option<&Key> {
        match self {
            Self::Done { .. } => None,
            Self::Boxed(full) => Some(&full.key),
        }
    }

    /// The second from which the record counts as absent.
    pub(super) fn expires(&self) -> u32 {
        match self {
            Self::Done { expires, .. } => *expires,
            Self::Boxed(full) => full.expires,
        }
    }

    /// The second from which a full store may drop it; [`NEVER`] for a record that is not DONE.
    pub(super) fn droppable(&self) -> u32 {
        match self {
            Self::Done { droppable, .. } => *droppable,
            Self::Boxed(full) => full.droppable,
        }
    }
}
