//! `purge_every`: when it purges, how much at a time, and what it does about failures.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower_webhook::{
    MemoryStore,
    store::{ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, Record, StoreAdmin, StoreError},
};

use crate::logs::Capture;

const INTERVAL: Duration = Duration::from_secs(600);
const TENTH: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// A store that notes when it is purged, and returns what it was told to, then that nothing was
/// left.
#[derive(Clone)]
struct Purged {
    inner: MemoryStore,
    results: Arc<Mutex<VecDeque<Result<u64, StoreError>>>>,
    calls: Arc<Mutex<Vec<(Instant, usize)>>>,
}

impl Purged {
    fn returning(results: impl IntoIterator<Item = Result<u64, StoreError>>) -> Self {
        Self {
            inner: MemoryStore::new(),
            results: Arc::new(Mutex::new(results.into_iter().collect())),
            calls: Arc::default(),
        }
    }

    fn spawn(&self, interval: Duration) -> JoinHandle<std::convert::Infallible> {
        tokio::spawn(self.clone().purge_every(interval))
    }

    fn times(&self) -> Vec<Instant> {
        self.calls.lock().unwrap().iter().map(|(time, _)| *time).collect()
    }

    /// Waits for so many calls, and returns the times between them.
    async fn waits(&self, calls: usize) -> Vec<Duration> {
        while self.times().len() < calls {
            sleep(Duration::from_millis(10)).await;
        }
        self.times().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }
}

impl StoreAdmin for Purged {
    async fn count(&self, namespace: &str) -> Result<Counts, StoreError> {
        self.inner.count(namespace).await
    }

    async fn expired_claims(&self, namespace: &str, limit: usize) -> Result<Vec<Key>, StoreError> {
        self.inner.expired_claims(namespace, limit).await
    }

    async fn purge(&self, limit: usize) -> Result<u64, StoreError> {
        self.calls.lock().unwrap().push((Instant::now(), limit));
        self.results.lock().unwrap().pop_front().unwrap_or(Ok(0))
    }
}

impl IdempotencyStore for Purged {
    async fn claim(&self, claim_request: &ClaimRequest) -> Result<Claimed, StoreError> {
        self.inner.claim(claim_request).await
    }

    async fn renew(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.inner.renew(claim_request).await
    }

    async fn complete(&self, claim_request: &ClaimRequest, completion: Completion) -> Result<Effect, StoreError> {
        self.inner.complete(claim_request, completion).await
    }

    async fn release(&self, claim_request: &ClaimRequest) -> Result<Effect, StoreError> {
        self.inner.release(claim_request).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.get(key).await
    }

    async fn forget(&self, key: &Key) -> Result<Effect, StoreError> {
        self.inner.forget(key).await
    }
}

#[track_caller]
fn assert_about_an_interval(wait: Duration) {
    assert!(wait >= INTERVAL - TENTH && wait <= INTERVAL + TENTH, "{wait:?}");
}

#[tokio::test(start_paused = true)]
async fn what_has_expired_is_removed_in_batches_with_pauses_until_nothing_is_left() {
    let store = Purged::returning([Ok(1000), Ok(1000), Ok(999)]);
    let _purging = store.spawn(INTERVAL);
    let waits = store.waits(4).await;
    assert_eq!(waits[..2], [PAUSE, PAUSE]);
    assert_about_an_interval(waits[2]);
    let limits: Vec<_> = store.calls.lock().unwrap().iter().map(|(_, limit)| *limit).collect();
    assert_eq!(limits, [1000; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_logged_and_the_next_attempt_comes_an_interval_later() {
    let log = Capture::start();
    let store = Purged::returning([Ok(1000), Err(StoreError::unavailable("no route to host")), Ok(1000)]);
    let _purging = store.spawn(INTERVAL);
    let waits = store.waits(4).await;
    assert_eq!((waits[0], waits[2]), (PAUSE, PAUSE));
    assert_about_an_interval(waits[1]);
    let text = log.text();
    let expected = format!(
        "WARN in None: message=cannot remove expired records, and tries again in {} s: the store is unavailable: no \
         route to host\n",
        waits[1].as_secs()
    );
    assert_eq!(text, expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_purged_after_the_task_is_aborted() {
    let store = Purged::returning([]);
    let purging = store.spawn(INTERVAL);
    store.waits(2).await;
    purging.abort();
    assert!(purging.await.unwrap_err().is_cancelled());
    sleep(INTERVAL * 10).await;
    assert_eq!(store.times().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn processes_that_start_together_do_not_purge_together() {
    let start = Instant::now();
    let stores: Vec<_> = (0..16).map(|_| Purged::returning([])).collect();
    for store in &stores {
        drop(store.spawn(INTERVAL)); // a dropped handle lets the task run on
    }
    let (mut firsts, mut waits) = (Vec::new(), Vec::new());
    for store in &stores {
        let wait = store.waits(2).await[0];
        assert_about_an_interval(wait);
        waits.push(wait);
        let first = store.times()[0] - start;
        assert!(first <= INTERVAL, "{first:?}");
        firsts.push(first);
    }
    // Alike by chance: once in 10 to the 30th.
    for times in [firsts, waits] {
        assert!(times.iter().any(|time| *time != times[0]), "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_interval_there_is_still_a_pause() {
    let store = Purged::returning([]);
    let _purging = store.spawn(Duration::ZERO);
    assert_eq!(store.waits(3).await, [PAUSE, PAUSE]);
}

#[tokio::test(start_paused = true)]
async fn an_interval_beyond_measure_is_no_panic() {
    let store = Purged::returning([]);
    let purging = store.spawn(Duration::MAX);
    sleep(Duration::from_secs(1)).await;
    assert!(!purging.is_finished());
}
