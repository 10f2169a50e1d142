//! An operator's calls to the inbox.

use std::time::{Duration, SystemTime};

use sqlx::{Row as _, postgres::PgRow};

use tower_webhook::{
    inbox::{Cursor, Filter, InboxAdmin, Letter, Page},
    store::{Effect, Key, Replayed, Stage, StoreError, record},
};

use super::{
    PostgresStore, effect, error, first,
    letters::{entry, letter},
    number, of_key,
    parameters::Statement,
    seen, statement,
    statements::{Filtered, text},
};
use crate::row::{ATTEMPTS, millis, overtaken};

/// How many deliveries one statement replays.
const PART: i64 = 10_000;

impl InboxAdmin for PostgresStore {
    async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let shared = &self.shared;
        let start = Start::of(filter, after);
        let rows = shared
            .pool
            .rows(|| {
                filtered(&shared.sql.list, filter, &start)
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

    /// Ten thousand in a statement: the server limits how long one takes.
    async fn replay_all(&self, filter: &Filter, over: Duration) -> Result<u64, StoreError> {
        let shared = &self.shared;
        let mut start = Start::of(filter, None);
        let rows = shared
            .pool
            .rows(|| filtered(&shared.sql.count_filtered, filter, &start).bind(shared.offset.millis()))
            .await?;
        let total: i64 = get(first(&rows)?, "matching")?;
        let (mut meant, mut replayed) = (0, 0);
        loop {
            let rows = shared
                .pool
                .rows_once(|| {
                    filtered(&shared.sql.replay_all, filter, &start)
                        .bind(PART)
                        .bind(meant)
                        .bind(total)
                        .bind(millis(over))
                        .bind(shared.offset.millis())
                })
                .await?;
            let row = first(&rows)?;
            replayed += number(row, "replayed")?;
            shared.changed.notify_waiters();
            let part: i64 = get(row, "meant")?;
            // What is stored or given up meanwhile is not meant, however fast it comes.
            meant += part;
            if part < PART || meant >= total {
                return Ok(replayed);
            }
            start = Start {
                received_at: get(row, "received_at")?,
                id: get(row, "id")?,
            };
        }
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

/// Behind what a list begins.
struct Start {
    /// In microseconds since 1970.
    received_at: i64,
    id: String,
}

impl Start {
    /// Where a filter and a cursor begin, whichever is later. No id is empty.
    fn of(filter: &Filter, after: Option<&Cursor>) -> Self {
        let since = (filter.since.map_or(0, micros), "");
        let (received_at, id) = after
            .map(|after| (micros(after.received_at), after.id.as_str()))
            .map_or(since, |after| after.max(since));
        Self {
            received_at,
            id: id.to_owned(),
        }
    }
}

/// The statement, with the parameters of a filter.
fn filtered<'q>(sql: &Filtered, filter: &'q Filter, start: &Start) -> Statement<'q> {
    statement(sql.by(filter.stage))
        .bind(&*filter.namespace)
        .bind(states(filter.stage))
        .bind(filter.topic.as_deref().map(text))
        .bind(start.received_at)
        .bind(start.id.clone())
        .bind(micros(filter.before.unwrap_or_else(record::never)))
        .bind(filter.tenant_prefix())
}

fn get<'r, T>(row: &'r PgRow, column: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(column).map_err(|failed| error(&failed))
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
