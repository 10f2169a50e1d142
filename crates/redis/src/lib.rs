#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod admin;
mod client;
mod connection;
mod name;
mod offset;
mod safety;
mod script;
mod store;
#[cfg(feature = "tls-no-provider")]
mod tls;
mod url;

pub use store::{RedisStore, RedisStoreBuilder};

use tower_webhook::store::{AnyStore, StoreError};

/// Connects to the server that a URL names, as a store whose kind is a setting of the deployment
/// and not of the code: [`RedisStore::connect`], then [`AnyStore::new`].
///
/// # Errors
/// The scheme is not `redis`, `rediss`, `valkey`, `valkeys`, `redis+cluster`, `rediss+cluster` or
/// `redis+sentinel` ([`Config`](tower_webhook::store::StoreErrorKind::Config)); else as
/// [`RedisStore::connect`]. No error repeats the URL.
///
/// # Cancel safety
/// Nothing is left behind when the future is dropped.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let error = tower_webhook_redis::connect("mysql://localhost").await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the store's settings are wrong: its URL has another scheme; expected redis://…, \
///      rediss://…, redis+cluster://…, rediss+cluster://… or redis+sentinel://…"
/// );
/// # });
/// ```
pub async fn connect(url: &str) -> Result<AnyStore, StoreError> {
    match url.split_once(':') {
        Some((
            "redis" | "rediss" | "valkey" | "valkeys" | "redis+cluster" | "rediss+cluster" | "redis+sentinel",
            _,
        )) => RedisStore::connect(url).await.map(AnyStore::new),
        _ => Err(StoreError::config(
            "its URL has another scheme; expected redis://…, rediss://…, redis+cluster://…, rediss+cluster://… or \
             redis+sentinel://…",
        )),
    }
}
