mod builder;
mod admin;
mod connection;

use std::{fmt, path::Path, sync::Arc};

use sqlx::{AssertSqlSafe, Row, SqliteTransaction, sqlite::SqliteConnectOptions};

pub use self::builder::SqliteStoreBuilder;
use self::connection::{Connection, Statement, error, waits_for_the_disk};
use super::{
    ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, StoreAdmin, StoreError,
    StoreIdentity, record,
    row::{ATTEMPTS, Columns, Offset, Seen, Table, counted, lost, millis, overtaken, time},
};
use crate::{delivery::Claim, event::EventId};

/// Remembers in a SQLite file: for the processes of one machine, across restarts.
///
/// Clones share the connections. Other processes may open the same file.
///
/// # What it guarantees
/// Each operation is one atomic statement, in files beside the source ([`SCHEMA`](Self::SCHEMA) is the table's). The file is in WAL mode with
/// `synchronous=FULL`, read back on every connection: a store that did not get them does not open.
///
/// | what happens | what becomes of what was recorded |
/// | --- | --- |
/// | the process dies (`kill -9`) | nothing: what was answered is recorded; a claim rests until its lease ends |
/// | the machine dies, the power fails | nothing, as long as the disk keeps what it says it has written |
/// | the file is lost | everything: each event that is sent again runs again. One that is deleted or replaced under a running process goes on being that process's own, as files do: stop it before |
/// | the disk, or `max_page_count`, is full | claims are refused, and handlers do not run, until there is room; what has run is recorded then |
/// | the clock is set forward, by more than a lease | leases end early by as much: a second run may begin beside the first |
/// | the clock is set back | leases of processes that died last longer by as much |
///
/// The clock is the machine's own (`unixepoch('subsec')`), which all its processes share. One that is slewed, as NTP daemons do it once the
/// machine is up, changes nothing. The file has to be on a local disk: SQLite's locks do not hold on network file systems.
///
/// # Cost
/// No round trips: SQLite runs in this process, on threads of its own. A claim and its completion are two commits, and each waits for the
/// disk. They queue for one writer. A duplicate of a finished event is a statement that changes nothing and a read.
///
/// # Cancel safety
/// An operation whose future is dropped is applied or not, as a whole. Once it began it may still be applied afterwards.
///
/// # The file
/// Beside it lie two more, its name with `-wal` and `-shm`: what was committed last is in the first of them. The three belong together: move them
/// together, with no process at work. A copy is made by `sqlite3 webhooks.db ".backup copy.db"` or `VACUUM INTO`, and not by `cp`.
///
/// # Growth
/// Rows past their retention count as absent and stay until [`purge`](super::StoreAdmin::purge) removes them; call it now and then.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tower_webhook::{
///     event::{EventId, Fingerprint},
///     store::{Claimed, Completion, IdempotencyStore, Key, SqliteStore, ClaimRequest, Token},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("tower-webhook doc {}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("webhooks.db");
/// let store = SqliteStore::open(&path).await?;
/// let claim_request = ClaimRequest {
///     key: Key::new("dwolla", EventId::new("bb6531a2")?),
///     token: Token::random(),
///     fingerprint: Fingerprint::of(["customer_created"]),
///     lease: Duration::from_secs(60),
///     retention: Duration::from_secs(35 * 24 * 3600),
///     retry_window: Duration::from_secs(72 * 3600),
/// };
/// assert_eq!(store.claim(&claim_request).await?, Claimed::Acquired { generation: 1, attempts: 1 });
/// store.complete(&claim_request, Completion::Handled).await?;
/// drop(store);
///
/// // after a restart
/// let store = SqliteStore::open(&path).await?;
/// let again = ClaimRequest { token: Token::random(), ..claim_request };
/// assert_eq!(store.claim(&again).await?, Claimed::Done(Completion::Handled));
/// # drop(store);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    sql: Statements,
    options: SqliteConnectOptions,
    /// All that write queue for one connection, in their order: SQLite lets one write at a time, and lets the others poll.
    writer: Connection,
    reader: Connection,
    offset: Offset,
    identity: StoreIdentity,
}

/// The statements, for the table that was chosen.
struct Statements {
    claim: Arc<str>,
    renew: Arc<str>,
    release: Arc<str>,
    complete: Arc<str>,
    finish: Arc<str>,
    read: Arc<str>,
    forget: Arc<str>,
    purge: Arc<str>,
    count: Arc<str>,
    expired_claims: Arc<str>,
}

impl Statements {
    fn of(table: &Table) -> Self {
        let of = |sql| table.in_statement(sql).into();
        Self {
            claim: of(include_str!("claim.sql")),
            renew: of(include_str!("renew.sql")),
            release: of(include_str!("release.sql")),
            complete: of(include_str!("complete.sql")),
            finish: of(include_str!("finish.sql")),
            read: of(include_str!("read.sql")),
            forget: of(include_str!("forget.sql")),
            purge: of(include_str!("purge.sql")),
            count: of(include_str!("count.sql")),
            expired_claims: of(include_str!("expired_claims.sql")),
        }
    }
}

