//! The memory store: what an event costs it, and what a duplicate does.
//!
//! ```sh
//! cargo bench --bench store
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure should end"
)]

mod common;

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use common::ready;
use criterion::{BenchmarkId, Criterion};
use tower_webhook::{
    MemoryStore,
    store::{ClaimRequest, Claimed, Completion, IdempotencyStore as _, Token},
};

/// Operations that are timed together.
const BATCH: u64 = 4096;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("store");
    let sizes = if common::in_earnest() {
        [10_000, 1_000_000]
    } else {
        [1_000, 10_000]
    };
    for ids in sizes {
        let store = MemoryStore::builder()
            .capacity(ids as usize + 2 * BATCH as usize)
            .build();
        for n in 0..ids {
            let claim_request = common::claim_request(n);
            claim_and_complete(&store, &claim_request);
        }
        for threads in [1, 2] {
            let mut next = ids;
            group.bench_function(
                BenchmarkId::new(format!("claim_and_complete/{ids}_ids"), format!("{threads}_threads")),
                |bencher| {
                    bencher.iter_custom(|times| {
                        in_batches(times, |batch| {
                            let claim_requests: Vec<_> = (next..next + batch).map(common::claim_request).collect();
                            next += batch;
                            let took = on_threads(threads, &claim_requests, |claim_request| {
                                claim_and_complete(&store, claim_request)
                            });
                            for claim_request in claim_requests {
                                ready(store.forget(&claim_request.key)).unwrap();
                            }
                            took
                        })
                    })
                },
            );
            let mut known = 0;
            group.bench_function(
                BenchmarkId::new(format!("duplicate/{ids}_ids"), format!("{threads}_threads")),
                |bencher| {
                    bencher.iter_custom(|times| {
                        in_batches(times, |batch| {
                            let claim_requests: Vec<_> =
                                (known..known + batch).map(|n| common::claim_request(n % ids)).collect();
                            known += batch;
                            on_threads(threads, &claim_requests, |claim_request| {
                                let answer = ready(store.claim(black_box(claim_request))).unwrap();
                                assert_eq!(answer, Claimed::Done(Completion::Handled));
                            })
                        })
                    })
                },
            );
        }
    }
    group.bench_function("token", |bencher| bencher.iter(Token::random));
    group.finish();
    criterion.final_summary();
}

fn claim_and_complete(store: &MemoryStore, claim_request: &ClaimRequest) {
    let claimed = ready(store.claim(black_box(claim_request))).unwrap();
    assert!(matches!(claimed, Claimed::Acquired { .. }));
    let _ = ready(store.complete(black_box(claim_request), Completion::Handled)).unwrap();
}

fn in_batches(times: u64, mut batch: impl FnMut(u64) -> Duration) -> Duration {
    let mut left = times;
    let mut took = Duration::ZERO;
    while left > 0 {
        let now = left.min(BATCH);
        took += batch(now);
        left -= now;
    }
    took
}

/// From the first thread's start to the last one's end.
fn on_threads(threads: usize, claim_requests: &[ClaimRequest], operation: impl Fn(&ClaimRequest) + Sync) -> Duration {
    if threads == 1 {
        let started = Instant::now();
        claim_requests.iter().for_each(operation);
        return started.elapsed();
    }
    let parts: Vec<_> = claim_requests.chunks(claim_requests.len().div_ceil(threads)).collect();
    let barrier = Barrier::new(parts.len());
    let times: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(|| {
                    barrier.wait();
                    let started = Instant::now();
                    part.iter().for_each(&operation);
                    (started, Instant::now())
                })
            })
            .collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let first = times.iter().map(|(started, _)| *started).min().unwrap();
    let last = times.iter().map(|(_, ended)| *ended).max().unwrap();
    last - first
}
