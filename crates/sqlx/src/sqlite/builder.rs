use std::{path::Path, time::Duration};

use sqlx::sqlite::SqliteConnectOptions;

use tower_webhook::store::{StoreError, StoreIdentity};

use super::{SqliteStore, connection};
use crate::row::{KEEP_BODIES, Table};

/// Makes a [`SqliteStore`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower_webhook_sqlx::SqliteStore;
///
/// # let folder = format!("tower-webhook doc builder {}", std::process::id());
/// # let folder = std::env::temp_dir().join(folder);
/// # std::fs::create_dir_all(&folder).unwrap();
/// let store = SqliteStore::builder().table("seen").open(folder.join("webhooks.db")).await?;
/// # drop(store);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), tower_webhook::store::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct SqliteStoreBuilder {
    table: Option<String>,
    creates: bool,
    max_pages: Option<u32>,
    keep_bodies: Duration,
}

impl SqliteStoreBuilder {
    pub(super) fn new() -> Self {
        Self {
            table: None,
            creates: true,
            max_pages: None,
            keep_bodies: KEEP_BODIES,
        }
    }

    /// The table's name, by default `webhook_events`: a to z, 0 to 9 and `_`.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// Whether the table is created where it is missing; by default it is. Otherwise
    /// [`SqliteStore::SCHEMA`] has to have been run before.
    #[must_use]
    pub fn create_table(mut self, creates: bool) -> Self {
        self.creates = creates;
        self
    }

    /// At most this many pages (4,096 bytes each, unless the file has others) for the whole file,
    /// by `PRAGMA max_page_count`; by default as many as there is room for. Beyond, claims are
    /// refused as full, and providers asked to come again.
    #[must_use]
    pub fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }

    /// How long an inbox keeps the body of a finished event, so that it can be looked at and
    /// replayed; by default 7 days. Then [`purge`](tower_webhook::store::StoreAdmin::purge) drops
    /// it. What is not finished, or is dead, is kept in any case.
    #[must_use]
    pub fn keep_bodies(mut self, time: Duration) -> Self {
        self.keep_bodies = time;
        self
    }

    /// Opens the file, creating it where it is missing.
    ///
    /// # Errors
    /// The file cannot be opened or is not a database, SQLite did not take a setting, the table
    /// name is invalid, or the table is missing or has other columns.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let table = match &self.table {
            Some(name) => Table::new(name)?,
            None => Table::default(),
        };
        if table.schema().is_some() {
            return Err(StoreError::config(
                "the table's name has a schema before it; expected none in SQLite",
            ));
        }
        let options = connection::options(path.as_ref(), self.max_pages);
        SqliteStore::open_with(options, &table, self.creates, self.keep_bodies).await
    }
}

/// For the connection that writes. It does not wait by itself for another process, and keeps the
/// pages as they were before a statement in memory: SQLite makes a file for more than 64 KiB of
/// them, which was a fifth of what a commit of 16 deposits took.
pub(super) fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.busy_timeout(Duration::ZERO).pragma("temp_store", "MEMORY")
}

/// The file by its real path, and the table.
pub(super) fn identity(options: &SqliteConnectOptions, table: &Table) -> StoreIdentity {
    let path = options.get_filename();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    StoreIdentity::at("SqliteStore", format!("{}, table {table}", path.display()))
}
