//! What an operator asks for.

use sqlx::Row as _;

use super::{Counts, EventId, Key, PostgresStore, StoreError, error, first, number, statement};

impl PostgresStore {
    /// Removes up to so many records that are past their retention, the oldest first; how many there were. It waits for nobody, and
    /// a claim waits for it only where it is one of these events that is claimed.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn purge(&self, limit: u32) -> Result<u64, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.purge)
                    .bind(i64::from(limit))
                    .bind(shared.offset.millis())
            })
            .await?;
        number(first(&rows)?, "purged")
    }

    /// How many events of a namespace are in which state. It reads all of them.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
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
        Ok(Counts {
            claimed: number(row, "claimed")?,
            free: number(row, "free")?,
            done: number(row, "done")?,
        })
    }

    /// Up to so many events that were claimed and neither finished nor renewed before their lease ended, the longest overdue first:
    /// their process died, and their sender has not sent them again. It reads the whole namespace.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn overdue(&self, namespace: &str, limit: u32) -> Result<Vec<Key>, StoreError> {
        let shared = &self.shared;
        let rows = shared
            .pool
            .rows(|| {
                statement(&shared.sql.overdue)
                    .bind(namespace)
                    .bind(i64::from(limit))
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
