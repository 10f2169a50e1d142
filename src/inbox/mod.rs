//! A durable inbox: deliveries are verified, stored and acknowledged in milliseconds, and handled
//! later by a worker, with retries that outlive the process.
//!
//! ```text
//!  request ──▶ WebhookLayer::inbox ──deposit──▶ store ──▶ 200
//!                                                 │
//!                 topic handlers ◀── Worker ◀─take┘
//! ```
//!
//! # When to use an inbox
//! [`WebhookLayer::topics`](crate::WebhookLayer::topics) handles an event before its response, and
//! leaves retries to the provider. That is enough where handlers are quick, and the provider
//! retries for as long as an outage of yours may last. Choose the inbox where
//!
//! - handlers take longer than the provider waits, 3 to 10 s mostly;
//! - the provider never retries (GitHub), or disables the endpoint after a few failures;
//! - an event that cannot be handled must wait for a person, and be replayed then.
//!
//! Handlers are the same, and an event is deduplicated by the same record: an endpoint can be
//! switched from one door to the other while events are known.
//!
//! # What the provider gets
//! | situation | response | what is stored |
//! | --- | --- | --- |
//! | stored | 200 | the delivery, on the disk before the response |
//! | a copy: it waits, runs, is done or dead | 200 | unchanged |
//! | other facts under a known id | 500, or 200 where ids are documented as unique | unchanged |
//! | an endpoint with handlers is running it | 503; retry when its lease ends | unchanged |
//! | the store fails, or has no room | 503 | unknown: if it is stored, the next attempt is a copy |
//! | the backlog is over its [limit] | 503, copies 200 | unchanged |
//! | not authentic, no event, too old, too large, draining | as without an inbox | nothing |
//! | a handshake; a topic that [nobody wants](crate::layer::WebhookService::only) | 200 | nothing |
//!
//! [limit]: crate::layer::WebhookService::backlog_limit
//!
//! # An operator's view
//! [`backlog`](Inbox::backlog) says how much waits and for how long. [`InboxAdmin`] lists, shows
//! and replays: a [`Letter`] is a delivery with its body and why each attempt failed. What is DEAD
//! stays until someone decides. The [metrics](crate::metrics) count all of it, and an ERROR each
//! minute says that something has been due for five minutes and nobody takes it.
//!
//! # At rest
//! Bodies and headers are kept in plain text. Anyone who can read the tables can read them, and
//! anyone who can write to them can forge events: a worker verifies no signature again. Signatures,
//! cookies and `authorization` are not stored; a [`redact`](crate::layer::WebhookService::redact)
//! function can take out more.
//!
//! # For stores
//! To make a store an inbox, implement [`Inbox`] and [`InboxAdmin`], and put `inbox_suite!`
//! (feature `test-util`) into its tests.
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
//! 2. `take` gives a delivery to one worker at a time. A held delivery has a lease, which the
//!    worker renews; a process that dies loses its deliveries to others when their leases end.
//! 3. What was stored never expires before it has ended, and what is DEAD stays until an operator
//!    decides.
//! 4. A delivery whose claims expired unsettled (the process died) is a *suspect*, and taken
//!    apart from the others: a poison event must not bury its neighbours.
//!
//! The memory store and Redis do not implement [`Inbox`], because neither can guarantee the first
//! promise.

mod admin;
mod delivery;
mod headers;
mod settlement;
mod take;
mod any;
#[cfg(feature = "service")]
mod retries;
#[cfg(feature = "service")]
pub(crate) mod deposits;
#[cfg(feature = "service")]
mod worker;

use std::{future::Future, sync::Arc};

pub use admin::{Backlog, Cursor, Entry, Filter, InboxAdmin, Letter, Page, PastAttempt};
pub use any::AnyInbox;
pub use delivery::{Deposit, StoredDelivery};
#[cfg(feature = "service")]
pub use retries::Retries;
pub use settlement::{Action, Attempt, Settlement};
pub use take::{TakeRequest, Taken};
#[cfg(feature = "service")]
pub use worker::{RunOutcome, Worker, WorkerHandle};

use crate::store::{Deposited, Effect, IdempotencyStore, StoreError};

/// Stores deliveries durably, and gives them to workers.
///
/// # Cancel safety
/// An operation whose future is dropped is applied or not, as a whole.
pub trait Inbox: IdempotencyStore {
    /// Stores a delivery, unless its event is known.
    ///
    /// Idempotent: if the response was lost, the provider's next attempt is a duplicate.
    ///
    /// # Errors
    /// The store did not respond or has no room. Whether the delivery is stored is not known.
    fn deposit(&self, deposit: &Deposit) -> impl Future<Output = Result<Deposited, StoreError>> + Send;

    /// Claims deliveries that are due, the longest due first.
    ///
    /// # Errors
    /// The store did not respond. What it may have claimed is due again when its lease ends.
    fn take(&self, request: &TakeRequest) -> impl Future<Output = Result<Vec<Taken>, StoreError>> + Send;

    /// Tells the store how runs ended, in one transaction. Returns an effect for each settlement,
    /// in their order; one that is missing counts as [`Effect::NotHeld`].
    ///
    /// # Errors
    /// The store did not respond. Each settlement may be sent again.
    fn settle(&self, settlements: &[Settlement]) -> impl Future<Output = Result<Vec<Effect>, StoreError>> + Send;

    /// How much waits. Each count of the [`Backlog`] ends at `up_to`, since counting a million rows
    /// takes long; `oldest_due` is exact.
    ///
    /// # Errors
    /// The store did not respond.
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

impl<S: Inbox> Inbox for Arc<S> {
    fn deposit(&self, deposit: &Deposit) -> impl Future<Output = Result<Deposited, StoreError>> + Send {
        S::deposit(self, deposit)
    }

    fn take(&self, request: &TakeRequest) -> impl Future<Output = Result<Vec<Taken>, StoreError>> + Send {
        S::take(self, request)
    }

    fn settle(&self, settlements: &[Settlement]) -> impl Future<Output = Result<Vec<Effect>, StoreError>> + Send {
        S::settle(self, settlements)
    }

    fn backlog(&self, namespace: &str, up_to: u64) -> impl Future<Output = Result<Backlog, StoreError>> + Send {
        S::backlog(self, namespace, up_to)
    }

    fn changed(&self) -> impl Future<Output = ()> + Send {
        S::changed(self)
    }
}
