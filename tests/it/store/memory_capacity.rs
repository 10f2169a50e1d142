//! A memory store that is full.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test]
async fn a_full_store_refuses_new_ids_and_serves_those_it_knows() {
    let store = Harness::with_capacity(2).store;
    let (running, new) = (claim_request("running"), claim_request("new"));
    finish(&store, "finished").await;
    assert_eq!(store.claim(&running).await.unwrap(), FIRST);

    assert_is_full(store.claim(&new).await, 2);
    assert!(!is_known(&store, "new").await);
    // what cannot add an id is not refused
    assert_eq!(store.renew(&new).await.unwrap(), Effect::NotHeld);
    assert_eq!(store.release(&new).await.unwrap(), Effect::NotHeld);
    let duplicate = store.claim(&claim_request("finished")).await.unwrap();
    assert_eq!(duplicate, Claimed::Done(Completion::Handled));
    assert_eq!(store.release(&running).await.unwrap(), Effect::Applied);
    assert!(matches!(
        store.claim(&running).await.unwrap(),
        Claimed::Acquired { attempts: 2, .. }
    ));

    assert_eq!(store.forget(&running.key).await.unwrap(), Effect::Applied);
    assert_eq!(store.claim(&new).await.unwrap(), FIRST);
    assert_eq!((store.len(), store.dropped_early()), (2, 0));
}

#[tokio::test]
async fn a_store_for_no_ids_refuses_every_one() {
    let store = Harness::with_capacity(0).store;
    assert_is_full(store.claim(&claim_request("event")).await, 0);
    assert!(store.is_empty());
}

#[tokio::test]
async fn a_full_store_drops_finished_events_that_no_provider_retries_the_oldest_first() {
    let Harness { store, clock } = Harness::with_capacity(3);
    for id in ["first", "second", "third"] {
        finish(&store, id).await;
        clock.advance(Duration::from_secs(100));
    }
    // one second before the horizon of the first
    clock.advance(RETRY_WINDOW - Duration::from_secs(301));
    assert_is_full(store.claim(&claim_request("new")).await, 3);
    assert_eq!(store.dropped_early(), 0);

    clock.advance(Duration::from_secs(1));
    assert_eq!(store.claim(&claim_request("new")).await.unwrap(), FIRST);
    assert_eq!(store.dropped_early(), 1);
    assert!(!is_known(&store, "first").await);
    assert!(is_known(&store, "second").await && is_known(&store, "third").await);

    // and each other in its turn
    clock.advance(Duration::from_secs(99));
    assert_is_full(store.claim(&claim_request("newer")).await, 3);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.claim(&claim_request("newer")).await.unwrap(), FIRST);
    assert_eq!(store.dropped_early(), 2);
    assert!(!is_known(&store, "second").await && is_known(&store, "third").await);
}

