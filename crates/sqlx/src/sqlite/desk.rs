//! A transaction, and each operation in it: read the record, let the transition table decide, write
//! what it says.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use sqlx::{SqliteConnection, sqlite::SqliteRow};
use tower_webhook::{
    event::Fingerprint,
    inbox::{Action, Attempt, Deposit, Settlement, TakeRequest, Taken},
    store::{Deposited, Effect, Key, Record, StoreError, record},
};

use super::{
    connection::{Statement, error},
    rows::{self, attempts, columns, get, json_of, of_millis, row_of},
    statements::{Statements, of_key, statement},
    unwritten::Unwritten,
};
use crate::row::{Columns, millis, time};

/// How many bytes of deliveries wait to be written at most, unless one alone has more.
const MOST_BYTES: usize = 1024 * 1024;

/// A connection with a transaction that is open on it.
pub(super) struct Desk<'d> {
    connection: &'d mut SqliteConnection,
    pub(super) sql: &'d Statements,
    pub(super) offset: i64,
    /// Whether a worker may find something that is due.
    pub(super) wakes: bool,
    /// The rows that were read, as the operations have left them.
    seen: HashMap<Key, Found>,
    unwritten: Unwritten,
}

/// What a take has read, and why something could not be.
#[derive(Default)]
pub(super) struct Read {
    pub(super) taken: Vec<Taken>,
    pub(super) failed: Option<StoreError>,
}

/// A row, and the record in it.
struct Found {
    now: i64,
    row: Option<Columns>,
    record: Result<Option<Record>, StoreError>,
}

impl Found {
    fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        let (now, row) = columns(row)?;
        let record = row.clone().map(Columns::into_record).transpose();
        Ok(Self { now, row, record })
    }

    fn time(&self) -> SystemTime {
        of_millis(self.now)
    }

    fn record(&self) -> Result<Option<&Record>, StoreError> {
        self.record.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    fn is_stored(&self) -> bool {
        self.row.as_ref().is_some_and(|row| row.stored)
    }

    fn is_expired(&self) -> bool {
        self.row.as_ref().is_none_or(|row| time(row.expires_at) <= self.time())
    }
}

impl<'d> Desk<'d> {
    /// Where a transaction is open already.
    pub(super) fn new(connection: &'d mut SqliteConnection, sql: &'d Statements, offset: i64) -> Self {
        Self {
            connection,
            sql,
            offset,
            wakes: false,
            seen: HashMap::new(),
            unwritten: Unwritten::default(),
        }
    }

    /// Begins a transaction in which nobody else writes, with the rows of these events.
    pub(super) async fn begin(&mut self, keys: &[&Key]) -> Result<(), sqlx::Error> {
        let begin = asked(statement(&self.sql.begin), keys, self.offset);
        let rows = begin.fetch_all(&mut *self.connection).await?;
        // One that is missing is read when it is asked for.
        for (key, row) in keys.iter().zip(&rows) {
            if let Ok(found) = Found::of(row) {
                self.seen.insert((*key).clone(), found);
            }
        }
        Ok(())
    }

    /// Whether a worker may find something that is due.
    pub(super) async fn commit(mut self) -> Result<bool, StoreError> {
        let commit = if self.unwritten.is_empty() {
            sqlx::query("COMMIT;\nSELECT 1")
        } else {
            self.unwritten.bound_to(statement(&self.sql.commit))
        };
        // A thread that dies says nothing, which looks like the end of a statement without rows.
        let committed = commit.fetch_all(self.connection).await;
        if committed.map_err(|failed| error(&failed))?.is_empty() {
            return Err(super::nothing());
        }
        Ok(self.wakes)
    }

