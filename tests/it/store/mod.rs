//! The stores, and what tests of stores are made of.

mod faulty_store;
mod memory_capacity;
mod memory_races;

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
    let macro_list = include_str!("../../../src/testing/store_suite/mod.rs");
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
