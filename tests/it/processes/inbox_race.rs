//! Two processes with many workers each over one inbox: each delivery runs once.

use std::collections::HashMap;

use serde_json::{Value, json};
use tower_webhook::{
    Delivery, HandlerError, TopicRouter,
    dwolla::Dwolla,
    inbox::{Deposit, Inbox, StoredDelivery, Worker},
};

use super::{
    process::{Process, say},
    shared::Shared,
};
use crate::endpoint::{Event, event, key};

const PROCESSES: usize = 2;
/// In each process.
const WORKERS: usize = 24;
const EVENTS: usize = 10_000;
/// No more than a store has connections: on a busy machine whoever waits for one may be refused.
const DEPOSITORS: usize = 8;

/// One of the processes: its workers say what they run.
pub(super) async fn take_part<S: Shared + Inbox>(task: &Value) {
    let store = S::open(task["place"].as_str().unwrap()).await;
    for _ in 0..WORKERS {
        let topics = TopicRouter::new().on("customer_created", |delivery: Delivery<Event>| async move {
            say(&format!("ran {}", delivery.event().id()));
            Ok::<_, HandlerError>(())
        });
        let worker = Worker::new(Dwolla::reader(), store.clone(), topics);
        std::mem::forget(worker.concurrency(4).start());
    }
    say("ready");
    std::future::pending::<()>().await;
}

async fn race<S: Shared + Inbox>(kind: &str, place: &str) {
    let store = S::open(place).await;
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..DEPOSITORS {
        let store = store.clone();
        tasks.spawn(async move {
            for number in (first..EVENTS).step_by(DEPOSITORS) {
                let id = number.to_string();
                let read: Event = tower_webhook::event::from_json(event(&id).as_bytes()).unwrap();
                let fingerprint = tower_webhook::event::Event::fingerprint(&read).unwrap();
                let delivery = StoredDelivery::new("customer_created", http::HeaderMap::new(), event(&id));
                store
                    .deposit(&Deposit::new(key(&id), fingerprint, delivery))
                    .await
                    .unwrap();
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let processes: Vec<_> = (0..PROCESSES)
        .map(|_| Process::start(&json!({ "role": "workers", "store": kind, "place": place })))
        .collect();
    while store.backlog("dwolla", u64::MAX >> 1).await.unwrap().unfinished() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut runs = HashMap::<String, Vec<usize>>::new();
    for (number, process) in processes.into_iter().enumerate() {
        for line in process.end() {
            let Some(id) = line.strip_prefix("ran ") else { continue };
            runs.entry(id.to_owned()).or_default().push(number);
        }
    }
    assert_eq!(runs.len(), EVENTS);
    let twice: Vec<_> = runs.iter().filter(|(_, runs)| runs.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    for process in 0..PROCESSES {
        let share = runs.values().filter(|runs| runs[0] == process).count();
        assert!(share > 0, "there was no race");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_48_workers_in_two_processes_one_runs_each_delivery_of_a_sqlite_file() {
    let folder = crate::sqlite::Folder::new();
    race::<tower_webhook_sqlx::SqliteStore>("sqlite", folder.file().to_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_48_workers_in_two_processes_one_runs_each_delivery_in_postgres() {
    let Some(place) = super::postgres::new_database("workers").await else {
        return;
    };
    race::<tower_webhook_sqlx::PostgresStore>("postgres", &place).await;
}
