//! The contract of a durable inbox: deliveries are verified, stored and acknowledged in
//! milliseconds, and handled later by a worker, with retries that outlive the process.
//!
//! So far this is the contract, its transition table, a suite for stores
//! (`inbox_suite!`, feature `test-util`) and a reference that forgets. The
//! stores of this project do not implement it yet, and the worker is not there yet.
//!
//! The record that deduplicates an event is also its job. A store that is an [`Inbox`] keeps the
//! delivery's body and headers beside the record, and [`record`](crate::store::record) decides what
//! each operation makes of it:
//!
//! ```text
//! ABSENT ──deposit──▶ FREE{due} ──take──▶ CLAIMED{lease} ──settle──▶ DONE
//!                       ▲                    │    │
//!                       ├──────put back──────┘    └──bury──▶ DEAD
//!                       └──────────────────replay───────────────┘
//! ```
//!
//! # What a store promises
//! 1. `deposit` is one atomic step: claim, enqueue and duplicate check. When it returns
//!    [`Stored`](Deposited::Stored), the delivery is on the disk.
//! 2. `take` gives a delivery to one worker at a time. Whoever holds it has a lease, which the
//!    worker renews; a process that dies loses its deliveries to others when their leases end.
//! 3. What was stored never expires before it has ended, and what is DEAD stays until an operator
//!    decides.
//! 4. A delivery whose claims ended without an end (the process died) is a *suspect*, and taken
//!    apart from the others: a poison event must not bury its neighbours.
//!
//! The memory store and Redis are no inboxes: neither can promise the first.

mod admin;
mod delivery;
mod headers;
mod settlement;
mod take;

use std::future::Future;

pub use admin::{Backlog, Cursor, Entry, Filter, InboxAdmin, Letter, Page, PastAttempt};
pub use delivery::{Deposit, StoredDelivery};
pub use settlement::{Attempt, End, Settlement};
pub use take::{TakeRequest, Taken};

use crate::store::{Deposited, Effect, IdempotencyStore, StoreError};

/// Stores deliveries durably, and gives them to workers.
///
/// # Cancel safety
/// An operation whose future is dropped is applied or not, as a whole.
pub trait Inbox: IdempotencyStore {
    /// Stores a delivery, unless its event is known.
    ///
    /// Idempotent: if the answer was lost, the provider's next attempt is a duplicate.
    ///
    /// # Errors
    /// The store did not answer or has no room. Whether the delivery is stored is not known.
    fn deposit(&self, deposit: &Deposit) -> impl Future<Output = Result<Deposited, StoreError>> + Send;

    /// Claims deliveries that are due, the longest due first.
    ///
    /// # Errors
    /// The store did not answer. What it may have claimed is due again when its lease ends.
    fn take(&self, request: &TakeRequest) -> impl Future<Output = Result<Vec<Taken>, StoreError>> + Send;

    /// Tells the store how runs ended, in one transaction. The effects come in the order of the
    /// settlements.
    ///
    /// # Errors
    /// The store did not answer. Each settlement may be sent again.
    fn settle(&self, settlements: &[Settlement]) -> impl Future<Output = Result<Vec<Effect>, StoreError>> + Send;

    /// How much waits, counted up to a number, since to count a million takes a while.
    ///
    /// # Errors
    /// The store did not answer.
    fn backlog(&self, namespace: &str, up_to: u64) -> impl Future<Output = Result<Backlog, StoreError>> + Send;

    /// Completes when a delivery may have become due since the call, as far as the store notices:
    /// deposits through this value and its clones at least. By default never; a worker polls
    /// besides.
    ///
    /// What happens between the call and the first poll counts.
    fn changed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}
