//! From which due time on a take looks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// For how long a floor holds. What lies below, since its deposit was committed very late or a take
/// of it was rolled back, is found when the floor is gone.
const HOLDS: Duration = Duration::from_secs(10);
/// How far below what was taken the floor is, in microseconds: a deposit's due time is when its
/// statement began, and it is seen when it is committed. Those that are on their way at the same
/// time end in any order.
const LATE: i64 = 1_000_000;
/// How far the floor is below the time of a take that found nothing: a deposit in a transaction of
/// the application's may be committed a while after its statement.
const LATE_IDLE: i64 = 5 * LATE;

/// While any transaction is open in the database, vacuum leaves the index entries of what was done,
/// and each take would walk them: after 100,000 events 15.8 ms instead of 2.2. Below the due times
/// of what was taken last there is nothing else, so the next take begins there.
#[derive(Default)]
pub(super) struct Floors(Mutex<HashMap<Arc<str>, Floor>>);

#[derive(Clone, Copy)]
pub(super) struct Floor {
    /// When the last take began that looked at everything.
    since: Instant,
    /// In microseconds since 1970.
    pub(super) due_at: i64,
}

impl Floors {
    /// The floor for a take in this namespace, which is told to `raise` afterwards.
    pub(super) fn of(&self, namespace: &Arc<str>, now: Instant) -> Floor {
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |floor: &Floor| now.saturating_duration_since(floor.since) < HOLDS;
        if let Some(floor) = floors.get(namespace).filter(|floor| holds(floor)) {
            return *floor;
        }
        // Namespaces that nobody asks for any more go, too.
        floors.retain(|_, floor| holds(floor));
        let none = Floor { since: now, due_at: 0 };
        floors.insert(Arc::clone(namespace), none);
        none
    }

    /// Raises the floor to below the lowest due time that a take found. One that began under a
    /// floor that is gone changes nothing: it did not look at everything since.
    pub(super) fn raise(&self, namespace: &Arc<str>, begun: Floor, lowest: i64) {
        self.raise_to(namespace, begun, lowest.saturating_sub(LATE));
    }

    /// Raises the floor after a take that found nothing at this time, in microseconds since 1970.
    pub(super) fn raise_idle(&self, namespace: &Arc<str>, begun: Floor, now: i64) {
        self.raise_to(namespace, begun, now.saturating_sub(LATE_IDLE));
    }

    fn raise_to(&self, namespace: &Arc<str>, begun: Floor, due_at: i64) {
        let mut floors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(floor) = floors.get_mut(namespace).filter(|floor| floor.since == begun.since) {
            floor.due_at = floor.due_at.max(due_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_holds_for_ten_seconds_whatever_was_taken_since() {
        let floors = Floors::default();
        let namespace = Arc::from("dwolla");
        let start = Instant::now();
        let first = floors.of(&namespace, start);
        assert_eq!(first.due_at, 0);
        floors.raise(&namespace, first, 20 * LATE);
        let later = start + HOLDS - Duration::from_millis(1);
        let second = floors.of(&namespace, later);
        assert_eq!(second.due_at, 19 * LATE);
        floors.raise(&namespace, second, 30 * LATE);
        floors.raise(&namespace, second, 25 * LATE);
        assert_eq!(floors.of(&namespace, later).due_at, 29 * LATE);
        floors.raise_idle(&namespace, second, 40 * LATE);
        assert_eq!(floors.of(&namespace, later).due_at, 35 * LATE);
        assert_eq!(floors.of(&Arc::from("another"), later).due_at, 0);
        assert_eq!(floors.of(&namespace, start + HOLDS).due_at, 0);
        // begun before
        floors.raise(&namespace, second, 30 * LATE);
        assert_eq!(floors.of(&namespace, start + HOLDS).due_at, 0);
    }
}
