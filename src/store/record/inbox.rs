//! The transitions of deliveries that are stored first and handled later by a worker.

use std::time::{Duration, SystemTime};

use super::{Change, Deposited, Effect, Record, Replayed, Schedule, Stage, State, held, time_after};
use crate::{
    event::Fingerprint,
    store::{ClaimRequest, Token},
};

/// A date that never comes: when an unfinished delivery of an inbox expires. Databases can say it.
#[must_use]
pub fn never() -> SystemTime {
    const LAST_SECOND_OF_9999: Duration = Duration::from_secs(253_402_300_799);
    SystemTime::UNIX_EPOCH
        .checked_add(LAST_SECOND_OF_9999)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

impl Record {
    /// Its generation and attempts.
    fn counts(&self) -> (u64, u32) {
        match self.state {
            State::Claimed {
                generation, attempts, ..
            }
            | State::Free { generation, attempts }
            | State::Dead {
                generation, attempts, ..
            } => (generation, attempts),
            State::Done { .. } => (self.schedule.map_or(0, |schedule| schedule.generation), 0),
        }
    }

    /// The schedule of a delivery that has ended.
    pub(super) fn ended(&self) -> Option<Schedule> {
        self.schedule.map(|_| Schedule::new(None, 0, self.counts().0))
    }

    fn waiting(fingerprint: Fingerprint, generation: u64, attempts: u32, due_at: SystemTime) -> Self {
        Self {
            state: State::Free { generation, attempts },
            fingerprint,
            expires: never(),
            schedule: Some(Schedule::new(Some(due_at), 0, generation)),
        }
    }
}

/// `deposit`: stores a delivery before its response, for a worker.
///
/// | record | the same fingerprint | another fingerprint |
/// | --- | --- | --- |
/// | absent or expired | stored, due now | - |
/// | FREE or CLAIMED with its lease over, without a body | stored, due now | the same |
/// | CLAIMED without a body, lease running | in flight | the same |
/// | with a body, in any state | known | conflict |
/// | DONE without a body | known | conflict |
///
/// When a record is taken over, its generation goes on rising. The attempts count from 0: the
/// provider made the others, and its event must not be given up before a worker has tried.
#[must_use]
pub fn deposit(current: Option<&Record>, fingerprint: Fingerprint, now: SystemTime) -> Change<Deposited> {
    let Some(current) = current.filter(|record| !record.is_expired(now)) else {
        return Change::to(Record::waiting(fingerprint, 0, 0, now), Deposited::Stored);
    };
    if let Some(known) = known(current, fingerprint) {
        return Change::none(known);
    }
    match current.state {
        State::Claimed { lease_until, .. } if lease_until > now => Change::none(Deposited::InFlight {
            remaining: lease_until.duration_since(now).unwrap_or_default(),
        }),
        // Left by a layer that handles before it responds.
        _ => {
            let (generation, _) = current.counts();
            Change::to(Record::waiting(fingerprint, generation, 0, now), Deposited::Stored)
        }
    }
}

/// The response of `deposit` to a record that it leaves as it is, whatever the time: one with a
/// body, or of an event that has ended.
pub(crate) fn known(current: &Record, fingerprint: Fingerprint) -> Option<Deposited> {
    let has_ended = matches!(current.state, State::Done { .. } | State::Dead { .. });
    if !has_ended && current.schedule.is_none() {
        return None;
    }
    Some(if current.fingerprint == fingerprint {
        Deposited::Known(Stage::from(&current.state))
    } else {
        Deposited::Conflict
    })
}

/// `take`: claims a stored delivery for a worker, if it is due. The result says whether it was.
///
/// FREE and due: a claim with one generation and one attempt more. CLAIMED with its lease over: the
/// same, and one crash more. Anything else stays as it is.
#[must_use]
pub fn take(current: Option<&Record>, token: Token, lease: Duration, now: SystemTime) -> Change<bool> {
    let due = current.filter(|record| !record.is_expired(now)).and_then(|record| {
        let schedule = record.schedule?;
        (schedule.due_at? <= now).then_some((record, schedule))
    });
    let Some((record, schedule)) = due else {
        return Change::none(false);
    };
    let schedule = match record.state {
        State::Free { .. } => schedule,
        State::Claimed { .. } => schedule.crashed(),
        State::Done { .. } | State::Dead { .. } => return Change::none(false),
    };
    let (generation, attempts) = record.counts();
    let lease_until = time_after(now, lease);
    let (generation, attempts) = (generation.saturating_add(1), attempts.saturating_add(1));
    Change::to(
        Record {
            state: State::Claimed {
                token,
                generation,
                attempts,
                lease_until,
            },
            fingerprint: record.fingerprint,
            expires: never(),
            schedule: Some(Schedule {
                due_at: Some(lease_until),
                generation,
                ..schedule
            }),
        },
        true,
    )
}

/// `put_back`: FREE again and due after a pause, for the holder alone.
///
/// An attempt that is not counted was none: a drain ended it, or there was no handler.
#[must_use]
pub fn put_back(
    current: Option<&Record>,
    claim_request: &ClaimRequest,
    after: Duration,
    is_counted: bool,
    now: SystemTime,
) -> Change<Effect> {
    match held(current, claim_request, now) {
        Some((record, generation, attempts)) if record.schedule.is_some() => {
            let attempts = if is_counted {
                attempts
            } else {
                attempts.saturating_sub(1)
            };
            Change::to(
                Record::waiting(record.fingerprint, generation, attempts, time_after(now, after)),
                Effect::Applied,
            )
        }
        _ => Change::none(Effect::NotHeld),
    }
}

/// `bury`: DEAD, for the holder alone. The body is kept.
#[must_use]
pub fn bury(current: Option<&Record>, claim_request: &ClaimRequest, now: SystemTime) -> Change<Effect> {
    match held(current, claim_request, now) {
        Some((record, ..)) => bury_unfinished(Some(record), now),
        None => Change::none(Effect::NotHeld),
    }
}

/// An operator's `bury`: DEAD, from any state that is not finished, even while a claim holds it.
#[must_use]
pub fn bury_unfinished(current: Option<&Record>, now: SystemTime) -> Change<Effect> {
    match current.filter(|record| !record.is_expired(now)) {
        Some(record)
            if record.schedule.is_some() && !matches!(record.state, State::Done { .. } | State::Dead { .. }) =>
        {
            let (generation, attempts) = record.counts();
            Change::to(
                Record {
                    state: State::Dead {
                        generation,
                        attempts,
                        at: now,
                    },
                    fingerprint: record.fingerprint,
                    expires: never(),
                    schedule: record.ended(),
                },
                Effect::Applied,
            )
        }
        _ => Change::none(Effect::NotHeld),
    }
}

/// An operator's `replay`: due at this time, and the attempts count from 0. The generation goes on
/// rising.
#[must_use]
pub fn replay(current: Option<&Record>, due_at: SystemTime, now: SystemTime) -> Change<Replayed> {
    let Some(record) = current.filter(|record| !record.is_expired(now)) else {
        return Change::none(Replayed::Unknown);
    };
    match record.state {
        _ if record.schedule.is_none() => Change::none(Replayed::NoBody),
        // One whose lease is over runs no more: its process died, or lost the store.
        State::Claimed { lease_until, .. } if lease_until > now => Change::none(Replayed::Running),
        _ => Change::to(
            Record::waiting(record.fingerprint, record.counts().0, 0, due_at),
            Replayed::Applied,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::EventId,
        store::{Completion, Key},
    };

    fn claim_request() -> ClaimRequest {
        ClaimRequest::new(
            Key::new("dwolla", EventId::new("1").unwrap()),
            Token::random(),
            Fingerprint::of(["1"]),
        )
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_generation_goes_on_rising_over_a_finished_run_and_its_replay() {
        let request = claim_request();
        let stored = deposit(None, request.fingerprint, at(0)).write.unwrap();
        let taken = take(Some(&stored), request.token, request.lease, at(0)).write.unwrap();
        let done = super::super::complete(Some(&taken), &request, Completion::Handled, at(1))
            .write
            .unwrap();
        let again = replay(Some(&done), at(2), at(2)).write.unwrap();
        let taken = take(Some(&again), Token::random(), request.lease, at(2)).write.unwrap();
        assert!(matches!(
            taken.state,
            State::Claimed {
                generation: 2,
                attempts: 1,
                ..
            }
        ));
    }

    #[test]
    fn a_date_that_never_comes_is_one_that_a_database_can_say() {
        let last = never().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert!(i64::try_from(last.as_micros()).is_ok());
        assert!(never() > at(60 * 60 * 24 * 365 * 1000));
    }
}
