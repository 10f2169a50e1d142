//! Step 6. The store learns how it ended: at once if it answers, else in the background for as long as that helps.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use super::{
    Outcome, Receiver,
    flight::Lead,
    handle::{Handled, Settlement},
};
use crate::store::{Completion, Effect, IdempotencyStore, StoreError, Ticket};

/// The pauses between attempts in the background: from the first, doubling, to the longest. Short, because until it succeeds another
/// process may claim the event when the lease is over.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Handled {
    /// Tells the store and ends the flight. Answers after the first attempt, whatever comes of it: a handler that succeeded has had
    /// its effect, and a 5xx would ask for a second one.
    pub(super) async fn settle<P, S: IdempotencyStore>(self, receiver: &Receiver<P, S>, lead: Lead) {
        let Self {
            ticket,
            settlement,
            outcome,
            response,
        } = self;
        lead.finished(outcome.clone(), response);
        match attempt(receiver, &ticket, settlement).await {
            Ok(effect) => {
                note(&ticket, settlement, effect);
                lead.end(outcome);
            }
            Err(reason) => {
                crate::trace::warn(format_args!("settling failed and goes on in the background: {reason}"));
                lead.answer(outcome.clone());
                in_background(receiver, &ticket, settlement).await;
                lead.end(outcome);
            }
        }
    }
}

/// Frees what a claim may have left behind whose answer never came. The caller was answered already.
pub(super) async fn release_unsure<P, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    ticket: &Ticket,
    lead: Lead,
    outcome: Outcome,
) {
    lead.answer(outcome.clone());
    if attempt(receiver, ticket, Settlement::Release).await.is_err() {
        in_background(receiver, ticket, Settlement::Release).await;
    }
    lead.end(outcome);
}

/// Tries again until it succeeds, a drain gives up, or (a release) the lease is over anyway.
async fn in_background<P, S: IdempotencyStore>(receiver: &Receiver<P, S>, ticket: &Ticket, settlement: Settlement) {
    let helps_until = match settlement {
        Settlement::Release => Instant::now().checked_add(ticket.lease),
        Settlement::Handled | Settlement::Rejected => None,
    };
    let settled = async {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            if let Ok(effect) = attempt(receiver, ticket, settlement).await {
                return note(ticket, settlement, effect);
            }
            if helps_until.is_some_and(|until| until <= Instant::now()) {
                return;
            }
        }
    };
    let mut settled = pin!(settled);
    let mut drained = pin!(receiver.flights.cancelled());
    std::future::poll_fn(|cx| {
        if settled.as_mut().poll(cx).is_ready() || drained.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    })
    .await;
}

async fn attempt<P, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    ticket: &Ticket,
    settlement: Settlement,
) -> Result<Effect, String> {
    let store = &receiver.store;
    let limit = receiver.settings.store_timeout;
    let answer: Result<Result<Effect, StoreError>, _> = match settlement {
        Settlement::Handled => timeout(limit, store.complete(ticket, Completion::Handled)).await,
        Settlement::Rejected => timeout(limit, store.complete(ticket, Completion::Rejected)).await,
        Settlement::Release => timeout(limit, store.release(ticket)).await,
    };
    match answer {
        Ok(Ok(effect)) => Ok(effect),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the store did not answer in time".to_owned()),
    }
}

/// A settlement that came too late is no error of this run, but worth a line.
fn note(ticket: &Ticket, settlement: Settlement, effect: Effect) {
    if effect == Effect::NotHeld && settlement != Settlement::Release {
        crate::trace::warn(format_args!(
            "{} was finished here, but its record is another run's by now",
            crate::trace::Brief(ticket.key.id().as_str())
        ));
    }
}
