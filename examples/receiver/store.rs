//! The store, by its URL.

use tower_webhook::{
    inbox::AnyInbox,
    store::{AnyStore, MemoryStore, StoreError},
};

const EXPECTED: &str = "memory:, sqlite:<path>, postgres://…, redis://…, rediss://…, redis+cluster://…, \
                        rediss+cluster://… or redis+sentinel://…";

/// Opens the store that a URL names, so that it is a setting of the deployment and not of the code.
/// No error repeats the URL: it may hold a password, or be a secret in the wrong place.
pub(crate) async fn open(url: &str) -> Result<AnyStore, StoreError> {
    let (scheme, rest) = url.split_once(':').ok_or_else(without_scheme)?;
    match scheme {
        "memory" if rest.is_empty() => Ok(AnyStore::new(MemoryStore::new())),
        "memory" => Err(StoreError::config(
            "its URL has something after memory:; expected nothing (another capacity is set by `MemoryStore::builder`)",
        )),
        "sqlite" | "postgres" | "postgresql" => tower_webhook_sqlx::connect(url).await,
        "redis" | "rediss" | "valkey" | "valkeys" | "redis+cluster" | "redis+sentinel" => {
            tower_webhook_redis::connect(url).await
        }
        "rediss+cluster" => {
            // TLS to a cluster takes its cryptography from the process. One that is installed
            // already stays.
            let _ = rustls::crypto::ring::default_provider().install_default();
            tower_webhook_redis::connect(url).await
        }
        _ => Err(unknown(scheme)),
    }
}

/// The same as an inbox: a store that keeps deliveries until a worker has handled them.
pub(crate) async fn open_inbox(url: &str) -> Result<AnyInbox, StoreError> {
    let (scheme, _) = url.split_once(':').ok_or_else(without_scheme)?;
    match scheme {
        "sqlite" | "postgres" | "postgresql" => tower_webhook_sqlx::connect_inbox(url).await,
        "memory" => Err(StoreError::config(
            "INBOX=1 needs a store that outlives the process, and memory: forgets; expected sqlite:<path> or postgres://…",
        )),
        "redis" | "rediss" | "valkey" | "valkeys" | "redis+cluster" | "rediss+cluster" | "redis+sentinel" => {
            Err(StoreError::config(
                "INBOX=1 needs a store that has a delivery on the disk before its response, and Redis may lose the last \
             second; expected sqlite:<path> or postgres://…",
            ))
        }
        _ => Err(unknown(scheme)),
    }
}

fn without_scheme() -> StoreError {
    StoreError::config(format!("its URL has no scheme; expected {EXPECTED}"))
}

fn unknown(scheme: &str) -> StoreError {
    if is_scheme(scheme) {
        return StoreError::config(format!("its URL has the scheme {scheme:?}; expected {EXPECTED}"));
    }
    StoreError::config(format!("its URL begins with no scheme; expected {EXPECTED}"))
}

fn is_scheme(text: &str) -> bool {
    text.len() <= 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}
