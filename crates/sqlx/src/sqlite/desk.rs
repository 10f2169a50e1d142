//! A transaction, and each operation in it: read the record, let the transition table decide, write
//! what it says.

use std::{collections::HashSet, time::SystemTime};

use sqlx::{SqliteConnection, sqlite::SqliteRow};
use tower_webhook::{
    event::Fingerprint,
    inbox::{Action, Attempt, Deposit, Settlement, TakeRequest, Taken},
    store::{Deposited, Effect, Key, Record, StoreError, record},
};

use super::{
    connection::{Statement, error},
    rows::{self, Written, attempts, columns, get, json_of, of_millis},
    statements::{Statements, of_key, statement},
};
use crate::row::{Columns, millis, time};

/// A connection with a transaction that is open on it.
pub(super) struct Desk<'d> {
    pub(super) connection: &'d mut SqliteConnection,
    pub(super) sql: &'d Statements,
    pub(super) offset: i64,
    /// Whether a worker may find something that is due.
    pub(super) wakes: bool,
}

/// What a take has read, and why something could not be.
#[derive(Default)]
pub(super) struct Read {
    pub(super) taken: Vec<Taken>,
    pub(super) failed: Option<StoreError>,
}

/// A record, and the row it was read from.
pub(super) struct Found {
    pub(super) now: SystemTime,
    millis: i64,
    row: Option<Columns>,
    pub(super) record: Option<Record>,
}

impl Found {
    fn of(row: &SqliteRow) -> Result<Self, StoreError> {
        let (millis, row) = columns(row)?;
        let record = row.clone().map(Columns::into_record).transpose()?;
        Ok(Self {
            now: of_millis(millis),
            millis,
            row,
            record,
        })
    }

    /// The columns of a record that takes this one's place.
    fn written(&self, record: &Record) -> Written {
        let before = self.row.as_ref().filter(|_| {
            let expired = self.record.as_ref().is_none_or(|record| record.is_expired(self.now));
            !expired
        });
        Written::of(record, before, self.millis)
    }
}

