//! Never two runs at once over one store: a claim on a key that no event has.

use std::{borrow::Cow, future::pending, time::Duration};

use tokio::time::{Instant, sleep};
use tower_webhook::{
    Processor,
    event::{Event, EventId, EventIdError, Fingerprint, Identity},
    layer::LayerStore,
    store::{ClaimRequest, Claimed, Effect, IdempotencyStore as _, Key, StoreError, Token},
};

/// The namespace of what the reconciler itself keeps in the store. No layer has it.
pub(super) const NAMESPACE: &str = "tower-webhook-reconcile";

/// A released lease and an expired one are kept so long.
const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// The result of asking for the lease.
pub(super) enum LeaseAttempt {
    Held(Lease),
    Busy(Duration),
    /// The key has a record that no lease makes.
    Foreign,
}

/// The right to run, until it is released. Dropped, it is released in the background.
pub(super) struct Lease {
    store: LayerStore,
    request: Option<ClaimRequest>,
    /// When the store was last asked for it with success.
    renewed: Instant,
}

impl Lease {
    pub(super) async fn ask(store: LayerStore, key: Key, length: Duration) -> Result<LeaseAttempt, StoreError> {
        let request = ClaimRequest::new(key, Token::random(), Fingerprint::of(["lease"]))
            .with_lease(length)
            .with_retention(RETENTION.max(length));
        let asked = Instant::now();
        // Dropped while it asks, the claim may have been made.
        let lease = Self {
            store,
            request: Some(request.clone()),
            renewed: asked,
        };
        match lease.store.claim(&request).await {
            Ok(Claimed::Acquired { .. }) => Ok(LeaseAttempt::Held(lease)),
            // Nothing of it is this lease's, so there is nothing to release.
            Ok(Claimed::InFlight { remaining }) => Ok(lease.give_up(LeaseAttempt::Busy(remaining))),
            Ok(_) => Ok(lease.give_up(LeaseAttempt::Foreign)),
            Err(error) => Err(error),
        }
    }

    /// For who needs none: nothing is kept or released.
    pub(super) fn of_nobody(store: LayerStore) -> Self {
        Self {
            store,
            request: None,
            renewed: Instant::now(),
        }
    }

    fn give_up(mut self, asked: LeaseAttempt) -> LeaseAttempt {
        self.request = None;
        asked
    }

    /// Renews it at every third of its length. Completes when it is lost.
    pub(super) async fn keep(&mut self) {
        let Some(request) = self.request.clone() else {
            return pending().await;
        };
        loop {
            sleep(request.lease / 3).await;
            let asked = Instant::now();
            match self.store.renew(&request).await {
                Ok(Effect::Applied) => self.renewed = asked,
                Ok(_) => return,
                Err(_) if self.renewed.elapsed() >= request.lease => return,
                Err(_) => {}
            }
        }
    }

    pub(super) async fn release(mut self) {
        if let Some(request) = self.request.clone() {
            // What the store does not take now ends with the lease.
            let _ = self.store.release(&request).await;
        }
        self.request = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(request), Ok(runtime)) = (self.request.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let store = self.store.clone();
        runtime.spawn(async move {
            let _ = store.release(&request).await;
        });
    }
}

/// The owner of the events: a layer's namespace, and the tenant where the layer has tenants.
pub(super) fn scope<E: Event>(processor: &Processor<E>) -> Cow<'_, str> {
    match processor.tenant() {
        Some(tenant) => Cow::Owned(format!("{}/{tenant}", processor.namespace())),
        None => Cow::Borrowed(processor.namespace()),
    }
}

/// The key of a source's lease, of one layer's namespace.
pub(super) fn lease_key(namespace: &str, source: &str) -> Result<Key, EventIdError> {
    let name = format!("{namespace}/{source}");
    let id = match EventId::new(&name) {
        Ok(id) => id,
        Err(_) => Identity::of_body().key(name.as_bytes(), true)?,
    };
    Ok(Key::new(NAMESPACE, id))
}

/// The key of the mark that deliveries of one event share.
pub(super) fn mark_key(namespace: &str, source: &str, group: &str) -> Result<Key, EventIdError> {
    let identity = Identity::of_body().with_unsigned(group, &[namespace, source]);
    Ok(Key::new(NAMESPACE, identity.key(b"", false)?))
}
