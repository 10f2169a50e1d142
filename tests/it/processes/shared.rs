//! What processes share: stores that each opens by the name of their place, and the effects of
//! handlers.

use std::{future::Future, sync::mpsc::Receiver, time::Duration};

use serde_json::Value;
use tower_webhook::{Delivery, HandlerError, store::IdempotencyStore};

use super::file::File;
use super::postgres;
use super::sqlite;
use super::{deployment, inbox, inbox_race, race, receiver, reconciler};
use crate::endpoint::Event;

/// A store that is somewhere.
pub(super) trait Shared: IdempotencyStore + Clone {
    /// With connections of its own.
    fn open(place: &str) -> impl Future<Output = Self> + Send;

    /// Its time, as this process sees it.
    fn advance(&self, by: Duration);
}

/// What a handler does that is there to stay.
pub(super) trait Book: Clone + Send + Sync + 'static {
    fn book(&self, delivery: &Delivery<Event>, process: u64) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// An effect as it is read afterwards: of which event, by which process.
pub(super) type Booked = (String, u64);

/// As a racer.
pub(super) async fn race(task: &Value, orders: Receiver<String>) {
    match task["store"].as_str().unwrap() {
        "sqlite" => race::take_part::<tower_webhook_sqlx::SqliteStore>(task, orders).await,
        "postgres" => race::take_part::<tower_webhook_sqlx::PostgresStore>(task, orders).await,
        "redis" => race::take_part::<tower_webhook_redis::RedisStore>(task, orders).await,
        store => panic!("no store: {store}"),
    }
}

/// As a reconciler.
pub(super) async fn reconcile(task: &Value) {
    match task["store"].as_str().unwrap() {
        "sqlite" => reconciler::take_part::<tower_webhook_sqlx::SqliteStore>(task).await,
        "postgres" => reconciler::take_part::<tower_webhook_sqlx::PostgresStore>(task).await,
        "redis" => reconciler::take_part::<tower_webhook_redis::RedisStore>(task).await,
        store => panic!("no store: {store}"),
    }
}

/// As a receiver.
pub(super) async fn receive(task: &Value) {
    let text = |name: &str| task[name].as_str().unwrap();
    let in_transaction = task["in_transaction"].as_bool().unwrap();
    match text("store") {
        "sqlite" => {
            let store = tower_webhook_sqlx::SqliteStore::open(text("place")).await.unwrap();
            if in_transaction {
                let rows = sqlite::Rows::of(text("place"), store.clone());
                receiver::serve(store, rows, task).await;
            } else {
                receiver::serve(store, File(text("effects").into()), task).await;
            }
        }
        "postgres" => {
            let store = <tower_webhook_sqlx::PostgresStore as Shared>::open(text("place")).await;
            let rows = postgres::Rows::of(text("place"), store.clone(), in_transaction);
            receiver::serve(store, rows, task).await;
        }
        "redis" => {
            let store = <tower_webhook_redis::RedisStore as Shared>::open(text("place")).await;
            receiver::serve(store, File(text("effects").into()), task).await;
        }
        store => panic!("no store: {store}"),
    }
}

/// As an inbox: a receiver, a worker, or both.
pub(super) async fn keep_inbox(task: &Value) {
    let text = |name: &str| task[name].as_str().unwrap();
    let in_transaction = task["in_transaction"].as_bool().unwrap();
    match text("store") {
        "sqlite" => {
            let store = tower_webhook_sqlx::SqliteStore::open(text("place")).await.unwrap();
            if in_transaction {
                let rows = sqlite::Rows::of(text("place"), store.clone());
                inbox::serve(store, rows, task).await;
            } else {
                inbox::serve(store, File(text("effects").into()), task).await;
            }
        }
        "postgres" => {
            let store = <tower_webhook_sqlx::PostgresStore as Shared>::open(text("place")).await;
            let rows = postgres::Rows::of(text("place"), store.clone(), in_transaction);
            inbox::serve(store, rows, task).await;
        }
        store => panic!("no inbox: {store}"),
    }
}

/// As one of several processes that are replaced.
pub(super) async fn deploy(task: &Value) {
    let place = task["place"].as_str().unwrap();
    let store = <tower_webhook_sqlx::PostgresStore as Shared>::open(place).await;
    let rows = postgres::Rows::of(place, store.clone(), true);
    deployment::serve(store, rows, task).await;
}

/// As a process of workers.
pub(super) async fn work(task: &Value) {
    match task["store"].as_str().unwrap() {
        "sqlite" => inbox_race::take_part::<tower_webhook_sqlx::SqliteStore>(task).await,
        "postgres" => inbox_race::take_part::<tower_webhook_sqlx::PostgresStore>(task).await,
        store => panic!("no inbox: {store}"),
    }
}
