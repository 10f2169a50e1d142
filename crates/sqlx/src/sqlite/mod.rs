mod builder;
mod connection;
mod statements;
mod rows;
mod unwritten;
mod desk;
mod reads;
mod writer;
mod admin;
mod inbox;
mod in_transaction;
mod deliveries;

use std::{
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
    },
    time::Duration,
};

use sqlx::{AssertSqlSafe, sqlite::SqliteConnectOptions};
use tokio::sync::Notify;

use tower_webhook::store::{
    ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError, StoreIdentity, record,
};

pub use self::builder::SqliteStoreBuilder;
pub(crate) use self::deliveries::Deliveries;
use self::{
    connection::Connection,
    desk::Desk,
    statements::Statements,
    writer::{Job, Write},
};
use crate::{
    group::Queue,
    row::{Offset, Seen, Table},
};

/// Remembers in a SQLite file: for the processes of one machine, across restarts.
///
/// Clones share the connections. Other processes may open the same file.
///
/// # What it guarantees
/// Each operation is atomic: it reads the record, lets [`record`](tower_webhook::store::record)
/// decide, and writes, in one transaction ([`SCHEMA`](Self::SCHEMA) has the tables). What waits for
/// the file at the same time shares a transaction, and nothing is acknowledged before its commit is
/// on the disk. The file is in WAL mode with `synchronous=FULL`, read back on every connection: a
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
/// are two commits, and each waits for the disk; under load, all that wait share one. A duplicate
/// of a finished event writes nothing.
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
/// Rows past their retention count as absent and stay until
/// [`purge`](tower_webhook::store::StoreAdmin::purge) removes them; spawn
/// [`purge_every`](tower_webhook::store::StoreAdmin::purge_every). It also drops the bodies of an
/// inbox that were [kept](SqliteStoreBuilder::keep_bodies) long enough.
///
/// # As an inbox
/// It is an [`Inbox`](tower_webhook::inbox::Inbox). A worker of this process is woken by a deposit
/// at once, one of another process on this machine within 50 ms.
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
    writes: Queue<Box<dyn Job>>,
    /// How many operations are in the transaction that is under way, for tests.
    in_hand: AtomicUsize,
    /// Told when a delivery may have become due.
    changed: Arc<Notify>,
    is_watched: AtomicBool,
    offset: Offset,
    identity: StoreIdentity,
    keep_bodies: Duration,
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

    async fn open_with(
        options: SqliteConnectOptions,
        table: &Table,
        creates: bool,
        keep_bodies: Duration,
    ) -> Result<Self, StoreError> {
        let reader = Connection::open(options.clone()).await?;
        if creates {
            // One at a time: what one process has created is there for the other.
            let schema = AssertSqlSafe(table.in_statement(Self::SCHEMA));
            let created = reader.execute(sqlx::query(schema).persistent(false)).await;
            created.map_err(|failed| another(&failed))?;
        }
        let store = Self {
            shared: Arc::new(Shared {
                sql: Statements::of(table),
                identity: builder::identity(&options, table),
                writer: Connection::open(builder::writing(options.clone())).await?,
                options: options.create_if_missing(false),
                reader,
                writes: Queue::new(1),
                in_hand: AtomicUsize::new(0),
                changed: Arc::default(),
                is_watched: AtomicBool::new(false),
                offset: Offset::default(),
                keep_bodies,
            }),
        };
        // Whatever table is there has the columns, or this says what it lacks.
        let read = reads::read(&store.shared, &[]).await;
        read.map_err(|failed| another(&failed))?;
        Ok(store)
    }

    /// Moves the store's time on, as far as this store and its clones see it.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn advance(&self, by: Duration) {
        self.shared.offset.advance(by);
        self.shared.changed.notify_waiters();
    }

    /// How many operations wait for the next transaction.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    #[must_use]
    pub fn waiting(&self) -> usize {
        let in_hand = || self.shared.in_hand.load(std::sync::atomic::Ordering::Relaxed);
        self.shared.writes.with(|jobs| jobs.len().saturating_add(in_hand()))
    }

    async fn write<W: Write>(&self, write: W) -> Result<W::Response, StoreError> {
        writer::write(&self.shared, write).await
    }
}

/// What changes the record of a claim request.
enum Operation {
    Renew,
    Complete(Completion),
    Release,
}

impl Write for ClaimRequest {
    type Response = Claimed;

    fn keys(&self) -> Vec<&Key> {
        vec![&self.key]
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Claimed, StoreError> {
        desk.change(&self.key, |current, now| record::claim(current, self, now))
            .await
    }

    fn without_writing(&self, seen: &Seen) -> Option<Claimed> {
        let change = record::claim(seen.record.as_ref(), self, seen.now);
        change.write.is_none().then_some(change.response)
    }
}

impl Write for (ClaimRequest, Operation) {
    type Response = Effect;

    fn keys(&self) -> Vec<&Key> {
        vec![&self.0.key]
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Effect, StoreError> {
        let (request, operation) = self;
        desk.wakes |= matches!(operation, Operation::Release);
        desk.change(&request.key, |current, now| match operation {
            Operation::Renew => record::renew(current, request, now),
            Operation::Complete(completion) => record::complete(current, request, *completion, now),
            Operation::Release => record::release(current, request, now),
        })
        .await
    }
}

struct Forget(Key);

impl Write for Forget {
    type Response = Effect;

    fn keys(&self) -> Vec<&Key> {
        vec![&self.0]
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Effect, StoreError> {
        desk.forget(&self.0).await
    }
}

impl IdempotencyStore for SqliteStore {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.write(claim_request.clone()).await
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.write((claim_request.clone(), Operation::Renew)).await
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.write((claim_request.clone(), Operation::Complete(completion)))
            .await
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.write((claim_request.clone(), Operation::Release)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut seen = reads::read(&self.shared, &[key]).await?;
        let Seen { now, record } = seen.pop().ok_or_else(nothing)??;
        Ok(record.filter(|record| !record.is_expired(now)))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.write(Forget(key.clone())).await
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

/// The table is probably not ours.
fn another(failed: &StoreError) -> StoreError {
    StoreError::unavailable(format!(
        "{failed}; expected the table that SqliteStore::SCHEMA describes"
    ))
}

fn nothing() -> StoreError {
    StoreError::unavailable("SQLite gave no row; expected one")
}
