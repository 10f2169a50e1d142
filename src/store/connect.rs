use super::{AnyStore, StoreError};

/// Connects to the store that a URL names, so that it is a setting of the deployment and not of the code.
///
/// | URL | store | feature |
/// | --- | --- | --- |
/// | `memory:` | [`MemoryStore`](super::guide#in-memory), of this process | `memory` (a default) |
/// | `sqlite:<path>` | [`SqliteStore`](super::guide#sqlite), in this file, which is created if it is missing | `sqlite` |
/// | `postgres://user:password@host/database` | [`PostgresStore`](super::guide#postgres), in its table, which is created if it is missing | `postgres` |
/// | `redis://user:password@host/database`, `rediss://` for TLS; `valkey://` and `valkeys://` alike | [`RedisStore`](super::guide#redis) | `redis` |
///
/// `complete_in` is not for a store whose kind is not known: where handlers commit the effect and the record together, open `SqliteStore` or
/// `PostgresStore` itself. Both need [`purge`](super::StoreAdmin::purge) now and then, which any store answers.
///
/// Each is as its own `connect` or `open` makes it; for another table, prefix or limit, use its builder and [`AnyStore::new`].
///
/// # Errors
/// The scheme is unknown, or its feature is not enabled (the error names it); else as the store's own constructor. No error repeats the URL.
///
/// # Cancel safety
/// When the future is dropped, the file or the table may have been created.
///
/// ```
/// # #[cfg(all(feature = "service", feature = "memory"))] {
/// use tower_webhook::{WebhookLayer, dwolla::Dwolla, store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let url = std::env::var("STORE").unwrap_or_else(|_| "memory:".to_owned());
/// let store = store::connect(&url).await?;
/// let webhooks = WebhookLayer::new(Dwolla::new("the subscription's secret")?, store);
///
/// let error = store::connect("mysql://localhost").await.unwrap_err();
/// assert!(error.to_string().contains("\"mysql\"; expected memory:, sqlite:<path>, postgres://"));
/// # Ok(())
/// # }
/// # main().unwrap();
/// # }
/// ```
pub async fn connect(url: &str) -> Result<AnyStore, StoreError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        // Whatever it is, it may be a secret in the wrong place.
        return Err(StoreError::unavailable(format!(
            "its URL has no scheme; expected {EXPECTED}"
        )));
    };
    match scheme {
        "memory" => memory(rest),
        "sqlite" => sqlite(rest).await,
        "postgres" | "postgresql" => postgres(url).await,
        "redis" | "rediss" | "valkey" | "valkeys" => redis(url).await,
        _ if is_scheme(scheme) => Err(StoreError::unavailable(format!(
            "its URL has the scheme {scheme:?}; expected {EXPECTED}"
        ))),
        _ => Err(StoreError::unavailable(format!(
            "its URL begins with no scheme; expected {EXPECTED}"
        ))),
    }
}

const EXPECTED: &str = "memory:, sqlite:<path>, postgres://…, redis://… or rediss://…";

fn is_scheme(text: &str) -> bool {
    text.len() <= 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// What a store says whose feature is off.
#[cfg(not(all(feature = "memory", feature = "sqlite", feature = "postgres", feature = "redis")))]
fn missing(feature: &str) -> StoreError {
    StoreError::unavailable(format!(
        "its URL asks for {feature}, which this program was built without; enable the feature `{feature}` of tower-webhook"
    ))
}

#[cfg(feature = "memory")]
fn memory(rest: &str) -> Result<AnyStore, StoreError> {
    if rest.is_empty() {
        Ok(AnyStore::new(super::MemoryStore::new()))
    } else {
        Err(StoreError::unavailable(
            "its URL has something after memory:; expected nothing (another capacity is set by `MemoryStore::builder`)",
        ))
    }
}

#[cfg(not(feature = "memory"))]
fn memory(_: &str) -> Result<AnyStore, StoreError> {
    Err(missing("memory"))
}

#[cfg(feature = "sqlite")]
async fn sqlite(rest: &str) -> Result<AnyStore, StoreError> {
    // As in other URLs, two slashes may stand before the path: sqlite:///var/lib/app.db is absolute, sqlite://app.db is not.
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.is_empty() || path.starts_with(':') || path.contains('?') {
        return Err(StoreError::unavailable(
            "its URL names no file, or has options; expected sqlite:<path> alone (for a store that forgets, memory:)",
        ));
    }
    super::SqliteStore::open(path).await.map(AnyStore::new)
}

#[cfg(not(feature = "sqlite"))]
async fn sqlite(_: &str) -> Result<AnyStore, StoreError> {
    Err(missing("sqlite"))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str) -> Result<AnyStore, StoreError> {
    super::PostgresStore::connect(url).await.map(AnyStore::new)
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str) -> Result<AnyStore, StoreError> {
    Err(missing("postgres"))
}

#[cfg(feature = "redis")]
async fn redis(url: &str) -> Result<AnyStore, StoreError> {
    super::RedisStore::connect(url).await.map(AnyStore::new)
}

#[cfg(not(feature = "redis"))]
async fn redis(_: &str) -> Result<AnyStore, StoreError> {
    Err(missing("redis"))
}
