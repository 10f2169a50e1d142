mod builder;
mod admin;
mod operator;
mod parameters;
mod inbox;
mod settle;
mod floors;
mod letters;
mod held;
mod kept;
mod meaning;
mod pool;
mod rows;
mod session;
mod statements;
mod tables;
mod complete_in;
mod deposit_in;
mod deposits;
mod deliveries;

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlSafeStr as _, postgres::PgRow};
use tokio::sync::Notify;

use tower_webhook::{
    event::EventId,
    store::{
        ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, StoreAdmin, StoreError,
        StoreIdentity, record,
    },
};

pub use self::builder::PostgresStoreBuilder;
pub(crate) use self::deliveries::Deliveries;
use self::{
    floors::Floors,
    meaning::error,
    pool::Pool,
    rows::{effect, first, number, seen},
    statements::{Statements, of_claim_request, of_key, statement},
};
use crate::{
    group::Queue,
    row::{ATTEMPTS, Offset, Seen, Table, counted, millis, overtaken},
};

/// Remembers in Postgres, and keeps an [inbox](tower_webhook::inbox) there: for many processes on
/// many machines.
///
/// Clones share the connections.
///
/// # What it guarantees
/// Each operation is one atomic statement, in files beside the source ([`SCHEMA`](Self::SCHEMA) is
/// the tables'). Leases go by the server's clock.
///
/// - The process dies (`kill -9`): every acknowledged event stays recorded. A claim holds until its
///   lease ends.
/// - The application's clock steps: nothing changes.
/// - The server dies and starts again: nothing is lost, as long as its `fsync` is on. Deliveries
///   get 503 meanwhile, and the store connects again by itself.
/// - Failover to a standby: nothing is lost where the standby is synchronous. Otherwise what it had
///   not received is lost; see [below](#failover).
/// - The server's clock is set forward by more than a lease: leases end early by as much, and a
///   second run may start beside the first.
/// - The server's clock is set back: leases of processes that died last longer by as much.
/// - The disk is full: claims are refused and handlers do not run until there is room. What has run
///   is recorded then.
///
/// # Cost
/// One round trip for a claim and one for its completion; a duplicate is one round trip that writes
/// nothing. A [pool that is given](Self::with_pool) tests a connection when it is given back: one
/// round trip more for each, behind the response's back.
///
/// In the inbox: one round trip and one commit for a delivery that is stored, shared by all that
/// wait for it at the same time; one for each batch that is taken, and one for each batch that is
/// settled. A take costs the same whatever waits for its time. Workers in this process hear of what
/// is deposited through a clone of this store; those elsewhere find it at their next poll.
///
/// # Cancel safety
/// An operation whose future is dropped is applied or not, as a whole; its connection is closed.
/// Operations are repeated on another connection if theirs turns out to be dead: each may be done
/// twice without harm. ([`forget`](IdempotencyStore::forget) and an operator's `bury` and
/// `replay_all` may not, and are not.)
///
/// # Limits
/// The store's own connections have a `statement_timeout` of 5 s and run at READ COMMITTED. Over
/// any connection a write waits for the disk, also where `synchronous_commit` is off. A [pool that
/// is given](Self::with_pool) keeps its settings. Namespaces hold no NUL.
///
/// # Behind `PgBouncer`
/// `PgBouncer` in transaction mode, and poolers like it, hand a session of the server from client
/// to client: what one has set or prepared there, the next finds, and it is gone for the first. Say
/// so in the URL: `postgres://app:password@pooler:6432/app?pgbouncer=true`. Each operation is then
/// one message with all that it needs. It leaves nothing in the session, no setting, no prepared
/// statement and no lock, and asks for no startup parameter that `PgBouncer` does not know.
///
/// - It is one round trip for each operation as before, but the server plans each statement anew,
///   and makes fewer than half as many claims a second. Give the store direct connections if you
///   can.
/// - Without the parameter a store that is behind such a pooler is refused at its start, with
///   [`Config`](tower_webhook::store::StoreErrorKind::Config). It asks over two connections which
///   sessions they have; only where others change them at each moment can it be deceived.
/// - [`complete_in`](Self::complete_in) and [`deposit_in`](Self::deposit_in) work in a transaction
///   that goes through the pooler, with a store that was opened with the parameter. Keep sqlx from
///   preparing the application's own statements by name: `.persistent(false)` on each, all of them
///   within transactions; and `extra_float_digits(None)` on its `PgConnectOptions`.
/// - A [pool that is given](Self::with_pool) may not lead through such a pooler.
/// - A statement that fails is in the server's log with its values, in hex, the body among them,
///   unless its `log_min_error_statement` says otherwise.
/// - In session mode nothing is different, and the parameter is not needed.
///
/// # Failover
/// A URL names one host (sqlx reads no list of them): an address, a name or a balancer that leads
/// to the primary. What is connected when the primary dies is connected anew, wherever the address
/// leads; an operation whose response was lost is repeated there, which changes nothing twice.
/// Deliveries get 503 meanwhile. A server that is a standby is not used: the store goes on asking
/// until the address leads to a primary, and errors say so.
///
/// - A *synchronous* standby (`synchronous_standby_names`) has all that was acknowledged: no event
///   is lost, and none runs twice that would not have anyway. It is so with `synchronous_commit` at
///   `on` or above; `local` does not wait for it. While the standby is down, writes wait and
///   deliveries get 503.
/// - An *asynchronous* one lacks what it had not received. Records that it lacks are forgotten:
///   events that were handled before the response run again if the provider sends them again, and
///   effects in [one transaction](Self::complete_in) with them were lost, too, so that they are
///   there once. A stored delivery that it lacks is lost: its provider was told 200, and does not
///   send it again. Have a synchronous standby for an inbox, or a reconciler that asks the provider
///   what happened.
///
/// # Growth
/// Rows past their retention count as absent and stay until [`purge`](StoreAdmin::purge) removes
/// them; spawn [`purge_every`](StoreAdmin::purge_every). It removes bodies that were [kept long
/// enough](PostgresStoreBuilder::keep_bodies), too. A transaction that stays open for hours,
/// in any of the server's sessions, keeps Postgres from cleaning up, and makes every take slower.
///
/// # Examples
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tower_webhook::{WebhookLayer, dwolla::Dwolla, store::StoreAdmin};
/// use tower_webhook_sqlx::PostgresStore;
///
/// let store = PostgresStore::connect("postgres://app:password@localhost/app").await?;
///
/// tokio::spawn(store.clone().purge_every(Duration::from_secs(600)));
///
/// let webhooks = WebhookLayer::new(Dwolla::new("the subscription's secret")?, store);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    sql: Statements,
    table: Table,
    pool: Pool,
    offset: Offset,
    identity: StoreIdentity,
    keep_bodies: Duration,
    floors: Floors,
    deposits: Queue<deposits::Job>,
    /// Told when a delivery may have become due.
    changed: Arc<Notify>,
}

