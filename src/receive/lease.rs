//! How long this run may take its claim for held, by its own reckoning.

use std::{
    any::Any,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use super::{Receiver, catch_panic::store_operation, deadline_after};
use crate::{
    event::LeaseHandle,
    provider::Provider,
    store::{ClaimRequest, Effect, IdempotencyStore},
};

/// A lease counts from before the store was asked: the store, which starts it deadline_after, never ends it sooner.
#[derive(Debug)]
pub(super) struct Lease(Arc<Reckoning>);

#[derive(Debug)]
struct Reckoning {
    length: Duration,
    state: Mutex<State>,
    /// For a store that completes the claim in a transaction of the handler's.
    claim_request: ClaimRequest,
    in_transaction: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct State {
    asked: Instant,
    /// The store has said that another run holds the claim.
    taken: bool,
}

impl Lease {
    /// A lease of a claim that is asked for now.
    pub(super) fn asked_now(length: Duration, claim_request: &ClaimRequest) -> Self {
        Self(Arc::new(Reckoning {
            length,
            state: Mutex::new(State {
                asked: Instant::now(),
                taken: false,
            }),
            claim_request: claim_request.clone(),
            in_transaction: AtomicBool::new(false),
        }))
    }

    /// For the handler.
    pub(super) fn handle(&self) -> Arc<dyn LeaseHandle> {
        Arc::clone(&self.0) as Arc<dyn LeaseHandle>
    }

    /// Whether the handler asked a store to complete the claim in a transaction of its own.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.0.in_transaction.load(Ordering::SeqCst)
    }

    /// Renews the lease for as long as it is polled; it never completes.
    pub(super) async fn renew<P: Provider, S: IdempotencyStore>(
        &self,
        receiver: &Receiver<P, S>,
        claim_request: &ClaimRequest,
    ) {
        let settings = &receiver.settings;
        let mut next = deadline_after(self.0.state().asked, settings.renew_every);
        loop {
            sleep_until(next).await;
            let asked = Instant::now();
            match store_operation(receiver, "renew", receiver.store.renew(claim_request)).await {
                Ok(Effect::Applied) => {
                    self.0.state().asked = asked;
                    next = deadline_after(asked, settings.renew_every);
                }
                // It is done: the handler's transaction said so.
                Ok(Effect::NotHeld) if self.is_in_transaction() => return std::future::pending().await,
                Ok(Effect::NotHeld) => {
                    self.0.state().taken = true;
                    receiver.warn(&claim_request.key, format_args!("the lease was lost to another run"));
                    return std::future::pending().await;
                }
                // The lease may still hold: ask again soon.
                Err(_) => next = deadline_after(Instant::now(), settings.renew_every.min(Duration::from_secs(1))),
            }
        }
    }
}

impl Reckoning {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaseHandle for Reckoning {
    /// It asks the clock, so it also tells a handler that blocked its thread for longer than the lease.
    fn is_lost(&self) -> bool {
        let State { asked, taken } = *self.state();
        taken || deadline_after(asked, self.length) <= Instant::now()
    }

    fn complete_in_transaction(&self) -> Option<&dyn Any> {
        self.in_transaction.store(true, Ordering::SeqCst);
        Some(&self.claim_request)
    }
}
