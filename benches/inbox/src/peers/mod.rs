//! Job queues in the same engines: the same bodies enqueued under the event's id, one commit each,
//! and worked off by handlers that do nothing.

mod apalis_postgres;
mod apalis_sqlite;
mod graphile_worker;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tower_webhook::inbox::InboxAdmin;

use crate::{
    bare::Bare,
    figures::Engine,
    load,
    rounds::{Contender, compare},
};

/// How many are worked off in a turn.
const COUNT: usize = 2000;
const IN_FLIGHT: usize = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    id: String,
    /// What a webhook's receiver would have to keep.
    body: String,
}

fn jobs(count: usize) -> Vec<Job> {
    let bodies = load::bodies(count).into_iter();
    bodies
        .map(|(id, body)| Job {
            id,
            body: String::from_utf8(body.to_vec()).expect("JSON"),
        })
        .collect()
}

/// How many handlers have run, and who waits for the last.
#[derive(Clone, Debug, Default)]
struct Left(Arc<(AtomicUsize, Notify)>);

impl Left {
    fn of(count: usize) -> Self {
        let left = Self::default();
        left.0.0.store(count, Relaxed);
        left
    }

    fn one_less(&self) {
        if self.0.0.fetch_sub(1, Relaxed) == 1 {
            self.0.1.notify_one();
        }
    }

    async fn is_none(&self) {
        self.0.1.notified().await;
    }
}

impl<S: InboxAdmin + Clone> Engine<'_, S> {
    pub async fn peers(&self) {
        match self.bare {
            Bare::Sqlite(_) => {
                let apalis = &apalis_sqlite::Peer::new(&self.url).await;
                self.enqueue(vec![Contender::new("apalis-sqlite", || {
                    apalis.enqueue(IN_FLIGHT, COUNT)
                })])
                .await;
                apalis.clear().await;
                self.drain(vec![Contender::new("apalis-sqlite", || apalis.work_off(COUNT))])
                    .await;
            }
            Bare::Postgres(_) => {
                let apalis = &apalis_postgres::Peer::new(&self.url).await;
                let graphile = &graphile_worker::Peer::new(&self.url).await;
                self.enqueue(vec![
                    Contender::new("apalis-postgres", || apalis.enqueue(IN_FLIGHT, COUNT)),
                    Contender::new("graphile_worker", || graphile.enqueue(IN_FLIGHT, COUNT)),
                ])
                .await;
                apalis.clear().await;
                graphile.clear().await;
                self.drain(vec![
                    Contender::new("apalis-postgres", || apalis.work_off(COUNT)),
                    Contender::new("graphile_worker", || graphile.work_off(COUNT)),
                ])
                .await;
            }
        }
    }

    async fn enqueue<'a>(&'a self, peers: Vec<Contender<'a>>) {
        let mut contenders = vec![Contender::new("`deposit`", || {
            self.deposit_all("enqueued", IN_FLIGHT, COUNT)
        })];
        contenders.extend(peers);
        compare(&format!("enqueue, {IN_FLIGHT} in flight"), self.rounds, contenders).await;
    }

    async fn drain<'a>(&'a self, peers: Vec<Contender<'a>>) {
        let mut contenders = vec![Contender::new("worker, 64 handlers", || async {
            self.deposit_all("drained", 64, COUNT).await;
            self.work_off("drained", COUNT).await
        })];
        contenders.extend(peers);
        compare(&format!("work off {COUNT}"), self.rounds, contenders).await;
    }
}
