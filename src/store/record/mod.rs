//! The transition table: what each operation makes of a record. Pure, so that every store decides
//! alike and adds atomicity only.
//!
//! A store reads its record, asks the function of the operation, and writes what [`Change`] says,
//! in one atomic step.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tower_webhook::{
//!     event::{EventId, Fingerprint},
//!     store::{ClaimRequest, Claimed, Key, Token, record},
//! };
//!
//! let claim_request = ClaimRequest::new(
//!     Key::new("dwolla", EventId::new("bb6531a2")?),
//!     Token::random(),
//!     Fingerprint::of(["customer_created"]),
//! )
//! .with_lease(Duration::from_secs(60));
//! let now = SystemTime::UNIX_EPOCH;
//!
//! let first = record::claim(None, &claim_request, now);
//! assert_eq!(
//!     first.response,
//!     Claimed::Acquired {
//!         generation: 1,
//!         attempts: 1
//!     }
//! );
//!
//! let second = record::claim(
//!     first.write.as_ref(),
//!     &claim_request.with_token(Token::random()),
//!     now,
//! );
//! assert_eq!(
//!     second.response,
//!     Claimed::InFlight {
//!         remaining: Duration::from_secs(60)
//!     }
//! );
//! assert!(second.write.is_none());
//! # Ok::<(), tower_webhook::event::EventIdError>(())
//! ```

pub(super) mod completion;
mod inbox;
pub(super) mod response;
pub(super) mod schedule;
pub(super) mod state;

#[cfg(feature = "service")]
pub(crate) use inbox::known;
pub use inbox::{bury, bury_unfinished, deposit, never, put_back, replay, take};

use std::time::{Duration, SystemTime};

use super::ClaimRequest;
use completion::Completion;
use response::{Claimed, Deposited, Effect, Replayed};
use schedule::Schedule;
use state::{Record, Stage, State};

/// The effect of an operation: the record to write, if it changes, and the response.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<A> {
    /// The new record; `None` to leave what there is.
    pub write: Option<Record>,
    /// The return value of the store's method.
    pub response: A,
}

impl<A> Change<A> {
    fn to(record: Record, response: A) -> Self {
        Self {
            write: Some(record),
            response,
        }
    }

    fn none(response: A) -> Self {
        Self { write: None, response }
    }
}

/// `claim`: the only way to a handler.
///
/// | record | the same fingerprint | another fingerprint |
/// | --- | --- | --- |
/// | absent or expired | acquired: generation 1, attempt 1 | - |
/// | FREE | acquired: both one more | the same |
/// | CLAIMED, by the same token | acquired: both as they were | as by another token |
/// | CLAIMED, by another token, lease running | in flight | the same |
/// | CLAIMED, by another token, lease over | acquired: both one more | the same |
/// | DONE | done | conflict |
/// | DEAD | dead | conflict |
///
/// A delivery that lies in an inbox was acknowledged, so other facts never take its record: they
/// are a conflict in every state.
///
/// The claim that acquires the record gives it its fingerprint. A record that is not DONE has
/// handled nothing that is known, so other facts are no conflict there: they wait for the run that
/// holds the claim, and take over what is free.
///
/// A token belongs to one run, and a run has one fingerprint. The token that holds the claim, with
/// another fingerprint, is therefore not the run that holds it, and waits for the end of the lease.
#[must_use]
pub fn claim(current: Option<&Record>, claim_request: &ClaimRequest, now: SystemTime) -> Change<Claimed> {
    let acquire = |generation, attempts, schedule| {
        Change::to(
            Record::claimed(claim_request, generation, attempts, schedule, now),
            Claimed::Acquired { generation, attempts },
        )
    };
    let Some(current) = current.filter(|record| !record.is_expired(now)) else {
        return acquire(1, 1, None);
    };
    // The same run claims again because the first response was lost. It counts no new attempt.
    if let Some((generation, attempts)) = current.held_by(claim_request) {
        return acquire(generation, attempts, current.schedule);
    }
    let is_other = current.fingerprint != claim_request.fingerprint;
    match current.state {
        // Other facts are another event. As a duplicate it would be acknowledged and never handled.
        State::Done { .. } | State::Dead { .. } if is_other => Change::none(Claimed::Conflict),
        // Whereas the stored one was acknowledged, and has to be handled yet.
        _ if is_other && current.schedule.is_some() => Change::none(Claimed::Conflict),
        State::Done { completion, .. } => Change::none(Claimed::Done(completion)),
        State::Dead { .. } => Change::none(Claimed::Dead),
        State::Claimed { lease_until, .. } if lease_until > now => Change::none(Claimed::InFlight {
            remaining: lease_until.duration_since(now).unwrap_or_default(),
        }),
        // Nothing is known to be handled here, so any facts may take the record over.
        State::Claimed {
            generation, attempts, ..
        } => acquire(
            generation.saturating_add(1),
            attempts.saturating_add(1),
            current.schedule.map(Schedule::crashed),
        ),
        State::Free { generation, attempts } => acquire(
            generation.saturating_add(1),
            attempts.saturating_add(1),
            current.schedule,
        ),
    }
}

