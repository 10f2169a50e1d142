//! What is sent, and how many at the same time.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;
use tower_webhook::{
    event::{EventId, Fingerprint},
    inbox::{Deposit, StoredDelivery},
    store::Key,
};

use crate::{common, rounds::Turn};

pub const BODY: usize = 1024;

/// Ids that nobody has had yet.
pub fn new_ids(count: usize) -> impl Iterator<Item = String> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = count as u64;
    let from = NEXT.fetch_add(count, Relaxed);
    (from..from + count).map(common::id)
}

pub fn bodies(count: usize) -> Vec<(String, Bytes)> {
    new_ids(count)
        .map(|id| {
            let body = common::event(&id, BODY).into();
            (id, body)
        })
        .collect()
}

pub fn requests(count: usize) -> Vec<Request<Full<Bytes>>> {
    bodies(count).into_iter().map(|(_, body)| request(body)).collect()
}

pub fn request(body: Bytes) -> Request<Full<Bytes>> {
    let headers = common::signature(&body);
    let mut request = Request::post("/webhooks/dwolla")
        .body(Full::from(body))
        .expect("a request");
    *request.headers_mut() = headers;
    request
}

pub fn deposits(namespace: &str, count: usize) -> Vec<Deposit> {
    bodies(count)
        .into_iter()
        .map(|(id, body)| deposit(namespace, &id, body))
        .collect()
}

pub fn deposit(namespace: &str, id: &str, body: Bytes) -> Deposit {
    Deposit::new(
        Key::new(namespace, EventId::new(id).expect("an id")),
        Fingerprint::of(["customer_created"]),
        StoredDelivery::new("customer_created", HeaderMap::new(), body),
    )
}

/// So many tasks do their part of the items, one after the other.
pub async fn in_flight<T, F>(
    tasks: usize,
    items: Vec<T>,
    operation: impl Fn(usize, T) -> F + Clone + Send + 'static,
) -> Turn
where
    T: Send + 'static,
    F: Future<Output = ()> + Send,
{
    let count = items.len();
    let mut parts: Vec<Vec<T>> = (0..tasks).map(|_| Vec::with_capacity(count / tasks + 1)).collect();
    for (number, item) in items.into_iter().enumerate() {
        parts[number % tasks].push(item);
    }
    let started = Instant::now();
    let tasks: Vec<_> = parts
        .into_iter()
        .enumerate()
        .map(|(task, part)| {
            let operation = operation.clone();
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(part.len());
                for item in part {
                    let started = Instant::now();
                    operation(task, item).await;
                    latencies.push(started.elapsed().as_secs_f64() * 1e3);
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(count);
    for task in tasks {
        latencies.extend(task.await.expect("a task's end"));
    }
    Turn {
        latencies,
        ..Turn::of(count, started)
    }
}
