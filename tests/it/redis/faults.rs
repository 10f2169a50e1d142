//! A server that fails under load: what the providers are told, and what becomes of their events.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use tower_webhook::{
    Delivery, HandlerError, RefusalKind, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    store::{
        ClaimRequest, Claimed, Completion, Effect, IdempotencyStore, Key, Record, State, StoreError, StoreErrorKind,
    },
};
use tower_webhook_redis::RedisStore;

use super::{LEASE, Server, again, claim_request};
use crate::{
    endpoint::{Answer, BoxService, Event, SECRET, event, key, signed},
    over_store::App,
};

pub(super) const EVENTS: usize = 600;
const PROVIDERS: usize = 24;
/// The layer gives a store operation 2 s; and this machine a second more.
const BOUND: Duration = Duration::from_secs(3);

/// What happened to each event.
#[derive(Default)]
pub(super) struct Ledger {
    acquired: Mutex<HashMap<String, usize>>,
    runs: Mutex<HashMap<String, usize>>,
    refusals: AtomicUsize,
}

impl Ledger {
    fn count(in_map: &Mutex<HashMap<String, usize>>, id: &str) -> usize {
        let mut map = in_map.lock().unwrap();
        let count = map.entry(id.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub(super) fn handled(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    /// How often an event ran; a run without a claim would have failed the test.
    pub(super) fn runs(&self, id: &str) -> usize {
        self.runs.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    pub(super) fn claims(&self, id: &str) -> usize {
        self.acquired.lock().unwrap().get(id).copied().unwrap_or_default()
    }

    fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }
}

/// Notes each claim that the store grants.
struct Watched {
    store: RedisStore,
    ledger: Arc<Ledger>,
}

impl IdempotencyStore for Watched {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        let answer = self.store.claim(claim_request).await;
        if let Ok(Claimed::Acquired { .. }) = answer {
            Ledger::count(&self.ledger.acquired, claim_request.key.id().as_str());
        }
        answer
    }
    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.store.renew(claim_request).await
    }
    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.store.complete(claim_request, completion).await
    }
    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.store.release(claim_request).await
    }
    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.store.get(key).await
    }
    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.store.forget(key).await
    }
}

#[derive(Clone)]
pub(super) struct Receiver {
    service: BoxService,
    store: RedisStore,
    pub(super) ledger: Arc<Ledger>,
}

impl Receiver {
    pub(super) fn new(store: RedisStore) -> Self {
        Self::with_lease(store, LEASE)
    }

    pub(super) fn with_lease(store: RedisStore, lease: Duration) -> Self {
        let ledger = Arc::<Ledger>::default();
        let watched = Watched {
            store: store.clone(),
            ledger: Arc::clone(&ledger),
        };
        let noted = Arc::clone(&ledger);
        let handler = move |delivery: Delivery<Event>| {
            let ledger = Arc::clone(&noted);
            async move {
                tokio::task::yield_now().await;
                let id = delivery.event().id().as_str();
                let runs = Ledger::count(&ledger.runs, id);
                let claims = ledger.acquired.lock().unwrap().get(id).copied().unwrap_or_default();
                assert!(runs <= claims, "{id} ran {runs} times with {claims} claims");
                Ok::<(), HandlerError>(())
            }
        };
        let layer = WebhookLayer::builder(Dwolla::new(SECRET).unwrap(), watched)
            .lease(lease, lease / 3)
            .build()
            .unwrap();
        let service = layer.topics(TopicRouter::new().on("customer_created", handler));
        Self {
            service: BoxCloneSyncService::new(service),
            store,
            ledger,
        }
    }

    /// One attempt, which must be answered in bounded time: 200, or 503 and a time to come again.
    pub(super) async fn deliver(&self, id: &str) -> Answer {
        let asked = Instant::now();
        let answer = Answer::of(self.service.clone().oneshot(signed(event(id))).await.unwrap()).await;
        assert!(
            asked.elapsed() < BOUND,
            "answered after {:?}: {answer:?}",
            asked.elapsed()
        );
        if answer.status != 200 {
            assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
            assert!(answer.retry_after().is_some(), "{answer:?}");
            self.ledger.refusals.fetch_add(1, Ordering::SeqCst);
        }
        answer
    }

    /// As a provider does: again until it is acknowledged.
    pub(super) async fn deliver_until_acknowledged(&self, id: &str) {
        let until = Instant::now() + Duration::from_secs(50);
        while self.deliver(id).await.status != 200 {
            assert!(Instant::now() < until, "{id} is never acknowledged");
            pause().await;
        }
    }

    /// Providers of many events, each twice.
    pub(super) fn load(&self) -> JoinSet<()> {
        let mut providers = JoinSet::new();
        for provider in 0..PROVIDERS {
            let receiver = self.clone();
            providers.spawn(async move {
                for number in (provider % (PROVIDERS / 2)..EVENTS).step_by(PROVIDERS / 2) {
                    receiver.deliver_until_acknowledged(&format!("event {number}")).await;
                }
            });
        }
        providers
    }

    pub(super) async fn until(&self, what: &str, reached: impl Fn(&Ledger) -> bool) {
        let until = Instant::now() + Duration::from_secs(50);
        while !reached(&self.ledger) {
            assert!(Instant::now() < until, "{what}: never");
            pause().await;
        }
    }