    /// Writes what operations have left to the end, for those that look at the tables.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let write = self.unwritten.bound_to(statement(&self.sql.write));
        let written = write.execute(&mut *self.connection).await;
        written.map(drop).map_err(|failed| error(&failed))
    }

    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<(), StoreError> {
        self.flush().await?;
        let result = statement.execute(&mut *self.connection).await;
        result.map(drop).map_err(|failed| error(&failed))
    }

    pub(super) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        self.flush().await?;
        let rows = statement.fetch_all(&mut *self.connection).await;
        rows.map_err(|failed| error(&failed))
    }

    /// What was found, for `keep` to be given back.
    async fn find(&mut self, key: &Key) -> Result<Found, StoreError> {
        if let Some(found) = self.seen.remove(key) {
            return Ok(found);
        }
        let read = asked(statement(&self.sql.read), &[key], self.offset);
        let rows = self.rows(read).await?;
        Found::of(rows.first().ok_or_else(super::nothing)?)
    }

    /// Keeps what was found, with the record that takes the place of the one in it.
    async fn keep(&mut self, key: &Key, record: Option<Record>, mut found: Found) -> Result<(), StoreError> {
        if let Some(record) = record {
            if found.is_stored() && record.schedule.is_none() {
                // It has expired, and another delivery of its event came, which is not stored.
                self.forget_delivery(key).await?;
            }
            let row = row_of(&record, found.row.as_ref().filter(|_| !found.is_expired()), found.now);
            self.unwritten.record(key, found.row.is_some(), row.clone());
            found.row = Some(row);
            found.record = Ok(Some(record));
        }
        self.seen.insert(key.clone(), found);
        Ok(())
    }

    /// For an operation that changes rows by itself: those that come after it read them anew.
    pub(super) fn forget_seen(&mut self) {
        self.seen.clear();
    }

    /// What the transition table makes of a record.
    pub(super) async fn change<A>(
        &mut self,
        key: &Key,
        transition: impl FnOnce(Option<&Record>, SystemTime) -> record::Change<A>,
    ) -> Result<A, StoreError> {
        let found = self.find(key).await?;
        let change = transition(found.record()?, found.time());
        self.keep(key, change.write, found).await?;
        Ok(change.response)
    }

    pub(super) async fn forget(&mut self, key: &Key) -> Result<Effect, StoreError> {
        // One that cannot be read, too: there is no other way to be rid of it.
        if self.find(key).await?.is_expired() {
            return Ok(Effect::NotHeld);
        }
        self.delete(key).await?;
        Ok(Effect::Applied)
    }

    pub(super) async fn delete(&mut self, key: &Key) -> Result<(), StoreError> {
        let forget = of_key(&self.sql.forget, key);
        self.execute(forget).await?;
        self.seen.remove(key);
        self.forget_delivery(key).await
    }

    pub(super) async fn forget_delivery(&mut self, key: &Key) -> Result<(), StoreError> {
        let body = of_key(&self.sql.forget_body, key);
        self.execute(body).await?;
        let attempts = of_key(&self.sql.forget_attempts, key);
        self.execute(attempts).await
    }

    pub(super) async fn deposit(&mut self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        let key = &deposit.key;
        let found = self.find(key).await?;
        let change = record::deposit(found.record()?, deposit.fingerprint, found.time());
        if change.write.is_some() {
            if found.is_stored() {
                let attempts = of_key(&self.sql.forget_attempts, key);
                self.execute(attempts).await?;
            }
            self.unwritten.delivery(key, &deposit.delivery, found.now);
            self.wakes = true;
        }
        self.keep(key, change.write, found).await?;
        if self.unwritten.size() > MOST_BYTES {
            self.flush().await?;
        }
        Ok(change.response)
    }

    /// A row that cannot be read is claimed all the same, as by a worker that dies of it: left due,
    /// it would come first for ever.
    pub(super) async fn take(&mut self, request: &TakeRequest) -> Result<Read, StoreError> {
        let sql = match (&request.id, request.suspects) {
            (Some(_), _) => &self.sql.due_one,
            (None, true) => &self.sql.due_suspects,
            (None, false) => &self.sql.due_fresh,
        };
        let mut due = statement(sql)
            .bind(&*request.namespace)
            .bind(self.offset)
            .bind(i64::try_from(request.limit).unwrap_or(i64::MAX));
        if let Some(id) = &request.id {
            due = due.bind(id.as_str());
        }
        let rows = self.rows(due).await?;
        let Some(first) = rows.first() else {
            return Ok(Read::default());
        };
        let now: i64 = get(first, "now")?;
        let ids: Vec<&str> = rows.iter().map(|row| get(row, "id")).collect::<Result<_, _>>()?;
        let mut read = Read::default();
        for row in &rows {
            match taken(request, row) {
                Ok(taken) => read.taken.push(taken),
                Err(error) => read.failed = Some(error),
            }
        }
        let hold = statement(&self.sql.hold)
            .bind(&*request.namespace)
            .bind(request.token.to_bytes().to_vec())
            .bind(millis(request.lease))
            .bind(now)
            .bind(json_of(&ids));
        self.execute(hold).await?;
        let held: HashSet<&str> = ids.into_iter().collect();
        let is_held = |key: &Key| key.namespace() == &*request.namespace && held.contains(key.id().as_str());
        self.seen.retain(|key, _| !is_held(key));
        Ok(read)
    }

    pub(super) async fn settle(&mut self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        let mut effects = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            let request = &settlement.claim_request;
            let found = self.find(&request.key).await?;
            let (current, now) = (found.record()?, found.time());
            let change = match settlement.action {
                Action::Complete(completion) => record::complete(current, request, completion, now),
                Action::PutBack { after, is_counted } => record::put_back(current, request, after, is_counted, now),
                // `Bury`, and what this version does not know, which waits for an operator.
                _ => record::bury(current, request, now),
            };
            if change.write.is_some() {
                self.wakes |= matches!(settlement.action, Action::PutBack { .. });
                if let Some(attempt) = &settlement.attempt {
                    self.unwritten.attempt(&request.key, attempt, found.now);
                }
            }
            self.keep(&request.key, change.write, found).await?;
            effects.push(change.response);
        }
        Ok(effects)
    }

    pub(super) async fn bury(&mut self, key: &Key, reason: &str) -> Result<Effect, StoreError> {
        let found = self.find(key).await?;
        let change = record::bury_unfinished(found.record()?, found.time());
        if change.write.is_some() {
            let number = found.row.as_ref().map_or(0, |row| row.attempts);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let attempt = Attempt::new(number, "buried", reason, "operator");
            self.unwritten.attempt(key, &attempt, found.now);
        }
        self.keep(key, change.write, found).await?;
        Ok(change.response)
    }
}

/// `read.sql` for these events.
pub(super) fn asked<'q>(statement: Statement<'q>, keys: &[&Key], offset: i64) -> Statement<'q> {
    let keys: Vec<_> = keys.iter().map(|key| [key.namespace(), key.id().as_str()]).collect();
    // Texts: there is nothing that JSON has not.
    statement
        .bind(serde_json::to_string(&keys).unwrap_or_default())
        .bind(offset)
}

fn taken(request: &TakeRequest, row: &SqliteRow) -> Result<Taken, StoreError> {
    let fingerprint: Vec<u8> = get(row, "fingerprint")?;
    let fingerprint = Fingerprint::from_bytes(crate::row::sixteen(&fingerprint, "fingerprint")?);
    let (attempts, crashes) = attempts(row)?;
    let was_claimed = get::<String>(row, "state")? == "claimed";
    let generation = rows::count(row, "generation")?.saturating_add(1);
    let key = rows::key(&request.namespace, row)?;
    Ok(Taken::new(request, key, fingerprint, rows::delivery(row)?)
        .with_counts(
            generation,
            attempts.saturating_add(1),
            crashes.saturating_add(u32::from(was_claimed)),
        )
        .with_received_at(of_millis(get(row, "received_at")?)))
}
