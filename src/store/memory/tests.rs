//! Pauses, by count: how many records one operation looks at.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use super::{
    super::{ClaimRequest, Claimed, Completion, Key, Token, record},
    records::{REMOVED_AT_ONCE, Records, WhenFull},
};
use crate::{
    clock::Clock,
    event::{EventId, Fingerprint},
};

const RETENTION: Duration = Duration::from_secs(35 * 24 * 3600);
const RETRY_WINDOW: Duration = Duration::from_secs(72 * 3600);
/// The most that a claim removes, with one more where it makes room first.
const AT_MOST: u64 = REMOVED_AT_ONCE as u64 + 1;

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
    store: Records,
    clock: TestClock,
    most_visited: u64,
}

impl Case {
    fn with_capacity(capacity: usize) -> Self {
        let clock = TestClock(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH)));
        Self {
            store: Records::new(capacity, Arc::new(clock.clone())),
            clock,
            most_visited: 0,
        }
    }

    fn count(&self) -> usize {
        self.store.count.load(Relaxed)
    }

    fn visited(&self) -> u64 {
        self.store.visited.load(Relaxed)
    }

    /// Claims and completes a new event. Whether it was admitted.
    fn finish(&mut self, id: usize) -> bool {
        let claim_request = ClaimRequest::new(
            Key::new("provider", EventId::new(&id.to_string()).unwrap()),
            Token::from_bytes([1; 16]),
            Fingerprint::from_bytes([2; 16]),
        )
        .with_lease(Duration::from_secs(60))
        .with_retention(RETENTION)
        .with_retry_window(RETRY_WINDOW);
        let before = self.visited();
        let claimed = self.store.apply(&claim_request, WhenFull::IfAny, |current, now| {
            record::claim(current, &claim_request, now)
        });
        self.most_visited = self.most_visited.max(self.visited() - before);
        if claimed.is_err() {
            return false;
        }
        assert!(matches!(claimed, Ok(Claimed::Acquired { .. })), "{claimed:?}");
        let before = self.visited();
        self.store
            .apply(&claim_request, WhenFull::InAnyCase, |current, now| {
                record::complete(current, &claim_request, Completion::Handled, now)
            })
            .unwrap();
        self.most_visited = self.most_visited.max(self.visited() - before);
        true
    }
}

#[test]
fn while_nothing_is_due_no_claim_looks_at_another_record() {
    let mut case = Case::with_capacity(50_000);
    for id in 0..50_000 {
        assert!(case.finish(id));
    }
    assert_eq!(case.visited(), 0);
}

#[test]
fn where_all_expire_at_once_each_claim_removes_a_few_records() {
    let mut case = Case::with_capacity(50_000);
    for id in 0..50_000 {
        assert!(case.finish(id));
    }
    case.clock.advance(RETENTION + Duration::from_secs(61));
    for id in 50_000..60_000 {
        assert!(case.finish(id));
    }
    assert!(
        case.most_visited <= AT_MOST,
        "{} records in one claim",
        case.most_visited
    );
    // each of the old records was looked at once, and is gone
    assert_eq!((case.visited(), case.count()), (50_000, 10_000));
}

#[test]
fn in_a_steady_state_a_claim_looks_at_one_record_on_average() {
    // one event in 100 seconds makes 30,240 in a retention
    let (interval, alive) = (Duration::from_secs(100), 30_240);
    let mut case = Case::with_capacity(50_000);
    for id in 0..alive {
        assert!(case.finish(id));
        case.clock.advance(interval);
    }
    assert_eq!(case.visited(), 0);
    let more = 2 * alive;
    for id in alive..alive + more {
        assert!(case.finish(id));
        case.clock.advance(interval);
        assert!(case.count() <= alive * 5 / 4, "{} records", case.count());
    }
    let average = case.visited() / more as u64;
    assert!(average <= 1, "{average} records a claim");
    assert!(
        case.most_visited <= AT_MOST,
        "{} records in one claim",
        case.most_visited
    );
    assert_eq!(case.store.dropped_early.load(Relaxed), 0);
}

#[test]
fn in_a_store_that_is_always_full_a_claim_looks_at_one_record() {
    // one event in 100 seconds makes 2,592 in a retry window, and more in a retention than there is
    // room for
    let (interval, capacity) = (Duration::from_secs(100), 20_000);
    let mut case = Case::with_capacity(capacity);
    for id in 0..3 * capacity {
        assert!(case.finish(id), "{id}");
        case.clock.advance(interval);
        assert!(case.count() <= capacity);
    }
    // nor does its memory grow with the turnover
    assert!(case.store.slots() <= capacity * 3 / 2, "{} slots", case.store.slots());
    let average = case.visited() / (2 * capacity as u64);
    assert!(average <= 1, "{average} records a claim");
    assert!(
        case.most_visited <= AT_MOST,
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
    case.clock.advance(RETRY_WINDOW - Duration::from_secs(1));
    for id in 20_000..21_000 {
        assert!(!case.finish(id));
    }
    assert_eq!((case.visited(), case.count()), (0, 20_000));
}
