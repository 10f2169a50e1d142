//! Receive webhooks: a tower layer that hands your handler an authentic, typed event, once, and
//! gives the provider the response that makes it do the right thing next.
//!
//! ```text
//! Request<B> ─read_body→ ─verify→ ─parse→ ─claim→ ─run→ ─settle→ ─respond→ Response
//!        405 408 413 415 503 · 401 · 400   └─ one spawned task ─┘
//! ```
//!
//! # Quick start
//! Typed topics to handlers, as a service for one route:
//!
//! ```
//! # #[cfg(all(feature = "service", feature = "memory"))] {
//! use std::time::Duration;
//! use tower_webhook::{
//!     Delivery, HandlerError, MemoryStore, ResultExt, TopicRouter, WebhookLayer,
//!     dwolla::{self, Dwolla, Topic},
//! };
//! # #[derive(Clone)] struct Db;
//! # impl Db {
//! #     async fn mark(&self, _: &str) -> Result<(), std::io::Error> { Ok(()) }
//! #     async fn book(&self, _: u64) -> Result<(), std::io::Error> { Ok(()) }
//! # }
//! # fn parse(_: &Delivery<dwolla::Event>) -> Result<u64, std::num::ParseIntError> { Ok(1) }
//! # let db = Db;
//!
//! // (state, event); any error: the event is released and the provider retries
//! async fn verified(db: Db, event: dwolla::Event) -> Result<(), std::io::Error> {
//!     db.mark(event.resource_id().unwrap_or_default()).await
//! }
//!
//! // the event with its raw body, headers and claim; and a say in what happens next
//! async fn settled(db: Db, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
//!     let amount = parse(&delivery).permanent()?; // never again
//!     db.book(amount).await.retry_after(Duration::from_secs(30))?; // again, but not at once
//!     Ok(())
//! }
//!
//! let topics = TopicRouter::with_state(db)
//!     .on(Topic::CustomerVerified, verified)
//!     .on([Topic::TransferCompleted, Topic::TransferFailed], settled);
//!
//! let webhooks = WebhookLayer::new(Dwolla::new("the subscription's secret")?, MemoryStore::new())
//!     .topics(topics);
//! let app: axum::Router = axum::Router::new().route_service("/webhooks/dwolla", webhooks);
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! Providers: [`dwolla`], [`standard_webhooks`], [`svix`], [`stripe`], [`github`], [`slack`],
//! [`shopify`], [`square`], [`paddle`], [`linear`] and [`zoom`]; each module says where the secret
//! is found, what is signed and what not, and what the provider does on each response. [`custom`]
//! describes any other by data. Handlers take the payload as a type of yours
//! ([`handler::Payload`]).
//!
//! Many customers behind one endpoint, each with secrets of its own: [`provider::tenant`].
//!
//! Other ways in: a layer in front of any HTTP service or axum handler ([`layer`]), and the
//! signature alone, without tower or a runtime ([`verify`]; the crate needs no features for that).
//!
//! # Handled at once, or stored first
//! ```text
//!                        ┌─ topics ─▶ claim ─▶ handler ─▶ record ─▶ response
//! provider ─▶ verify ────┤
//!                        └─ inbox ──▶ store ─▶ 200          later: worker ─▶ handler ─▶ record
//! ```
//! Where handlers take longer than the provider waits, where it never retries, or where an event
//! that fails must wait for a person, [`WebhookLayer::inbox`] stores each delivery before its
//! response, and [`WebhookLayer::worker`] handles it later. [`inbox`] says which to choose.
//!
//! # What always holds
//! - Nothing unauthenticated reaches a parser, a store or a handler. The MAC is over the raw bytes,
//!   compared in constant time, under every secret. (With [tenants](provider::tenant) a name
//!   reaches your source of secrets, as it must. Only
//!   [`TenantOf::body_field`](provider::tenant::TenantOf::body_field) parses a body before, if you
//!   choose it.)
//! - An event's handler runs once for all its copies: concurrent ones wait for the first and get
//!   its response, later ones get 200.
//! - Nothing is acknowledged before it is handled or stored: a failure, a panic or a store that is
//!   down gets a response that asks for a retry. A provider that never retries (GitHub) needs an
//!   [inbox].
//! - Nothing runs without a claim.
//! - A provider that hangs up cancels nothing half-way.
//! - No secret, tag or body in a log, an error or a `Debug` output; a provider never sees a
//!   handler's error.
//!
//! After a handler has succeeded, it runs again for the same event only if the record was not
//! written (its process died, or a drain gave up on the store), if the record is gone (the store
//! lost it, its retention is over, an operator forgot or replayed it), or if the lease was lost
//! while it ran: [`delivery::Claim::generation`] is a fencing token for that. Where a provider
//! signs no id (GitHub, Shopify, Linear), a captured body under a new id counts as another event,
//! unless [`strict_identity`](layer::WebhookLayerBuilder::strict_identity) is set.
//!
//! # Features
//! | feature | default | what it adds | pulls in |
//! | --- | --- | --- | --- |
//! | `service` | yes | the layer, handlers, drain | tower, tokio (rt, sync, time), http-body |
//! | `memory` | yes | [`MemoryStore`] | dashmap |
//! | `tracing` | yes | a span and an [event](layer#logs) for each delivery | tracing |
//! | `gzip` | yes | [`signature::explain`](signature::explain()) tries compressed bodies | flate2 |
//! | `axum` | no | `Delivery` as an extractor | axum-core |
//! | `metrics` | no | [counters and timings](metrics) | metrics |
//! | `test-util` | no | `testing`: signed requests, a clock, stores that fail, a suite | |
//!
//! Stores that outlive the process are in crates of their own: `tower-webhook-sqlx` (SQLite,
//! Postgres) and `tower-webhook-redis`. [Which store when](store::guide).
//!
//! With none of them: [`signature`], [`event`], [`provider`] and the contract of a [`store`].

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "service")]
pub mod layer;
#[cfg(feature = "service")]
mod receive;
#[cfg(feature = "service")]
pub mod process;
#[cfg(feature = "service")]
pub mod handler;
#[cfg(feature = "service")]
pub mod delivery;
pub mod provider;
pub mod store;
pub mod inbox;
pub mod delivery_log;
pub mod event;
pub mod signature;
pub mod clock;
#[cfg(feature = "service")]
mod error;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "service")]
pub mod metrics;
#[cfg(feature = "test-util")]
pub mod testing;
mod trace;

#[cfg(feature = "service")]
pub use delivery::Delivery;
#[cfg(feature = "service")]
pub use error::{BuildError, Refusal, RefusalKind};
#[cfg(feature = "service")]
pub use handler::{HandlerError, Payload, ResultExt, TopicRouter};
#[cfg(feature = "service")]
pub use layer::{Processor, WebhookLayer};
#[cfg(feature = "service")]
pub use process::Outcome;
#[doc(inline)]
pub use provider::{
    Provider, custom, dwolla, github, linear, paddle, shopify, slack, square, standard_webhooks, stripe, svix, zoom,
};
pub use signature::{verify, verify_at};
#[cfg(feature = "memory")]
pub use store::MemoryStore;

/// The examples of README.md, compiled.
#[cfg(all(doctest, feature = "service", feature = "memory"))]
#[doc = include_str!("../README.md")]
struct Readme;
