//! The contract of a deduplication store.
//!
//! A store keeps one [`Record`] per [`Key`] and applies each operation to it *atomically*; what an
//! operation does is decided by the transition table in [`record`], never by the store:
//!
//! ```text
//! ABSENT ──claim──▶ CLAIMED{token, generation, attempts, lease_until} ──complete──▶ DONE
//!                      │   ▲                                                      ▲
//!                   release └─────claim────┐                                      │
//!                      ▼                   │                                      │
//!                    FREE{generation, attempts} ────────complete(handled)─────────┘
//! ```
//!
//! - `claim` succeeds where nothing is recorded, where the record is FREE, where the lease is over
//!   or the retention is, and for the token that already holds it. It counts the attempt and raises
//!   the generation *before* the handler runs.
//! - `renew` and `release` act only for the token that holds the claim.
//! - `complete(Handled)` sets DONE from any state: the effect happened. `complete(Rejected)` is the
//!   holder's alone. DONE never goes back before its retention is over.
//! - Other facts under a known id (the same key with another fingerprint) are a conflict where the
//!   event is DONE, and change nothing. A record that is FREE, or whose lease is over, has handled
//!   nothing that is known: other facts claim it like any delivery, and it is theirs from then on.
//!   While a lease runs, they are told that the id is in flight.
//! - A claim is held by token *and* fingerprint. A run whose record other facts took over finishes
//!   nothing of it any more.
//! - The store's own clock decides leases, never the application's.
//!
//! A store can also be an [`Inbox`](crate::inbox::Inbox), which keeps the delivery beside its
//! record, adds the state DEAD, and has [transitions](crate::inbox#for-stores) for workers.
//!
//! Which store when, what each guarantees and how to write one: [`guide`].

pub mod record;

mod key;
mod error;
mod identity;
mod admin;
mod claim_request;
mod any;
pub mod guide;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "service")]
mod purging;

pub use admin::{Counts, StoreAdmin};
pub use any::AnyStore;
pub use claim_request::ClaimRequest;
pub use error::{StoreError, StoreErrorKind};
pub use identity::StoreIdentity;
pub use key::Key;
#[cfg(feature = "memory")]
pub use memory::{MemoryStore, MemoryStoreBuilder};
pub use record::{
    completion::{Completion, UnknownCompletion},
    response::{Claimed, Deposited, Effect, Replayed},
    schedule::Schedule,
    state::{Record, Stage, State},
};

use std::future::Future;

