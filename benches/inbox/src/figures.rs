//! The figures, for one engine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tower::ServiceExt as _;
use tower_webhook::{
    TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    inbox::{InboxAdmin, Worker},
    store::{Claimed, Deposited},
};

use crate::{
    bare::{BATCH, Bare},
    common,
    load::{self, in_flight},
    rounds::{Contender, Turn, compare},
};

pub struct Engine<'a, S> {
    pub store: S,
    /// Of the same tables, as another process has it.
    pub other: S,
    pub bare: Bare,
    pub rounds: usize,
    /// A part of the names of the figures that are measured.
    pub only: &'a str,
    /// Of the file or the database that the job queues have.
    pub url: String,
}

impl<S: InboxAdmin + Clone> Engine<'_, S> {
    pub async fn measure(&self) {
        println!("\n## {}", self.bare.name());
        if self.wants("deposits") {
            for tasks in [1, 16, 64] {
                self.deposits(tasks).await;
            }
        }
        if self.wants("duplicates") {
            self.duplicates().await;
        }
        if self.wants("claims") {
            for tasks in [1, 16, 64] {
                self.claims(tasks).await;
            }
        }
        if self.wants("worker") {
            self.worker().await;
        }
        if self.wants("pick-up") {
            self.pick_up().await;
        }
        #[cfg(feature = "peers")]
        if self.wants("peers") {
            self.peers().await;
        }
        if self.wants("million") {
            self.million().await;
        }
    }

    fn wants(&self, figure: &str) -> bool {
        figure.contains(self.only)
    }

    fn count(&self, tasks: usize) -> usize {
        if tasks == 1 { 80 } else { 20 * tasks.max(32) }
    }

    pub fn layer(&self, namespace: &'static str) -> WebhookLayer<Dwolla, S> {
        let provider = Dwolla::new(common::SECRET).expect("a secret");
        let layer = WebhookLayer::builder(provider, self.store.clone()).namespace(namespace);
        layer.build().expect("a layer")
    }

    async fn deposits(&self, tasks: usize) {
        let count = self.count(tasks);
        let service = self.layer("deposits").inbox();
        let title = format!("deposits, {tasks} in flight");
        let contenders = vec![
            Contender::new("bare INSERT", || self.bare.clone().inserts(tasks, count, true)),
            Contender::new("`layer.inbox()`", || {
                let service = service.clone();
                in_flight(tasks, load::requests(count), move |_, request| {
                    let service = service.clone();
                    async move {
                        let response = service.oneshot(request).await.expect("a response");
                        assert_eq!(response.status(), 200);
                    }
                })
            }),
            Contender::new("`deposit`", || self.deposit_all("stored", tasks, count)),
        ];
        compare(&title, self.rounds, contenders).await;
    }

    pub async fn deposit_all(&self, namespace: &str, tasks: usize, count: usize) -> Turn {
        let store = self.store.clone();
        in_flight(tasks, load::deposits(namespace, count), move |_, deposit| {
            let store = store.clone();
            async move { assert!(matches!(store.deposit(&deposit).await, Ok(Deposited::Stored))) }
        })
        .await
    }

    async fn duplicates(&self) {
        const KNOWN: usize = 1000;
        let service = self.layer("deposits").inbox();
        let known = load::bodies(KNOWN);
        for (_, body) in &known {
            let response = service.clone().oneshot(load::request(body.clone())).await;
            assert_eq!(response.expect("a response").status(), 200);
        }
        let known = &known;
        let contenders = vec![
            Contender::new("bare INSERT", || self.bare.clone().inserts(16, 1600, true)),
            Contender::new("duplicates through `layer.inbox()`", || {
                let requests = (0..5)
                    .flat_map(|_| known)
                    .map(|(_, body)| load::request(body.clone()))
                    .collect();
                let service = service.clone();
                in_flight(16, requests, move |_, request| {
                    let service = service.clone();
                    async move {
                        let response = service.oneshot(request).await.expect("a response");
                        assert_eq!(response.status(), 200);
                    }
                })
            }),
            Contender::new("duplicates, `deposit`", || {
                let deposits = (0..5).flat_map(|_| known);
                let deposits = deposits
                    .map(|(id, body)| load::deposit("deposits", id, body.clone()))
                    .collect();
                let store = self.store.clone();
                in_flight(16, deposits, move |_, deposit| {
                    let store = store.clone();
                    async move { assert_ne!(store.deposit(&deposit).await.expect("an answer"), Deposited::Stored) }
                })
            }),
        ];
        compare("duplicates, 16 in flight", self.rounds, contenders).await;
    }

    async fn claims(&self, tasks: usize) {
        let count = self.count(tasks);
        let title = format!("claims (synchronous), {tasks} in flight");
        let contenders = vec![
            Contender::new("bare INSERT of an id", || {
                self.bare.clone().inserts(tasks, count, false)
            }),
            Contender::new("`claim`", || {
                let requests = load::new_ids(count).map(|id| load::deposit("claims", &id, "".into()));
                let requests = requests.map(|deposit| common::claim_request_of(deposit.key)).collect();
                let store = self.store.clone();
                in_flight(tasks, requests, move |_, request| {
                    let store = store.clone();
                    async move { assert!(matches!(store.claim(&request).await, Ok(Claimed::Acquired { .. }))) }
                })
            }),
        ];
        compare(&title, self.rounds, contenders).await;
    }

    async fn worker(&self) {
        const COUNT: usize = 5000;
        let contenders = vec![
            Contender::new("bare take and done, 64 at a time", || async {
                self.bare.load("bare", COUNT as i64, -5_000, load::BODY).await;
                self.bare.clone().work_off("bare", COUNT).await
            }),
            Contender::new("worker, 64 handlers", || async {
                self.bare.load("worker", COUNT as i64, -5_000, load::BODY).await;
                self.work_off("worker", COUNT).await
            }),
        ];
        compare(&format!("worker, {COUNT} stored deliveries"), self.rounds, contenders).await;
    }

    /// A worker whose handlers do nothing, from its start until all is settled.
    pub async fn work_off(&self, namespace: &'static str, count: usize) -> Turn {
        let (left, done) = (Arc::new(AtomicUsize::new(count)), Arc::new(Notify::new()));
        let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, {
            let done = Arc::clone(&done);
            move |_: dwolla::Event| {
                if left.fetch_sub(1, Relaxed) == 1 {
                    done.notify_one();
                }
                async {}
            }
        });
        let worker = Worker::new(Dwolla::reader(), self.store.clone(), topics).namespace(namespace);
        let started = Instant::now();
        let worker = worker.concurrency(BATCH).start();
        done.notified().await;
        let report = worker.drain(Duration::from_secs(10)).await;
        let turn = Turn::of(count, started);
        assert!(report.remaining().is_empty(), "{report}");
        turn
    }
}
