//! What an operator asks of the inbox.

use std::time::{Duration, SystemTime};

use sqlx::Row as _;

use tower_webhook::{
    inbox::{Cursor, Filter, InboxAdmin, Letter, Page},
    store::{Effect, Key, Replayed, Stage, StoreError, record},
};

use super::{
    PostgresStore, effect, error, first,
    letters::{entry, letter},
    number, of_key,
    pool::Statement,
    seen, statement,
    statements::{Filtered, text},
};
use crate::row::{ATTEMPTS, millis, overtaken};

impl InboxAdmin for PostgresStore {
    async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                filtered(&shared.sql.list, filter)
                    .bind(after.map(|after| micros(after.received_at)))
                    .bind(after.map(|after| after.id.as_str()))
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .bind(shared.offset.millis())
            })
            .await?;
        let entries = rows.iter().map(|row| entry(row, &filter.namespace));
        Ok(Page::new(entries.collect::<Result<_, _>>()?, limit))
    }

    async fn letter(&self, key: &Key) -> Result<Option<Letter>, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| of_key(&shared.sql.letter, key).bind(shared.offset.millis()))
            .await?;
        rows.first().map(|row| letter(row, key.namespace())).transpose()
    }

    async fn replay(&self, key: &Key) -> Result<Replayed, StoreError> {
        let shared = &self.shared;
        for _ in 0..ATTEMPTS {
            let rows = shared
                .pool
                .rows(|| of_key(&shared.sql.replay, key).bind(shared.offset.millis()))
                .await?;
            let row = first(&rows)?;
            if row.try_get("written").map_err(|failed| error(&failed))? {
                shared.changed.notify_waiters();
                return Ok(Replayed::Applied);
            }
            let seen = seen(row)?;
            let change = record::replay(seen.record.as_ref(), seen.now, seen.now);
            if change.write.is_none() {
                return Ok(change.response);
            }
        }
        Err(overtaken())
    }

    /// One statement, with the server's limit of time on it: where there are more than some hundred
    /// thousand, a filter by time makes parts of them.
    async fn replay_all(&self, filter: &Filter, over: Duration) -> Result<u64, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows_once(|| {
                filtered(&shared.sql.replay_all, filter)
                    .bind(millis(over))
                    .bind(shared.offset.millis())
            })
            .await?;
        shared.changed.notify_waiters();
        number(first(&rows)?, "replayed")
    }

    async fn bury(&self, key: &Key, reason: &str) -> Result<Effect, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows_once(|| {
                of_key(&shared.sql.bury, key)
                    .bind(text(reason))
                    .bind(shared.offset.millis())
            })
            .await?;
        Ok(effect(&rows))
    }
}

/// The statement, with the parameters of a filter.
fn filtered<'q>(sql: &Filtered, filter: &'q Filter) -> Statement<'q> {
    statement(sql.by(filter.stage))
        .bind(&filter.namespace)
        .bind(states(filter.stage))
        .bind(filter.topic.as_deref().map(text))
        .bind(filter.since.map_or(0, micros))
        .bind(micros(filter.before.unwrap_or_else(record::never)))
}

/// The states that a stage is in a row.
fn states(stage: Option<Stage>) -> &'static [&'static str] {
    match stage {
        Some(Stage::Waiting) => &["free"],
        Some(Stage::Running) => &["claimed"],
        Some(Stage::Done) => &["handled", "rejected"],
        Some(Stage::Dead) => &["dead"],
        _ => &["free", "claimed", "handled", "rejected", "dead"],
    }
}

/// In microseconds since 1970, rounded up, as far as the store's times go: what is stored at a
/// whole microsecond is before the one time if, and only if, it is before the other.
fn micros(time: SystemTime) -> i64 {
    let nanos = time
        .min(record::never())
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    i64::try_from(nanos.div_ceil(1000)).unwrap_or(i64::MAX)
}