impl SqliteStore {
    /// The statements that create the table, for those who do it by hand; under another name, replace `webhook_events` throughout.
    pub const SCHEMA: &str = include_str!("schema.sql");

    /// Opens the file, creating it and its table where they are missing.
    ///
    /// # Errors
    /// As [`SqliteStoreBuilder::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder().open(path).await
    }

    /// A store with another table, or one that does not create it.
    #[must_use]
    pub fn builder() -> SqliteStoreBuilder {
        SqliteStoreBuilder::new()
    }

    async fn open_with(options: SqliteConnectOptions, table: &Table, creates: bool) -> Result<Self, StoreError> {
        let writer = Connection::open(options.clone()).await?;
        if creates {
            // One at a time: what one process has created is there for the other.
            let schema = AssertSqlSafe(table.in_statement(Self::SCHEMA));
            let created = writer.execute(sqlx::query(schema).persistent(false)).await;
            created.map_err(|failed| another(&failed))?;
        }
        let store = Self {
            shared: Arc::new(Shared {
                sql: Statements::of(table),
                identity: builder::identity(&options, table),
                reader: Connection::open(options.clone()).await?,
                options: options.create_if_missing(false),
                writer,
                offset: Offset::default(),
            }),
        };
        // Whatever table is there has the columns, or this says what it lacks.
        store.see("", "").await.map_err(|failed| another(&failed))?;
        Ok(store)
    }

    /// Completes the event in the transaction that has the handler's effect: either both are there, or neither.
    ///
    /// A compare-and-set: if this run has lost its claim, nothing changes and it is an error; hand it on with `?`, so that the transaction
    /// is dropped, which rolls it back. From the call on the layer does not complete the event by itself: when the handler has ended, however it
    /// did, the layer reads the record. DONE is answered 200; anything else is released, and answered 500.
    ///
    /// Call it last, right before the commit: until then nobody else can write to the file, and a renewal of the lease waits (which is no
    /// lost lease). The transaction has to be one of the file that the store uses, on a connection with `synchronous=FULL` (SQLite's default, and
    /// sqlx's), since otherwise a power cut could take back what was answered. Begin it with `BEGIN IMMEDIATE`, or it fails where another wrote since it
    /// first read.
    ///
    /// # Errors
    /// The claim is lost ([`StoreErrorKind::NotHeld`](super::StoreErrorKind)), the connection does not wait for the disk, or the database did not
    /// answer. Roll back in any case.
    ///
    /// # Examples
    /// ```no_run
    /// use sqlx::SqlitePool;
    /// use tower_webhook::{Delivery, HandlerError, dwolla, store::SqliteStore};
    ///
    /// #[derive(Clone)]
    /// struct Books {
    ///     pool: SqlitePool,
    ///     webhooks: SqliteStore,
    /// }
    ///
    /// async fn settled(books: Books, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
    ///     let mut transaction = books.pool.begin_with("BEGIN IMMEDIATE").await?;
    ///     sqlx::query("INSERT INTO settled (transfer) VALUES (?1)")
    ///         .bind(delivery.event().resource_id())
    ///         .execute(&mut *transaction)
    ///         .await?;
    ///     books.webhooks.complete_in(delivery.claim(), &mut transaction).await?;
    ///     transaction.commit().await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn complete_in(&self, claim: &Claim, transaction: &mut SqliteTransaction<'_>) -> Result<(), StoreError> {
        let claim_request = claim.hand_over_completion();
        waits_for_the_disk(transaction).await?;
        match self.finish(claim_request, "handled").execute(&mut **transaction).await {
            Ok(result) if result.rows_affected() == 0 => Err(lost(claim_request)),
            Ok(_) => Ok(()),
            Err(failed) => Err(error(&failed)),
        }
    }

    /// Moves the store's time on, as far as this store and its clones see it.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn advance(&self, by: std::time::Duration) {
        self.shared.offset.advance(by);
    }

    async fn see(&self, namespace: &str, id: &str) -> Result<Seen, StoreError> {
        let statement = statement(&self.shared.sql.read)
            .bind(namespace)
            .bind(id)
            .bind(self.shared.offset.millis());
        let row = self.shared.reader.row(statement).await?.ok_or_else(nothing)?;
        let (now, columns) = columns(&row).map_err(|failed| error(&failed))?;
        Ok(Seen {
            now: time(now),
            record: columns.map(Columns::into_record).transpose()?,
        })
    }

    async fn see_key(&self, key: &Key) -> Result<Seen, StoreError> {
        self.see(key.namespace(), key.id().as_str()).await
    }

    fn of_claim_request<'q>(sql: &Arc<str>, claim_request: &'q ClaimRequest) -> Statement<'q> {
        of_key(sql, &claim_request.key)
            .bind(claim_request.token.to_bytes().to_vec())
            .bind(claim_request.fingerprint.to_bytes().to_vec())
    }

    /// DONE from any state.
    async fn handled(&self, claim_request: &ClaimRequest) -> Result<bool, StoreError> {
        let shared = &self.shared;
        let statement = of_key(&shared.sql.complete, &claim_request.key)
            .bind(claim_request.fingerprint.to_bytes().to_vec())
            .bind(millis(claim_request.retention))
            .bind(shared.offset.millis());
        Ok(shared.writer.row(statement).await?.is_some())
    }

    /// DONE, for the holder.
    fn finish<'q>(&self, claim_request: &'q ClaimRequest, state: &'static str) -> Statement<'q> {
        Self::of_claim_request(&self.shared.sql.finish, claim_request)
            .bind(millis(claim_request.retention))
            .bind(self.shared.offset.millis())
            .bind(state)
    }
}

