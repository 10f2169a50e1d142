//! An endpoint that stores, and a worker over the same inbox.

use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use tokio::time::sleep;
use tower_webhook::{
    Delivery, HandlerError, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    inbox::{Backlog, Inbox as _, InboxAdmin as _, Letter, TakeRequest, Taken, Worker},
    layer::{Deposits, WebhookLayerBuilder, WebhookService},
    process::DrainHandle,
    store::{IdempotencyStore as _, Record, Token},
    testing::{FaultyStore, MemoryInbox},
};

use crate::{
    endpoint::{Answer, BoxService, Event, SECRET, TestBody, TestClock, event, key, signed},
    wire::{Via, Wire},
};

pub(crate) type Store = FaultyStore<MemoryInbox>;
pub(crate) type Layer = WebhookLayer<Dwolla, Store>;
pub(crate) type Service = WebhookService<Dwolla, Store, Deposits>;
pub(crate) type Topics = TopicRouter<Event>;

pub(crate) struct InboxEndpoint {
    pub(crate) layer: Layer,
    pub(crate) service: BoxService,
    pub(crate) store: Store,
    pub(crate) drain: DrainHandle,
    wire: Wire,
}

impl InboxEndpoint {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder, |service| service)
    }

    pub(crate) fn with(
        settings: impl FnOnce(WebhookLayerBuilder<Dwolla, Store>) -> WebhookLayerBuilder<Dwolla, Store>,
        door: impl FnOnce(Service) -> Service,
    ) -> Self {
        let clock = TestClock::start();
        let store = FaultyStore::new(MemoryInbox::with_clock(clock));
        let builder = WebhookLayer::builder(Dwolla::new(SECRET).unwrap(), store.clone()).clock(clock);
        let layer = settings(builder).build().unwrap();
        let service = BoxService::new(door(layer.inbox()));
        Self {
            wire: Wire::Direct(service.clone()),
            service,
            drain: layer.drain_handle(),
            layer,
            store,
        }
    }

    /// The same, served this way.
    pub(crate) async fn over(self, via: Via) -> Self {
        let wire = self.wire.over(via).await;
        Self { wire, ..self }
    }

    pub(crate) async fn send(&self, request: Request<TestBody>) -> Answer {
        self.wire.send(request).await
    }

    pub(crate) async fn deliver(&self, id: &str) -> Answer {
        self.send(signed(event(id))).await
    }

    /// Stores the event with this id.
    pub(crate) async fn store(&self, id: &str) {
        self.deliver(id).await.assert_acknowledged();
    }

    /// A worker that hands `customer_created` to this handler.
    pub(crate) fn worker<F, Fut>(&self, handler: F) -> Worker<Dwolla, Store, ()>
    where
        F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        self.layer.worker(topics(handler))
    }

    pub(crate) async fn record(&self, id: &str) -> Option<Record> {
        self.store.inner().get(&key(id)).await.unwrap()
    }

    pub(crate) async fn letter(&self, id: &str) -> Letter {
        self.store
            .inner()
            .letter(&key(id))
            .await
            .unwrap()
            .expect("it is stored")
    }

    pub(crate) async fn backlog(&self) -> Backlog {
        self.store.inner().backlog("dwolla", u64::MAX).await.unwrap()
    }

    /// Takes what is due as a worker would that dies then.
    pub(crate) async fn take_and_die(&self, suspects: bool, lease: Duration) -> Vec<Taken> {
        let mut request = TakeRequest::new("dwolla", Token::random(), 100).with_lease(lease);
        request.suspects = suspects;
        self.store.inner().take(&request).await.unwrap()
    }

    /// Waits until nothing is due, scheduled or running any more.
    pub(crate) async fn all_ended(&self) {
        while self.backlog().await.unfinished() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

pub(crate) fn topics<F, Fut>(handler: F) -> Topics
where
    F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    TopicRouter::new().on("customer_created", handler)
}

/// The ids of what ran, in their order, and how many worked at once.
#[derive(Clone, Default)]
pub(crate) struct Runs {
    log: Arc<Mutex<Vec<String>>>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Runs {
    /// A handler that notes each run, and does this.
    pub(crate) fn handler<Fut>(
        &self,
        work: impl Fn() -> Fut + Clone + Send + Sync + 'static,
    ) -> impl Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static
    where
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        let runs = self.clone();
        move |delivery| {
            runs.note(&delivery);
            work()
        }
    }

    pub(crate) fn note(&self, delivery: &Delivery<Event>) {
        let id = delivery.event().id().to_string();
        self.log.lock().unwrap().push(id);
    }

    /// Counts one that works at the moment, until it is dropped.
    pub(crate) fn working(&self) -> Working {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        Working(Arc::clone(&self.now))
    }

    /// How many worked at the same time at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.ids().len()
    }
}

pub(crate) struct Working(Arc<AtomicUsize>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
