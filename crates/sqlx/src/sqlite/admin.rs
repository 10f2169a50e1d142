//! An operator's calls.

use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use tower_webhook::{
    inbox::{Attempt, Cursor, Filter, InboxAdmin, Letter, Page, PastAttempt},
    store::{Counts, Effect, Key, Record, Replayed, Stage, StoreAdmin, StoreError, record},
};

use super::{
    SqliteStore,
    connection::{Connection, Statement},
    desk::Desk,
    nothing,
    rows::{self, count, entry, get, of_millis, small, states, to_millis},
    statements::{of_key, statement},
    writer::Write,
};
use crate::row::millis;

/// How many deliveries one transaction replays.
const PART: usize = 1000;

impl StoreAdmin for SqliteStore {
    /// Removes up to `limit` records that are past their retention, the oldest first, and bodies
    /// that were [kept](super::SqliteStoreBuilder::keep_bodies) long enough, and returns how many.
    /// While it does, nobody else can write: keep the batches small (a thousand take some tens of
    /// milliseconds) and pause between them.
    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let kept = millis(self.shared.keep_bodies);
        self.write(Purge { limit, kept }).await
    }

    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let statement = statement(&self.shared.sql.count)
            .bind(namespace)
            .bind(self.shared.offset.millis());
        let rows = self.operator_rows(statement).await?;
        let row = rows.first().ok_or_else(nothing)?;
        Ok(
            Counts::new(count(row, "claimed")?, count(row, "free")?, count(row, "done")?)
                .with_dead(count(row, "dead")?),
        )
    }

    /// The longest expired first.
    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let statement = statement(&self.shared.sql.expired_claims)
            .bind(namespace)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(self.shared.offset.millis());
        let rows = self.operator_rows(statement).await?;
        rows.iter().map(|row| rows::key(namespace, row)).collect()
    }
}

impl InboxAdmin for SqliteStore {
    async fn list(&self, filter: &Filter, after: Option<&Cursor>, limit: usize) -> Result<Page, StoreError> {
        let sql = &self.shared.sql.list;
        let offset = self.shared.offset.millis();
        let rows = self.operator_rows(listed(sql, filter, after, limit, offset)).await?;
        let entries = rows.iter().map(|row| entry(&filter.namespace, row));
        Ok(Page::new(entries.collect::<Result<_, _>>()?, limit))
    }

    async fn letter(&self, key: &Key) -> Result<Option<Letter>, StoreError> {
        let sql = &self.shared.sql;
        let letter = of_key(&sql.letter, key).bind(self.shared.offset.millis());
        let operator = self.operator().await?;
        let rows = operator.rows(letter).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let history = operator.rows(of_key(&sql.history, key)).await?;
        Ok(Some(Letter::new(
            entry(key.namespace(), row)?,
            rows::delivery(row)?,
            history.iter().map(past).collect::<Result<_, _>>()?,
        )))
    }

    async fn replay(&self, key: &Key) -> Result<Replayed, StoreError> {
        self.write(Replay(key.clone())).await
    }

    /// A thousand in a transaction, so that others write in between.
    async fn replay_all(&self, filter: &Filter, over: Duration) -> Result<u64, StoreError> {
        let list = listed(
            &self.shared.sql.list,
            filter,
            None,
            usize::MAX,
            self.shared.offset.millis(),
        );
        let mut keys = Vec::new();
        for row in self.operator_rows(list).await? {
            let entry = entry(&filter.namespace, &row)?;
            if entry.stage != Stage::Running {
                keys.push(entry.key);
            }
        }
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX).max(1);
        let mut keys = (0_u32..).map(|number| over.saturating_mul(number) / count).zip(keys);
        let mut replayed = 0;
        loop {
            let part: Vec<_> = keys.by_ref().take(PART).collect();
            if part.is_empty() {
                return Ok(replayed);
            }
            let stage = filter.stage;
            replayed += self.write(ReplayAll { part, stage }).await?;
        }
    }

    async fn bury(&self, key: &Key, reason: &str) -> Result<Effect, StoreError> {
        self.write(Bury {
            key: key.clone(),
            reason: reason.to_owned(),
        })
        .await
    }
}

