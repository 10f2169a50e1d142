//! What an operator asks for.

use sqlx::Row as _;

use super::{
    Connection, Counts, EventId, Key, SqliteStore, StoreAdmin, StoreError, counted, error, nothing, statement,
};

impl StoreAdmin for SqliteStore {
    /// Removes up to so many records that are past their retention, the oldest first; how many
    /// there were. While it does, nobody else can write: keep the batches small (a thousand take
    /// some ten milliseconds) and pause between them.
    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        let shared = &self.shared;
        let statement = statement(&shared.sql.purge)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(shared.offset.millis());
        shared.writer.execute(statement).await
    }

    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        let statement = statement(&self.shared.sql.count)
            .bind(namespace)
            .bind(self.shared.offset.millis());
        let rows = self.operator().await?.rows(statement).await?;
        let row = rows.first().ok_or_else(nothing)?;
        let number = |column| row.try_get(column).map(counted).map_err(|failed| error(&failed));
        Ok(Counts::new(number("claimed")?, number("free")?, number("done")?))
    }

    /// The longest expired first.
    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        let statement = statement(&self.shared.sql.expired_claims)
            .bind(namespace)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(self.shared.offset.millis());
        let rows = self.operator().await?.rows(statement).await?;
        rows.iter()
            .map(|row| {
                let id: String = row.try_get("id").map_err(|failed| error(&failed))?;
                Ok(Key::new(namespace, EventId::new(&id).map_err(StoreError::unavailable)?))
            })
            .collect()
    }
}

impl SqliteStore {
    /// A connection of its own, for what may take long.
    async fn operator(&self) -> Result<Connection, StoreError> {
        Connection::open(self.shared.options.clone()).await
    }
}
