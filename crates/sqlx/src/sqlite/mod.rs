mod builder;
mod admin;
mod complete_in;
mod connection;

use std::{fmt, path::Path, sync::Arc};

use sqlx::{AssertSqlSafe, Row, sqlite::SqliteConnectOptions};

use tower_webhook::{
    event::EventId,
    store::{
        ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, StoreAdmin, StoreError,
        StoreIdentity, record,
    },
};

pub use self::builder::SqliteStoreBuilder;
use self::connection::{Connection, Statement, error};
use crate::row::{ATTEMPTS, Columns, Offset, Seen, Table, counted, millis, overtaken, time};

/// Remembers in a SQLite file: for the processes of one machine, across restarts.
///
/// Clones share the connections. Other processes may open the same file.
///
/// # What it guarantees
/// Each operation is one atomic statement, in files beside the source ([`SCHEMA`](Self::SCHEMA) is
/// the table's). The file is in WAL mode with `synchronous=FULL`, read back on every connection: a
/// store that did not get them does not open.
///
/// - The process dies (`kill -9`): every acknowledged event stays recorded. A claim holds until its
///   lease ends.
/// - The machine dies or the power fails: the same, as long as the disk keeps what it says it has
///   written.
/// - The file is lost: everything is, and each event that is sent again runs again. Stop the
///   process before you delete or replace the file: a running one goes on with the file that it
///   has open.
/// - The disk, or `max_page_count`, is full: claims are refused and handlers do not run until there
///   is room. What has run is recorded then.
/// - The clock is set forward by more than a lease: leases end early by as much, and a second run
///   may start beside the first.
/// - The clock is set back: leases of processes that died last longer by as much.
///
/// The clock is the machine's own (`unixepoch('subsec')`), which all its processes share. One that
/// is slewed, as NTP daemons do it once the machine is up, changes nothing. The file has to be on a
/// local disk: SQLite's locks do not hold on network file systems.
///
/// # Cost
/// No round trips: SQLite runs in this process, on threads of its own. A claim and its completion
/// are two commits, and each waits for the disk. They queue for one writer. A duplicate of a
/// finished event is a statement that changes nothing and a read.
///
/// # Cancel safety
/// An operation whose future is dropped is applied or not, as a whole. Once it began it may still
/// be applied afterwards.
///
/// # The file
/// Beside it lie two more, its name with `-wal` and `-shm`: what was committed last is in the first
/// of them. The three belong together: move them together, with no process at work. A copy is made
/// by `sqlite3 webhooks.db ".backup copy.db"` or `VACUUM INTO`, and not by `cp`.
///
/// # Growth
/// Rows past their retention count as absent and stay until [`purge`](StoreAdmin::purge) removes
/// them; call it now and then.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use tower_webhook::{
///     event::{EventId, Fingerprint},
///     store::{Claimed, Completion, IdempotencyStore, Key, ClaimRequest, Token},
/// };
/// use tower_webhook_sqlx::SqliteStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("tower-webhook doc {}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("webhooks.db");
/// let store = SqliteStore::open(&path).await?;
/// let key = Key::new("dwolla", EventId::new("bb6531a2")?);
/// let claim_request =
///     ClaimRequest::new(key, Token::random(), Fingerprint::of(["customer_created"]));
/// assert_eq!(
///     store.claim(&claim_request).await?,
///     Claimed::Acquired { generation: 1, attempts: 1 }
/// );
/// store.complete(&claim_request, Completion::Handled).await?;
/// drop(store);
///
/// // after a restart
/// let store = SqliteStore::open(&path).await?;
/// let again = claim_request.with_token(Token::random());
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
    /// All that write queue for one connection, in their order: SQLite lets one write at a time,
    /// and lets the others poll.
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
    /// The statements that create the table, for those who do it by hand; under another name,
    /// replace `webhook_events` throughout.
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
                // For the holder alone.
                _ => {
                    self.shared
                        .writer
                        .execute(self.finish(claim_request, completion.as_str()))
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
        stored: false,
        due_at: None,
        crashes: 0,
    };
    Ok((now, Some(columns)))
}
