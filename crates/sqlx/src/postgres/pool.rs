//! Connections for single statements.
//!
//! They are kept by our own code. deadpool 0.13, tried in its place, passed the tests of outages
//! and took 349 lines of ours instead of 389, and two more crates. There were 0.94 to 1.07 times as
//! many claims with 64 in flight in one process, and 0.83 times as many in `benches/inbox`. Most of
//! what is here is not the pool: it is what becomes of a statement whose connection is dead, slow,
//! or not to be had.

use std::{
    future::{self, poll_fn},
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgRow},
};

use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower_webhook::store::StoreError;

use super::{
    held::Held,
    kept::{Connection, Inner, Kept},
    meaning::{error, has_code, is_lost, is_overtaken, is_standby, may_come_up, meaning, server},
    parameters::{Statement, Way},
    session,
};

/// How long to wait for a connection; the layer waits less for the whole operation (2 s).
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long anything may take whose caller has no limit of its own.
const RESPONSE: Duration = Duration::from_secs(30);
/// How long to queue for a connection that others use: much less than the layer waits (2 s) if it
/// is not told otherwise. After an outage, whoever comes first in a queue of those whose time is
/// nearly over has none left to connect and ask, and gives the half-made connection up, as does the
/// next.
pub(super) const QUEUE: Duration = Duration::from_millis(500);
/// Before a statement is tried again over a connection that was made for it.
pub(super) const PAUSE: Duration = Duration::from_millis(50);
/// How often a statement is tried that other transactions get ahead of, where the isolation of a
/// pool of the application's is stricter than ours, and the first pause between. Each time another
/// has committed. In all it is shorter than what the layer waits (2 s).
const OVERTAKEN: u32 = 30;
const OVERTAKEN_PAUSE: Duration = Duration::from_millis(1);
/// The longest between two attempts to connect: an operation that waits for a server to start finds
/// it soon after it has.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Pool {
    source: Source,
    /// The error of the latest attempt to connect, unless one has succeeded since.
    failure: Mutex<Option<String>>,
}

/// The source of connections.
enum Source {
    /// Nobody else has them. They are made here: sqlx's pool tries again where it is refused, as
    /// this does, but says nothing of it.
    Own {
        options: Box<PgConnectOptions>,
        kept: Kept,
        way: Way,
        /// How many connections there may be at the same time.
        most: u32,
    },
    /// Others use it, too: what is kept would be missing there.
    Given(PgPool),
}

impl Pool {
    /// Connections to this server, which has responded.
    pub(super) async fn to(url: &str, max_connections: u32) -> Result<Self, StoreError> {
        let (options, way) = session::read(url)?;
        session::responds(&options, way).await?;
        let max_connections = max_connections.max(1);
        let permits = usize::try_from(max_connections)
            .map_or(Semaphore::MAX_PERMITS, |permits| permits.min(Semaphore::MAX_PERMITS));
        Ok(Self {
            source: Source::Own {
                options: Box::new(options),
                way,
                kept: Kept {
                    permits: Semaphore::new(permits),
                    connections: Mutex::default(),
                },
                most: max_connections,
            },
            failure: Mutex::default(),
        })
    }

    /// The address of its connections, without user and password.
    pub(super) fn address(&self) -> String {
        let given;
        let options: &PgConnectOptions = match &self.source {
            Source::Own { options, .. } => options,
            Source::Given(pool) => {
                given = pool.connect_options();
                &given
            }
        };
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        format!("{host}:{}/{database}", options.get_port())
    }

    pub(super) fn given(pool: PgPool) -> Self {
        Self {
            source: Source::Given(pool),
            failure: Mutex::default(),
        }
    }

    /// How statements get to the server.
    pub(super) fn way(&self) -> Way {
        match &self.source {
            Source::Own { way, .. } => *way,
            // Its sessions are not shared, which `has_sessions` has seen to.
            Source::Given(_) => Way::Prepared,
        }
    }

