//! An operator's calls.

use sqlx::Row as _;

use super::{Counts, EventId, Key, PostgresStore, StoreAdmin, StoreError, error, first, number, statement};
use crate::row::millis;

impl StoreAdmin for PostgresStore {
    /// Removes up to `limit` records that are past their retention, the oldest first, with what is
    /// stored of them; and of what was finished longer ago than
    /// [`keep_bodies`](super::PostgresStoreBuilder::keep_bodies) the body, the headers and the
    /// failed attempts. How many events there were. It waits for nobody, and a claim waits for it
    /// only where it is one of these events that is claimed.
    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.purge)
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .bind(millis(shared.keep_bodies))
                    .bind(shared.offset.millis())
            })
            .await?;
        number(first(&rows)?, "purged")
    }

    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.count)
                    .bind(namespace)
                    .bind(shared.offset.millis())
            })
            .await?;
        let row = first(&rows)?;
        Ok(
            Counts::new(number(row, "claimed")?, number(row, "free")?, number(row, "done")?)
                .with_dead(number(row, "dead")?),
        )
    }

    /// The longest expired first.
    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.expired_claims)
                    .bind(namespace)
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .bind(shared.offset.millis())
            })
            .await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("id").map_err(|failed| error(&failed))?;
                Ok(Key::new(namespace, EventId::new(&id).map_err(StoreError::unavailable)?))
            })
            .collect()
    }
}
