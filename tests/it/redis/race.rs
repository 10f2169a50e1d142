//! Many that claim the same events at once, over several connections.

use std::sync::Arc;

use tokio::sync::Barrier;
use tower_webhook::store::{Claimed, IdempotencyStore, StoreAdmin};
use tower_webhook_redis::RedisStore;

use super::{FIRST, LEASE, RETENTION, Server, claim_request, namespace};

const TASKS: usize = 48;
const CONNECTIONS: usize = 6;
const KEYS: usize = 1000;

/// How many of the tasks' claims of each key succeed.
async fn race(stores: &[RedisStore], namespace: &str, expected: Claimed) -> Vec<usize> {
    let together = Arc::new(Barrier::new(TASKS));
    let tasks = (0..TASKS).map(|task| {
        let (store, together) = (stores[task % CONNECTIONS].clone(), Arc::clone(&together));
        let namespace = namespace.to_owned();
        tokio::spawn(async move {
            together.wait().await;
            let mut acquired = Vec::new();
            for key in 0..KEYS {
                match store.claim(&claim_request(&namespace, key)).await.unwrap() {
                    Claimed::InFlight { .. } => {}
                    answer => {
                        assert_eq!(answer, expected);
                        acquired.push(key);
                    }
                }
            }
            acquired
        })
    });
    let mut winners = vec![0; KEYS];
    for task in tasks.collect::<Vec<_>>() {
        for key in task.await.unwrap() {
            winners[key] += 1;
        }
    }
    winners
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_48_tasks_that_claim_1000_keys_one_gets_each_also_after_the_lease() {
    let Some(server) = Server::shared() else { return };
    let namespace = namespace("race");
    let mut stores = Vec::new();
    for _ in 0..CONNECTIONS {
        stores.push(RedisStore::connect(&server.url()).await.unwrap());
    }
    assert_eq!(race(&stores, &namespace, FIRST).await, [1; KEYS]);
    stores.iter().for_each(|store| store.advance(LEASE));
    let second = Claimed::Acquired {
        generation: 2,
        attempts: 2,
    };
    assert_eq!(race(&stores, &namespace, second).await, [1; KEYS]);
    stores.iter().for_each(|store| store.advance(LEASE + RETENTION));
    assert_eq!(race(&stores, &namespace, FIRST).await, [1; KEYS]);
    assert_eq!(stores[0].count(&namespace).await.unwrap().claimed, KEYS as u64);
}