    /// Whether a pool that is given has sessions of its own. Connections that are made here were
    /// checked before.
    pub(super) async fn has_sessions(&self) -> Result<(), StoreError> {
        let Source::Given(pool) = &self.source else {
            return Ok(());
        };
        let mut held = self.borrow().await.map_err(|failed| error(&failed))?;
        let one = held.connection().map_err(|failed| error(&failed))?;
        if session::is_shared(one, &pool.connect_options()).await {
            return Err(session::shared());
        }
        held.give_back();
        Ok(())
    }

    pub(super) fn last_failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// The rows of a statement that may be run again without harm, if it is not known whether it
    /// was: on another connection where one turns out to be dead, after a restart of the server or
    /// its failover. One that was made for it is not the first of many that are dead.
    pub(super) async fn rows<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<PgRow>, StoreError> {
        self.in_time(self.until_it_responds(statement)).await
    }

    /// [`rows`](Self::rows), or the server's error if it refuses the statement.
    pub(super) async fn rows_or_refusal<'q>(
        &self,
        statement: impl Fn() -> Statement<'q>,
    ) -> Result<Result<Vec<PgRow>, sqlx::Error>, StoreError> {
        self.in_time(async {
            match self.until_it_responds(statement).await {
                Err(failed) if failed.as_database_error().is_none() || is_lost(&failed) => Err(failed),
                responded => Ok(responded),
            }
        })
        .await
    }

    async fn until_it_responds<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<PgRow>, sqlx::Error> {
        let most = match &self.source {
            Source::Own { most, .. } => *most,
            Source::Given(pool) => pool.options().get_max_connections(),
        };
        let attempts = most.saturating_add(1);
        let mut attempt = 1;
        let mut has_failed_anew = false;
        loop {
            let failed = match self.once(&statement).await {
                Ok(rows) => return Ok(rows),
                Err(failed) => failed,
            };
            let is_worth_another = is_lost(&failed.error) && !(failed.is_anew && has_failed_anew);
            if attempt == attempts || !is_worth_another {
                return Err(failed.error);
            }
            attempt += 1;
            if failed.is_anew {
                has_failed_anew = true;
                sleep(PAUSE).await;
            }
        }
    }

    /// The rows of a statement that is applied once at most.
    pub(super) async fn rows_once<'q>(&self, statement: impl Fn() -> Statement<'q>) -> Result<Vec<PgRow>, StoreError> {
        self.in_time(async { self.once(&statement).await.map_err(|failed| failed.error) })
            .await
    }

    /// Runs several statements in one transaction, in which nobody else with this number is at the
    /// same time.
    pub(super) async fn alone(&self, number: i64, statements: sqlx::SqlStr) -> Result<(), StoreError> {
        self.in_time(async {
            let mut held = self.borrow().await?;
            let mut transaction = sqlx::Connection::begin(held.connection()?).await?;
            let lock = AssertSqlSafe(format!("SELECT pg_advisory_xact_lock({number})"));
            sqlx::raw_sql(lock).execute(&mut *transaction).await?;
            sqlx::raw_sql(statements).execute(&mut *transaction).await?;
            transaction.commit().await?;
            held.give_back();
            Ok(())
        })
        .await
    }

    async fn in_time<T>(&self, operation: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
        match timeout(RESPONSE, operation).await {
            Ok(result) => result.map_err(|failed| match (&failed, self.last_failure()) {
                (sqlx::Error::PoolTimedOut, Some(failure)) => {
                    StoreError::unavailable(format!("{}, and before that: {failure}", meaning(&failed)))
                }
                _ => error(&failed),
            }),
            Err(_) => Err(StoreError::unavailable(format!(
                "Postgres did not respond within {RESPONSE:?}"
            ))),
        }
    }

    /// The rows, over one connection. A statement that another transaction got ahead of has changed
    /// nothing, and is run again: over the same connection, which responds when it has let go of
    /// its locks.
    async fn once<'q>(&self, statement: &impl Fn() -> Statement<'q>) -> Result<Vec<PgRow>, Failed> {
        let mut held = self.borrow().await.map_err(|error| Failed { error, is_anew: true })?;
        let is_anew = held.is_anew;
        let mut pause = OVERTAKEN_PAUSE;
        let mut attempt = 1;
        let result = loop {
            let result = match held.connection() {
                Ok(connection) => statement().fetch(connection, self.way()).await,
                Err(closed) => Err(closed),
            };
            match result {
                Err(failed) if attempt < OVERTAKEN && is_overtaken(&failed) => sleep(pause).await,
                result => break result,
            }
            attempt += 1;
            pause = pause.saturating_mul(2).min(PAUSE);
        };
        // A response of the server's, a refusal too, leaves the connection as it was. Anything else
        // does not.
        if result
            .as_ref()
            .err()
            .is_none_or(|failed| failed.as_database_error().is_some() && !is_lost(failed))
        {
            held.give_back();
        }
        result.map_err(|error| Failed { error, is_anew })
    }

    async fn borrow(&self) -> Result<Held<'_>, sqlx::Error> {
        let (options, kept, way) = match &self.source {
            Source::Own { options, kept, way, .. } => (&**options, kept, *way),
            Source::Given(pool) => {
                return Ok(Held {
                    connection: Some(self.lent(pool).await?),
                    kept: None,
                    is_anew: false, // as far as anybody knows
                });
            }
        };
        let permit = timeout(QUEUE, kept.permits.acquire())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        let (connection, is_anew) = match kept.take() {
            Some(connection) => (connection, false),
            None => (self.made(options, way).await?, true),
        };
        Ok(Held {
            connection: Some(connection),
            kept: Some((kept, permit)),
            is_anew,
        })
    }

    /// A new connection. A server that is down or starting may be up in a moment, so it is asked
    /// again for as long as the caller waits; should the caller give up,
    /// [`last_failure`](Self::last_failure) says why.
    async fn made(&self, options: &PgConnectOptions, way: Way) -> Result<Connection, sqlx::Error> {
        const TOO_MANY: &str = "53300"; // a connection that was just closed may still count
        let mut last = None;
        let attempts = async {
            let mut pause = PAUSE;
            loop {
                let failed = match session::connect(options, way).await {
                    Ok(connection) => {
                        self.note(None);
                        return Ok(Connection::new(Inner::Own(connection)));
                    }
                    Err(failed) => failed,
                };
                self.note(Some(format!("{}: {}", server(options), meaning(&failed))));
                if !may_come_up(&failed) && !is_standby(&failed) && !has_code(&failed, |code| code == TOO_MANY) {
                    return Err(failed);
                }
                last = Some(failed);
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        };
        match timeout(CONNECT, attempts).await {
            Ok(connected) => connected,
            Err(_) => Err(last.unwrap_or(sqlx::Error::PoolTimedOut)),
        }
    }

    /// A connection of a pool that others use, too. Its own attempts to connect are not seen from
    /// outside: where it gives none for as long as others would queue, the server is asked beside
    /// it whether it lets anybody in.
    async fn lent(&self, pool: &PgPool) -> Result<Connection, sqlx::Error> {
        let mut lent = pin!(pool.acquire());
        let inner = match timeout(QUEUE, lent.as_mut()).await {
            Ok(inner) => inner,
            Err(_) => {
                let options = pool.connect_options();
                let ask = async {
                    let failure = match options.connect().await {
                        Ok(connection) => {
                            session::close(connection).await;
                            format!("{}: every connection of the pool is in use", server(&options))
                        }
                        Err(failed) => format!("{}: {}", server(&options), meaning(&failed)),
                    };
                    self.note(Some(failure));
                    future::pending().await
                };
                let mut ask = pin!(ask);
                poll_fn(|cx| match lent.as_mut().poll(cx) {
                    Poll::Ready(inner) => Poll::Ready(inner),
                    Poll::Pending => ask.as_mut().poll(cx),
                })
                .await
            }
        }?;
        self.note(None);
        Ok(Connection::new(Inner::Given(inner)))
    }
}

/// Why a statement has no rows.
struct Failed {
    error: sqlx::Error,
    /// Whether the connection was made for it.
    is_anew: bool,
}
