//! Pauses, by count: how many records one operation looks at.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use super::{
    super::{ClaimRequest, Claimed, Completion, Key, Token, record},
    segment::MEANT_FOR,
    shared::{Room, Shared},
};
use crate::{
    clock::Clock,
    event::{EventId, Fingerprint},
};

const RETENTION: Duration = Duration::from_secs(35 * 24 * 3600);
const RETRY_HORIZON: Duration = Duration::from_secs(72 * 3600);
/// A segment that chance filled well above the average.
const ONE_SEGMENT: u64 = MEANT_FOR as u64 * 12 / 10;

#[derive(Clone, Debug)]
struct TestClock(Arc<Mutex<SystemTime>>);

impl TestClock {
    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Case {
    store: Shared,
    clock: TestClock,
    most_visited: u64,
}

impl Case {
    fn with_capacity(capacity: usize) -> Self {
        let clock = TestClock(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH)));
        Self {
            store: Shared::new(capacity, Arc::new(clock.clone())),
            clock,
            most_visited: 0,
        }
    }

    /// Claims and completes a new event. Whether it was admitted.
    fn finish(&mut self, id: usize) -> bool {
        let claim_request = ClaimRequest {
            key: Key::new("provider", EventId::new(&id.to_string()).unwrap()),
            token: Token::from_bytes([1; 16]),
            fingerprint: Fingerprint::from_bytes([2; 16]),
            lease: Duration::from_secs(60),
            retention: RETENTION,
            retry_window: RETRY_HORIZON,
        };
        let before = self.store.visited();
        let claimed = self.store.apply(&claim_request, Room::IfAny, |current, now| {
            record::claim(current, &claim_request, now)
        });
        self.most_visited = self.most_visited.max(self.store.visited() - before);
        if claimed.is_err() {
            return false;
        }
        assert!(matches!(claimed, Ok(Claimed::Acquired { .. })), "{claimed:?}");
        let before = self.store.visited();
        self.store
            .apply(&claim_request, Room::InAnyCase, |current, now| {
                record::complete(current, &claim_request, Completion::Handled, now)
            })
            .unwrap();
        self.most_visited = self.most_visited.max(self.store.visited() - before);
        true
    }
}

#[test]
fn while_nothing_is_due_no_claim_looks_at_another_record() {
    let mut case = Case::with_capacity(50_000);
    for id in 0..50_000 {
        assert!(case.finish(id));
    }
    assert_eq!(case.store.visited(), 0);
}

#[test]
fn where_all_expire_at_once_each_claim_looks_at_one_segment() {
    let mut case = Case::with_capacity(50_000);
    for id in 0..50_000 {
        assert!(case.finish(id));
    }
    case.clock.advance(RETENTION + Duration::from_secs(61));
    for id in 50_000..60_000 {
        assert!(case.finish(id));
    }
    assert!(
        case.most_visited <= ONE_SEGMENT,
        "{} records in one claim",
        case.most_visited
    );
    // each of the old records was looked at once, and is gone
    assert_eq!((case.store.visited(), case.store.count()), (50_000, 10_000));
}

#[test]
fn in_a_steady_state_a_claim_looks_at_a_dozen_records_on_average() {
    // one event in 100 seconds makes 30,240 in a retention
    let (interval, alive) = (Duration::from_secs(100), 30_240);
    let mut case = Case::with_capacity(50_000);
    for id in 0..alive {
        assert!(case.finish(id));
        case.clock.advance(interval);
    }
    assert_eq!(case.store.visited(), 0);
    let more = 2 * alive;
    for id in alive..alive + more {
        assert!(case.finish(id));
        case.clock.advance(interval);
        assert!(case.store.count() <= alive * 5 / 4, "{} records", case.store.count());
    }
    let average = case.store.visited() / more as u64;
    assert!(average <= 12, "{average} records a claim");
    assert!(
        case.most_visited <= ONE_SEGMENT,
        "{} records in one claim",
        case.most_visited
    );
    assert_eq!(case.store.dropped_early(), 0);
}

#[test]
fn in_a_store_that_is_always_full_a_claim_looks_at_two_dozen_records_on_average() {
    // one event in 100 seconds makes 2,592 in a retry window, and more in a retention than there is room for
    let (interval, capacity) = (Duration::from_secs(100), 20_000);
    let mut case = Case::with_capacity(capacity);
    for id in 0..3 * capacity {
        assert!(case.finish(id), "{id}");
        case.clock.advance(interval);
        assert!(case.store.count() <= capacity);
    }
    // nor does its memory grow with the turnover
    assert!(case.store.slots() <= capacity * 3 / 2, "{} slots", case.store.slots());
    let average = case.store.visited() / (2 * capacity as u64);
    assert!(average <= 24, "{average} records a claim");
    assert!(
        case.most_visited <= 2 * ONE_SEGMENT,
        "{} records in one claim",
        case.most_visited
    );
}

#[test]
fn where_nothing_may_be_dropped_a_refusal_looks_at_no_record() {
    let mut case = Case::with_capacity(20_000);
    for id in 0..20_000 {
        assert!(case.finish(id));
    }
    case.clock.advance(RETRY_HORIZON - Duration::from_secs(1));
    for id in 20_000..21_000 {
        assert!(!case.finish(id));
    }
    assert_eq!((case.store.visited(), case.store.count()), (0, 20_000));
}
