//! The results of the operations that claim, store and settle.

use std::time::Duration;

use super::{Completion, Stage};

/// The result of [`claim`](crate::store::IdempotencyStore::claim).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claimed {
    /// The claim request's token holds the claim: the handler may run.
    Acquired {
        /// Rises with each claim of this record.
        generation: u64,
        /// How many claims there were, this one included.
        attempts: u32,
    },
    /// Another run holds it, of this event or of another under its id.
    InFlight {
        /// The rest of its lease.
        remaining: Duration,
    },
    /// The event is finished.
    Done(Completion),
    /// The event lies in an inbox and was given up: it waits for an operator.
    Dead,
    /// The event is finished or stored, with another fingerprint: the id belongs to another event.
    Conflict,
}

/// The result of `renew`, `complete`, `release` and `forget`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// The record is now as asked; or, for `complete` of a handled event, it was DONE already, in
    /// whatever way.
    Applied,
    /// The record is not the claim request's to change (or, for `forget`, there is none). Nothing
    /// changed.
    NotHeld,
}

/// The result of [`deposit`](crate::inbox::Inbox::deposit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Deposited {
    /// It is stored, and a worker may take it.
    Stored,
    /// It is a copy of a delivery that is stored or finished. Nothing changed.
    Known(Stage),
    /// A run without a stored body holds the event: it is handled before its response. Nothing
    /// changed, and nothing is stored.
    InFlight {
        /// The rest of its lease.
        remaining: Duration,
    },
    /// The id belongs to an event with another fingerprint. Nothing changed.
    Conflict,
}

/// The result of [`replay`](crate::inbox::InboxAdmin::replay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Replayed {
    /// The delivery is due now, and its attempts count from 0.
    Applied,
    /// A worker runs it at this moment, under a lease that has not ended. Nothing changed.
    Running,
    /// Its body is not stored, or not any more: nothing to run. Nothing changed.
    NoBody,
    /// There is no such event.
    Unknown,
}
