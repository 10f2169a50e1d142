//! In a transaction of the application's: effect and DONE, or a deposit.

use sqlx::SqliteTransaction;
use tower_webhook::{
    delivery::Claim,
    inbox::Deposit,
    store::{Deposited, StoreError},
};

use super::{
    SqliteStore,
    connection::{error, waits_for_the_disk},
    desk::Desk,
    statements::of_key,
};
use crate::row::{lost, millis};

impl SqliteStore {
    /// Completes the event in the transaction that has the handler's effect: either both are there,
    /// or neither.
    ///
    /// A compare-and-set: if this run has lost its claim, nothing changes and it is an error; hand
    /// it on with `?`, so that the transaction is dropped, which rolls it back. From the call on
    /// the layer does not complete the event by itself: when the handler has ended, however it did,
    /// the layer reads the record. DONE is a 200; anything else is released, and a 500.
    ///
    /// Call it last, right before the commit: until then nobody else can write to the file, and a
    /// renewal of the lease waits (which is no lost lease). The transaction has to be one of the
    /// file that the store uses, on a connection with `synchronous=FULL` (SQLite's default, and
    /// sqlx's), since otherwise a power cut could take back what was acknowledged. Begin it with
    /// `BEGIN IMMEDIATE`, or it fails where another wrote since it first read.
    ///
    /// # Errors
    /// The claim is lost ([`StoreErrorKind::NotHeld`](tower_webhook::store::StoreErrorKind)), the
    /// connection does not wait for the disk, or the database did not respond. Roll back in any
    /// case.
    ///
    /// # Examples
    /// ```no_run
    /// use sqlx::SqlitePool;
    /// use tower_webhook::{Delivery, HandlerError, dwolla};
    /// use tower_webhook_sqlx::SqliteStore;
    ///
    /// #[derive(Clone)]
    /// struct Books {
    ///     pool: SqlitePool,
    ///     webhooks: SqliteStore,
    /// }
    ///
    /// async fn settled(
    ///     books: Books,
    ///     delivery: Delivery<dwolla::Event>,
    /// ) -> Result<(), HandlerError> {
    ///     let mut transaction = books.pool.begin_with("BEGIN IMMEDIATE").await?;
    ///     sqlx::query("INSERT INTO settled (transfer) VALUES (?1)")
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
    ///
    /// Tested, with the feature `test-util` of tower-webhook:
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// use sqlx::SqlitePool;
    /// use tower_webhook::{
    ///     Delivery, HandlerError, dwolla, event::EventId,
    ///     store::{IdempotencyStore, Key, State}, testing,
    /// };
    /// use tower_webhook_sqlx::SqliteStore;
    ///
    /// async fn settled(
    ///     pool: &SqlitePool,
    ///     store: &SqliteStore,
    ///     delivery: Delivery<dwolla::Event>,
    /// ) -> Result<(), HandlerError> {
    ///     let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    ///     // … the effect …
    ///     store.complete_in(delivery.claim(), &mut transaction).await?;
    ///     transaction.commit().await?;
    ///     Ok(())
    /// }
    ///
    /// # let folder = format!("tower-webhook doc claimed {}", std::process::id());
    /// # let folder = std::env::temp_dir().join(folder);
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("app.db");
    /// let store = SqliteStore::open(&path).await?;
    /// let pool = SqlitePool::connect(&format!("sqlite:{}", path.display())).await?;
    ///
    /// let body =
    ///     r#"{"id":"1","topic":"transfer_completed","created":"2019-02-04T14:58:45.144Z"}"#;
    /// let event = dwolla::Event::from_json(body.as_bytes())?;
    /// let delivery = testing::claimed_delivery(&store, "dwolla", event, body).await?;
    /// assert!(settled(&pool, &store, delivery).await.is_ok());
    ///
    /// let record = store.get(&Key::new("dwolla", EventId::new("1")?)).await?;
    /// assert!(matches!(record.unwrap().state, State::Done { .. }));
    /// # drop((store, pool));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// # }
    /// ```
    pub async fn complete_in(&self, claim: &Claim, transaction: &mut SqliteTransaction<'_>) -> Result<(), StoreError> {
        let claim_request = claim.hand_over_completion();
        waits_for_the_disk(transaction).await?;
        let finish = of_key(&self.shared.sql.complete_in, &claim_request.key)
            .bind(claim_request.token.to_bytes().to_vec())
            .bind(claim_request.fingerprint.to_bytes().to_vec())
            .bind(millis(claim_request.retention))
            .bind(self.shared.offset.millis());
        match finish.execute(&mut **transaction).await {
            Ok(result) if result.rows_affected() == 0 => Err(lost(claim_request)),
            Ok(_) => Ok(()),
            Err(failed) => Err(error(&failed)),
        }
    }

    /// Stores a delivery in a transaction of the application's: what the application writes and the
    /// delivery are both there, or neither. The door for events that the application makes itself,
    /// or has fetched.
    ///
    /// The transaction has to be one of the file that the store uses, begun with `BEGIN IMMEDIATE`,
    /// on a connection with `synchronous=FULL`. Workers see the delivery once it is committed.
    ///
    /// # Errors
    /// The connection does not wait for the disk, or the database did not respond. Roll back in any
    /// case.
    ///
    /// # Examples
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// use sqlx::SqlitePool;
    /// use tower_webhook::{dwolla, inbox::{Deposit, Inbox}, store::Deposited};
    /// use tower_webhook_sqlx::SqliteStore;
    ///
    /// # let folder = format!("tower-webhook doc deposit {}", std::process::id());
    /// # let folder = std::env::temp_dir().join(folder);
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("app.db");
    /// let store = SqliteStore::open(&path).await?;
    /// let pool = SqlitePool::connect(&format!("sqlite:{}", path.display())).await?;
    ///
    /// // as the provider's API gives it; a webhook of it is a copy then
    /// let body =
    ///     &br#"{"id":"1","topic":"transfer_completed","created":"2019-02-04T14:58:45.144Z"}"#[..];
    /// let event = dwolla::Event::from_json(body)?;
    /// let deposit = Deposit::fetched("dwolla", &event, body).ok_or("no id")?;
    ///
    /// let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    /// // … what the application writes …
    /// assert_eq!(store.deposit_in(&deposit, &mut transaction).await?, Deposited::Stored);
    /// transaction.commit().await?;
    /// assert_eq!(store.backlog("dwolla", 10).await?.due, 1);
    /// # drop((store, pool));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub async fn deposit_in(
        &self,
        deposit: &Deposit,
        transaction: &mut SqliteTransaction<'_>,
    ) -> Result<Deposited, StoreError> {
        waits_for_the_disk(transaction).await?;
        let mut desk = Desk::new(transaction, &self.shared.sql, self.shared.offset.millis());
        let response = desk.deposit(deposit).await?;
        desk.flush().await?;
        Ok(response)
    }
}