/// The key of the lock under which tables are created: the first bytes of "webhooks".
const CREATING: i64 = 0x7765_6268_6f6f_6b73;

impl PostgresStore {
    /// The statements that create the table, for those who do it by hand; under another name,
    /// replace `webhook_events` throughout.
    pub const SCHEMA: &str = include_str!("schema.sql");

    /// Connects to `postgres://user:password@host:port/database`, and creates the table where it is
    /// missing.
    ///
    /// # Errors
    /// As [`PostgresStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder().connect(url).await
    }

    /// Uses connections of this pool, and creates the table where it is missing.
    ///
    /// # Errors
    /// As [`PostgresStoreBuilder::connect`].
    pub async fn with_pool(pool: PgPool) -> Result<Self, StoreError> {
        Self::builder().with_pool(pool).await
    }

    /// A store with another table, one that does not create it, or one with more connections.
    #[must_use]
    pub fn builder() -> PostgresStoreBuilder {
        PostgresStoreBuilder::new()
    }

    async fn open_with(pool: Pool, table: &Table, creates: bool, keep_bodies: Duration) -> Result<Self, StoreError> {
        // Where it is there, no right to create it is needed.
        let is_there = tables::are_there(&pool, table).await?;
        pool.has_sessions().await?;
        if !is_there && creates {
            let schema = AssertSqlSafe(table.in_statement(Self::SCHEMA)).into_sql_str();
            pool.alone(CREATING, schema).await?;
        }
        let schema = tables::schema_of(&pool, table).await?;
        let address = format!("{}, table {schema}.{}", pool.address(), table.name());
        let store = Self {
            shared: Arc::new(Shared {
                sql: Statements::of(table),
                identity: StoreIdentity::at("PostgresStore", address),
                table: table.clone(),
                pool,
                offset: Offset::default(),
                keep_bodies,
                floors: Floors::default(),
                deposits: Queue::new(deposits::LANES),
                changed: Arc::default(),
            }),
        };
        // Whatever table is there has the columns, or this says what it lacks.
        store.see("", "").await.map_err(|failed| {
            StoreError::unavailable(format!(
                "{failed}; expected the tables that PostgresStore::SCHEMA describes"
            ))
        })?;
        Ok(store)
    }

    /// Moves the store's time on, as far as this store and its clones see it.
    #[cfg(feature = "test-util")]
    #[doc(hidden)]
    pub fn advance(&self, by: Duration) {
        self.shared.offset.advance(by);
    }

    async fn see(&self, namespace: &str, id: &str) -> Result<Seen, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.read)
                    .bind(namespace)
                    .bind(id)
                    .bind(shared.offset.millis())
            })
            .await?;
        seen(first(&rows)?)
    }

    /// DONE: from any state, or for the holder alone.
    async fn finish(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Vec<PgRow>, StoreError> {
        let shared = &self.shared;
        shared
            .pool
            .rows(|| match completion {
                Completion::Handled => of_key(&shared.sql.complete, &claim_request.key)
                    .bind(claim_request.fingerprint.to_bytes().to_vec())
                    .bind(millis(claim_request.retention))
                    .bind(shared.offset.millis()),
                // For the holder alone.
                _ => of_claim_request(&shared.sql.reject, claim_request)
                    .bind(millis(claim_request.retention))
                    .bind(shared.offset.millis()),
            })
            .await
    }
}

