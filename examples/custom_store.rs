//! A store of one's own, in about a page: a locked map of records. What an operation does is
//! decided by `store::record`; the store makes it atomic, here by the lock, elsewhere by a
//! transaction or a script in the server.
//!
//! `cargo run --example custom_store` shows a claim, a duplicate and a release.
//! `cargo test --all-features --example custom_store` runs the conformance suite against it.
//!
//! It never forgets by itself and so grows without bound. A real one removes what has expired.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tower_webhook::{
    clock::{Clock, MonotonicClock},
    event::{EventId, Fingerprint},
    store::{
        ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError, Token,
        record::{self, Change},
    },
};

#[derive(Debug)]
struct MapStore<C> {
    records: Mutex<HashMap<Key, Record>>,
    // The store's own clock, so that all who share the store agree when a lease is over. With a
    // server: the server's.
    clock: C,
}

impl<C: Clock> MapStore<C> {
    fn new(clock: C) -> Self {
        Self {
            records: Mutex::default(),
            clock,
        }
    }

    /// One atomic step: read the record, ask what becomes of it, write that.
    fn apply<A>(&self, key: &Key, transition: impl FnOnce(Option<&Record>, SystemTime) -> Change<A>) -> A {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let Change { write, response, .. } = transition(records.get(key), self.clock.now());
        if let Some(record) = write {
            records.insert(key.clone(), record);
        }
        response
    }
}

impl<C: Clock> IdempotencyStore for MapStore<C> {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        Ok(self.apply(&claim_request.key, |current, now| {
            record::claim(current, claim_request, now)
        }))
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        Ok(self.apply(&claim_request.key, |current, now| {
            record::renew(current, claim_request, now)
        }))
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        Ok(self.apply(&claim_request.key, |current, now| {
            record::complete(current, claim_request, completion, now)
        }))
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        Ok(self.apply(&claim_request.key, |current, now| {
            record::release(current, claim_request, now)
        }))
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        Ok(records.get(key).filter(|record| !record.is_expired(now)).cloned())
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match records.remove(key) {
            Some(record) if !record.is_expired(self.clock.now()) => Effect::Applied,
            _ => Effect::NotHeld,
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MapStore::new(MonotonicClock::new());
    let first = ClaimRequest::new(
        Key::new("dwolla", EventId::new("bb6531a2-5b13-4815-a83d-ed7a1fc70bd8")?),
        Token::random(),
        Fingerprint::of(["customer_created"]),
    )
    .with_lease(Duration::from_secs(60))
    .with_retention(Duration::from_secs(35 * 24 * 3600))
    .with_retry_window(Duration::from_secs(72 * 3600));
    let second = first.clone().with_token(Token::random());
    println!("the first delivery claims:    {:?}", store.claim(&first).await?);
    println!("a duplicate while it runs:    {:?}", store.claim(&second).await?);
    println!("it fails and is released:     {:?}", store.release(&first).await?);
    println!("the provider's retry claims:    {:?}", store.claim(&second).await?);
    println!(
        "it succeeds:                  {:?}",
        store.complete(&second, Completion::Handled).await?
    );
    println!("a duplicate after that:       {:?}", store.claim(&first).await?);
    Ok(())
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use tower_webhook::testing::{ManualClock, store_suite::StoreHarness};

    use super::*;

    struct Harness {
        store: MapStore<ManualClock>,
        clock: ManualClock,
    }

    impl Harness {
        fn new() -> Self {
            let clock = ManualClock::new();
            Self {
                store: MapStore::new(clock.clone()),
                clock,
            }
        }
    }

    impl StoreHarness for Harness {
        type Store = MapStore<ManualClock>;

        fn store(&self) -> &Self::Store {
            &self.store
        }

        async fn advance(&self, by: Duration) {
            self.clock.advance(by);
        }
    }

    tower_webhook::store_suite!(map_store, Harness::new());
}
