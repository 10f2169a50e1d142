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

use super::{Receiver, guard::store_operation, later};
use crate::{
    event::Hold,
    provider::Provider,
    store::{Effect, IdempotencyStore, Ticket},
};

/// A lease counts from before the store was asked: the store, which starts it later, never ends it sooner.
#[derive(Debug)]
pub(super) struct Lease(Arc<Reckoning>);

#[derive(Debug)]
struct Reckoning {
    length: Duration,
    state: Mutex<State>,
    /// For a store that completes the claim in a transaction of the handler's.
    ticket: Ticket,
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
    pub(super) fn asked_now(length: Duration, ticket: &Ticket) -> Self {
        Self(Arc::new(Reckoning {
            length,
            state: Mutex::new(State {
                asked: Instant::now(),
                taken: false,
            }),
            ticket: ticket.clone(),
            in_transaction: AtomicBool::new(false),
        }))
    }

    /// For the handler.
    pub(super) fn hold(&self) -> Arc<dyn Hold> {
        Arc::clone(&self.0) as Arc<dyn Hold>
    }

    /// Whether the handler asked a store to complete the claim in a transaction of its own.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.0.in_transaction.load(Ordering::SeqCst)
    }

    /// Renews the lease for as long as it is polled; it never completes.
    pub(super) async fn renew<P: Provider, S: IdempotencyStore>(&self, receiver: &Receiver<P, S>, ticket: &Ticket) {
        let settings = &receiver.settings;
        let mut next = later(self.0.state().asked, settings.renew_every);
        loop {
            sleep_until(next).await;
            let asked = Instant::now();
            match store_operation(receiver, "renew", receiver.store.renew(ticket)).await {
                Ok(Effect::Applied) => {
                    self.0.state().asked = asked;
                    next = later(asked, settings.renew_every);
                }
                // It is done: the handler's transaction said so.
                Ok(Effect::NotHeld) if self.is_in_transaction() => return std::future::pending().await,
                Ok(Effect::NotHeld) => {
                    self.0.state().taken = true;
                    receiver.warn(&ticket.key, format_args!("the lease was lost to another run"));
                    return std::future::pending().await;
                }
                // The lease may still hold: ask again soon.
                Err(_) => next = later(Instant::now(), settings.renew_every.min(Duration::from_secs(1))),
            }
        }
    }
}

impl Reckoning {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold for Reckoning {
    /// It asks the clock, so it also tells a handler that blocked its thread for longer than the lease.
    fn is_lost(&self) -> bool {
        let State { asked, taken } = *self.state();
        taken || later(asked, self.length) <= Instant::now()
    }

    fn complete_in_transaction(&self) -> Option<&dyn Any> {
        self.in_transaction.store(true, Ordering::SeqCst);
        Some(&self.ticket)
    }
}
