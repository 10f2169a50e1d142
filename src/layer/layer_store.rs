use std::{fmt, future::Future, pin::Pin, sync::Arc};

use crate::{
    process::Engine,
    store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, StoreError, StoreIdentity},
};

/// The store of a layer, whatever its kind: [`Processor::store`](super::Processor::store). Cheap to
/// clone.
///
/// Each operation is bounded by the layer's
/// [`store_timeout`](super::WebhookLayerBuilder::store_timeout) and counted in its metrics, as
/// those of the layer are. A panic of the store is an error.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower_webhook::{
///     MemoryStore, TopicRouter, WebhookLayer,
///     dwolla::{self, Dwolla, Topic},
///     event::EventId,
///     store::{IdempotencyStore, Key, State},
/// };
///
/// async fn created(_: dwolla::Event) {}
///
/// let provider = Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
/// let processor = WebhookLayer::new(provider, MemoryStore::new()).processor(topics);
///
/// let key = Key::new(processor.namespace(), EventId::new("bb6531a2").unwrap());
/// assert_eq!(processor.store().get(&key).await.unwrap(), None);
///
/// let fetched =
///     br#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
/// processor.process(dwolla::Event::from_json(fetched).unwrap()).await;
/// let record = processor.store().get(&key).await.unwrap().unwrap();
/// assert!(matches!(record.state, State::Done { .. }));
/// # });
/// # }
/// ```
#[derive(Clone)]
pub struct LayerStore(Arc<dyn Erased>);

type Operation<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

trait Erased: Send + Sync {
    fn claim<'a>(&'a self, claim_request: &'a ClaimRequest) -> Operation<'a, Claimed>;
    fn renew<'a>(&'a self, claim_request: &'a ClaimRequest) -> Operation<'a, Effect>;
    fn complete<'a>(&'a self, claim_request: &'a ClaimRequest, completion: Completion) -> Operation<'a, Effect>;
    fn release<'a>(&'a self, claim_request: &'a ClaimRequest) -> Operation<'a, Effect>;
    fn get<'a>(&'a self, key: &'a Key) -> Operation<'a, Option<Record>>;
    fn forget<'a>(&'a self, key: &'a Key) -> Operation<'a, Effect>;
    fn identity(&self) -> Option<StoreIdentity>;
    fn last_failure(&self) -> Option<String>;
}

// The store is called when the operation is polled, where its panics are caught.
impl<S: IdempotencyStore> Erased for Engine<S> {
    fn claim<'a>(&'a self, claim_request: &'a ClaimRequest) -> Operation<'a, Claimed> {
        Box::pin(self.operation("claim", async { self.store.claim(claim_request).await }))
    }

    fn renew<'a>(&'a self, claim_request: &'a ClaimRequest) -> Operation<'a, Effect> {
        Box::pin(self.operation("renew", async { self.store.renew(claim_request).await }))
    }

    fn complete<'a>(&'a self, claim_request: &'a ClaimRequest, completion: Completion) -> Operation<'a, Effect> {
        let operation = async move { self.store.complete(claim_request, completion).await };
        Box::pin(self.operation("complete", operation))
    }

    fn release<'a>(&'a self, claim_request: &'a ClaimRequest) -> Operation<'a, Effect> {
        Box::pin(self.operation("release", async { self.store.release(claim_request).await }))
    }

    fn get<'a>(&'a self, key: &'a Key) -> Operation<'a, Option<Record>> {
        Box::pin(self.operation("get", async { self.store.get(key).await }))
    }

    fn forget<'a>(&'a self, key: &'a Key) -> Operation<'a, Effect> {
        Box::pin(self.operation("forget", async { self.store.forget(key).await }))
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.store.identity()
    }

    fn last_failure(&self) -> Option<String> {
        self.store.last_failure()
    }
}

impl LayerStore {
    pub(super) fn new<S: IdempotencyStore>(engine: Arc<Engine<S>>) -> Self {
        Self(engine)
    }
}

impl IdempotencyStore for LayerStore {
    fn last_failure(&self) -> Option<String> {
        self.0.last_failure()
    }

    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.0.claim(claim_request).await
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.0.renew(claim_request).await
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.0.complete(claim_request, completion).await
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.0.release(claim_request).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.0.get(key).await
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.0.forget(key).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        self.0.identity()
    }
}

impl fmt::Debug for LayerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerStore").finish_non_exhaustive()
    }
}