/// `renew`: for the holder alone, also after its lease was over if nobody took the claim since.
#[must_use]
pub fn renew(current: Option<&Record>, claim_request: &ClaimRequest, now: SystemTime) -> Change<Effect> {
    match held(current, claim_request, now) {
        Some((record, generation, attempts)) => Change::to(
            Record::claimed(claim_request, generation, attempts, record.schedule, now),
            Effect::Applied,
        ),
        None => Change::none(Effect::NotHeld),
    }
}

/// The record, its generation and its attempts, if this request's token holds the claim.
fn held<'r>(
    current: Option<&'r Record>,
    claim_request: &ClaimRequest,
    now: SystemTime,
) -> Option<(&'r Record, u64, u32)> {
    let record = current.filter(|record| !record.is_expired(now))?;
    let (generation, attempts) = record.held_by(claim_request)?;
    Some((record, generation, attempts))
}

/// `complete`: DONE from any state for a handled event, since its effect happened; for a rejected
/// one by the holder alone.
///
/// Where another event has taken the record over, it is that event's: completing the first one
/// changes nothing.
#[must_use]
pub fn complete(
    current: Option<&Record>,
    claim_request: &ClaimRequest,
    completion: Completion,
    now: SystemTime,
) -> Change<Effect> {
    let current = current.filter(|record| !record.is_expired(now));
    let done = Record {
        state: State::Done { completion, at: now },
        fingerprint: claim_request.fingerprint,
        expires: time_after(now, claim_request.retention),
        schedule: current.and_then(Record::ended),
    };
    match current {
        // Another event took the record over, after this run lost its lease or its record. That
        // event may still run, and is not handled because this one is.
        Some(record) if record.fingerprint != claim_request.fingerprint => Change::none(Effect::NotHeld),
        // DONE stays as it was first written, so that completing twice does not extend its
        // retention.
        Some(Record {
            state: State::Done { completion: was, .. },
            ..
        }) => Change::none(if *was == completion || completion == Completion::Handled {
            Effect::Applied
        } else {
            Effect::NotHeld
        }),
        _ if completion == Completion::Handled => Change::to(done, Effect::Applied),
        Some(record) if record.held_by(claim_request).is_some() => Change::to(done, Effect::Applied),
        _ => Change::none(Effect::NotHeld),
    }
}

/// `release`: FREE, for the holder alone. The attempts are kept. A stored delivery is due at once.
#[must_use]
pub fn release(current: Option<&Record>, claim_request: &ClaimRequest, now: SystemTime) -> Change<Effect> {
    match held(current, claim_request, now) {
        Some((record, generation, attempts)) => Change::to(
            Record {
                state: State::Free { generation, attempts },
                fingerprint: claim_request.fingerprint,
                expires: match record.schedule {
                    None => time_after(now, claim_request.retention),
                    Some(_) => never(),
                },
                schedule: record.schedule.map(|schedule| schedule.ended_by_itself().due(now)),
            },
            Effect::Applied,
        ),
        None => Change::none(Effect::NotHeld),
    }
}

/// Durations come from settings: a time past what the platform can say is as good as never.
fn time_after(time: SystemTime, by: Duration) -> SystemTime {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    time.checked_add(by)
        .unwrap_or_else(|| time.checked_add(CENTURY).unwrap_or(time))
}
