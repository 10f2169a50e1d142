//! Receive webhooks.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod provider;
pub mod store;
pub mod event;
pub mod signature;
pub mod clock;
#[cfg(feature = "test-util")]
pub mod testing;
mod trace;

pub use provider::dwolla;
