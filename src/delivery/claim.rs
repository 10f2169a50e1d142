use std::{fmt, sync::Arc};

use super::LeaseHandle;
use crate::store::ClaimRequest;

/// The right of this run to handle the event, as the store granted it.
#[derive(Clone)]
pub struct Claim {
    generation: u64,
    attempts: u32,
    lease: Arc<LeaseHandle>,
}

impl Claim {
    pub(crate) fn new(generation: u64, attempts: u32, lease: Arc<LeaseHandle>) -> Self {
        Self {
            generation,
            attempts,
            lease,
        }
    }

    /// A fencing token: it rises with each claim of this event. A system that remembers the highest
    /// generation it saw can refuse the writes of a run whose lease another run has taken. It
    /// starts again at 1 where the store has forgotten the event: after
    /// [`forget`](crate::store::IdempotencyStore::forget), or at the end of the retention.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Which attempt this is, from 1. A run that a drain ended is not counted, and a replay starts
    /// at 1 again. [`generation`](Self::generation) counts every claim.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempts
    }

    /// Whether another process may be running this event by now: the store says so, or no renewal
    /// has succeeded for as long as a lease lasts. A handler that works for long, or that blocks
    /// its thread, should check before it acts.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lease.is_lost()
    }

    /// Takes the completion of this claim over from the layer, for a store that completes it inside
    /// a transaction of the handler's. The returned request is the one the event was claimed with.
    ///
    /// From this call on, the layer no longer tells the store how the event ended. When the handler
    /// returns, the layer reads the record instead. DONE means handled, whatever the handler
    /// returned: the transaction was committed. Any other state means that the transaction was
    /// rolled back: the event is released and the provider retries.
    ///
    /// A transactional store calls this in a method such as `complete_in(&claim, &mut
    /// transaction)`, and sets DONE there by compare-and-set: only if the record is still CLAIMED
    /// with this request's token and fingerprint.
    ///
    /// ```
    /// use tower_webhook::{Delivery, HandlerError, dwolla};
    ///
    /// # struct Transaction;
    /// # impl Transaction {
    /// #     async fn execute(&mut self, _: &str, _: [u8; 16]) -> std::io::Result<u64> { Ok(1) }
    /// #     async fn commit(self) -> std::io::Result<()> { Ok(()) }
    /// # }
    /// # async fn begin() -> Transaction { Transaction }
    /// async fn settled(delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
    ///     let mut transaction = begin().await;
    ///     // … the effect …
    ///     let request = delivery.claim().hand_over_completion();
    ///     let sql = "UPDATE events SET state = 'done' WHERE state = 'claimed' AND token = $1";
    ///     if transaction.execute(sql, request.token.to_bytes()).await? == 0 {
    ///         return Err(HandlerError::retry("the lease was lost to another run"));
    ///     }
    ///     transaction.commit().await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn hand_over_completion(&self) -> &ClaimRequest {
        self.lease.hand_over_completion()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("generation", &self.generation)
            .field("attempts", &self.attempts)
            .field("lost", &self.is_lost())
            .finish()
    }
}
