mod queue;
mod row;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};
use tower_webhook::{
    delivery_log::{DeliveryLog, DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader, Numbered, PerMinute, Reading},
    store::StoreError,
};

use self::queue::{Message, write_all};
pub(crate) use self::row::Conditions;
#[cfg(not(all(feature = "sqlite", feature = "postgres")))]
use crate::missing;

/// For how long entries are kept by default.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many entries may wait to be written.
const QUEUE: usize = 8192;

/// A [delivery log](tower_webhook::delivery_log) in a table of SQLite or Postgres, which survives
/// the process, and which an operator of another process can read. Cheap to clone: clones are the
/// same log.
///
/// [`record`](DeliveryLog::record) puts an entry into a queue of 8,192. A task writes what waits
/// there, at most every 200 ms, up to 500 entries in one statement; a delivery never waits for it.
/// While the database does not respond, the task tries again, and what the queue has no room for is
/// [lost](Self::lost). When the last clone is dropped, what waits is written, as long as the
/// runtime lives; [`flush`](Self::flush) waits for that.
///
/// Entries older than the [retention](SqlDeliveryLogBuilder::retention) are deleted at the start
/// and each hour. Times are kept to the microsecond. Several processes may write to one table.
///
/// In SQLite, choose a file of its own: a batch would hold up the claims of a store in the same
/// file for some milliseconds.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
/// use tower_webhook_sqlx::SqlDeliveryLog;
///
/// # let folder = std::env::temp_dir().join(format!("tower-webhook log {}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let url = format!("sqlite:{}", folder.join("deliveries.db").display());
/// let log = SqlDeliveryLog::connect(&url).await?; // "sqlite:deliveries.db", "postgres://…"
/// let layer = WebhookLayer::builder(Dwolla::new("the subscription's secret")?, MemoryStore::new())
///     .delivery_log(log.clone())
///     .build()?;
///
/// // on SIGTERM, after the drain:
/// log.flush().await;
/// # drop((layer, log));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SqlDeliveryLog {
    queue: mpsc::Sender<Message>,
    shared: Arc<Shared>,
}

struct Shared {
    table: Box<dyn DeliveryTable>,
    lost: AtomicU64,
    failure: Mutex<Option<StoreError>>,
}

/// The table, in one of the databases. Rows are JSON, which both take apart.
pub(crate) trait DeliveryTable: Send + Sync {
    /// Writes an array of rows.
    fn insert<'a>(&'a self, rows: &'a str) -> Reading<'a, ()>;

    /// Numbers and rows before a number, the newest first.
    fn list<'a>(&'a self, conditions: &'a Conditions, before: i64, limit: i64) -> Reading<'a, Vec<(i64, String)>>;

    /// Minutes since 1970, outcomes and counts.
    fn per_minute<'a>(&'a self, conditions: &'a Conditions) -> Reading<'a, Vec<(i64, String, i64)>>;

    /// Deletes what ended before this time, in microseconds since 1970.
    fn purge(&self, before: i64) -> Reading<'_, ()>;
}

impl SqlDeliveryLog {
    /// The statements that make the table in SQLite, to be run by hand where the application may
    /// not.
    #[cfg(feature = "sqlite")]
    pub const SCHEMA_SQLITE: &'static str = crate::sqlite::Deliveries::SCHEMA;

    /// The statements that make the table in Postgres, to be run by hand where the application may
    /// not.
    #[cfg(feature = "postgres")]
    pub const SCHEMA_POSTGRES: &'static str = crate::postgres::Deliveries::SCHEMA;

    /// Opens the table `webhook_deliveries` that a URL leads to, with the defaults:
    /// `sqlite:<path>`, or `postgres://user:password@host/database`.
    ///
    /// # Errors
    /// As [`connect`](crate::connect).
    ///
    /// # Panics
    /// There is no Tokio runtime.
    ///
    /// # Cancel safety
    /// When the future is dropped, the file or the table may have been created.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Settings for a log.
    #[must_use]
    pub fn builder() -> SqlDeliveryLogBuilder {
        SqlDeliveryLogBuilder { retention: RETENTION }
    }

