//! Connections that keep what they promise, and what their errors mean.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Row, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteQueryResult, SqliteRow, SqliteSynchronous},
};
use tokio::sync::{Mutex, MutexGuard};

use tower_webhook::store::StoreError;

/// How long a statement waits for another process that writes: less than the layer waits for a
/// store (2 s), so that it is the statement that gives up and not the layer.
pub(super) const BUSY: Duration = Duration::from_millis(1500);
/// How long, and after which pause, opening is tried again while another process puts the file into
/// WAL mode: SQLite does not wait for that by itself.
const OPENING: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(25);

/// The pages that a connection keeps in memory, as SQLite has it: 8 MiB. Of the 2 that are usual,
/// little serves those who look up random ids.
const CACHE: &str = "-8192";
/// How many rows may be on their way from the connection's thread: as many as are read at once.
const ROWS: usize = 256;

pub(super) type Statement<'q> = Query<'q, Sqlite, <Sqlite as sqlx::Database>::Arguments>;

/// One connection for those who queue for it. It is opened again should its thread have died.
pub(super) struct Connection {
    options: SqliteConnectOptions,
    live: Mutex<Option<SqliteConnection>>,
}

impl Connection {
    pub(super) async fn open(options: SqliteConnectOptions) -> Result<Self, StoreError> {
        let live = open(&options).await?;
        Ok(Self {
            // Once it was there, it is not made anew in silence: all would run again.
            options: options.create_if_missing(false),
            live: Mutex::new(Some(live)),
        })
    }

    /// Runs a statement that gives no rows; how many it changed.
    pub(super) async fn execute(&self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let mut live = self.lock().await;
        let mut connection = live.take().await?;
        let result = statement.execute(&mut connection).await;
        live.give_back(connection, result.as_ref().err());
        result.as_ref().map(SqliteQueryResult::rows_affected).map_err(error)
    }

    /// Runs a statement that reads.
    pub(super) async fn rows(&self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        let mut live = self.lock().await;
        let mut connection = live.take().await?;
        let result = statement.fetch_all(&mut connection).await;
        live.give_back(connection, result.as_ref().err());
        result.map_err(|failed| error(&failed))
    }

    pub(super) async fn lock(&self) -> Live<'_> {
        Live {
            options: &self.options,
            connection: self.live.lock().await,
        }
    }
}

/// The connection, for whom it is the turn of.
pub(super) struct Live<'c> {
    options: &'c SqliteConnectOptions,
    connection: MutexGuard<'c, Option<SqliteConnection>>,
}

impl Live<'_> {
    /// A caller that is dropped with the connection in hand closes it, and what was open on it is
    /// rolled back.
    pub(super) async fn take(&mut self) -> Result<SqliteConnection, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => open(self.options).await,
        }
    }

    /// Gives it back, unless it is dead.
    pub(super) fn give_back(&mut self, connection: SqliteConnection, failed: Option<&sqlx::Error>) {
        if !matches!(failed, Some(sqlx::Error::WorkerCrashed)) {
            *self.connection = Some(connection);
        }
    }
}

/// How every connection to the file is opened.
pub(super) fn options(path: &Path, max_pages: Option<u32>) -> SqliteConnectOptions {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk when it is acknowledged: a DONE that a power cut takes back is a
        // second run.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .pragma("cache_size", CACHE)
        .row_buffer_size(ROWS)
        .disable_statement_logging();
    match max_pages {
        Some(pages) => options.pragma("max_page_count", pages.to_string()),
        None => options,
    }
}

pub(super) async fn open(options: &SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    let began = Instant::now();
    loop {
        match options.connect().await {
            Err(failed) if is_busy(&failed) && began.elapsed() < OPENING => tokio::time::sleep(PAUSE).await,
            Err(failed) if is_busy(&failed) => {
                return Err(StoreError::unavailable(
                    "the file stays locked; expected another process to have opened it by now",
                ));
            }
            Err(failed) => {
                return Err(StoreError::unavailable(format!(
                    "cannot open {:?}: {failed}; expected a database, or a folder in which one can be created",
                    options.get_filename()
                )));
            }
            Ok(mut connection) => {
                check(&mut connection).await?;
                return Ok(connection);
            }
        }
    }
}

/// Settings that SQLite did not take are no settings: it says nothing where a file system has no
/// shared memory, say.
async fn check(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let journal: String = pragma(connection, "PRAGMA journal_mode").await?;
    if journal != "wal" {
        return Err(StoreError::unavailable(format!(
            "the file's journal mode is {journal:?}; expected \"wal\": it takes a file on a local file system"
        )));
    }
    waits_for_the_disk(connection).await
}

/// Whether what this connection commits survives a power cut.
pub(super) async fn waits_for_the_disk(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let synchronous: i64 = pragma(connection, "PRAGMA synchronous").await?;
    if synchronous < 2 {
        return Err(StoreError::unavailable(format!(
            "PRAGMA synchronous is {synchronous}; expected 2 (FULL), so that what is finished is on the disk"
        )));
    }
    Ok(())
}

async fn pragma<T>(connection: &mut SqliteConnection, question: &'static str) -> Result<T, StoreError>
where
    T: for<'r> sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    let row = sqlx::query(question).fetch_one(connection).await;
    row.and_then(|row| row.try_get(0)).map_err(|failed| error(&failed))
}

/// SQLite's result code: the primary one is its low byte.
fn code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    matches!(code(error), Some(BUSY | LOCKED))
}

/// The meaning of an error of the driver. Its text only: the driver's types are nobody's business
/// outside.
pub(super) fn error(error: &sqlx::Error) -> StoreError {
    const FULL: i32 = 13;
    match (code(error), error.as_database_error()) {
        (Some(FULL), Some(said)) => StoreError::full(format!(
            "SQLite says {:?}; expected room on the disk, and below max_page_count if it is set: purge, or raise it",
            said.message()
        )),
        (Some(code), Some(said)) if is_busy(error) => StoreError::unavailable(format!(
            "SQLite says {:?} (code {code}): another connection has been writing for longer than {BUSY:?}",
            said.message()
        )),
        (Some(code), Some(said)) => StoreError::unavailable(format!("SQLite says {:?} (code {code})", said.message())),
        _ => StoreError::unavailable(error.to_string()),
    }
}
