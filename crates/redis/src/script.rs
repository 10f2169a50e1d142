//! The operations as scripts, and how their replies are read.

use std::time::{Duration, SystemTime};

use tower_webhook::{
    event::Fingerprint,
    store::{Claimed, Effect, Record, State, Token},
};

use super::connection::{Reply, Script};

/// As good as for ever; twice it and the present time are far below 2^53 milliseconds.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// One script for each operation: what they share, then its own lines.
#[derive(Debug)]
pub(crate) struct Scripts {
    pub(crate) claim: Script,
    pub(crate) renew: Script,
    pub(crate) complete: Script,
    pub(crate) release: Script,
    pub(crate) get: Script,
    pub(crate) forget: Script,
}

macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("lua/record.lua"), include_str!($file)))
    };
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            claim: script!("lua/claim.lua"),
            renew: script!("lua/renew.lua"),
            complete: script!("lua/complete.lua"),
            release: script!("lua/release.lua"),
            get: script!("lua/get.lua"),
            forget: script!("lua/forget.lua"),
        }
    }
}

/// In whole milliseconds, rounded up so that nothing ends early, and within a century.
pub(crate) fn millis(duration: Duration) -> u64 {
    let nanos = duration.min(CENTURY).as_nanos();
    u64::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

pub(crate) fn claimed(reply: &Reply) -> Option<Claimed> {
    let words: Vec<&str> = reply.iter().flatten().map(String::as_str).collect();
    Some(match *words.as_slice() {
        ["ACQUIRED", generation, attempts] => Claimed::Acquired {
            generation: generation.parse().ok()?,
            attempts: attempts.parse().ok()?,
        },
        ["IN_FLIGHT", remaining] => Claimed::InFlight {
            remaining: Duration::from_millis(remaining.parse().ok()?),
        },
        ["DONE", word] => Claimed::Done(word.parse().ok()?),
        ["CONFLICT"] => Claimed::Conflict,
        _ => return None,
    })
}

pub(crate) fn effect(reply: &Reply) -> Option<Effect> {
    match reply.first()?.as_deref()? {
        "APPLIED" => Some(Effect::Applied),
        "NOT_HELD" => Some(Effect::NotHeld),
        _ => None,
    }
}

/// The record that `get` shows; the inner `None` if there is none.
pub(crate) fn record(reply: &Reply) -> Option<Option<Record>> {
    if reply.is_empty() {
        return Some(None);
    }
    let [
        state,
        fingerprint,
        expires,
        token,
        lease_until,
        generation,
        attempts,
        done,
        at,
    ] = <&[_; 9]>::try_from(reply.as_slice()).ok()?;
    let generation = || generation.as_deref()?.parse().ok();
    let attempts = || attempts.as_deref()?.parse().ok();
    let state = match state.as_deref()? {
        "CLAIMED" => State::Claimed {
            token: Token::from_bytes(bytes(token)?),
            generation: generation()?,
            attempts: attempts()?,
            lease_until: time(lease_until)?,
        },
        "FREE" => State::Free {
            generation: generation()?,
            attempts: attempts()?,
        },
        "DONE" => State::Done {
            completion: done.as_deref()?.parse().ok()?,
            at: time(at)?,
        },
        _ => return None,
    };
    let fingerprint = Fingerprint::from_bytes(bytes(fingerprint)?);
    Some(Some(Record::new(state, fingerprint, time(expires)?)))
}

fn time(text: &Option<String>) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(text.as_deref()?.parse().ok()?))
}

fn bytes(text: &Option<String>) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text.as_deref()?, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up_and_bounded() {
        assert_eq!(millis(Duration::ZERO), 0);
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(60_000)), 60_000);
        assert_eq!(millis(Duration::MAX), 3_153_600_000_000);
    }

    #[test]
    fn a_reply_that_no_script_gives_is_refused() {
        let reply = |words: &[&str]| words.iter().map(|word| Some((*word).to_owned())).collect::<Reply>();
        assert_eq!(claimed(&reply(&["ACQUIRED", "1"])), None);
        assert_eq!(claimed(&reply(&["DONE", "eaten"])), None);
        assert_eq!(effect(&reply(&[])), None);
        assert_eq!(effect(&reply(&["OK"])), None);
        assert_eq!(record(&reply(&["CLAIMED"])), None);
    }
}
