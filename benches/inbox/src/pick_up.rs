//! How long a stored delivery waits for a worker that has nothing to do.

use std::time::{Duration, Instant};

use tokio::{sync::mpsc, time::sleep};
use tower_webhook::{
    TopicRouter,
    dwolla::{self, Dwolla},
    inbox::{InboxAdmin, Worker},
};

use crate::{figures::Engine, load, rounds};

impl<S: InboxAdmin + Clone> Engine<'_, S> {
    pub async fn pick_up(&self) {
        let inside = self.waits(self.store.clone(), "inside", 100 * self.rounds).await;
        let outside = self.waits(self.other.clone(), "outside", 20 * self.rounds).await;
        let rows = [
            ("in the process that stored it".to_owned(), inside),
            ("in another one".to_owned(), outside),
        ];
        rounds::latencies("pick-up: from the deposit's return to the handler's start", &rows);
    }

    async fn waits(&self, store: S, namespace: &'static str, count: usize) -> Vec<f64> {
        let (started, mut starts) = mpsc::unbounded_channel();
        let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, move |_: dwolla::Event| {
            let _ = started.send(Instant::now());
            async {}
        });
        let worker = Worker::new(Dwolla::reader(), store, topics)
            .namespace(namespace)
            .start();
        let mut waits = Vec::with_capacity(count);
        for (number, deposit) in load::deposits(namespace, count).into_iter().enumerate() {
            // At another moment of the polling each time.
            sleep(Duration::from_millis(5 + number as u64 * 7 % 53)).await;
            self.store.deposit(&deposit).await.expect("a deposit");
            let stored = Instant::now();
            let started = starts.recv().await.expect("a handler");
            waits.push(started.saturating_duration_since(stored).as_secs_f64() * 1e3);
        }
        drop(worker.drain(Duration::from_secs(10)).await);
        waits
    }
}
