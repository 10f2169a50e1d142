//! What is asked of every store that outlives the process: many that race for one event, and a
//! whole endpoint while the store fails.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::{EventId, Fingerprint},
    inbox::Inbox,
    store::{ClaimRequest, Claimed, Completion, Counts, IdempotencyStore, Key, StoreAdmin, Token},
};

use crate::endpoint::{Answer, BoxService, SECRET, event, signed};

pub(crate) const LEASE: Duration = Duration::from_secs(60);
pub(crate) const RETENTION: Duration = Duration::from_secs(3600);

pub(crate) fn claim_request_in(namespace: &str, id: &str) -> ClaimRequest {
    ClaimRequest::new(
        Key::new(namespace, EventId::new(id).unwrap()),
        Token::random(),
        Fingerprint::of([id]),
    )
    .with_lease(LEASE)
    .with_retention(RETENTION)
    .with_retry_window(Duration::from_secs(600))
}

/// 48 tasks over these stores, each with connections of its own, claim 1,000 events, each task in
/// another order; then once more when the leases are over. Each event has one winner a round, and
/// the others are told that it runs.
pub(crate) async fn one_of_many_wins_each_event<S>(stores: &[S], advance: impl Fn(&S, Duration))
where
    S: IdempotencyStore + Clone,
{
    one_of_many_wins_each_of(1000, stores, advance).await;
}

/// The same with so many events, of which 7 is no divisor.
pub(crate) async fn one_of_many_wins_each_of<S>(events: usize, stores: &[S], advance: impl Fn(&S, Duration))
where
    S: IdempotencyStore + Clone,
{
    const TASKS: usize = 48;
    let namespace: Arc<str> = format!("race {:?}", Token::random()).into();
    for round in 1..=2_u32 {
        let winners: Arc<Vec<AtomicU32>> = Arc::new((0..events).map(|_| AtomicU32::new(0)).collect());
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            let (store, winners, namespace) = (
                stores[task % stores.len()].clone(),
                Arc::clone(&winners),
                Arc::clone(&namespace),
            );
            tasks.spawn(async move {
                for step in 0..events {
                    // 7 and their number have no common divisor: every task meets every event, and
                    // half of them at about the same time.
                    let number = (step * 7 + task / 2) % events;
                    let claim_request = claim_request_in(&namespace, &format!("event {number}"));
                    match store.claim(&claim_request).await.unwrap() {
                        Claimed::Acquired { generation, attempts } => {
                            assert_eq!((generation, attempts), (round.into(), round));
                            winners[number].fetch_add(1, Ordering::SeqCst);
                        }
                        answer => assert!(matches!(answer, Claimed::InFlight { .. }), "{answer:?}"),
                    }
                }
            });
        }
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        for (number, won) in winners.iter().enumerate() {
            assert_eq!(won.load(Ordering::SeqCst), 1, "round {round}, event {number}");
        }
        for store in stores {
            advance(store, LEASE);
        }
    }
}

