//! Step 4. No handler runs without what this file makes.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Outcome, Receiver, catch_panic::store_operation, parse::Parsed};
use crate::{
    delivery::{Claim, Delivery, LeaseHandle},
    error::{Refusal, RefusalKind},
    event::Event,
    provider::Provider,
    store::{ClaimRequest, Claimed as Answer, IdempotencyStore, StoreErrorKind},
};
use http::request::Parts;

/// How long a provider is asked to wait when the store is out of reach.
const STORE_RECOVERS: Duration = Duration::from_secs(5);

/// An event that this run, and no other, may handle. Only this file makes one.
pub(super) struct Claimed<E> {
    pub(super) parts: Box<Parts>,
    pub(super) delivery: Delivery<E>,
    pub(super) claim_request: ClaimRequest,
    pub(super) lease: Arc<LeaseHandle>,
}

/// An event that this run may not handle.
pub(super) struct NotClaimed {
    pub(super) outcome: Outcome,
    /// The claim may have been applied all the same: to be released, once its answer is in or given up.
    pub(super) unsure: Option<ClaimRequest>,
}

impl NotClaimed {
    fn sure(outcome: Outcome) -> Self {
        Self { outcome, unsure: None }
    }
}

impl<E: Event> Parsed<E> {
    /// `keep_headers`: whether the request goes on to an HTTP service, which wants its headers too.
    pub(super) async fn claim<P: Provider, S: IdempotencyStore>(
        self,
        receiver: &Receiver<P, S>,
        keep_headers: bool,
    ) -> Result<Claimed<E>, NotClaimed> {
        let Self {
            mut parts,
            body,
            event,
            claim_request,
            verified,
        } = self;
        let lease = Arc::new(LeaseHandle::new(claim_request.clone(), Instant::now()));
        let answer = store_operation(receiver, "claim", receiver.store.claim(&claim_request)).await;
        let refused =
            |kind, reason: &str, after| Outcome::Refused(Refusal::new(kind, reason.to_owned()).retry_after(after));
        match answer {
            Ok(Answer::Acquired { generation, attempts }) => {
                let claim = Claim::new(generation, attempts, Arc::clone(&lease));
                let headers = if keep_headers {
                    parts.headers.clone()
                } else {
                    std::mem::take(&mut parts.headers)
                };
                let delivery = Delivery::new(event, body, headers, claim, verified.secret_index());
                Ok(Claimed {
                    parts,
                    delivery,
                    claim_request,
                    lease,
                })
            }
            Ok(Answer::Done(completion)) => Err(NotClaimed::sure(Outcome::Duplicate(completion))),
            Ok(Answer::InFlight { remaining }) => Err(NotClaimed::sure(refused(
                RefusalKind::InFlight,
                "another process runs this event",
                remaining,
            ))),
            Ok(Answer::Conflict) if receiver.provider.ids_are_unique() => Err(NotClaimed::sure(Outcome::OtherFacts)),
            Ok(Answer::Conflict) => Err(NotClaimed::sure(Outcome::Refused(Refusal::new(
                RefusalKind::Conflict,
                "the id is recorded for another event; expected ids that name one event each: check the provider's id field",
            )))),
            Err(error) => {
                let full = error.kind() == StoreErrorKind::Full;
                let rejection = Refusal::new(RefusalKind::Store, error.to_string())
                    .retry_after(STORE_RECOVERS)
                    .because(if full { "full" } else { "unavailable" });
                Err(NotClaimed {
                    outcome: rejection.into(),
                    unsure: (!full).then_some(claim_request),
                })
            }
        }
    }
}