impl IdempotencyStore for SqliteStore {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let shared = &self.shared;
        for _ in 0..ATTEMPTS {
            let statement = Self::of_claim_request(&shared.sql.claim, claim_request)
                .bind(millis(claim_request.lease))
                .bind(millis(claim_request.retention))
                .bind(shared.offset.millis());
            if let Some(row) = shared.writer.row(statement).await? {
                let number = |column| row.try_get(column).map(counted).map_err(|failed| error(&failed));
                return Ok(Claimed::Acquired {
                    generation: number("generation")?,
                    attempts: u32::try_from(number("attempts")?).unwrap_or(u32::MAX),
                });
            }
            let seen = self.see_key(&claim_request.key).await?;
            let change = record::claim(seen.record.as_ref(), claim_request, seen.now);
            if change.write.is_none() {
                return Ok(change.answer);
            }
            // What refused it is gone by now.
        }
        Err(overtaken())
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        let statement = Self::of_claim_request(&shared.sql.renew, claim_request)
            .bind(millis(claim_request.lease))
            .bind(millis(claim_request.retention))
            .bind(shared.offset.millis());
        shared.writer.execute(statement).await.map(effect)
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        for _ in 0..ATTEMPTS {
            let written = match completion {
                Completion::Handled => self.handled(claim_request).await?,
                Completion::Rejected => {
                    self.shared
                        .writer
                        .execute(self.finish(claim_request, "rejected"))
                        .await?
                        > 0
                }
            };
            if written {
                return Ok(Effect::Applied);
            }
            let seen = self.see_key(&claim_request.key).await?;
            let change = record::complete(seen.record.as_ref(), claim_request, completion, seen.now);
            if change.write.is_none() {
                return Ok(change.answer);
            }
        }
        Err(overtaken())
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        let statement = Self::of_claim_request(&shared.sql.release, claim_request)
            .bind(millis(claim_request.retention))
            .bind(shared.offset.millis());
        shared.writer.execute(statement).await.map(effect)
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let Seen { now, record } = self.see_key(key).await?;
        Ok(record.filter(|record| !record.is_expired(now)))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        let statement = of_key(&shared.sql.forget, key).bind(shared.offset.millis());
        shared.writer.execute(statement).await.map(effect)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.shared.identity.clone())
    }
}

/// The file, and nothing of what is in it.
impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.shared.options.get_filename())
            .finish_non_exhaustive()
    }
}

fn statement<'q>(sql: &Arc<str>) -> Statement<'q> {
    sqlx::query(AssertSqlSafe(Arc::clone(sql)))
}

fn of_key<'q>(sql: &Arc<str>, key: &'q Key) -> Statement<'q> {
    statement(sql).bind(key.namespace()).bind(key.id().as_str())
}

fn effect(rows: u64) -> Effect {
    if rows > 0 { Effect::Applied } else { Effect::NotHeld }
}

/// The table is none of ours, most likely.
fn another(failed: &StoreError) -> StoreError {
    StoreError::unavailable(format!(
        "{failed}; expected the table that SqliteStore::SCHEMA describes"
    ))
}

fn nothing() -> StoreError {
    StoreError::unavailable("SQLite gave no row; expected one")
}

/// The time, and the row's columns if there is a row.
fn columns(row: &sqlx::sqlite::SqliteRow) -> Result<(i64, Option<Columns>), sqlx::Error> {
    let micros = |millis: i64| millis.saturating_mul(1000);
    let now = micros(row.try_get("now")?);
    let Some(state) = row.try_get("state")? else {
        return Ok((now, None));
    };
    let columns = Columns {
        state,
        fingerprint: row.try_get("fingerprint")?,
        token: row.try_get("token")?,
        generation: row.try_get("generation")?,
        attempts: row.try_get("attempts")?,
        changed_at: micros(row.try_get("changed_at")?),
        lease_until: row.try_get::<Option<i64>, _>("lease_until")?.map(micros),
        expires_at: micros(row.try_get("expires_at")?),
    };
    Ok((now, Some(columns)))
}