#[tokio::test]
async fn a_full_store_has_room_from_the_second_in_which_a_record_expires() {
    let Harness { store, clock } = Harness::with_capacity(3);
    for id in ["first", "second", "third"] {
        let patient = claim_request(id).with_retry_window(2 * RETENTION);
        store.complete(&patient, Completion::Handled).await.unwrap();
        clock.advance(Duration::from_secs(100));
    }
    clock.advance(RETENTION - Duration::from_secs(300));
    for id in ["new", "newer", "newest"] {
        assert_eq!(store.claim(&claim_request(id)).await.unwrap(), FIRST);
        clock.advance(Duration::from_secs(99));
        assert_is_full(store.claim(&claim_request("refused")).await, 3);
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(store.dropped_early(), 0);
}

#[tokio::test]
async fn a_full_store_never_drops_an_event_that_is_not_finished() {
    let Harness { store, clock } = Harness::with_capacity(2);
    let (claimed, free) = (claim_request("claimed"), claim_request("free"));
    for claim_request in [&claimed, &free] {
        assert_eq!(store.claim(claim_request).await.unwrap(), FIRST);
    }
    assert_eq!(store.release(&free).await.unwrap(), Effect::Applied);
    // long past every horizon, and the lease
    clock.advance(RETENTION - Duration::from_secs(1));
    assert_is_full(store.claim(&claim_request("new")).await, 2);
    let again = store.claim(&claim_request("claimed")).await.unwrap();
    assert!(matches!(again, Claimed::Acquired { attempts: 2, .. }), "{again:?}");
    let again = store.claim(&claim_request("free")).await.unwrap();
    assert!(matches!(again, Claimed::Acquired { attempts: 2, .. }), "{again:?}");
    assert_eq!(store.dropped_early(), 0);
}

#[tokio::test]
async fn the_horizon_counts_from_the_end_of_the_run_by_the_ticket_that_finished_it() {
    let Harness { store, clock } = Harness::with_capacity(1);
    let patient = claim_request("event").with_retry_window(2 * RETRY_WINDOW);
    assert_eq!(store.claim(&patient).await.unwrap(), FIRST);
    clock.advance(Duration::from_secs(50));
    store.complete(&patient, Completion::Rejected).await.unwrap();
    clock.advance(2 * RETRY_WINDOW - Duration::from_secs(1));
    assert_is_full(store.claim(&claim_request("new")).await, 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.claim(&claim_request("new")).await.unwrap(), FIRST);
}

#[tokio::test]
async fn expired_records_make_room_before_any_is_dropped_early() {
    let Harness { store, clock } = Harness::with_capacity(3);
    let short = claim_request("short").with_retention(Duration::from_secs(700));
    assert_eq!(store.claim(&short).await.unwrap(), FIRST);
    assert_eq!(store.release(&short).await.unwrap(), Effect::Applied);
    finish(&store, "finished").await;
    finish(&store, "finished too").await;
    clock.advance(Duration::from_secs(700));
    assert_eq!(store.claim(&claim_request("new")).await.unwrap(), FIRST);
    assert!(is_known(&store, "finished").await && is_known(&store, "finished too").await);
    assert_eq!((store.len(), store.dropped_early()), (3, 0));
}

#[tokio::test]
async fn of_events_with_several_retry_windows_the_one_that_is_out_of_it_longest_is_dropped() {
    let Harness { store, clock } = Harness::with_capacity(3);
    for (id, retry_window, retention) in [
        ("out for 100 s", 700, 3600),
        ("out for 300 s", 500, 7200),
        ("out for 200 s", 600, 1800),
    ] {
        let request = claim_request(id)
            .with_retry_window(Duration::from_secs(retry_window))
            .with_retention(Duration::from_secs(retention));
        store.complete(&request, Completion::Handled).await.unwrap();
    }
    clock.advance(Duration::from_secs(800));
    for (new, gone) in [("a", "out for 300 s"), ("b", "out for 200 s"), ("c", "out for 100 s")] {
        assert!(is_known(&store, gone).await);
        assert_eq!(store.claim(&claim_request(new)).await.unwrap(), FIRST);
        assert!(!is_known(&store, gone).await, "{gone}");
    }
    assert_is_full(store.claim(&claim_request("d")).await, 3);
    assert_eq!((store.len(), store.dropped_early()), (3, 3));
}

#[tokio::test]
async fn what_is_forgotten_makes_room_once() {
    let Harness { store, clock } = Harness::with_capacity(2);
    for id in ["first", "second"] {
        finish(&store, id).await;
    }
    for _ in 0..3 {
        assert_eq!(
            store.forget(&claim_request("first").key).await.unwrap(),
            Effect::Applied
        );
        finish(&store, "first").await;
        clock.advance(Duration::from_secs(1));
    }
    clock.advance(RETRY_WINDOW);
    for id in ["third", "fourth"] {
        finish(&store, id).await;
    }
    assert_is_full(store.claim(&claim_request("fifth")).await, 2);
    assert_eq!((store.len(), store.dropped_early()), (2, 2));
}

#[tokio::test]
async fn a_completion_is_recorded_even_if_its_record_was_forgotten_and_the_room_taken() {
    let store = Harness::with_capacity(1).store;
    let run = claim_request("run");
    assert_eq!(store.claim(&run).await.unwrap(), FIRST);
    assert_eq!(store.forget(&run.key).await.unwrap(), Effect::Applied);
    assert_eq!(store.claim(&claim_request("other")).await.unwrap(), FIRST);
    assert_eq!(
        store.complete(&run, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(
        store.claim(&claim_request("run")).await.unwrap(),
        Claimed::Done(Completion::Handled)
    );
    assert_eq!(store.len(), 2);
    assert_is_full(store.claim(&claim_request("new")).await, 1);
}

#[tokio::test]
async fn a_store_that_is_always_full_keeps_the_younger_events() {
    let Harness { store, clock } = Harness::with_capacity(10_000);
    for id in 0..30_000 {
        finish(&store, id).await;
        clock.advance(Duration::from_millis(200));
        assert!(store.len() <= 10_000, "{store:?}");
    }
    // 3,000 of them are within the horizon, and room is made an eighth at a time
    for id in 27_000..30_000 {
        assert!(is_known(&store, id).await, "{id}");
    }
    assert!(store.len() > 8_000, "{store:?}");
    assert!(store.dropped_early() >= 20_000 - 1_000, "{store:?}");
}

// --- its look
