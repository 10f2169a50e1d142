use std::time::Duration;

use crate::store::{ClaimRequest, Completion};

/// How the run of a stored delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settlement {
    /// The claim request that holds the delivery.
    pub claim_request: ClaimRequest,
    /// The action to take on it.
    pub action: Action,
    /// The attempt, for the delivery's history. `None` for a run that succeeded.
    pub attempt: Option<Attempt>,
}

impl Settlement {
    /// A settlement without an attempt to remember.
    #[must_use]
    pub fn new(claim_request: ClaimRequest, action: Action) -> Self {
        Self {
            claim_request,
            action,
            attempt: None,
        }
    }

    /// Adds an attempt to remember.
    #[must_use]
    pub fn with_attempt(mut self, attempt: Attempt) -> Self {
        self.attempt = Some(attempt);
        self
    }
}

/// The action to take on a stored delivery after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It is DONE.
    Complete(Completion),
    /// It is due again after a pause.
    PutBack {
        /// The pause.
        after: Duration,
        /// Whether the run counts as an attempt. A drain, or a topic without a handler, does not.
        is_counted: bool,
    },
    /// It is DEAD: nobody runs it until an operator replays it.
    Bury,
}

/// A run that did not succeed, for the delivery's history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// Which one it was, from 1 since the delivery was stored or last replayed.
    pub number: u32,
    /// How it ended, in a word, as the log and the metrics have it.
    pub outcome: String,
    /// Why, as the log has it: the text of the handler's error, whatever that holds.
    pub error: String,
    /// Which worker ran it.
    pub worker: String,
}

impl Attempt {
    /// An attempt that ended so.
    #[must_use]
    pub fn new(number: u32, outcome: impl Into<String>, error: impl Into<String>, worker: impl Into<String>) -> Self {
        Self {
            number,
            outcome: outcome.into(),
            error: error.into(),
            worker: worker.into(),
        }
    }
}
