//! Stripe's API for events: what happened in the last 30 days, and what no endpoint has taken yet.
//!
//! ```no_run
//! use std::time::{Duration, SystemTime};
//! use tower_webhook_reconcile::stripe::StripeApi;
//!
//! # async fn run() -> Result<(), tower_webhook_reconcile::Error> {
//! let api = StripeApi::new("sk_live_…")?;
//! let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
//!
//! let mut missed = api.events().created_from(yesterday).delivery_success(false).list();
//! while let Some(event) = missed.next().await {
//!     let event = event?;
//!     println!("{} {:?}", event.id, event.topic);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What the API tells and what it does not
//! - It does not keep deliveries: an event has no signature here. It is authentic because it comes
//!   from Stripe's host over TLS.
//! - `delivery_success` is about all endpoints of the account together. An event that one of them
//!   has not taken is listed as not delivered, though yours may have.
//! - An event is rendered in the API version that the account had when it happened. An endpoint
//!   with a version of its own was sent another rendering.
//! - It cannot be asked to send an event again. Stripe's CLI (`stripe events resend`) and Dashboard
//!   can.

mod api;
mod source;
mod types;

pub use api::{Events, STRIPE_COM, StripeApi};
pub use types::Event;
