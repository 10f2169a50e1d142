//! What the log says of a settlement, and of a store that fails.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test(start_paused = true)]
async fn what_becomes_of_a_settlement_is_said_with_the_event() {
    let (lines, _guard) = Lines::at_warn();
    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Complete, Fault::BeforeApplying, 1);
    endpoint.deliver("1").await.assert_acknowledged();
    let taken = lines.take();
    let field = |name: &str| taken[0].get(name).map(String::as_str);
    assert_eq!(
        (field("provider"), field("namespace"), field("id")),
        (Some("dwolla"), Some("dwolla"), Some("1"))
    );
    assert_eq!(
        field("message"),
        Some(
            "settling failed and goes on in the background: the store is unavailable: told to fail before it applied the operation"
        )
    );
}

/// A store that knows why it is waiting.
struct Trying;

impl IdempotencyStore for Trying {
    fn last_failure(&self) -> Option<String> {
        Some("db.internal:5432: Connection refused".to_owned())
    }
    async fn claim(&self, _: &ClaimRequest) -> Result<Claimed, StoreError> {
        std::future::pending().await
    }
    async fn renew(&self, _: &ClaimRequest) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
    async fn complete(&self, _: &ClaimRequest, _: Completion) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
    async fn release(&self, _: &ClaimRequest) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
    async fn get(&self, _: &Key) -> Result<Option<StoreRecord>, StoreError> {
        std::future::pending().await
    }
    async fn forget(&self, _: &Key) -> Result<Effect, StoreError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_given_up_is_asked_what_it_knows() {
    let (lines, _guard) = Lines::at_warn();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), FaultyStore::new(Arc::new(Trying)));
    let topics = TopicRouter::new().on("customer_created", succeed);
    let call = tower::ServiceExt::oneshot(layer.topics(topics), signed(event("1")));
    assert_eq!(call.await.unwrap().status().as_u16(), 503);
    let reason =
        "the store is unavailable: it did not respond within 2s, and before that: db.internal:5432: Connection refused";
    let fields = for_event(&[("outcome", "store"), ("status", "503"), ("reason", reason)]);
    lines.assert_one("ERROR", &fields);
}
