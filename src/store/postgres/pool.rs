//! Connections for single statements, and what their errors mean.

use std::{
    mem,
    str::FromStr as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
    query::Query,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{sleep, timeout},
};

use super::super::StoreError;

/// How long to wait for a connection; the layer waits less for the whole operation (2 s).
const CONNECT: Duration = Duration::from_secs(5);
/// How long anything may take whose caller has no limit of its own.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a connection is kept from sqlx's pool, which then looks at its age: much less than the least time that the pool gives one
/// that is idle (10 min).
const KEEP: Duration = Duration::from_secs(60);

/// What a session of ours is set to, whatever the server's or the role's defaults. The statements are single rows': what takes longer
/// than this waits for a lock that nobody should hold for so long, and its caller has given up. They are written for READ COMMITTED.
const SESSION: &str = "SET statement_timeout = '5s'; SET default_transaction_isolation = 'read committed'";

pub(super) type Statement<'q> = Query<'q, Postgres, <Postgres as sqlx::Database>::Arguments>;

pub(super) struct Pool {
    pool: PgPool,
    /// Of a pool that nobody else uses.
    kept: Option<Kept>,
}

/// Connections between two statements. sqlx's pool asks each that is given back how it is, and as long as that takes, a round trip, nobody
/// can use it: it would be as many round trips more as there are statements. Those that are kept are given back now and then.
struct Kept {
    /// As many as there may be connections: who has one finds a connection here, or room for one in the pool.
    permits: Semaphore,
    connections: Mutex<Vec<Connection>>,
}

struct Connection {
    inner: PoolConnection<Postgres>,
    /// When the pool gave it.
    since: Instant,
}

impl Pool {
    /// Connections to this server, which has answered.
    pub(super) async fn to(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        // What is wrong with a URL is not said with its words: it has the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            StoreError::unavailable(
                "the URL is not understood; expected postgres://user:password@host:port/database?options",
            )
        })?;
        answers(&options).await?;
        let max_connections = max_connections.max(1);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(CONNECT)
            // A connection that died while it was idle is found by the statement, which is then run on another: no round trip for a test.
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move { sqlx::raw_sql(SESSION).execute(connection).await.map(drop) })
            })
            .connect_lazy_with(options.disable_statement_logging());
        let permits = usize::try_from(max_connections)
            .map_or(Semaphore::MAX_PERMITS, |permits| permits.min(Semaphore::MAX_PERMITS));
        Ok(Self {
            pool,
            kept: Some(Kept {
                permits: Semaphore::new(permits),
                connections: Mutex::default(),
            }),
        })
    }

    /// Others use it, too: what is kept would be missing there.
    pub(super) fn given(pool: PgPool) -> Self {
        Self { pool, kept: None }
    }

    /// The rows of a statement that may be run again without harm, if it is not known whether it was: on another connection where one
    /// turns out to be dead, after a restart of the server or its failover.
    pub(super) async fn rows<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<PgRow>, StoreError> {
        let attempts = self.pool.options().get_max_connections().saturating_add(1);
        let rows = async {
            let mut attempt = 1;
            loop {
                match self.once(statement()).await {
                    Err(failed) if attempt < attempts && (is_lost(&failed) || is_overtaken(&failed)) => attempt += 1,
                    result => return result,
                }
            }
        };
        in_time(rows).await
    }

    /// The rows of a statement that is run once.
    pub(super) async fn rows_once(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, StoreError> {
        in_time(self.once(statement)).await
    }

    /// Runs several statements in one transaction, in which nobody else with this number is at the same time.
    pub(super) async fn alone(&self, number: i64, statements: sqlx::SqlStr) -> Result<(), StoreError> {
        in_time(async {
            let mut held = self.hold().await?;
            let mut transaction = sqlx::Connection::begin(held.connection()?).await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind(number)
                .execute(&mut *transaction)
                .await?;
            sqlx::raw_sql(statements).execute(&mut *transaction).await?;
            transaction.commit().await?;
            held.give_back();
            Ok(())
        })
        .await
    }

    async fn once(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut held = self.hold().await?;
        let result = statement.fetch_all(held.connection()?).await;
        // An answer of the server's, a refusal too, leaves the connection as it was. Anything else does not.
        if result
            .as_ref()
            .err()
            .is_none_or(|failed| failed.as_database_error().is_some() && !is_lost(failed))
        {
            held.give_back();
        }
        result
    }

    async fn hold(&self) -> Result<Held<'_>, sqlx::Error> {
        let Some(kept) = &self.kept else {
            return Ok(Held {
                connection: Some(Connection::of(&self.pool).await?),
                kept: None,
            });
        };
        let hold = async {
            let permit = kept.permits.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
            let connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::of(&self.pool).await?,
            };
            Ok(Held {
                connection: Some(connection),
                kept: Some((kept, permit)),
            })
        };
        timeout(CONNECT, hold).await.map_err(|_| sqlx::Error::PoolTimedOut)?
    }
}

