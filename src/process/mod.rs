//! How an event is processed once it is known to be authentic: an [`Outcome`] in the end, and a
//! [`DrainHandle`] to end the work of a process.
//!
//! ```text
//! Work ─claim→ Claimed ─run→ Handled ─settle→ Outcome
//! ```
//!
//! Nothing here knows HTTP. A request becomes work in the layer, and so does an event that was
//! handed in without one. Claim, run and settlement are one spawned task: a caller that waits for
//! the outcome may go away, and nothing stops half-way.

mod settings;
mod outcome;
mod catch_panic;
pub(crate) mod timeout;
mod singleflight;
mod claim;
mod lease;
mod run;
mod settle;
mod drain;
mod report;
mod engine;

pub(crate) use catch_panic::{catch, catch_polled};
pub(crate) use claim::{conflict, in_flight, unrecorded};
pub use drain::{DrainHandle, DrainReport, Remaining, RemainingState};
pub(crate) use engine::{Caller, Engine, Started};
pub use outcome::Outcome;
pub(crate) use report::Observation;
pub(crate) use run::{Handle, HandlerResult, Settlement};
pub(crate) use settings::{Settings, zero};
pub(crate) use singleflight::{Entry, Leader};

use std::time::Duration;

use crate::{
    delivery::Message,
    error::{Refusal, RefusalKind},
    event::Fingerprint,
    store::Key,
};

/// An authentic event on its way to its handler.
pub(crate) struct Work<E> {
    pub(crate) event: E,
    pub(crate) key: Key,
    pub(crate) fingerprint: Fingerprint,
    /// How it came, and the request that brought it.
    pub(crate) message: Message,
}

/// How long a provider is asked to wait when its event is being handled here, or cannot be.
pub(crate) const LATER: Duration = Duration::from_secs(5);

/// No work is taken in any more.
pub(crate) fn draining() -> Refusal {
    Refusal::new(RefusalKind::Draining, "the layer is draining").retry_after(LATER)
}
