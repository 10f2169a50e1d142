//! A store that fails, hangs, panics, comes late or is full.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::sleep;
use tower::ServiceExt as _;
use tower_webhook::{
    RefusalKind, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, State, StoreError},
    testing::{Fault, Operation},
};

use crate::{
    endpoint::{Endpoint, SECRET, event, signed},
    fixtures::{LONG, SECOND, assert_state, succeed, work},
    wire::Via,
};

pub(crate) async fn a_store_that_fails_at_claim_is_503_and_its_claim_is_released(via: Via) {
    for fault in [Fault::BeforeApplying, Fault::AfterApplying, Fault::Panic] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        endpoint.store.fail(Operation::Claim, fault, 1);
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(503, RefusalKind::Store);
        assert!(answer.retry_after().is_some());
        assert_eq!(endpoint.runs(), 0, "never run without a claim");
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1, "{fault:?}");
    }
}

pub(crate) async fn a_complete_that_fails_is_200_and_a_drain_waits_until_it_is_recorded(via: Via) {
    for fault in [Fault::BeforeApplying, Fault::AfterApplying, Fault::Panic] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        endpoint.store.fail(Operation::Complete, fault, 1);
        endpoint.deliver("1").await.assert_acknowledged();
        // A duplicate meanwhile gets the same answer and runs nothing.
        endpoint.deliver("1").await.assert_acknowledged();
        assert!(endpoint.handle.drain(LONG).await.remaining().is_empty());
        assert_state(endpoint.record("1").await, "handled");
        assert_eq!(endpoint.runs(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_at_claim_is_503_and_the_claim_it_may_have_made_is_released() {
    for fault in [Fault::HangBeforeApplying, Fault::HangAfterApplying] {
        let endpoint = Endpoint::new(succeed);
        endpoint.store.fail(Operation::Claim, fault, 1);
        let answer = endpoint.deliver("1").await;
        answer.assert_refused(503, RefusalKind::Store);
        assert!(answer.retry_after().is_some());
        assert_eq!(endpoint.runs(), 0, "never run without a claim");
        sleep(SECOND).await;
        assert!(
            !matches!(
                endpoint.record("1").await.map(|record| record.state),
                Some(State::Claimed { .. })
            ),
            "{fault:?}"
        );
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_complete_that_fails_is_200_and_retried_in_the_background() {
    for fault in [
        Fault::BeforeApplying,
        Fault::AfterApplying,
        Fault::HangBeforeApplying,
        Fault::HangAfterApplying,
    ] {
        let endpoint = Endpoint::new(succeed);
        endpoint.store.fail(Operation::Complete, fault, 5);
        endpoint.deliver("1").await.assert_acknowledged();
        // A duplicate meanwhile gets the same answer and runs nothing.
        endpoint.deliver("1").await.assert_acknowledged();
        sleep(60 * SECOND).await;
        assert_state(endpoint.record("1").await, "handled");
        endpoint.deliver("1").await.assert_acknowledged();
        assert_eq!(endpoint.runs(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_a_store_that_fails() {
    let at_claim = Endpoint::new(succeed);
    at_claim.store.fail(Operation::Claim, Fault::Panic, 1);
    at_claim.deliver("1").await.assert_refused(503, RefusalKind::Store);
    sleep(SECOND).await;
    at_claim.deliver("1").await.assert_acknowledged();

    let at_complete = Endpoint::new(succeed);
    at_complete.store.fail(Operation::Complete, Fault::Panic, 3);
    at_complete.deliver("1").await.assert_acknowledged();
    sleep(10 * SECOND).await;
    assert_state(at_complete.record("1").await, "handled");

    let at_renew = Endpoint::new(work(30 * SECOND));
    at_renew.store.fail(Operation::Renew, Fault::Panic, 3);
    at_renew
        .deliver("1")
        .await
        .assert_refused(503, RefusalKind::StillRunning);
    sleep(30 * SECOND).await;
    assert_state(at_renew.record("1").await, "handled");
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_the_store_applies_late_is_released_all_the_same() {
    let endpoint = Endpoint::new(succeed);
    endpoint
        .store
        .fail(Operation::Claim, Fault::ApplyLate(Duration::from_millis(2500)), 1);
    endpoint.deliver("1").await.assert_refused(503, RefusalKind::Store);
    sleep(Duration::from_millis(600)).await;
    assert_state(endpoint.record("1").await, "claimed, 1");
    sleep(10 * SECOND).await;
    assert_state(endpoint.record("1").await, "free, 1");
    endpoint.deliver("1").await.assert_acknowledged();
    assert_eq!(endpoint.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_503_and_leaves_nothing_to_release() {
    let endpoint = Endpoint::with_store(tower_webhook::MemoryStore::builder().capacity(1), succeed);
    endpoint.deliver("1").await.assert_acknowledged();
    let answer = endpoint.deliver("2").await;
    answer.assert_refused(503, RefusalKind::Store);
    assert!(
        answer
            .rejection
            .unwrap()
            .reason()
            .starts_with("the store is full: it holds 1 ids")
    );
    sleep(SECOND).await;
    assert_eq!(endpoint.store.calls(Operation::Release), 0);
}

/// A store whose claims fail with this error.
struct Refusing {
    error: StoreError,
    releases: AtomicUsize,
}

impl IdempotencyStore for &'static Refusing {
    async fn claim(&self, _: &ClaimRequest) -> Result<Claimed, StoreError> {
        Err(self.error.clone())
    }
    async fn renew(&self, _: &ClaimRequest) -> Result<Effect, StoreError> {
        Err(self.error.clone())
    }
    async fn complete(&self, _: &ClaimRequest, _: Completion) -> Result<Effect, StoreError> {
        Err(self.error.clone())
    }
    async fn release(&self, _: &ClaimRequest) -> Result<Effect, StoreError> {
        self.releases.fetch_add(1, Ordering::SeqCst);
        Ok(Effect::NotHeld)
    }
    async fn get(&self, _: &Key) -> Result<Option<Record>, StoreError> {
        Err(self.error.clone())
    }
    async fn forget(&self, _: &Key) -> Result<Effect, StoreError> {
        Err(self.error.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_released_only_where_it_may_have_been_made() {
    for (error, is_released) in [
        (StoreError::unavailable("no response"), true),
        (StoreError::full("no room"), false),
        (StoreError::config("no table"), false),
    ] {
        let store: &Refusing = Box::leak(Box::new(Refusing {
            error,
            releases: AtomicUsize::new(0),
        }));
        let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store);
        let service = layer.topics(TopicRouter::new().on("customer_created", succeed));
        let response = service.oneshot(signed(event("1"))).await.unwrap();
        assert_eq!(response.status(), 503);
        sleep(LONG).await;
        let releases = store.releases.load(Ordering::SeqCst);
        assert_eq!(releases > 0, is_released, "{}", store.error);
    }
}
