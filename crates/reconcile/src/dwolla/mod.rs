//! Dwolla's API for webhooks: subscriptions, what was sent to them, retries and events.
//!
//! ```no_run
//! use tower_webhook_reconcile::dwolla::{self, DwollaApi};
//!
//! # async fn run() -> Result<(), tower_webhook_reconcile::Error> {
//! let api = DwollaApi::new(dwolla::PRODUCTION, "client id", "client secret")?;
//!
//! // Dwolla sends nothing later that was recorded during a pause: ask for it.
//! let mut webhooks = api.webhooks("a0943041-7a5c-4e8f-92de-b55711ef3a83").list();
//! while let Some(webhook) = webhooks.next().await {
//!     let webhook = webhook?;
//!     if webhook.attempts.is_empty() {
//!         api.retry(&webhook.id).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Ids
//! A [`Webhook`] is the delivery of one [`Event`] to one subscription, and each has an id of its
//! own. The id that a receiver sees, and deduplicates by, is the event's: [`Webhook::event_id`].
//!
//! # What Dwolla does not document
//! - The time zone of `startDate` and `endDate`, and whether the days themselves are included.
//!   [`Webhooks::window`] pads the days by one on each side.
//! - How many entries a page may have. [`Webhooks::limit`] is 200 by default, which Dwolla
//!   documents for many lists.
//! - Its rate limits. A 429 is documented to last 5 minutes, so the client waits that long unless
//!   the response names a time.
//!
//! Webhooks and events are kept for 30 days. Deleting a subscription deletes its history.

mod api;
mod queries;
mod source;
mod types;

pub use api::{DwollaApi, PRODUCTION, SANDBOX};
pub use queries::{Events, Webhooks};
pub use types::{Attempt, Event, RecordedRequest, RecordedResponse, Retry, Subscription, Webhook};