impl Desk<'_> {
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let result = statement.execute(&mut *self.connection).await;
        result.map(|done| done.rows_affected()).map_err(|failed| error(&failed))
    }

    pub(super) async fn rows(&mut self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        statement
            .fetch_all(&mut *self.connection)
            .await
            .map_err(|failed| error(&failed))
    }

    pub(super) async fn find(&mut self, key: &Key) -> Result<Found, StoreError> {
        let read = of_key(&self.sql.read, key).bind(self.offset);
        let rows = self.rows(read).await?;
        Found::of(rows.first().ok_or_else(super::nothing)?)
    }

    /// What the transition table makes of a record.
    pub(super) async fn change<A>(
        &mut self,
        key: &Key,
        transition: impl FnOnce(Option<&Record>, SystemTime) -> record::Change<A>,
    ) -> Result<A, StoreError> {
        let found = self.find(key).await?;
        let change = transition(found.record.as_ref(), found.now);
        if let Some(record) = change.write {
            self.write(key, &record, &found).await?;
        }
        Ok(change.response)
    }

    async fn write(&mut self, key: &Key, record: &Record, found: &Found) -> Result<(), StoreError> {
        self.make_room(key, record, found).await?;
        let write = found.written(record).bound_to(of_key(&self.sql.write, key));
        self.execute(write).await?;
        Ok(())
    }

    async fn make_room(&mut self, key: &Key, record: &Record, found: &Found) -> Result<(), StoreError> {
        let was_stored = found.row.as_ref().is_some_and(|row| row.stored);
        if was_stored && record.schedule.is_none() {
            // It has expired, and another delivery of its event came, which is not stored.
            self.forget_delivery(key).await?;
        }
        Ok(())
    }

    pub(super) async fn forget(&mut self, key: &Key) -> Result<Effect, StoreError> {
        let read = of_key(&self.sql.read, key).bind(self.offset);
        let rows = self.rows(read).await?;
        // Of one that cannot be read, too: there is no other way to be rid of it.
        let (now, row) = columns(rows.first().ok_or_else(super::nothing)?)?;
        if row.is_none_or(|row| time(row.expires_at) <= of_millis(now)) {
            return Ok(Effect::NotHeld);
        }
        self.delete(key).await?;
        Ok(Effect::Applied)
    }

    pub(super) async fn delete(&mut self, key: &Key) -> Result<(), StoreError> {
        let forget = of_key(&self.sql.forget, key);
        self.execute(forget).await?;
        self.forget_delivery(key).await
    }

    pub(super) async fn forget_delivery(&mut self, key: &Key) -> Result<(), StoreError> {
        let body = of_key(&self.sql.forget_body, key);
        self.execute(body).await?;
        let attempts = of_key(&self.sql.forget_attempts, key);
        self.execute(attempts).await?;
        Ok(())
    }

    pub(super) async fn deposit(&mut self, deposit: &Deposit) -> Result<Deposited, StoreError> {
        let key = &deposit.key;
        let found = self.find(key).await?;
        let change = record::deposit(found.record.as_ref(), deposit.fingerprint, found.now);
        let Some(record) = change.write else {
            return Ok(change.response);
        };
        if found.row.as_ref().is_some_and(|row| row.stored) {
            let attempts = of_key(&self.sql.forget_attempts, key);
            self.execute(attempts).await?;
        }
        let delivery = &deposit.delivery;
        let store = found
            .written(&record)
            .bound_to(of_key(&self.sql.deposit, key))
            .bind(found.millis)
            .bind(delivery.topic.as_str())
            .bind(delivery.secret_index.and_then(|index| i64::try_from(index).ok()))
            .bind(delivery.headers_text())
            .bind(&delivery.body[..]);
        self.execute(store).await?;
        self.wakes = true;
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
        Ok(read)
    }

    /// How runs ended: one statement reads the records of a namespace, and one writes them.
    pub(super) async fn settle(&mut self, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
        let mut effects = Vec::with_capacity(settlements.len());
        let mut rest = settlements;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(apart(rest));
            self.settle_apart(now, &mut effects).await?;
            rest = later;
        }
        Ok(effects)
    }

    /// Settlements of different events of one namespace.
    async fn settle_apart(&mut self, settlements: &[Settlement], effects: &mut Vec<Effect>) -> Result<(), StoreError> {
        let Some(first) = settlements.first() else {
            return Ok(());
        };
        let namespace = first.claim_request.key.namespace();
        let ids: Vec<&str> = settlements
            .iter()
            .map(|settlement| settlement.claim_request.key.id().as_str())
            .collect();
        let ids = json_of(&ids);
        let read = statement(&self.sql.read_many)
            .bind(namespace)
            .bind(ids)
            .bind(self.offset);
        let rows = self.rows(read).await?;
        let mut written = Vec::with_capacity(settlements.len());
        for (place, settlement) in settlements.iter().enumerate() {
            let row = rows.get(place).ok_or_else(super::nothing)?;
            let (found, request) = (Found::of(row)?, &settlement.claim_request);
            let (current, now) = (found.record.as_ref(), found.now);
            let change = match settlement.action {
                Action::Complete(completion) => record::complete(current, request, completion, now),
                Action::PutBack { after, is_counted } => record::put_back(current, request, after, is_counted, now),
                // `Bury`, and what this version does not know, which waits for an operator.
                _ => record::bury(current, request, now),
            };
            if let Some(record) = change.write {
                self.make_room(&request.key, &record, &found).await?;
                written.push(found.written(&record).json(request.key.id()));
                self.wakes |= matches!(settlement.action, Action::PutBack { .. });
                if let Some(attempt) = &settlement.attempt {
                    self.note(&request.key, attempt, found.millis).await?;
                }
            }
            effects.push(change.response);
        }
        if !written.is_empty() {
            let records = format!("[{}]", written.join(","));
            let write = statement(&self.sql.write_many).bind(namespace).bind(records);
            self.execute(write).await?;
        }
        Ok(())
    }

    pub(super) async fn bury(&mut self, key: &Key, reason: &str) -> Result<Effect, StoreError> {
        let found = self.find(key).await?;
        let change = record::bury_unfinished(found.record.as_ref(), found.now);
        if let Some(record) = change.write {
            self.write(key, &record, &found).await?;
            let number = found.row.as_ref().map_or(0, |row| row.attempts);
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let attempt = Attempt::new(number, "buried", reason, "operator");
            self.note(key, &attempt, found.millis).await?;
        }
        Ok(change.response)
    }

    async fn note(&mut self, key: &Key, attempt: &Attempt, now: i64) -> Result<(), StoreError> {
        let note = of_key(&self.sql.note_attempt, key)
            .bind(i64::from(attempt.number))
            .bind(now)
            .bind(attempt.outcome.as_str())
            .bind(attempt.error.as_str())
            .bind(attempt.worker.as_str());
        self.execute(note).await?;
        Ok(())
    }
}

/// How many of the first settlements are of one namespace, and each of another event.
fn apart(settlements: &[Settlement]) -> usize {
    let mut seen = HashSet::new();
    let keys = settlements.iter().map(|settlement| &settlement.claim_request.key);
    let namespace = keys.clone().next().map(Key::namespace);
    keys.take_while(|key| namespace == Some(key.namespace()) && seen.insert(key.id()))
        .count()
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
