//! The records that a store keeps.

use std::{fmt, time::SystemTime};

use super::{Completion, Schedule, never, time_after};
use crate::{
    event::Fingerprint,
    store::{ClaimRequest, Token},
};

/// The record that a store keeps for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The event's state.
    pub state: State,
    /// The facts that make two deliveries this event.
    pub fingerprint: Fingerprint,
    /// When the record counts as absent.
    pub expires: SystemTime,
    /// The worker's schedule, while the delivery lies in an inbox. `None` for an event that is
    /// handled before the response, and once the body of a finished one was dropped.
    pub schedule: Option<Schedule>,
}

/// The state of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// A handler runs, or its process died.
    Claimed {
        /// The token that holds it.
        token: Token,
        /// Which claim of this record it is: a fencing token.
        generation: u64,
        /// How many claims there were, this one included.
        attempts: u32,
        /// When another may claim.
        lease_until: SystemTime,
    },
    /// Nobody runs it: the last run failed, or, in an inbox, it waits for its first.
    Free {
        /// The last claim's.
        generation: u64,
        /// How many claims there were.
        attempts: u32,
    },
    /// Finished.
    Done {
        /// How.
        completion: Completion,
        /// When.
        at: SystemTime,
    },
    /// In an inbox: given up, by the worker or by an operator. It stays until an operator replays
    /// or forgets it.
    Dead {
        /// The last claim's.
        generation: u64,
        /// How many claims there were.
        attempts: u32,
        /// When.
        at: SystemTime,
    },
}

impl Record {
    /// A record as a store keeps it.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_webhook::{
    ///     event::Fingerprint,
    ///     store::{Record, State},
    /// };
    ///
    /// let now = SystemTime::UNIX_EPOCH;
    /// let free = State::Free {
    ///     generation: 1,
    ///     attempts: 1,
    /// };
    /// let record = Record::new(
    ///     free,
    ///     Fingerprint::of(["customer_created"]),
    ///     now + Duration::from_secs(60),
    /// );
    /// assert!(!record.is_expired(now));
    /// ```
    #[must_use]
    pub fn new(state: State, fingerprint: Fingerprint, expires: SystemTime) -> Self {
        Self {
            state,
            fingerprint,
            expires,
            schedule: None,
        }
    }

    /// Adds the schedule of a delivery that lies in an inbox.
    #[must_use]
    pub fn with_schedule(mut self, schedule: Option<Schedule>) -> Self {
        self.schedule = schedule;
        self
    }

    /// Whether the record counts as absent at this time.
    #[must_use]
    pub fn is_expired(&self, now: SystemTime) -> bool {
        self.expires <= now
    }

    pub(super) fn claimed(
        claim_request: &ClaimRequest,
        generation: u64,
        attempts: u32,
        schedule: Option<Schedule>,
        now: SystemTime,
    ) -> Self {
        let lease_until = time_after(now, claim_request.lease);
        Self {
            state: State::Claimed {
                token: claim_request.token,
                generation,
                attempts,
                lease_until,
            },
            fingerprint: claim_request.fingerprint,
            expires: match schedule {
                // An expired claim lives one retention: the attempts of a process that died are
                // remembered.
                None => time_after(lease_until, claim_request.retention),
                // What was acknowledged has to be handled, however late.
                Some(_) => never(),
            },
            schedule: schedule.map(|schedule| schedule.due(lease_until)),
        }
    }

    /// The claim's generation and attempts, if this token holds it.
    pub(super) fn held_by(&self, claim_request: &ClaimRequest) -> Option<(u64, u32)> {
        match self.state {
            State::Claimed {
                token,
                generation,
                attempts,
                ..
            } if token == claim_request.token && self.fingerprint == claim_request.fingerprint => {
                Some((generation, attempts))
            }
            _ => None,
        }
    }
}

/// The stage of a stored delivery, as operators see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Nobody has taken it yet, or its last attempt failed: it waits for its time.
    Waiting,
    /// A worker handles it, or its process died.
    Running,
    /// Finished.
    Done,
    /// Given up: it waits for an operator.
    Dead,
}

impl Stage {
    /// `waiting`, `running`, `done` or `dead`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&State> for Stage {
    fn from(state: &State) -> Self {
        match state {
            State::Free { .. } => Self::Waiting,
            State::Claimed { .. } => Self::Running,
            State::Done { .. } => Self::Done,
            State::Dead { .. } => Self::Dead,
        }
    }
}
