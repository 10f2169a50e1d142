//! What an operator asks for.

use sqlx::Row as _;

use super::{Connection, Counts, EventId, Key, SqliteStore, StoreError, counted, error, nothing, statement};

impl SqliteStore {
    /// Removes up to so many records that are past their retention, the oldest first; how many there were. While it does, nobody else
    /// can write: keep the batches small (a thousand take some ten milliseconds) and pause between them.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn purge(&self, limit: u32) -> Result<u64, StoreError> {
        let shared = &self.shared;
        let statement = statement(&shared.sql.purge)
            .bind(i64::from(limit))
            .bind(shared.offset.millis());
        shared.writer.execute(statement).await
    }

    /// How many events of a namespace are in which state. It reads all of them.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let statement = statement(&self.shared.sql.count)
            .bind(namespace)
            .bind(self.shared.offset.millis());
        let rows = self.operator().await?.rows(statement).await?;
        let row = rows.first().ok_or_else(nothing)?;
        let number = |column| row.try_get(column).map(counted).map_err(|failed| error(&failed));
        Ok(Counts {
            claimed: number("claimed")?,
            free: number("free")?,
            done: number("done")?,
        })
    }

    /// Up to so many events that were claimed and neither finished nor renewed before their lease ended, the longest overdue first:
    /// their process died, and their sender has not sent them again. It reads the whole namespace.
    ///
    /// # Errors
    /// The store did not answer.
    pub async fn overdue(&self, namespace: &str, limit: u32) -> Result<Vec<Key>, StoreError> {
        let statement = statement(&self.shared.sql.overdue)
            .bind(namespace)
            .bind(i64::from(limit))
            .bind(self.shared.offset.millis());
        let rows = self.operator().await?.rows(statement).await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("id").map_err(|failed| error(&failed))?;
                Ok(Key::new(namespace, EventId::new(&id).map_err(StoreError::unavailable)?))
            })
            .collect()
    }

    /// A connection of its own, for what may take long.
    async fn operator(&self) -> Result<Connection, StoreError> {
        Connection::open(self.shared.options.clone()).await
    }
}