/// Remembers which events were claimed and which are done.
///
/// Every method is one atomic step on the record of `claim_request.key`.
///
/// # Cancel safety
/// The layer bounds each call with a timeout and drops the future when it strikes: the operation
/// may then have been applied or not. A store must stay consistent either way. The layer releases a
/// claim whose fate it does not know by its token.
pub trait IdempotencyStore: Send + Sync + 'static {
    /// Claims the event for the claim request's token, or says who has it.
    ///
    /// # Errors
    /// The store did not respond or has no room. No handler runs.
    fn claim(&self, claim_request: &ClaimRequest) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Restarts the lease, if the claim request's token holds the claim.
    ///
    /// # Errors
    /// The store did not respond.
    fn renew(&self, claim_request: &ClaimRequest) -> impl Future<Output = Result<Effect, StoreError>> + Send;

    /// Sets DONE: from any state if the event was handled, for the holder's token alone if it was
    /// rejected.
    ///
    /// # Errors
    /// The store did not respond.
    fn complete(
        &self,
        claim_request: &ClaimRequest,
        completion: Completion,
    ) -> impl Future<Output = Result<Effect, StoreError>> + Send;

    /// Sets FREE, if the claim request's token holds the claim.
    ///
    /// # Errors
    /// The store did not respond.
    fn release(&self, claim_request: &ClaimRequest) -> impl Future<Output = Result<Effect, StoreError>> + Send;

    /// The record of a key, if there is one that has not expired.
    ///
    /// # Errors
    /// The store did not respond.
    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;

    /// Drops the record of a key, whatever its state, so that the next delivery runs again: what
    /// makes a provider's "redeliver" button work. `Applied` if there was one that had not expired.
    /// Generations start again at 1.
    ///
    /// Forgetting an event that is being handled lets a second run start beside the first: look at
    /// [`get`](Self::get) before.
    ///
    /// ```
    /// # #[cfg(all(feature = "service", feature = "memory"))] {
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use tower_webhook::{
    ///     MemoryStore, WebhookLayer,
    ///     dwolla::Dwolla,
    ///     event::EventId,
    ///     store::{Effect, IdempotencyStore, Key},
    /// };
    ///
    /// // keep a clone of the store that you give to the layer
    /// let store = MemoryStore::new();
    /// let webhooks = WebhookLayer::new(
    ///     Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap(),
    ///     store.clone(),
    /// );
    ///
    /// let key = Key::new("dwolla", EventId::new("bb6531a2").unwrap());
    /// assert_eq!(store.forget(&key).await.unwrap(), Effect::NotHeld); // it was never seen
    ///
    /// # });
    /// # }
    /// ```
    ///
    /// # Errors
    /// The store did not respond.
    fn forget(&self, key: &Key) -> impl Future<Output = Result<Effect, StoreError>> + Send;

    /// Which store this is: the same for its clones, and for every other value that records in the
    /// same place. Layers that share a store find each other by it. Default: `None`, nobody can
    /// tell.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// use tower_webhook::store::{IdempotencyStore, MemoryStore};
    ///
    /// let store = MemoryStore::new();
    /// assert_eq!(store.identity(), store.clone().identity());
    /// assert_ne!(store.identity(), MemoryStore::new().identity());
    /// # }
    /// ```
    fn identity(&self) -> Option<StoreIdentity> {
        None
    }

    /// The error of the latest attempt to reach the server, unless one has succeeded since; by
    /// default nothing is known.
    ///
    /// For a store that goes on trying while an operation waits. When the layer gives the operation
    /// up it logs this text, so that an operator reads that connections are refused, and not only
    /// that time has passed. The text holds no password.
    fn last_failure(&self) -> Option<String> {
        None
    }
}

impl<S: IdempotencyStore> IdempotencyStore for std::sync::Arc<S> {
    fn last_failure(&self) -> Option<String> {
        S::last_failure(self)
    }

    fn claim(&self, claim_request: &ClaimRequest) -> impl Future<Output = Result<Claimed, StoreError>> + Send {
        S::claim(self, claim_request)
    }

    fn renew(&self, claim_request: &ClaimRequest) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        S::renew(self, claim_request)
    }

    fn complete(
        &self,
        claim_request: &ClaimRequest,
        completion: Completion,
    ) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        S::complete(self, claim_request, completion)
    }

    fn release(&self, claim_request: &ClaimRequest) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        S::release(self, claim_request)
    }

    fn get(&self, key: &Key) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send {
        S::get(self, key)
    }

    fn forget(&self, key: &Key) -> impl Future<Output = Result<Effect, StoreError>> + Send {
        S::forget(self, key)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        S::identity(self)
    }
}

/// Tells one claimant from all others.
///
/// ```
/// use tower_webhook::store::Token;
///
/// assert_ne!(Token::random(), Token::random());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// A token that no other claim of any process has: 64 random bits for the process, then a
    /// count.
    #[must_use]
    pub fn random() -> Self {
        use std::{
            collections::hash_map::RandomState,
            hash::BuildHasher,
            sync::{
                OnceLock,
                atomic::{AtomicU64, Ordering},
            },
        };
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // The standard library seeds its hash maps from the operating system's random numbers.
        let process = *PROCESS.get_or_init(|| RandomState::new().hash_one("tower-webhook token"));
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self((u128::from(process) << 64 | u128::from(count)).to_be_bytes())
    }

    /// A token that a store kept.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes for a store to keep.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({})", hex::encode(self.0))
    }
}
