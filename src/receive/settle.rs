//! Step 6. The store learns how it ended: at once if it answers, else in the background for as long as that helps.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use tokio::time::{Instant, sleep};

use super::{
    Outcome, Receiver,
    catch_panic::store_operation,
    deadline_after,
    handle::{Handled, Settlement},
    singleflight::Leader,
};
use crate::{
    error::{Refusal, RefusalKind},
    provider::Provider,
    store::{ClaimRequest, Completion, Effect, IdempotencyStore, Record, State},
};

/// The pauses between attempts in the background: from the first, doubling, to the longest. Short, because until it succeeds another
/// process may claim the event when the lease is over.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Handled {
    /// How a handler ended that completed its claim in a transaction of its own is what the record says: DONE with the effect, or neither.
    pub(super) async fn confirmed<P: Provider, S: IdempotencyStore>(self, receiver: &Receiver<P, S>) -> Self {
        if !self.in_transaction {
            return self;
        }
        let record = store_operation(receiver, "get", receiver.store.get(&self.claim_request.key)).await;
        let reason = match record {
            Ok(Some(Record {
                state: State::Done { completion, .. },
                fingerprint,
                ..
            })) if fingerprint == self.claim_request.fingerprint => {
                let outcome = match completion {
                    Completion::Handled => Outcome::Handled,
                    Completion::Rejected => Outcome::Duplicate(completion),
                };
                return Self {
                    settlement: Settlement::Known,
                    // An answer that was made for a failure is none to a success.
                    response: self.response.filter(|_| matches!(self.outcome, Outcome::Handled)),
                    outcome,
                    ..self
                };
            }
            Ok(_) => "the handler completed the event in a transaction, and did not commit it".to_owned(),
            Err(error) => format!("whether the handler's transaction was committed is not known: {error}"),
        };
        let outcome = match self.outcome {
            Outcome::Handled | Outcome::Rejected(_) => {
                Outcome::Refused(Refusal::new(RefusalKind::HandlerFailed, reason))
            }
            failed => failed,
        };
        Self {
            settlement: Settlement::Release,
            response: self.response.filter(|_| matches!(outcome, Outcome::InnerRefused(_))),
            outcome,
            ..self
        }
    }

    /// Tells the store and ends the flight. Answers after the first attempt, whatever comes of it: a handler that succeeded has had
    /// its effect, and a 5xx would ask for a second one.
    pub(super) async fn settle<P: Provider, S: IdempotencyStore>(self, receiver: &Receiver<P, S>, lead: Leader) {
        let Self {
            claim_request,
            settlement,
            outcome,
            response,
            in_transaction: _,
        } = self;
        lead.finished(outcome.clone(), response);
        let answer = attempt(receiver, &claim_request, settlement).await;
        note(receiver, &claim_request, settlement, &answer);
        if let Err(reason) = answer {
            receiver.warn(
                &claim_request.key,
                format_args!("settling failed and goes on in the background: {reason}"),
            );
            lead.answer(outcome.clone());
            // Boxed: rare, and larger than all the rest of a flight.
            let _ = Box::pin(in_background(receiver, &claim_request, settlement, |_| true)).await;
        }
        lead.end(outcome);
    }
}

/// Frees what a claim may have left behind whose answer never came. The caller was answered already.
pub(super) async fn release_unsure<P: Provider, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    claim_request: &ClaimRequest,
    lead: Leader,
    outcome: Outcome,
) {
    lead.answer(outcome.clone());
    let mut freed = attempt(receiver, claim_request, Settlement::Release).await;
    if freed.is_err() {
        freed = in_background(receiver, claim_request, Settlement::Release, |_| true).await;
    }
    // The next delivery may ask the store again.
    lead.end(outcome);
    if let Ok(Effect::NotHeld) = freed {
        // Nothing to free so far; but a store that was slow may apply the claim yet.
        let _ = in_background(receiver, claim_request, Settlement::Release, |effect| {
            effect == Effect::Applied
        })
        .await;
    }
}

/// Tries again until the store gives the answer that is wanted, a drain gives up, or (a release) the lease is over anyway.
async fn in_background<P: Provider, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    claim_request: &ClaimRequest,
    settlement: Settlement,
    wanted: impl Fn(Effect) -> bool,
) -> Result<Effect, String> {
    let helps_until = match settlement {
        Settlement::Release => Some(deadline_after(Instant::now(), claim_request.lease)),
        Settlement::Handled | Settlement::Rejected | Settlement::Known => None,
    };
    let settled = async {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            let answer = attempt(receiver, claim_request, settlement).await;
            if answer.as_ref().is_ok_and(|effect| wanted(*effect)) {
                note(receiver, claim_request, settlement, &answer);
                return answer;
            }
            if helps_until.is_some_and(|until| until <= Instant::now()) {
                return answer;
            }
        }
    };
    // A drain that runs out of time leaves one store operation more: the store may just have come back.
    let given_up = async {
        receiver.flights.cancelled().await;
        sleep(receiver.settings.store_timeout).await;
    };
    let (mut settled, mut given_up) = (pin!(settled), pin!(given_up));
    std::future::poll_fn(|cx| match settled.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => given_up.as_mut().poll(cx).map(|()| Err("a drain gave up".to_owned())),
    })
    .await
}

async fn attempt<P: Provider, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    claim_request: &ClaimRequest,
    settlement: Settlement,
) -> Result<Effect, String> {
    let store = &receiver.store;
    let answer = match settlement {
        Settlement::Handled => {
            store_operation(receiver, "complete", store.complete(claim_request, Completion::Handled)).await
        }
        Settlement::Rejected => {
            store_operation(
                receiver,
                "complete",
                store.complete(claim_request, Completion::Rejected),
            )
            .await
        }
        Settlement::Release => store_operation(receiver, "release", store.release(claim_request)).await,
        Settlement::Known => Ok(Effect::Applied),
    };
    answer.map_err(|error| error.to_string())
}

/// A settlement that came too late is no error of this run, but worth a line.
fn note<P: Provider, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    claim_request: &ClaimRequest,
    settlement: Settlement,
    answer: &Result<Effect, String>,
) {
    if matches!(answer, Ok(Effect::NotHeld)) && settlement != Settlement::Release {
        receiver.warn(
            &claim_request.key,
            format_args!("the event was finished here, but its record is another run's by now"),
        );
    }
}
