//! The store learns how an event ended: at once if it responds, else in the background for as long
//! as that helps.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    Engine, Outcome,
    catch_panic::store_operation,
    run::{Handled, Settlement},
    singleflight::Leader,
    timeout::deadline_after,
};
use crate::{
    error::{Refusal, RefusalKind},
    store::{ClaimRequest, Completion, Effect, IdempotencyStore, Record, State},
};

/// The pauses between attempts in the background: from the first, doubling, to the longest. They
/// are short because another process may claim the event when the lease is over.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Handled {
    /// Where a handler completed its claim in a transaction of its own, the record says how it
    /// ended: DONE with the effect, or neither.
    pub(crate) async fn confirmed<S: IdempotencyStore>(self, engine: &Engine<S>) -> Self {
        if !self.lease.is_completion_handed_over() {
            return self;
        }
        let request = self.lease.request();
        let record = store_operation(engine, "get", engine.store.get(&request.key)).await;
        let reason = match record {
            Ok(Some(Record {
                state: State::Done { completion, .. },
                fingerprint,
                ..
            })) if fingerprint == request.fingerprint => {
                let outcome = match completion {
                    Completion::Handled => Outcome::Handled,
                    Completion::Rejected => Outcome::Duplicate(completion),
                };
                return Self {
                    settlement: Settlement::Known,
                    outcome,
                    ..self
                };
            }
            Ok(_) => "the handler completed the event in a transaction, and did not commit it".to_owned(),
            Err(error) => format!("whether the handler's transaction was committed is not known: {error}"),
        };
        let outcome = match self.outcome {
            Outcome::Handled | Outcome::Rejected(_) => Refusal::new(RefusalKind::HandlerFailed, reason).into(),
            failed => failed,
        };
        Self {
            settlement: Settlement::Release,
            outcome,
            ..self
        }
    }

    /// Tells the store, so that the run can end. Those who wait get the outcome after the first
    /// attempt, whatever comes of it: a handler that succeeded has had its effect, and to refuse
    /// the event would ask for a second one.
    pub(super) async fn settle<S: IdempotencyStore>(&self, engine: &Engine<S>, leader: &Leader) {
        let Self {
            lease,
            settlement,
            outcome,
        } = self;
        let (request, settlement) = (lease.request(), *settlement);
        leader.finished(outcome.clone());
        let result = attempt(engine, request, settlement).await;
        note(engine, request, settlement, &result);
        if let Err(reason) = result {
            engine.warn(
                &request.key,
                format_args!("settling failed and goes on in the background: {reason}"),
            );
            leader.respond(outcome.clone());
            // Boxed: rare, and larger than all the rest of a run.
            let _ = Box::pin(in_background(engine, request, settlement, |_| true)).await;
        }
    }
}

/// Frees what a claim may have left behind whose result never came. Those who wait get the outcome
/// at once.
pub(super) async fn release_unsure<S: IdempotencyStore>(
    engine: &Engine<S>,
    claim_request: &ClaimRequest,
    leader: Leader,
    outcome: Outcome,
) {
    leader.respond(outcome.clone());
    let mut freed = attempt(engine, claim_request, Settlement::Release).await;
    if freed.is_err() {
        freed = in_background(engine, claim_request, Settlement::Release, |_| true).await;
    }
    // The next delivery may ask the store again.
    leader.end(outcome);
    if let Ok(Effect::NotHeld) = freed {
        // Nothing to free so far; but a store that was slow may apply the claim yet.
        let _ = in_background(engine, claim_request, Settlement::Release, |effect| {
            effect == Effect::Applied
        })
        .await;
    }
}

/// Tries again until the store gives the result that is wanted, a drain gives up, or (for a
/// release) the lease is over anyway.
async fn in_background<S: IdempotencyStore>(
    engine: &Engine<S>,
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
            let result = attempt(engine, claim_request, settlement).await;
            if result.as_ref().is_ok_and(|effect| wanted(*effect)) {
                note(engine, claim_request, settlement, &result);
                return result;
            }
            if helps_until.is_some_and(|until| until <= Instant::now()) {
                return result;
            }
        }
    };
    engine
        .until_given_up(settled)
        .await
        .unwrap_or_else(|| Err("a drain gave up".to_owned()))
}

async fn attempt<S: IdempotencyStore>(
    engine: &Engine<S>,
    claim_request: &ClaimRequest,
    settlement: Settlement,
) -> Result<Effect, String> {
    let store = &engine.store;
    let result = match settlement {
        Settlement::Handled => {
            store_operation(engine, "complete", store.complete(claim_request, Completion::Handled)).await
        }
        Settlement::Rejected => {
            store_operation(engine, "complete", store.complete(claim_request, Completion::Rejected)).await
        }
        Settlement::Release => store_operation(engine, "release", store.release(claim_request)).await,
        Settlement::Known => Ok(Effect::Applied),
    };
    result.map_err(|error| error.to_string())
}

/// A settlement that came too late is not an error of this run, but is worth logging.
fn note<S: IdempotencyStore>(
    engine: &Engine<S>,
    claim_request: &ClaimRequest,
    settlement: Settlement,
    result: &Result<Effect, String>,
) {
    if matches!(result, Ok(Effect::NotHeld)) && settlement != Settlement::Release {
        engine.warn(
            &claim_request.key,
            format_args!("the event was finished here, but its record is another run's by now"),
        );
    }
}