/// What an operator asks for, in a namespace of its own.
pub(crate) async fn an_operator_counts_by_state_and_lists_what_is_overdue<S: StoreAdmin>(
    store: &S,
    advance: impl Fn(&S, Duration),
) {
    let namespace = format!("operator {:?}", Token::random());
    assert_eq!(store.count(&namespace).await.unwrap(), Counts::default());
    let claim_requests = ["handled", "rejected", "free", "first", "second"].map(|id| claim_request_in(&namespace, id));
    for claim_request in &claim_requests {
        store.claim(claim_request).await.unwrap();
        advance(store, Duration::from_secs(1));
    }
    let elsewhere = claim_request_in(&format!("{namespace}, another"), "event");
    store.claim(&elsewhere).await.unwrap();
    store.complete(&claim_requests[0], Completion::Handled).await.unwrap();
    store.complete(&claim_requests[1], Completion::Rejected).await.unwrap();
    store.release(&claim_requests[2]).await.unwrap();
    let counts = Counts::new(2, 1, 2);
    assert_eq!(store.count(&namespace).await.unwrap(), counts);
    assert_eq!(store.expired_claims(&namespace, 10).await.unwrap(), []);

    advance(store, LEASE);
    let [.., first, second] = claim_requests.map(|claim_request| claim_request.key);
    let overdue = [first, second];
    assert_eq!(store.expired_claims(&namespace, 10).await.unwrap(), overdue);
    // Where there is no order to search in, it is the first that is found.
    let one = store.expired_claims(&namespace, 1).await.unwrap();
    assert!(one.len() == 1 && overdue.contains(&one[0]), "{one:?}");
    assert_eq!(store.expired_claims(&namespace, 0).await.unwrap(), []);
    assert_eq!(store.expired_claims(&namespace, usize::MAX).await.unwrap().len(), 2);
    assert_eq!(store.count(&namespace).await.unwrap(), counts);
    advance(store, RETENTION);
    assert_eq!(store.expired_claims(&namespace, 10).await.unwrap(), []);
    assert_eq!(store.count(&namespace).await.unwrap(), Counts::default());
}

/// An endpoint on a store, whose handler's runs are counted for each event; or on an inbox, which
/// has no handler.
pub(crate) struct App {
    service: BoxService,
    runs: Arc<Mutex<HashMap<String, usize>>>,
}

impl App {
    pub(crate) fn new<S: IdempotencyStore>(store: S) -> Self {
        Self::with(store, async |_| Ok(()))
    }

    /// One whose handler does this besides.
    pub(crate) fn with<S, F, R>(store: S, effect: F) -> Self
    where
        S: IdempotencyStore,
        F: Fn(Delivery<dwolla::Event>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send,
    {
        Self::on(WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store), effect)
    }

    /// One whose layer has settings of its own.
    pub(crate) fn on<S, F, R>(layer: WebhookLayer<Dwolla, S>, effect: F) -> Self
    where
        S: IdempotencyStore,
        F: Fn(Delivery<dwolla::Event>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<(), HandlerError>> + Send,
    {
        let runs = Arc::<Mutex<HashMap<String, usize>>>::default();
        let counted = Arc::clone(&runs);
        let handler = move |delivery: Delivery<dwolla::Event>| {
            let id = tower_webhook::event::Event::id(delivery.event()).unwrap().to_string();
            *counted.lock().unwrap().entry(id).or_default() += 1;
            effect(delivery)
        };
        let router = TopicRouter::new().on("customer_created", handler);
        Self {
            service: BoxService::new(layer.topics(router)),
            runs,
        }
    }

    /// One that stores what comes.
    pub(crate) fn inbox<S: Inbox>(layer: &WebhookLayer<Dwolla, S>) -> Self {
        Self {
            service: BoxService::new(layer.inbox()),
            runs: Arc::default(),
        }
    }

    /// Sends the event; the status, which is 200 or one that makes the provider come again, in
    /// bounded time.
    pub(crate) async fn deliver(&self, id: &str) -> u16 {
        let began = Instant::now();
        let status = self.answer(id).await.status.as_u16();
        assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
        assert!([200, 500, 503].contains(&status), "{status}");
        status
    }

    /// Sends the event.
    pub(crate) async fn answer(&self, id: &str) -> Answer {
        let response = self.service.clone().oneshot(signed(event(id))).await.unwrap();
        Answer::of(response).await
    }

    /// Sends the event until it is acknowledged.
    pub(crate) async fn deliver_until_acknowledged(&self, id: &str) {
        for _ in 0..600 {
            if self.deliver(id).await == 200 {
                return;
            }
            // As providers do; nothing is expected of this time to pass.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{id} was never acknowledged");
    }

    pub(crate) fn runs(&self, id: &str) -> usize {
        self.runs.lock().unwrap().get(id).copied().unwrap_or_default()
    }
}