    /// All were handled, each this often at most, and the store knows it.
    async fn assert_all_handled(&self, most: usize) {
        for number in 0..EVENTS {
            let id = format!("event {number}");
            let runs = self.ledger.runs.lock().unwrap().get(&id).copied().unwrap_or_default();
            assert!(
                (1..=most).contains(&runs),
                "{id} was acknowledged and handled {runs} times"
            );
            // What could not be recorded at once is so in the background.
            let until = Instant::now() + Duration::from_secs(50);
            loop {
                let record = self.store.get(&key(&id)).await.unwrap();
                if matches!(record.as_ref().map(|record| &record.state), Some(State::Done { .. })) {
                    break;
                }
                assert!(Instant::now() < until, "{id}: {record:?}");
                pause().await;
            }
        }
    }
}

/// Between two looks at what goes on elsewhere, and two attempts of a provider.
pub(super) async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// `most`: how often each event may run.
async fn killed_and_started_again(settings: &[&str], most: usize) {
    let Some(mut server) = Server::start(settings) else {
        return;
    };
    let receiver = Receiver::new(RedisStore::connect(&server.url()).await.unwrap());
    let providers = receiver.load();
    for round in 1..=3 {
        receiver
            .until("the load", |ledger| ledger.handled() >= round * EVENTS / 5)
            .await;
        let before = receiver.ledger.refusals();
        server.kill();
        receiver
            .until("a refusal", |ledger| ledger.refusals() > before + 20)
            .await;
        server.start_again();
    }
    providers.join_all().await;
    receiver.assert_all_handled(most).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_and_syncs_always_loses_nothing_and_nothing_runs_twice() {
    killed_and_started_again(&["--appendonly", "yes", "--appendfsync", "always"], 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_killed_and_syncs_each_second_loses_no_event() {
    // On a slow disk it may have put off writing what it answered: the second copy of such an event
    // runs.
    killed_and_started_again(&["--appendonly", "yes", "--appendfsync", "everysec"], 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_connections_lose_nothing_and_nothing_runs_twice() {
    let Some(server) = Server::start(&[]) else { return };
    let receiver = Receiver::new(RedisStore::connect(&server.url()).await.unwrap());
    let providers = receiver.load();
    let mut cut = 0;
    while receiver.ledger.handled() < EVENTS * 9 / 10 {
        cut += server
            .command(&["CLIENT", "KILL", "TYPE", "normal"])
            .parse::<usize>()
            .unwrap();
    }
    providers.join_all().await;
    assert!(cut > 3, "{cut} connections were cut");
    receiver.assert_all_handled(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_server_that_is_emptied_loses_no_event() {
    let Some(server) = Server::start(&[]) else { return };
    let receiver = Receiver::new(RedisStore::connect(&server.url()).await.unwrap());
    let providers = receiver.load();
    for round in 1..=5 {
        receiver
            .until("the load", |ledger| ledger.handled() >= round * EVENTS / 7)
            .await;
        server.command(&["FLUSHALL"]);
    }
    providers.join_all().await;
    for number in 0..EVENTS {
        let runs = receiver
            .ledger
            .runs
            .lock()
            .unwrap()
            .get(&format!("event {number}"))
            .copied();
        // One for each time it was sent at most: what was forgotten may run again.
        assert!(matches!(runs, Some(1 | 2)), "event {number}: {runs:?}");
    }
}

#[tokio::test]
async fn a_run_whose_claim_was_flushed_is_recorded_all_the_same() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let run = claim_request("dwolla", "event");
    store.claim(&run).await.unwrap();
    server.command(&["FLUSHALL"]);
    assert_eq!(store.renew(&run).await.unwrap(), Effect::NotHeld);
    assert_eq!(
        store.complete(&run, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    let duplicate = store.claim(&again(&run)).await.unwrap();
    assert_eq!(duplicate, Claimed::Done(Completion::Handled));
}

#[tokio::test]
async fn a_cut_idle_connection_is_replaced_before_anybody_notices() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let event = claim_request("dwolla", "event");
    store.claim(&event).await.unwrap();
    for _ in 0..20 {
        assert_eq!(server.command(&["CLIENT", "KILL", "TYPE", "normal"]), "1");
        assert_eq!(store.renew(&event).await.unwrap(), Effect::Applied);
    }
}

#[tokio::test]
async fn forget_is_not_sent_again_by_itself_since_it_could_drop_a_later_claim() {
    let Some(server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let event = claim_request("dwolla", "event");
    store.claim(&event).await.unwrap();
    server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
    let error = store.forget(&event.key).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(store.forget(&event.key).await.unwrap(), Effect::Applied);
}

#[tokio::test]
async fn a_server_that_is_stopped_is_said_to_refuse_connections() {
    let Some(mut server) = Server::start(&[]) else { return };
    let store = RedisStore::connect(&server.url()).await.unwrap();
    let app = App::new(store.clone());
    assert_eq!(app.deliver("1").await, 200);
    server.kill();
    let answer = app.answer("2").await;
    answer.assert_refused(503, RefusalKind::Store);
    let reason = answer.rejection.unwrap().reason().to_owned();
    let expected = format!("redis at 127.0.0.1:{}: Connection refused", server.port());
    assert!(reason.contains(&expected), "{reason}");
    assert!(store.last_failure().unwrap().contains(&expected));
    server.start_again();
    app.deliver_until_acknowledged("2").await;
    assert_eq!(store.last_failure(), None);
}
