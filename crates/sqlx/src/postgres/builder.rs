use std::time::Duration;

use sqlx::PgPool;

use tower_webhook::store::StoreError;

use super::{PostgresStore, pool::Pool};
use crate::row::{KEEP_BODIES, Table};

/// As many connections as keep a server's disk busy, and few enough for several instances on a
/// small server.
const CONNECTIONS: u32 = 8;

/// Makes a [`PostgresStore`].
///
/// ```no_run
/// # async fn example() -> Result<(), tower_webhook::store::StoreError> {
/// use tower_webhook_sqlx::PostgresStore;
///
/// let store = PostgresStore::builder()
///     .table("webhooks.seen")
///     .create_table(false) // PostgresStore::SCHEMA was run by hand
///     .max_connections(4)
///     .connect("postgres://app:password@db.internal/app")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresStoreBuilder {
    table: Option<String>,
    creates: bool,
    max_connections: u32,
    keep_bodies: Duration,
}

impl PostgresStoreBuilder {
    pub(super) fn new() -> Self {
        Self {
            table: None,
            creates: true,
            max_connections: CONNECTIONS,
            keep_bodies: KEEP_BODIES,
        }
    }

    /// The table's name, by default `webhook_events`: a to z, 0 to 9 and `_`, after a schema and a
    /// dot if you like.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// Whether the table is created where it is missing; by default it is. Otherwise
    /// [`PostgresStore::SCHEMA`] has to have been run before.
    #[must_use]
    pub fn create_table(mut self, creates: bool) -> Self {
        self.creates = creates;
        self
    }

    /// How many connections there are at most, by default 8. A pool that is
    /// [given](Self::with_pool) has its own limit.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = connections;
        self
    }

    /// For how long the body of a finished delivery is kept at least, by default 7 days; then
    /// [`purge`](tower_webhook::store::StoreAdmin::purge) removes it, with its headers and its
    /// failed attempts, and it cannot be replayed any more. What is not finished, and what is dead,
    /// keeps its body.
    #[must_use]
    pub fn keep_bodies(mut self, time: Duration) -> Self {
        self.keep_bodies = time;
        self
    }

    /// Connects to `postgres://user:password@host:port/database`. TLS by `?sslmode=verify-full`
    /// (with the machine's certificate authorities, or `&sslrootcert=`); all of it as [sqlx
    /// documents](https://docs.rs/sqlx/0.9/sqlx/postgres/struct.PgConnectOptions.html) it.
    /// `?pgbouncer=true` [behind a pooler](PostgresStore#behind-pgbouncer) in transaction mode.
    ///
    /// # Errors
    /// The URL is invalid, the server does not respond, refuses or is a standby, the table name is
    /// invalid, the table is missing or has other columns, or a pooler shares sessions and the URL
    /// does not say so. No error repeats the URL.
    pub async fn connect(self, url: &str) -> Result<PostgresStore, StoreError> {
        let pool = Pool::to(url, self.max_connections).await?;
        self.open(pool).await
    }

    /// Uses connections of this pool, which keep their settings; each has a session of the server
    /// to itself.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn with_pool(self, pool: PgPool) -> Result<PostgresStore, StoreError> {
        self.open(Pool::given(pool)).await
    }

    async fn open(self, pool: Pool) -> Result<PostgresStore, StoreError> {
        let table = match &self.table {
            Some(name) => Table::new(name)?,
            None => Table::default(),
        };
        PostgresStore::open_with(pool, &table, self.creates, self.keep_bodies).await
    }
}
