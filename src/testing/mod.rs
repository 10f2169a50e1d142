//! For tests (feature `test-util`): time under your control, a store that fails on command, and the
//! suite a store must pass.
//!
//! - [`ManualClock`] stands still until you move it. No test sleeps.
//! - [`FaultyStore`] fails or hangs before or after an operation takes effect, and counts what it
//!   is asked.
//! - [`SignedRequest`] makes what a provider sends, and what forgers would, for an app's own tests;
//!   [`delivery`] is what they call handlers with, and [`claimed_delivery`] where a handler
//!   completes the event in a transaction of its own.
//! - [`refusal`] makes a refusal, for tests of an application's own responses.
//! - [`MemoryInbox`] is an inbox that forgets, for tests of workers and handlers.
//! - [`store_suite!`](crate::store_suite) tests every promise of [`store`](crate::store) against a
//!   store of yours.

mod clock;
mod request;
mod faulty_store;
mod memory_inbox;
mod refusal;
pub mod store_suite;

pub use clock::ManualClock;
pub use faulty_store::{Fault, FaultyStore, Operation};
pub use memory_inbox::MemoryInbox;
pub use refusal::refusal;
pub use request::{SignedRequest, claimed_delivery, delivery, signed_request};
