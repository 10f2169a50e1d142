//! The reconciler: what a provider recorded and the receiver has not handled goes through the same
//! door as a delivery.
//!
//! ```text
//! provider's API ──list──▶ wanted? known? ──no──▶ fetch ──▶ Processor ──▶ claim, handle, record
//!                               │ yes
//!                               ▼
//!                            report
//! ```
//!
//! Dwolla sends nothing later that fell into a pause, GitHub never retries, and every provider
//! gives up at some time. A [`Reconciler`] asks the provider's API what it recorded in a window of
//! time, looks each event up in the layer's store, and hands in what is missing: deduplicated by
//! the same key, handled by the same handlers, as
//! [`Source::Fetched`](tower_webhook::event::Source::Fetched).
//!
//! # What a run does with an item
//! | the item | what happens | its [`Ending`] |
//! | --- | --- | --- |
//! | a topic that no handler takes | nothing | `Unwanted` |
//! | the store has the event as finished, stored or given up | nothing | `Known` |
//! | its id is not in the list, and the provider recorded a success | nothing | `Delivered` |
//! | another run holds its claim | nothing; the next run looks again | `Waiting` |
//! | missing | fetched and handed in | `Handled`, `Stored`, `Rejected`, or `Failed` |
//! | missing, with [`redeliver`](Reconciler::redeliver) | the provider is asked for it | `Asked` |
//! | missing, with [`report_only`](Reconciler::report_only) | nothing | `Missing` |
//! | missing, and the provider has nothing to hand in | nothing | `NotFetchable` |
//!
//! A lookup is one read of the store. So a repeated run costs the list's pages and lookups, and
//! no other request, except for what is missing still. Memory does not grow with the list.
//!
//! - Dwolla ([`Webhooks`](crate::dwolla::Webhooks)): the items are a subscription's webhooks. What
//!   is handed in is the request of an attempt, verified again. Without one, or if its signature
//!   does not match, it is the event of the API.
//! - GitHub ([`Deliveries`](crate::github::Deliveries)): the items are a hook's deliveries. What is
//!   handed in is the recorded request, verified again.
//! - Stripe ([`Events`](crate::stripe::Events)): the items are events. What is handed in is the
//!   event of the list.
//!
//! GitHub's list does not tell an event's whole id, which is made of the payload too. What GitHub
//! recorded as delivered is believed, and so is a redelivery's success for the attempts before it.
//! An item that was handed in once leaves a mark in the store, by which later runs know it.
//!
//! # Windows
//! The first run looks back for as long as the provider keeps what it recorded. Each later run
//! begins where the last [complete](End::Complete) one has ended, less an
//! [`overlap`](Reconciler::overlap) that is longer than the provider's own retries (Dwolla and
//! Stripe: 4 days; GitHub: 1 day). A run that failed or was stopped moves nothing. An item that
//! failed, waits, or was asked for again keeps the window where it is. What is not fetchable does
//! not.
//!
//! # Never two at once
//! A run holds a lease: a claim on a key of its own in the layer's store (the namespace
//! `tower-webhook-reconcile`), by the source's name and the layer's namespace. So it works with
//! every store, across processes where the store does. Another run ends at once with
//! [`End::Busy`]. If the lease is lost, because the store did not take a renewal in time, the run
//! takes up nothing more, finishes what it has begun, and ends with [`End::LeaseLost`]. A second
//! run may be at work then already: each event is claimed by its own record, so it is handled once
//! all the same. What is lost is only the politeness towards the provider's API.
//!
//! # Tenants
//! If the layer has [tenants](tower_webhook::provider::tenant), each has a source and a
//! reconciler of its own, over `processor.of(&tenant)`: what is missing goes to that tenant, is
//! verified with its secrets, and is looked up among its events alone; so are lease and marks. The
//! report, its line and the log say whose run it was, the metrics do not. Without `of`, a run fails
//! before it asks for anything.
//!
//! # What ends a run early
//! A page that cannot be fetched, a store that does not respond, a layer that drains, and ten calls
//! in a row for single items that failed. A handler that fails ends nothing: the other items are
//! looked at, and the next run tries again.
//!
//! # Writing a source
//! A [`Source`] lists what a provider recorded, as a stream of pages ([`Pages::fetched`]), and
//! fetches what the list does not tell. Three rules:
//!
//! 1. List at least what is in the window. More is harmless: what is known costs a lookup.
//! 2. Give each [`Item`] the id by which its delivery is deduplicated. If the list does not tell
//!    it, give what all deliveries of one event share ([`Item::group`]).
//! 3. Hand in a recorded request with its signature where there is one. An event without a
//!    signature must come from the provider's host over TLS, and its type must be
//!    [`SelfIdentified`](tower_webhook::event::SelfIdentified).
//!
//! ```
//! use std::time::Duration;
//! use tower_webhook::{custom, event::EventId};
//! use tower_webhook_reconcile::{
//!     Error, Pages,
//!     reconciler::{Content, Item, Source, Window},
//! };
//!
//! /// A billing service whose API lists what it delivered, with headers and body.
//! struct Billing {
//!     client: BillingClient,
//! }
//! # #[derive(Clone)]
//! # struct BillingClient;
//! # struct Record { number: u64, event: String, kind: String }
//! # impl BillingClient {
//! #     async fn page(&self, _: Window, _: u32) -> Result<Vec<Record>, std::io::Error> {
//! #         Ok(Vec::new())
//! #     }
//! #     async fn request(&self, _: &str) -> Result<(http::HeaderMap, Vec<u8>), std::io::Error> {
//! #         Ok(Default::default())
//! #     }
//! # }
//!
//! impl Source for Billing {
//!     type Event = custom::Event;
//!
//!     fn name(&self) -> String {
//!         "billing".to_owned()
//!     }
//!
//!     fn retention(&self) -> Duration {
//!         Duration::from_secs(14 * 24 * 3600)
//!     }
//!
//!     fn overlap(&self) -> Duration {
//!         Duration::from_secs(24 * 3600) // it retries for eight hours
//!     }
//!
//!     fn list(&self, window: Window) -> Pages<Item<custom::Event>> {
//!         let client = self.client.clone();
//!         // Page 0, 1, … until one is empty.
//!         Pages::fetched(0, move |number| {
//!             let client = client.clone();
//!             async move {
//!                 let records = client.page(window, number).await.map_err(Error::other)?;
//!                 let next = (!records.is_empty()).then_some(number + 1);
//!                 let items = records.into_iter().map(|record| {
//!                     let item = Item::new(record.number.to_string()).topic(record.kind);
//!                     match EventId::new(&record.event) {
//!                         Ok(id) => item.event_id(id),
//!                         Err(error) => item.content(Content::not_fetchable(error.to_string())),
//!                     }
//!                 });
//!                 Ok((items.collect(), next))
//!             }
//!         })
//!     }
//!
//!     async fn fetch(&self, item: &Item<custom::Event>) -> Result<Content<custom::Event>, Error> {
//!         let (headers, body) = self.client.request(item.id()).await.map_err(Error::other)?;
//!         Ok(Content::request(headers, body))
//!     }
//! }
//! ```
//!
//! # Log and metrics
//! Each run is one line of the log, a warning if something is missing still. With the feature
//! `metrics`, through the facade of that name:
//!
//! - `webhook_reconcile_runs_total`, a counter by `source`, `end`.
//! - `webhook_reconcile_items_total`, a counter by `source`, `ending`.
//! - `webhook_reconcile_run_seconds`, a histogram by `source`: how long runs took that held the
//!   lease.
//! - `webhook_reconcile_complete_timestamp_seconds`, a gauge by `source`: when the last complete
//!   run began, in seconds since 1970. Alert when it is too long ago.

mod item;
mod lease;
mod log;
mod meter;
#[expect(
    clippy::module_inception,
    reason = "the folder has a file for each role, and one of them is the reconciler"
)]
mod reconciler;
mod report;
mod run;
mod schedule;
mod source;

pub use item::{Content, Item, Window};
pub use reconciler::Reconciler;
pub use report::{End, Ending, Listed, Report, Tally};
pub use schedule::{Every, Trigger};
pub use source::Source;

#[cfg(doc)]
use crate::Pages;
