//! The stores, and what tests of stores are made of.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;
use tokio::sync::Barrier;
use tower_webhook::{
    clock::{Clock, MonotonicClock},
    event::{EventId, Fingerprint},
    store::{
        AnyStore, ClaimRequest, Claimed, Completion, Counts, Effect, IdempotencyStore, Key, MemoryStore, State,
        StoreAdmin, StoreError, StoreErrorKind, Token,
    },
    testing::{
        Fault, FaultyStore, ManualClock, Operation,
        store_suite::{
            StoreHarness,
            model::{Act, EVENTS, Step, TOKENS, check},
        },
    },
};

/// A store whose time the test moves.
struct Harness<S> {
    store: S,
    clock: ManualClock,
}

impl<S: IdempotencyStore> StoreHarness for Harness<S> {
    type Store = S;

    fn store(&self) -> &S {
        &self.store
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Harness<MemoryStore> {
    fn new() -> Self {
        Self::with_capacity(1_000_000)
    }

    fn with_capacity(capacity: usize) -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().capacity(capacity).clock(clock.clone()).build();
        Self { store, clock }
    }

    fn wrapped<S>(self, wrap: impl FnOnce(MemoryStore) -> S) -> Harness<S> {
        Harness {
            store: wrap(self.store),
            clock: self.clock,
        }
    }

    /// One whose store was made a fraction of a second past the clock's full one, so that every
    /// time is rounded.
    fn between_seconds() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(clock.clone()).build();
        clock.advance(Duration::from_nanos(999_999_999));
        Self { store, clock }
    }

    /// One whose clock was set back to before the store was made.
    fn set_back() -> Self {
        let harness = Self::new();
        harness.clock.set(SystemTime::UNIX_EPOCH + Duration::from_secs(7));
        harness
    }
}

tower_webhook::store_suite!(memory, Harness::new());
tower_webhook::store_suite!(any, Harness::new().wrapped(AnyStore::new));
tower_webhook::store_suite!(memory_between_seconds, Harness::between_seconds());
tower_webhook::store_suite!(memory_with_its_clock_set_back, Harness::set_back());
tower_webhook::store_suite!(shared, Harness::new().wrapped(Arc::new));
tower_webhook::store_suite!(faulty_without_faults, Harness::new().wrapped(FaultyStore::new));
// 64 ids are more than any one property uses: a bounded store keeps every promise while it has
// room.
tower_webhook::store_suite!(memory_with_little_room, Harness::with_capacity(64));
// The suite may wait for a harness, and be skipped.
tower_webhook::store_suite!(skipped, std::future::ready(None::<Harness<MemoryStore>>).await);

#[test]
fn every_property_of_the_suite_is_in_the_macro() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/testing/store_suite/properties");
    let properties: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let macro_list = include_str!("../../src/testing/store_suite/mod.rs");
    let names: Vec<_> = properties
        .lines()
        .filter_map(|line| line.strip_prefix("pub async fn ")?.split('<').next())
        .collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(macro_list.lines().any(|line| line.trim() == name), "{name} never runs");
    }
}

const LEASE: Duration = Duration::from_secs(60);
const RETENTION: Duration = Duration::from_secs(3600);
const RETRY_WINDOW: Duration = Duration::from_secs(600);

fn claim_request(id: impl std::fmt::Display) -> ClaimRequest {
    ClaimRequest::new(
        Key::new("provider", EventId::new(&id.to_string()).unwrap()),
        Token::random(),
        Fingerprint::of(["event"]),
    )
    .with_lease(LEASE)
    .with_retention(RETENTION)
    .with_retry_window(RETRY_WINDOW)
}

const FIRST: Claimed = Claimed::Acquired {
    generation: 1,
    attempts: 1,
};

async fn finish(store: &MemoryStore, id: impl std::fmt::Display) {
    let claim_request = claim_request(id);
    assert_eq!(store.claim(&claim_request).await.unwrap(), FIRST);
    assert_eq!(
        store.complete(&claim_request, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
}

async fn is_known(store: &MemoryStore, id: impl std::fmt::Display) -> bool {
    store.get(&claim_request(id).key).await.unwrap().is_some()
}

#[track_caller]
fn assert_is_full(answer: Result<Claimed, StoreError>, capacity: usize) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert_eq!(
        error.to_string(),
        format!(
            "the store is full: it holds {capacity} ids, of which none may be forgotten yet; nothing is lost, because the \
             provider retries; raise the capacity (see `MemoryStore::builder`)"
        )
    );
}

// --- any sequence

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let act = prop_oneof![
        6 => Just(Act::Claim),
        2 => Just(Act::Renew),
        1 => Just(Act::Handle),
        1 => Just(Act::Reject),
        3 => Just(Act::Release),
        1 => Just(Act::Get),
        1 => Just(Act::Forget),
        3 => (1..7_u8).prop_map(Act::Wait),
        1 => (55..70_u8).prop_map(Act::Wait),
    ];
    let step = (act, 0..EVENTS, 0..TOKENS, prop::bool::weighted(0.25)).prop_map(|(act, event, token, mistaken)| Step {
        act,
        event,
        token,
        mistaken,
    });
    prop::collection::vec(step, 1..80)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #[test]
    fn any_sequence_of_operations_agrees_with_the_model(steps in steps()) {
        let compared = block_on(check(&Harness::new(), &steps));
        prop_assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }
}