impl Connection {
    async fn of(pool: &PgPool) -> Result<Self, sqlx::Error> {
        Ok(Self {
            inner: pool.acquire().await?,
            since: Instant::now(),
        })
    }
}

impl Kept {
    fn take(&self) -> Option<Connection> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives back to the pool what has been here for long; the last that came is the next that goes, so the longest unused is the first.
    fn keep(&self, connection: Connection) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.push(connection);
        let is_due = connections.first().is_some_and(|first| first.since.elapsed() >= KEEP);
        let due = is_due.then(|| connections.remove(0));
        drop(connections);
        drop(due);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // To be given back they would need a runtime, and there may be none any more.
        let connections = self.connections.get_mut().unwrap_or_else(PoisonError::into_inner);
        for connection in mem::take(connections) {
            drop(connection.inner.detach());
        }
    }
}

/// A connection in use. Unless it is given back it is closed: one whose statement was given up half-way would keep the next waiting for
/// an answer that may never come, and sqlx's pool would ask such a one how it is, without end, before it lets another take its place.
struct Held<'p> {
    connection: Option<Connection>,
    /// The permit goes last, when the connection is back or closed.
    kept: Option<(&'p Kept, SemaphorePermit<'p>)>,
}

impl Held<'_> {
    fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection
            .as_mut()
            .map(|connection| &mut *connection.inner)
            .ok_or(sqlx::Error::PoolClosed)
    }

    fn give_back(mut self) {
        match (self.connection.take(), &self.kept) {
            (Some(connection), Some((kept, _))) => kept.keep(connection),
            (connection, _) => drop(connection),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection.inner.detach());
        }
    }
}

/// Makes a connection to hear what is wrong with it: the pool would only say that it has waited. A server that is starting has time for it.
async fn answers(options: &PgConnectOptions) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(50);
    const STARTING: &str = "57P03";
    let mut last = "it does not answer".to_owned();
    let attempts = async {
        loop {
            match options.connect().await {
                Ok(connection) => break Ok(connection),
                Err(failed) => {
                    last = meaning(&failed);
                    let is_refused =
                        matches!(&failed, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused);
                    if !is_refused && !has_code(&failed, |code| code == STARTING) {
                        break Err(());
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    };
    let connected = timeout(CONNECT, attempts).await;
    match connected {
        Ok(Ok(connection)) => {
            // Whether the goodbye arrives is nobody's business.
            let _ = timeout(PAUSE, sqlx::Connection::close(connection)).await;
            Ok(())
        }
        _ => Err(StoreError::unavailable(format!(
            "Postgres at {}:{}: {last}; expected a server that lets this user into this database within {CONNECT:?}",
            options.get_host(),
            options.get_port()
        ))),
    }
}

async fn in_time<T>(operation: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(ANSWER, operation).await {
        Ok(result) => result.map_err(|failed| error(&failed)),
        Err(_) => Err(StoreError::unavailable(format!(
            "Postgres did not answer within {ANSWER:?}"
        ))),
    }
}

fn has_code(error: &sqlx::Error, matches: impl Fn(&str) -> bool) -> bool {
    error
        .as_database_error()
        .and_then(|said| said.code())
        .is_some_and(|code| matches(&code))
}

/// Whether the connection is of no use any more: it was cut, the server goes down, or it is no primary (any longer).
fn is_lost(error: &sqlx::Error) -> bool {
    const SHUTDOWN: [&str; 3] = ["57P01", "57P02", "57P03"];
    const READ_ONLY: &str = "25006";
    matches!(error, sqlx::Error::Io(_))
        || has_code(error, |code| {
            SHUTDOWN.contains(&code) || code == READ_ONLY || code.starts_with("08")
        })
}

/// Whether another transaction got ahead, where the isolation is stricter than ours.
fn is_overtaken(error: &sqlx::Error) -> bool {
    has_code(error, |code| matches!(code, "40001" | "40P01"))
}

/// What an error of the driver is for the layer. Its text only: the driver's types are nobody's business outside.
pub(super) fn error(error: &sqlx::Error) -> StoreError {
    const DISK_FULL: &str = "53100";
    if has_code(error, |code| code == DISK_FULL) {
        StoreError::full(meaning(error))
    } else {
        StoreError::unavailable(meaning(error))
    }
}

fn meaning(error: &sqlx::Error) -> String {
    match (error, error.as_database_error()) {
        (_, Some(said)) => format!(
            "Postgres says {:?} (code {})",
            said.message(),
            said.code().unwrap_or_default()
        ),
        (sqlx::Error::PoolTimedOut, _) => format!(
            "no connection to Postgres within the pool's time ({CONNECT:?}, unless it is a pool of yours): the server is down or does not \
             answer, or all connections are in use"
        ),
        (sqlx::Error::Configuration(_), _) => {
            "the connection's settings are not understood; expected those that sqlx documents for Postgres".to_owned()
        }
        _ => error.to_string(),
    }
}