impl IdempotencyStore for PostgresStore {
    fn last_failure(&self) -> Option<String> {
        self.shared.pool.last_failure()
    }

    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let shared = &self.shared;
        for _ in 0..ATTEMPTS {
            let rows = shared
                .pool
                .rows(|| {
                    of_claim_request(&shared.sql.claim, claim_request)
                        .bind(millis(claim_request.lease))
                        .bind(millis(claim_request.retention))
                        .bind(shared.offset.millis())
                })
                .await?;
            let row = first(&rows)?;
            let generation: Option<i64> = row.try_get("claimed_generation").map_err(|failed| error(&failed))?;
            if let Some(generation) = generation {
                return Ok(Claimed::Acquired {
                    generation: counted(generation),
                    attempts: u32::try_from(number(row, "claimed_attempts")?).unwrap_or(u32::MAX),
                });
            }
            let seen = seen(row)?;
            let change = record::claim(seen.record.as_ref(), claim_request, seen.now);
            if change.write.is_none() {
                return Ok(change.response);
            }
            // Another came first, after this statement had looked: what it wrote is seen by the
            // next.
        }
        Err(overtaken())
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                of_claim_request(&shared.sql.renew, claim_request)
                    .bind(millis(claim_request.lease))
                    .bind(millis(claim_request.retention))
                    .bind(shared.offset.millis())
            })
            .await?;
        Ok(effect(&rows))
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        for _ in 0..ATTEMPTS {
            let rows = self.finish(claim_request, completion).await?;
            let row = first(&rows)?;
            if row.try_get("written").map_err(|failed| error(&failed))? {
                return Ok(Effect::Applied);
            }
            let seen = seen(row)?;
            let change = record::complete(seen.record.as_ref(), claim_request, completion, seen.now);
            if change.write.is_none() {
                return Ok(change.response);
            }
        }
        Err(overtaken())
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                of_claim_request(&shared.sql.release, claim_request)
                    .bind(millis(claim_request.retention))
                    .bind(shared.offset.millis())
            })
            .await?;
        let effect = effect(&rows);
        if effect == Effect::Applied {
            // It may lie in the inbox, and is a worker's then.
            shared.changed.notify_waiters();
        }
        Ok(effect)
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let Seen { now, record } = self.see(key.namespace(), key.id().as_str()).await?;
        Ok(record.filter(|record| !record.is_expired(now)))
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        for _ in 0..ATTEMPTS {
            let rows = shared
                .pool
                .rows_once(|| of_key(&shared.sql.forget, key).bind(shared.offset.millis()))
                .await?;
            let row = first(&rows)?;
            let is = |column| row.try_get(column).map_err(|failed| error(&failed));
            match (is("was_there")?, is("forgotten")?) {
                (_, true) => return Ok(Effect::Applied),
                (false, _) => return Ok(Effect::NotHeld),
                // Somebody changed it meanwhile.
                (true, false) => {}
            }
        }
        Err(overtaken())
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.shared.identity.clone())
    }
}

/// The table, and nothing of the URL.
impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("table", &format_args!("{}", self.shared.table))
            .finish_non_exhaustive()
    }
}