// --- at once

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

#[tokio::test]
async fn clones_share_what_they_remember() {
    let store = MemoryStore::new();
    let clone = store.clone();
    finish(&store, "event").await;
    assert!(is_known(&clone, "event").await);
    assert_eq!((clone.len(), clone.is_empty()), (1, false));
}

#[tokio::test]
async fn debug_shows_counts_and_no_ids() {
    let store = MemoryStore::builder().capacity(7).build();
    finish(&store, "secret").await;
    let shown = format!("{store:?}");
    assert_eq!(shown, "MemoryStore { len: 1, capacity: 7, dropped_early: 0, .. }");
}

#[tokio::test]
async fn times_are_kept_to_the_second_and_nothing_is_forgotten_early() {
    let clock = ManualClock::new();
    let store = MemoryStore::builder().clock(clock.clone()).build();
    clock.advance(Duration::from_millis(1500));
    let done_at = clock.now();
    finish(&store, "event").await;
    let record = store.get(&claim_request("event").key).await.unwrap().unwrap();
    let State::Done { at, .. } = record.state else {
        panic!("{record:?}")
    };
    assert_eq!(done_at.duration_since(at).unwrap(), Duration::from_millis(500));
    assert_eq!(
        record.expires.duration_since(done_at + RETENTION).unwrap(),
        Duration::from_millis(500)
    );

    clock.advance(RETENTION);
    assert!(is_known(&store, "event").await);
    clock.advance(Duration::from_millis(500));
    assert!(!is_known(&store, "event").await);
}

#[tokio::test]
async fn by_default_a_store_goes_by_a_clock_that_never_steps() {
    let store = MemoryStore::new();
    let before = MonotonicClock::new().now();
    finish(&store, "event").await;
    let record = store.get(&claim_request("event").key).await.unwrap().unwrap();
    assert!(
        record.expires + Duration::from_secs(5) > before + RETENTION,
        "{record:?}"
    );
}

// --- a store that fails on command

#[tokio::test]
async fn a_fault_before_applying_leaves_the_store_untouched() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    let claim_request = claim_request("event");
    let error = store.claim(&claim_request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        "the store is unavailable: told to fail before it applied the operation"
    );
    assert!(store.inner().is_empty());
    assert_eq!(store.claim(&claim_request).await.unwrap(), FIRST);
}

