//! A delivery on its way into the inbox: one operation of the store, then its response.

mod at_rest;
mod backlog_watch;

pub(crate) use at_rest::without_secrets;
pub(crate) use backlog_watch::BacklogWatch;

use std::time::Duration;

use super::{Deposit, Inbox, StoredDelivery};
use crate::{
    error::{Refusal, RefusalKind},
    process::{Engine, LATER, Outcome, catch, conflict, in_flight, unrecorded},
    store::{Deposited, record},
};

/// How long a provider is asked to wait when the inbox is full: workers need a while.
const WORKERS_CATCH_UP: Duration = Duration::from_secs(60);

/// Stores a delivery. The outcome says what the store knows of its event.
pub(crate) async fn deposit<S: Inbox>(engine: &Engine<S>, deposit: &Deposit, watch: &BacklogWatch) -> Outcome {
    let unique = engine.settings.ids_are_unique;
    let stored = if watch.is_full() {
        // A copy takes no room.
        let record = engine.operation("get", engine.store.get(&deposit.key)).await;
        match record.map(|record| record::known(record.as_ref()?, deposit.fingerprint)) {
            Ok(Some(known)) => Ok(known),
            Ok(None) => return watch.refusal().into(),
            Err(error) => Err(error),
        }
    } else {
        engine.operation("deposit", engine.store.deposit(deposit)).await
    };
    match stored {
        Ok(Deposited::Stored) => Outcome::Stored,
        Ok(Deposited::Known(stage)) => Outcome::StoredBefore(stage),
        Ok(Deposited::InFlight { remaining }) => in_flight(remaining).into(),
        Ok(Deposited::Conflict) => conflict(unique),
        Err(error) => unrecorded(&error).into(),
    }
}

/// The delivery as the application wants it stored.
pub(crate) fn redacted(
    mut delivery: StoredDelivery,
    redact: Option<&(dyn Fn(&mut StoredDelivery) + Send + Sync)>,
) -> Result<StoredDelivery, Refusal> {
    let Some(redact) = redact else { return Ok(delivery) };
    match catch(|| redact(&mut delivery)) {
        Ok(()) => Ok(delivery),
        Err(panicked) => {
            let reason = format!("the function of `redact` panicked: {panicked}");
            Err(Refusal::new(RefusalKind::Store, reason).retry_after(LATER))
        }
    }
}

impl BacklogWatch {
    fn refusal(&self) -> Refusal {
        let limit = self.limit();
        Refusal::new(
            RefusalKind::Backlog,
            format!("more than {limit} stored deliveries wait to be handled; expected workers that keep up"),
        )
        .retry_after(WORKERS_CATCH_UP)
    }
}
