//! Many tasks that claim in one memory store at once.

#![cfg(test)] // for clippy

use super::*;

/// 48 tasks claim each of 1,000 ids: how many succeed.
async fn race(store: &MemoryStore, round: Claimed) -> usize {
    let together = Arc::new(Barrier::new(48));
    let tasks = (0..48).map(|_| {
        let (store, together) = (store.clone(), Arc::clone(&together));
        tokio::spawn(async move {
            together.wait().await;
            let mut acquired = 0;
            for id in 0..1000 {
                match store.claim(&claim_request(id)).await.unwrap() {
                    Claimed::InFlight { .. } => {}
                    answer => {
                        assert_eq!(answer, round);
                        acquired += 1;
                    }
                }
                if id % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            acquired
        })
    });
    let mut acquired = 0;
    for task in tasks.collect::<Vec<_>>() {
        acquired += task.await.unwrap();
    }
    acquired
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_48_tasks_that_claim_1000_ids_one_gets_each_also_after_the_lease() {
    let Harness { store, clock } = Harness::new();
    assert_eq!(race(&store, FIRST).await, 1000);
    clock.advance(LEASE);
    let second = Claimed::Acquired {
        generation: 2,
        attempts: 2,
    };
    assert_eq!(race(&store, second).await, 1000);
    clock.advance(LEASE + RETENTION);
    assert_eq!(race(&store, FIRST).await, 1000);
    assert_eq!(store.len(), 1000);
}

/// 48 tasks claim 5 new ids each, all at once: how many are admitted.
async fn crowd(store: &MemoryStore, capacity: usize) -> usize {
    let together = Arc::new(Barrier::new(48));
    let tasks = (0..48).map(|_| {
        let (store, together) = (store.clone(), Arc::clone(&together));
        tokio::spawn(async move {
            together.wait().await;
            let mut admitted = 0;
            for _ in 0..5 {
                // an id as new as its token
                let id = format!("{:?}", Token::random());
                admitted += usize::from(store.claim(&claim_request(id)).await.is_ok());
                assert!(store.len() <= capacity, "{store:?}");
            }
            admitted
        })
    });
    let mut admitted = 0;
    for task in tasks.collect::<Vec<_>>() {
        admitted += task.await.unwrap();
    }
    admitted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn claims_at_once_never_exceed_the_capacity_and_fill_it() {
    for _ in 0..50 {
        let store = Harness::with_capacity(60).store;
        assert_eq!((crowd(&store, 60).await, store.len()), (60, 60));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn claims_at_once_that_need_room_all_find_what_there_is() {
    for _ in 0..50 {
        let Harness { store, clock } = Harness::with_capacity(240);
        for id in 0..240 {
            finish(&store, format!("old {id}")).await;
            clock.advance(Duration::from_secs(10));
        }
        clock.advance(RETRY_WINDOW);
        assert_eq!(crowd(&store, 240).await, 240);
        assert_eq!((store.len(), store.dropped_early()), (240, 240));
    }
}

// --- the capacity
