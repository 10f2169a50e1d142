//! Tells the store how runs ended. What is ready together goes in one operation: a commit for each
//! would cost more than the handlers.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::yield_now,
    time::{Instant, sleep},
};

use super::{RunOutcome, run::RunCaller};
use crate::{
    inbox::{Action, Inbox, Settlement},
    process::{Engine, Leader, Outcome, timeout::deadline_after},
    store::{Effect, State, StoreError},
};

/// How many go in one operation at most.
const MOST: usize = 256;
/// The pauses between attempts: from the first, doubling, to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A run that has ended, on its way to the store.
pub(super) struct Settled {
    /// The action for the store; `None` if it knows already.
    pub(super) settlement: Option<Settlement>,
    /// Others of this process may run the event again when the store has been told.
    pub(super) leader: Option<Leader>,
    pub(super) outcome: Outcome,
    pub(super) held: Option<OwnedSemaphorePermit>,
    pub(super) reply: Option<(RunCaller, RunOutcome)>,
}

impl Settled {
    /// The store knows.
    fn end<S: Inbox>(self, engine: &Engine<S>, effect: Effect) {
        let is_late = matches!(effect, Effect::NotHeld);
        if let (true, Some(settlement)) = (is_late, &self.settlement) {
            let what = match settlement.action {
                Action::Complete(_) => "the event was finished here",
                Action::PutBack { .. } | Action::Bury => "the event's run ended here",
            };
            engine.warn(
                &settlement.claim_request.key,
                format_args!("{what}, but its record is another run's by now"),
            );
        }
        if let Some(leader) = self.leader {
            leader.end(self.outcome);
        }
        if let Some((reply, run_outcome)) = self.reply {
            let run_outcome = if is_late { RunOutcome::Elsewhere } else { run_outcome };
            // The caller may be gone.
            let _ = reply.send(Ok(run_outcome));
        }
        drop(self.held);
    }

    /// The store could not be told.
    fn fail(self, error: StoreError) {
        drop(self.leader);
        if let Some((reply, _)) = self.reply {
            let _ = reply.send(Err(error));
        }
        drop(self.held);
    }
}

/// Settles until the worker is gone.
pub(super) async fn settle_all<S: Inbox>(engine: Arc<Engine<S>>, mut runs: mpsc::UnboundedReceiver<Settled>) {
    let mut group = Vec::new();
    while runs.recv_many(&mut group, MOST).await > 0 {
        // Runs that are about to end do so first: one commit for them all.
        yield_now().await;
        while group.len() < MOST
            && let Ok(ended) = runs.try_recv()
        {
            group.push(ended);
        }
        let (waiting, known): (Vec<_>, Vec<_>) = group.drain(..).partition(|settled| settled.settlement.is_some());
        for settled in known {
            settled.end(&engine, Effect::Applied);
        }
        let settlements: Vec<Settlement> = waiting
            .iter()
            .filter_map(|settled| settled.settlement.clone())
            .collect();
        if settlements.is_empty() {
            continue;
        }
        match engine.operation("settle", settle(&engine, &settlements)).await {
            Ok(effects) => {
                let effects = effects.into_iter().chain(std::iter::repeat(Effect::NotHeld));
                for (settled, effect) in waiting.into_iter().zip(effects) {
                    settled.end(&engine, effect);
                }
            }
            // From here, settle each one individually: one that the store refuses must not hold the
            // others up.
            Err(error) => {
                crate::trace::warn_at(
                    &engine.provider,
                    &engine.settings.namespace,
                    format_args!("settling failed and goes on in the background: {error}"),
                );
                for settled in waiting {
                    tokio::spawn(settle_alone(Arc::clone(&engine), settled));
                }
            }
        }
    }
}

/// The store is called when the operation is polled, where its panics are caught.
async fn settle<S: Inbox>(engine: &Engine<S>, settlements: &[Settlement]) -> Result<Vec<Effect>, StoreError> {
    engine.store.settle(settlements).await
}

/// Whether a settlement that finds its claim gone was applied: nobody else has taken the delivery
/// since.
async fn effect_of<S: Inbox>(engine: &Engine<S>, settlement: &Settlement) -> Effect {
    let key = &settlement.claim_request.key;
    let record = engine.operation("get", async { engine.store.get(key).await }).await;
    let state = record.ok().flatten().map(|record| record.state);
    match (settlement.action, state) {
        (Action::PutBack { .. }, Some(State::Free { .. })) | (Action::Bury, Some(State::Dead { .. })) => {
            Effect::Applied
        }
        _ => Effect::NotHeld,
    }
}

/// Tries until the store responds, a drain gives up, or the lease of what is not finished is over
/// anyway.
async fn settle_alone<S: Inbox>(engine: Arc<Engine<S>>, settled: Settled) {
    let Some(settlement) = settled.settlement.clone() else {
        return settled.end(&engine, Effect::Applied);
    };
    let helps_until = match settlement.action {
        Action::Complete(_) => None,
        Action::PutBack { .. } | Action::Bury => Some(deadline_after(Instant::now(), settlement.claim_request.lease)),
    };
    let attempts = async {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            let one = std::slice::from_ref(&settlement);
            match engine.operation("settle", settle(&engine, one)).await {
                Ok(effects) if effects.first() == Some(&Effect::Applied) => return Ok(Effect::Applied),
                // Or it was applied before, and its response was lost.
                Ok(_) => return Ok(effect_of(&engine, &settlement).await),
                Err(error) if helps_until.is_some_and(|until| until <= Instant::now()) => return Err(error),
                Err(_) => {}
            }
        }
    };
    let result = engine
        .until_given_up(attempts)
        .await
        .unwrap_or_else(|| Err(StoreError::unavailable("a drain gave up")));
    match result {
        Ok(effect) => settled.end(&engine, effect),
        Err(error) => settled.fail(error),
    }
}
