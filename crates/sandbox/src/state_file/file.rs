//! The file itself: whose it is, and what is in it.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteLockingMode},
};

use super::Changes;
use crate::{Error, ErrorKind, keep::Entries};

/// `twsb`, in the place that SQLite has for whose file it is.
const APPLICATION: i32 = i32::from_be_bytes(*b"twsb");

/// The version of the table and the entries: a new one for each change that an older sandbox cannot
/// read.
const VERSION: i32 = 1;

/// How long a sandbox waits for one that is ending.
const BUSY: Duration = Duration::from_secs(1);

pub(super) struct File {
    connection: SqliteConnection,
}

impl File {
    /// Opens it for this sandbox alone, and reads it.
    pub(super) async fn open(path: &Path) -> Result<(Self, Entries), Error> {
        let name = path.display();
        let failed = |error: sqlx::Error| refusal(path, error);
        // Nothing is changed before it is known whose file it is: no journal's mode either.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .locking_mode(SqliteLockingMode::Exclusive)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut connection = options.connect().await.map_err(failed)?;
        let application: i32 = pragma(&mut connection, "PRAGMA application_id").await.map_err(failed)?;
        let version: i32 = pragma(&mut connection, "PRAGMA user_version").await.map_err(failed)?;
        let tables: i64 = pragma(&mut connection, "SELECT count(*) FROM sqlite_schema")
            .await
            .map_err(failed)?;
        let refuse = |message: String| Err(Error::new(ErrorKind::State, message));
        match (application, version) {
            (0, 0) if tables == 0 => {}
            (APPLICATION, VERSION) => {}
            (APPLICATION, _) => {
                return refuse(format!(
                    "the state file {name} has version {version}; expected {VERSION}: run the sandbox that wrote it, or \
                     begin with another file"
                ));
            }
            _ => {
                return refuse(format!(
                    "the state file {name} is another program's database; expected a sandbox's, or a name that is free: \
                     choose another"
                ));
            }
        }
        // With the lock held as long as the file is open, a second sandbox is refused, and none can
        // get between what is in memory and what is in the file.
        // What is committed survives the process. A power cut may take the last of it.
        let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL".to_owned();
        run(&mut connection, settings).await.map_err(failed)?;
        let schema = format!(
            "BEGIN IMMEDIATE; \
             CREATE TABLE IF NOT EXISTS entries \
             (kind TEXT NOT NULL, place INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (kind, place)) \
             STRICT, WITHOUT ROWID; \
             PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT"
        );
        run(&mut connection, schema).await.map_err(failed)?;
        let rows = sqlx::query("SELECT kind, place, entry FROM entries ORDER BY kind, place");
        let mut entries = Entries::new();
        for row in rows.fetch_all(&mut connection).await.map_err(failed)? {
            let kind: String = row.try_get(0).map_err(failed)?;
            let place: i64 = row.try_get(1).map_err(failed)?;
            let entry = row.try_get(2).map_err(failed)?;
            entries.entry(kind).or_default().push((place.cast_unsigned(), entry));
        }
        Ok((Self { connection }, entries))
    }

    /// All of it, or nothing.
    pub(super) async fn write(&mut self, changes: &Changes) -> Result<(), String> {
        let result = self.try_write(changes).await;
        if result.is_err() {
            // SQLite may have done so itself. sqlx's own transactions lose count of that, and take
            // the next one for a part of this.
            let _ = run(&mut self.connection, "ROLLBACK".to_owned()).await;
        }
        result.map_err(|error| {
            format!(
                "the state file cannot be written: {error}; expected room on its disk, and nobody else to change it"
            )
        })
    }

    async fn try_write(&mut self, changes: &Changes) -> Result<(), sqlx::Error> {
        run(&mut self.connection, "BEGIN IMMEDIATE".to_owned()).await?;
        for ((kind, place), entry) in changes {
            let statement = match entry {
                Some(_) => "INSERT OR REPLACE INTO entries (kind, place, entry) VALUES (?1, ?2, ?3)",
                None => "DELETE FROM entries WHERE kind = ?1 AND place = ?2",
            };
            let mut query = sqlx::query(statement).bind(*kind).bind(place.cast_signed());
            if let Some(entry) = entry {
                query = query.bind(entry);
            }
            query.execute(&mut self.connection).await?;
        }
        run(&mut self.connection, "COMMIT".to_owned()).await
    }

    pub(super) async fn close(self) {
        // What it is told last is in the file already.
        let _ = self.connection.close().await;
    }
}

async fn run(connection: &mut SqliteConnection, statements: String) -> Result<(), sqlx::Error> {
    let result = sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(connection).await;
    result.map(drop)
}

async fn pragma<T>(connection: &mut SqliteConnection, question: &'static str) -> Result<T, sqlx::Error>
where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    sqlx::query(question).fetch_one(connection).await?.try_get(0)
}

/// Why the file cannot be had. SQLite's code: the primary one is its low byte.
fn refusal(path: &Path, error: sqlx::Error) -> Error {
    const BUSY: i32 = 5;
    const NOT_A_DATABASE: i32 = 26;
    let name = path.display();
    let code = error
        .as_database_error()
        .and_then(|error| error.code()?.parse::<i32>().ok());
    let message = match code.map(|code| code & 0xff) {
        Some(BUSY) => format!(
            "the state file {name} is in use; expected it to be this sandbox's alone: stop the other one, or choose \
             another file"
        ),
        Some(NOT_A_DATABASE) => format!(
            "the state file {name} is no SQLite file; expected a sandbox's, or a name that is free: choose another"
        ),
        _ => format!("the state file {name} cannot be opened; expected a file in a folder that can be written to"),
    };
    Error::caused_by(ErrorKind::State, message, error)
}
