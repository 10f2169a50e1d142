//! A delivery that is stored with the application's own writes.

use sqlx::PgTransaction;

use tower_webhook::{
    inbox::Deposit,
    store::{Deposited, StoreError},
};

use super::{
    PostgresStore,
    deposits::{Columns, Locks, deposited},
    meaning::error,
    rows::first,
};
use crate::row::{ATTEMPTS, overtaken};

impl PostgresStore {
    /// Stores a delivery in the transaction that has the application's own writes: either all are
    /// there, or none. For a reconciler that found an event the provider did not deliver, or for an
    /// outbox whose jobs a worker does.
    ///
    /// The delivery is due when the transaction is committed, and a worker takes it at its next
    /// poll: nothing here knows when that is. Until then the event's row is locked, and a copy from
    /// the provider waits for it: commit soon. The transaction has to be one of the database that
    /// the store uses. Where it has `synchronous_commit` off, the call sets it on for this
    /// transaction.
    ///
    /// # Errors
    /// The database did not respond, or has no room. Roll back.
    ///
    /// # Examples
    /// ```no_run
    /// use sqlx::PgPool;
    /// use tower_webhook::{dwolla, inbox::Deposit, store::Deposited};
    /// use tower_webhook_sqlx::PostgresStore;
    ///
    /// /// An event that the provider's list has, and its webhooks never brought.
    /// async fn missed(
    ///     pool: &PgPool,
    ///     webhooks: &PostgresStore,
    ///     body: Vec<u8>,
    /// ) -> Result<bool, Box<dyn std::error::Error>> {
    ///     let event = dwolla::Event::from_json(&body)?;
    ///     let deposit = Deposit::fetched("dwolla", &event, body).ok_or("no id")?;
    ///     let mut transaction = pool.begin().await?;
    ///     sqlx::query("UPDATE reconciled SET last_event = $1")
    ///         .bind(event.id().as_str())
    ///         .execute(&mut *transaction)
    ///         .await?;
    ///     let deposited = webhooks.deposit_in(&deposit, &mut transaction).await?;
    ///     transaction.commit().await?;
    ///     Ok(deposited == Deposited::Stored)
    /// }
    /// ```
    pub async fn deposit_in(
        &self,
        deposit: &Deposit,
        transaction: &mut PgTransaction<'_>,
    ) -> Result<Deposited, StoreError> {
        let columns = Columns::of([deposit]);
        for _ in 0..ATTEMPTS {
            let rows = columns
                .bound_to(&self.shared.sql, self.shared.offset.millis(), Locks::Wait)
                .fetch_in(transaction, self.shared.pool.way())
                .await
                .map_err(|failed| error(&failed))?;
            if let Some(response) = deposited(first(&rows)?, deposit)? {
                return Ok(response);
            }
        }
        Err(overtaken())
    }
}
