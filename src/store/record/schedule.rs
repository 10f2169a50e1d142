//! When a worker may take a stored delivery.

use std::time::SystemTime;

/// A worker's view of a stored delivery: when a stored delivery is due, and whether its last runs
/// ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// When a worker may take it. FREE: when its next attempt is due. CLAIMED: when the lease ends.
    /// `None` once it is finished or dead.
    pub due_at: Option<SystemTime>,
    /// How many claims in a row were never settled: the process died, or lost the store. Anything
    /// but 0 makes the delivery a suspect.
    pub crashes: u32,
    /// The last claim's generation, from which a replay of a finished event goes on.
    pub generation: u64,
}

impl Schedule {
    /// A schedule as a store keeps it.
    #[must_use]
    pub const fn new(due_at: Option<SystemTime>, crashes: u32, generation: u64) -> Self {
        Self {
            due_at,
            crashes,
            generation,
        }
    }

    pub(super) fn due(mut self, at: SystemTime) -> Self {
        self.due_at = Some(at);
        self
    }

    pub(super) fn crashed(mut self) -> Self {
        self.crashes = self.crashes.saturating_add(1);
        self
    }

    pub(super) fn ended_by_itself(mut self) -> Self {
        self.crashes = 0;
        self
    }
}