#[tokio::test]
async fn a_fault_after_applying_changes_the_store_and_loses_the_answer() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail(Operation::Claim, Fault::AfterApplying, 1);
    let error = store.claim(&claim_request("event")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store is unavailable: told to fail after it applied the operation"
    );
    assert!(matches!(
        store.claim(&claim_request("event")).await.unwrap(),
        Claimed::InFlight { .. }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_operation_never_answers_and_is_applied_or_not_as_told() {
    let store = FaultyStore::new(MemoryStore::new());
    store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    store.fail(Operation::Claim, Fault::HangAfterApplying, 1);
    let claim_request = claim_request("event");
    let day = Duration::from_secs(24 * 3600);
    assert!(tokio::time::timeout(day, store.claim(&claim_request)).await.is_err());
    assert!(store.inner().is_empty());
    assert!(tokio::time::timeout(day, store.claim(&claim_request)).await.is_err());
    assert_eq!(store.inner().len(), 1);
}

#[tokio::test]
async fn faults_strike_in_their_order_as_often_as_told_and_only_their_operation() {
    let store = FaultyStore::new(MemoryStore::new());
    let clone = store.clone();
    let claim_request = claim_request("event");
    clone.fail(Operation::Release, Fault::BeforeApplying, 2);
    clone.fail(Operation::Release, Fault::AfterApplying, 1);
    store.claim(&claim_request).await.unwrap();
    store.renew(&claim_request).await.unwrap();
    for before_or_after in ["before", "before", "after"] {
        let error = store.release(&claim_request).await.unwrap_err().to_string();
        assert!(error.contains(before_or_after), "{error}");
    }
    assert_eq!(store.release(&claim_request).await.unwrap(), Effect::NotHeld);
    let calls = |operation| clone.calls(operation);
    assert_eq!((calls(Operation::Claim), calls(Operation::Renew)), (1, 1));
    assert_eq!((calls(Operation::Release), calls(Operation::Complete)), (4, 0));
}

#[tokio::test]
async fn a_store_that_fails_for_good_works_again_when_healed() {
    let store = FaultyStore::new(MemoryStore::new());
    let claim_request = claim_request("event");
    store.fail(Operation::Complete, Fault::BeforeApplying, usize::MAX);
    for _ in 0..100 {
        store.complete(&claim_request, Completion::Handled).await.unwrap_err();
    }
    store.heal();
    assert_eq!(
        store.complete(&claim_request, Completion::Handled).await.unwrap(),
        Effect::Applied
    );
    assert_eq!(store.calls(Operation::Complete), 101);
}

// --- a clock that stands still

#[test]
fn a_manual_clock_moves_only_by_hand_and_for_all_its_clones() {
    let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
    let clone = clock.clone();
    clock.advance(Duration::from_millis(1));
    assert_eq!(clone.now(), SystemTime::UNIX_EPOCH + Duration::from_millis(1));
    clone.set(SystemTime::UNIX_EPOCH);
    assert_eq!(clock.now(), SystemTime::UNIX_EPOCH);
    assert_eq!(ManualClock::new().now(), ManualClock::default().now());
}

// --- what an operator asks for

#[tokio::test]
async fn an_operator_counts_by_state_and_lists_what_is_overdue() {
    let harness = Harness::new();
    let store = AnyStore::new(FaultyStore::new(harness.store.clone()));
    let claim_request = |namespace: &str, id: &str| {
        ClaimRequest::new(
            Key::new(namespace, EventId::new(id).unwrap()),
            Token::random(),
            Fingerprint::of([id]),
        )
        .with_lease(Duration::from_secs(60))
        .with_retention(Duration::from_secs(3600))
        .with_retry_window(Duration::from_secs(600))
    };
    assert_eq!(store.count("dwolla").await.unwrap(), Counts::default());
    let claim_requests: Vec<_> = (0..6).map(|id| claim_request("dwolla", &id.to_string())).collect();
    for claim_request in &claim_requests {
        store.claim(claim_request).await.unwrap();
        harness.advance(Duration::from_secs(1)).await;
    }
    store.complete(&claim_requests[0], Completion::Handled).await.unwrap();
    store.complete(&claim_requests[1], Completion::Rejected).await.unwrap();
    store.release(&claim_requests[2]).await.unwrap();
    let other = claim_request("stripe", "0");
    store.claim(&other).await.unwrap();
    store.complete(&other, Completion::Handled).await.unwrap();
    let counts = Counts::new(3, 1, 2);
    assert_eq!(store.count("dwolla").await.unwrap(), counts);
    let done = Counts::new(0, 0, 1);
    assert_eq!(store.count("stripe").await.unwrap(), done);
    assert_eq!(store.count("nobody").await.unwrap(), Counts::default());

    assert_eq!(store.expired_claims("dwolla", 10).await.unwrap(), []);
    harness.advance(Duration::from_secs(58)).await;
    let keys: Vec<_> = claim_requests[3..]
        .iter()
        .map(|claim_request| claim_request.key.clone())
        .collect();
    assert_eq!(store.expired_claims("dwolla", 10).await.unwrap(), keys[..2]);
    harness.advance(Duration::from_secs(60)).await;
    assert_eq!(store.expired_claims("dwolla", 10).await.unwrap(), keys);
    assert_eq!(store.expired_claims("dwolla", 1).await.unwrap(), keys[..1]);
    assert_eq!(store.expired_claims("dwolla", 0).await.unwrap(), []);
    assert_eq!(store.expired_claims("stripe", 10).await.unwrap(), []);
    // they count as claimed until somebody claims them
    assert_eq!(store.count("dwolla").await.unwrap(), counts);
    store.claim(&claim_requests[4]).await.unwrap();
    assert_eq!(
        store.expired_claims("dwolla", 10).await.unwrap(),
        [keys[0].clone(), keys[2].clone()]
    );

    // and what has expired counts no more, whether it was removed or not
    harness.advance(Duration::from_secs(3600)).await;
    let counts = Counts::new(1, 0, 0);
    assert_eq!(store.count("dwolla").await.unwrap(), counts);
    assert_eq!(store.expired_claims("dwolla", 10).await.unwrap(), [keys[1].clone()]);
    assert_eq!(store.purge(10).await.unwrap(), 0);
}
