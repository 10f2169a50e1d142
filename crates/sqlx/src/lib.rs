#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod delivery_log;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod group;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod row;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use delivery_log::{SqlDeliveryLog, SqlDeliveryLogBuilder};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresStore, PostgresStoreBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteStore, SqliteStoreBuilder};

use tower_webhook::{
    inbox::AnyInbox,
    store::{AnyStore, StoreError},
};

/// Opens the database that a URL names, as a store whose kind is a setting of the deployment and
/// not of the code.
///
/// | URL | store | feature |
/// | --- | --- | --- |
/// | `sqlite:<path>` | `SqliteStore`, in this file | `sqlite` |
/// | `postgres://user:password@host/database` | `PostgresStore`, in its table | `postgres` |
///
/// With `?pgbouncer=true`, Postgres behind `PgBouncer` in transaction mode.
///
/// The file and the table are created if they are missing.
///
/// `complete_in` is not for a store whose kind is not known: where handlers commit the effect and
/// the record together, open `SqliteStore` or `PostgresStore` itself. For another table or limit,
/// use its builder and [`AnyStore::new`].
///
/// # Errors
/// The scheme is another, or its feature is not enabled, which the error names
/// ([`Config`](tower_webhook::store::StoreErrorKind::Config)); else as the store's own constructor.
/// No error repeats the URL.
///
/// # Cancel safety
/// When the future is dropped, the file or the table may have been created.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let error = tower_webhook_sqlx::connect("mysql://localhost").await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the store's settings are wrong: its URL has another scheme; expected sqlite:<path> or \
///      postgres://…"
/// );
/// # });
/// ```
pub async fn connect(url: &str) -> Result<AnyStore, StoreError> {
    connect_inbox(url).await.map(AnyStore::from)
}

/// Opens the database that a URL names, as an inbox whose kind is a setting of the deployment. All
/// else is as with [`connect`].
///
/// # Errors
/// As [`connect`].
///
/// # Cancel safety
/// When the future is dropped, the file or the table may have been created.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_webhook::{WebhookLayer, dwolla::Dwolla};
///
/// let store = tower_webhook_sqlx::connect_inbox(&std::env::var("STORE")?).await?;
/// let layer = WebhookLayer::new(Dwolla::new("the subscription's secret")?, store);
/// let service = layer.inbox();
/// # Ok(())
/// # }
/// ```
pub async fn connect_inbox(url: &str) -> Result<AnyInbox, StoreError> {
    match Named::of(url)? {
        Named::Sqlite(path) => open_sqlite(path).await,
        Named::Postgres => connect_postgres(url).await,
    }
}

/// Which database a URL names.
pub(crate) enum Named<'u> {
    /// The file with this path.
    Sqlite(&'u str),
    Postgres,
}

impl<'u> Named<'u> {
    fn of(url: &'u str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => {
                // As in other URLs, two slashes may stand before the path: sqlite:///var/lib/app.db
                // is absolute, sqlite://app.db is not.
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() || path.starts_with(':') || path.contains('?') {
                    return Err(StoreError::config(
                        "its URL names no file, or has options; expected sqlite:<path> alone (for a store that forgets, take tower_webhook::MemoryStore)",
                    ));
                }
                Ok(Self::Sqlite(path))
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres),
            _ => Err(StoreError::config(
                "its URL has another scheme; expected sqlite:<path> or postgres://…",
            )),
        }
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: &str) -> Result<AnyInbox, StoreError> {
    SqliteStore::open(path).await.map(AnyInbox::new)
}

#[cfg(feature = "postgres")]
async fn connect_postgres(url: &str) -> Result<AnyInbox, StoreError> {
    PostgresStore::connect(url).await.map(AnyInbox::new)
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_: &str) -> Result<AnyInbox, StoreError> {
    Err(missing("sqlite"))
}

#[cfg(not(feature = "postgres"))]
async fn connect_postgres(_: &str) -> Result<AnyInbox, StoreError> {
    Err(missing("postgres"))
}

/// The error of a store whose feature is off.
#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
fn missing(feature: &str) -> StoreError {
    StoreError::config(format!(
        "its URL asks for {feature}, which this program was built without; enable the feature `{feature}` of tower-webhook-sqlx"
    ))
}

#[cfg(test)]
mod tests {
    /// With each feature alone, this looks at the other.
    #[tokio::test]
    async fn a_store_whose_feature_is_off_names_the_feature() {
        let stores = [
            (cfg!(feature = "sqlite"), "sqlite:webhooks.db", "sqlite"),
            (cfg!(feature = "postgres"), "postgres://u:hunter2@host/db", "postgres"),
        ];
        for (_, url, feature) in stores.iter().filter(|(is_on, ..)| !is_on) {
            assert_eq!(
                super::connect(url).await.unwrap_err().to_string(),
                format!(
                    "the store's settings are wrong: its URL asks for {feature}, which this program was built without; \
                     enable the feature `{feature}` of tower-webhook-sqlx"
                )
            );
        }
    }
}
