//! Receive webhooks.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "service")]
pub mod layer;
#[cfg(feature = "service")]
mod receive;
#[cfg(feature = "service")]
pub mod handler;
pub mod provider;
pub mod store;
pub mod event;
pub mod signature;
pub mod clock;
#[cfg(feature = "service")]
mod error;
#[cfg(feature = "axum")]
pub mod axum;
mod trace;

#[cfg(feature = "service")]
pub use error::{BuildError, Rejection, RejectionKind};
#[cfg(feature = "service")]
pub use event::Delivery;
#[cfg(feature = "service")]
pub use handler::{HandlerError, ResultExt, TopicRouter};
#[cfg(feature = "service")]
pub use layer::WebhookLayer;
pub use provider::dwolla;
pub use signature::{verify, verify_at};
#[cfg(feature = "memory")]
pub use store::MemoryStore;