fn past(row: &SqliteRow) -> Result<PastAttempt, StoreError> {
    let number = small(row, "number")?;
    let text = |column| get::<String>(row, column);
    let attempt = Attempt::new(number, text("outcome")?, text("error")?, text("worker")?);
    Ok(PastAttempt::new(attempt, of_millis(get(row, "ended_at")?)))
}

fn listed<'q>(
    sql: &std::sync::Arc<str>,
    filter: &'q Filter,
    after: Option<&'q Cursor>,
    limit: usize,
    offset: i64,
) -> Statement<'q> {
    // The filter's beginning or the cursor, whichever is later. No id is empty.
    let since = (filter.since.map_or(i64::MIN, to_millis), "");
    let (received_at, id) = after
        .map(|after| (to_millis(after.received_at), after.id.as_str()))
        .map_or(since, |after| after.max(since));
    statement(sql)
        .bind(filter.namespace.as_str())
        .bind(filter.stage.map(states))
        .bind(filter.topic.as_deref())
        .bind(received_at)
        .bind(id)
        .bind(filter.before.map_or(i64::MAX, to_millis))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(offset)
        .bind(filter.tenant_prefix())
}

struct Purge {
    limit: i64,
    kept: i64,
}

impl Write for Purge {
    type Response = u64;

    fn keys(&self) -> Vec<&Key> {
        Vec::new()
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<u64, StoreError> {
        desk.forget_seen();
        let offset = desk.offset;
        let expired = statement(&desk.sql.expired).bind(self.limit).bind(offset);
        let mut purged = 0_i64;
        for row in desk.rows(expired).await? {
            let key = rows::key(&get::<String>(&row, "namespace")?, &row)?;
            if get(&row, "stored")? {
                desk.delete(&key).await?;
            } else {
                desk.execute(of_key(&desk.sql.forget, &key)).await?;
            }
            purged += 1;
        }
        let kept = statement(&desk.sql.kept)
            .bind(self.limit.saturating_sub(purged))
            .bind(offset)
            .bind(self.kept);
        for row in desk.rows(kept).await? {
            let key = rows::key(&get::<String>(&row, "namespace")?, &row)?;
            desk.forget_delivery(&key).await?;
            desk.execute(of_key(&desk.sql.drop_body, &key)).await?;
            purged += 1;
        }
        Ok(purged.unsigned_abs())
    }
}

struct Replay(Key);

impl Write for Replay {
    type Response = Replayed;

    fn keys(&self) -> Vec<&Key> {
        vec![&self.0]
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Replayed, StoreError> {
        desk.wakes = true;
        desk.change(&self.0, |current, now| record::replay(current, now, now))
            .await
    }
}

/// After how long each is due.
struct ReplayAll {
    part: Vec<(Duration, Key)>,
    stage: Option<Stage>,
}

impl Write for ReplayAll {
    type Response = u64;

    fn keys(&self) -> Vec<&Key> {
        self.part.iter().map(|(_, key)| key).collect()
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<u64, StoreError> {
        let mut replayed = 0;
        for (after, key) in &self.part {
            let change = |current: Option<&Record>, now: std::time::SystemTime| {
                // still, where somebody came first
                let current =
                    current.filter(|record| self.stage.is_none_or(|stage| Stage::from(&record.state) == stage));
                record::replay(current, now.checked_add(*after).unwrap_or(now), now)
            };
            replayed += u64::from(desk.change(key, change).await? == Replayed::Applied);
        }
        desk.wakes = true;
        Ok(replayed)
    }
}

struct Bury {
    key: Key,
    reason: String,
}

impl Write for Bury {
    type Response = Effect;

    fn keys(&self) -> Vec<&Key> {
        vec![&self.key]
    }

    async fn write(&self, desk: &mut Desk<'_>) -> Result<Effect, StoreError> {
        desk.bury(&self.key, &self.reason).await
    }
}

impl SqliteStore {
    /// A connection of its own, for what may take long.
    async fn operator(&self) -> Result<Connection, StoreError> {
        Connection::open(self.shared.options.clone()).await
    }

    pub(super) async fn operator_rows(&self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        self.operator().await?.rows(statement).await
    }
}