    /// Waits until everything is written that was recorded before. While the database does not
    /// respond, that is long: give it a timeout.
    ///
    /// # Cancel safety
    /// When the future is dropped, the entries are written all the same.
    pub async fn flush(&self) {
        let (written, is_written) = oneshot::channel();
        if self.queue.send(Message::Flush(written)).await.is_ok() {
            let _ = is_written.await; // an error: its runtime has ended, and the task with it
        }
    }

    /// How many entries were lost: the queue was full, or the database refused them for minutes.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// The error of the latest attempt to write; `None` if it has succeeded.
    #[must_use]
    pub fn last_failure(&self) -> Option<StoreError> {
        self.shared
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Shared {
    fn note(&self, failure: Option<StoreError>) {
        // Nothing panics while it is held.
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    fn lose(&self, entries: usize) {
        self.lost.fetch_add(entries as u64, Ordering::Relaxed);
    }
}

impl DeliveryLog for SqlDeliveryLog {
    fn record(&self, entry: DeliveryLogEntry) {
        if self.queue.try_send(Message::DeliveryLogEntry(Box::new(entry))).is_err() {
            self.shared.lose(1);
        }
    }
}

impl DeliveryLogReader for SqlDeliveryLog {
    fn list<'a>(
        &'a self,
        filter: &'a DeliveryLogFilter,
        before: Option<u64>,
        limit: usize,
    ) -> Reading<'a, Vec<Numbered>> {
        Box::pin(async move {
            let conditions = Conditions::of(filter)?;
            let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let rows = self.shared.table.list(&conditions, before, limit).await?;
            rows.into_iter().map(|(number, row)| row::read(number, &row)).collect()
        })
    }

    fn per_minute<'a>(&'a self, filter: &'a DeliveryLogFilter) -> Reading<'a, Vec<PerMinute>> {
        Box::pin(async move {
            let conditions = Conditions::of(filter)?;
            let counts = self.shared.table.per_minute(&conditions).await?;
            Ok(counts.into_iter().map(row::per_minute).collect())
        })
    }
}

impl fmt::Debug for SqlDeliveryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlDeliveryLog")
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

/// Makes a [`SqlDeliveryLog`].
///
/// ```no_run
/// # async fn example() -> Result<(), tower_webhook::store::StoreError> {
/// use std::time::Duration;
/// use tower_webhook_sqlx::SqlDeliveryLog;
///
/// let log = SqlDeliveryLog::builder()
///     .retention(Duration::from_secs(24 * 3600))
///     .connect("postgres://app:password@db.internal/app")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqlDeliveryLogBuilder {
    retention: Duration,
}

impl SqlDeliveryLogBuilder {
    /// For how long entries are kept; by default 7 days.
    #[must_use]
    pub fn retention(mut self, time: Duration) -> Self {
        self.retention = time;
        self
    }

    /// Opens the log; see [`SqlDeliveryLog::connect`].
    ///
    /// # Errors
    /// As [`connect`](crate::connect).
    ///
    /// # Panics
    /// There is no Tokio runtime.
    ///
    /// # Cancel safety
    /// When the future is dropped, the file or the table may have been created.
    pub async fn connect(self, url: &str) -> Result<SqlDeliveryLog, StoreError> {
        let table = table_of(url).await?;
        let shared = Arc::new(Shared {
            table,
            lost: AtomicU64::new(0),
            failure: Mutex::default(),
        });
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write_all(Arc::clone(&shared), waiting, self.retention));
        Ok(SqlDeliveryLog { queue, shared })
    }
}

async fn table_of(url: &str) -> Result<Box<dyn DeliveryTable>, StoreError> {
    match crate::Named::of(url)? {
        #[cfg(feature = "sqlite")]
        crate::Named::Sqlite(path) => Ok(Box::new(crate::sqlite::Deliveries::open(path).await?)),
        #[cfg(not(feature = "sqlite"))]
        crate::Named::Sqlite(_) => Err(missing("sqlite")),
        #[cfg(feature = "postgres")]
        crate::Named::Postgres => Ok(Box::new(crate::postgres::Deliveries::connect(url).await?)),
        #[cfg(not(feature = "postgres"))]
        crate::Named::Postgres => Err(missing("postgres")),
    }
}

/// The statement for a certain event, which its index then finds: with a condition that may be
/// none, no index is used.
pub(crate) fn of_event(statement: &str, maybe: &str, certain: &str) -> String {
    statement.replace(maybe, certain)
}
