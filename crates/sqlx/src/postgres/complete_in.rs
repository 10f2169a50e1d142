//! Effect and DONE in one transaction.

use sqlx::PgTransaction;

use tower_webhook::{delivery::Claim, store::StoreError};

use super::{PostgresStore, meaning::error, statements::of_claim_request};
use crate::row::{lost, millis};

impl PostgresStore {
    /// Completes the event in the transaction that has the handler's effect: either both are there,
    /// or neither.
    ///
    /// A compare-and-set: if this run has lost its claim, nothing changes and it is an error; hand
    /// it on with `?`, so that the transaction is dropped, which rolls it back. From the call on
    /// the layer does not complete the event by itself: when the handler has ended, however it did,
    /// the layer reads the record. DONE is a 200; anything else is released, and a 500.
    ///
    /// Call it last, right before the commit: it locks the event's row, and a renewal of the lease
    /// waits for that (which is no lost lease). The transaction has to be one of the database that
    /// the store uses. Where it has `synchronous_commit` off, the call sets it on for this
    /// transaction: what got 200 is on the disk.
    ///
    /// # Errors
    /// The claim is lost ([`StoreErrorKind::NotHeld`](tower_webhook::store::StoreErrorKind)), or
    /// the database did not respond. Roll back in either case.
    ///
    /// # Examples
    /// ```no_run
    /// use sqlx::PgPool;
    /// use tower_webhook::{Delivery, HandlerError, dwolla};
    /// use tower_webhook_sqlx::PostgresStore;
    ///
    /// #[derive(Clone)]
    /// struct Books {
    ///     pool: PgPool,
    ///     webhooks: PostgresStore,
    /// }
    ///
    /// async fn settled(
    ///     books: Books,
    ///     delivery: Delivery<dwolla::Event>,
    /// ) -> Result<(), HandlerError> {
    ///     let mut transaction = books.pool.begin().await?;
    ///     sqlx::query("INSERT INTO settled (transfer) VALUES ($1)")
    ///         .bind(delivery.event().resource_id())
    ///         .execute(&mut *transaction)
    ///         .await?;
    ///     books
    ///         .webhooks
    ///         .complete_in(delivery.claim(), &mut transaction)
    ///         .await?;
    ///     transaction.commit().await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn complete_in(&self, claim: &Claim, transaction: &mut PgTransaction<'_>) -> Result<(), StoreError> {
        let claim_request = claim.hand_over_completion();
        let statement = of_claim_request(&self.shared.sql.complete_in, claim_request)
            .bind(millis(claim_request.retention))
            .bind(self.shared.offset.millis());
        match statement.fetch_in(transaction, self.shared.pool.way()).await {
            Ok(rows) if rows.is_empty() => Err(lost(claim_request)),
            Ok(_) => Ok(()),
            Err(failed) => Err(error(&failed)),
        }
    }
}
