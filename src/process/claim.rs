//! From work to a claim. No handler runs without what this file makes.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Engine, Outcome, Settings, Work, catch_panic::store_operation};
use crate::{
    delivery::{Claim, Delivery, LeaseHandle},
    error::{Refusal, RefusalKind},
    event::Event,
    store::{ClaimRequest, Claimed as Response, IdempotencyStore, Stage, StoreError, StoreErrorKind, Token},
};

/// How long a provider is asked to wait when the store is out of reach.
const STORE_RECOVERS: Duration = Duration::from_secs(5);

/// An event that this run, and no other, may handle. Only this file makes one.
pub(crate) struct Claimed<E> {
    pub(super) delivery: Delivery<E>,
    pub(super) lease: Arc<LeaseHandle>,
}

/// An event that this run may not handle.
pub(super) struct NotClaimed {
    pub(super) outcome: Outcome,
    /// The claim may have been applied all the same. It is to be released once the store has
    /// responded, or is given up.
    pub(super) unsure: Option<Arc<LeaseHandle>>,
}

impl NotClaimed {
    fn sure(outcome: impl Into<Outcome>) -> Self {
        let outcome = outcome.into();
        Self { outcome, unsure: None }
    }
}

/// Another run has the event.
pub(crate) fn in_flight(remaining: Duration) -> Refusal {
    Refusal::new(RefusalKind::InFlight, "another process runs this event").retry_after(remaining)
}

/// The id is another event's.
pub(crate) fn conflict(ids_are_unique: bool) -> Outcome {
    if ids_are_unique {
        return Outcome::OtherFacts;
    }
    let reason =
        "the id is recorded for another event; expected ids that name one event each: check the provider's id field";
    Refusal::new(RefusalKind::Conflict, reason).into()
}

/// The store did not take it.
pub(crate) fn unrecorded(error: &StoreError) -> Refusal {
    let is_full = error.kind() == StoreErrorKind::Full;
    Refusal::new(RefusalKind::Store, error.to_string())
        .retry_after(STORE_RECOVERS)
        .because(if is_full { "full" } else { "unavailable" })
}

/// Asks the store. The work is not in here: a future holds what it is given twice, and the work is
/// larger than all the rest.
pub(super) async fn ask<S: IdempotencyStore>(engine: &Engine<S>, lease: &LeaseHandle) -> Result<Response, StoreError> {
    store_operation(engine, "claim", engine.store.claim(lease.request())).await
}

impl<E: Event> Work<E> {
    /// The lease of a claim that is asked for now.
    pub(super) fn lease(&self, settings: &Settings) -> Arc<LeaseHandle> {
        let claim_request = ClaimRequest {
            key: self.key.clone(),
            token: Token::random(),
            fingerprint: self.fingerprint,
            lease: settings.lease,
            retention: settings.retention,
            retry_window: settings.retry_window,
        };
        Arc::new(LeaseHandle::new(claim_request, Instant::now()))
    }

    /// The event under its claim, if that is how the store has responded.
    pub(super) fn claimed_if(
        self,
        lease: Arc<LeaseHandle>,
        response: Result<Response, StoreError>,
        settings: &Settings,
    ) -> Result<Claimed<E>, NotClaimed> {
        match response {
            Ok(Response::Acquired { generation, attempts }) => Ok(self.claimed(lease, generation, attempts)),
            Ok(Response::Done(completion)) => Err(NotClaimed::sure(Outcome::Duplicate(completion))),
            // It was acknowledged, and an operator has it now.
            Ok(Response::Dead) => Err(NotClaimed::sure(Outcome::StoredBefore(Stage::Dead))),
            Ok(Response::InFlight { remaining }) => Err(NotClaimed::sure(in_flight(remaining))),
            Ok(Response::Conflict) => Err(NotClaimed::sure(conflict(settings.ids_are_unique))),
            Err(error) => Err(NotClaimed {
                unsure: (!matches!(error.kind(), StoreErrorKind::Full | StoreErrorKind::Config)).then_some(lease),
                outcome: unrecorded(&error).into(),
            }),
        }
    }

    /// The event under a claim that is held: granted by the store just now, or taken from
    /// elsewhere.
    pub(crate) fn claimed(self, lease: Arc<LeaseHandle>, generation: u64, attempts: u32) -> Claimed<E> {
        let claim = Claim::new(generation, attempts, Arc::clone(&lease));
        Claimed {
            delivery: Delivery::new(self.event, self.message, claim),
            lease,
        }
    }
}
