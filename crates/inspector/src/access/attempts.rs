//! How often a wrong token may be tried.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// How many wrong tokens a minute one address may try.
pub(crate) const MOST: u32 = 10;

/// How many addresses are remembered; the oldest is forgotten for the next.
const ADDRESSES: usize = 256;

const MINUTE: Duration = Duration::from_secs(60);

/// Wrong tokens of the last minute, by address. Where the address is unknown, or all come through
/// one proxy, all of them count together.
#[derive(Default)]
pub(super) struct Attempts(Mutex<VecDeque<WrongToken>>);

struct WrongToken {
    address: Option<IpAddr>,
    since: SystemTime,
    failures: u32,
}

impl Attempts {
    /// For how much longer this address is not heard, if it is not.
    pub(super) fn blocked(&self, address: Option<IpAddr>, now: SystemTime) -> Option<Duration> {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back ends the minute, too.
        tried.retain(|tried| now.duration_since(tried.since).is_ok_and(|age| age < MINUTE));
        let found = tried.iter().find(|tried| tried.address == address)?;
        let age = now.duration_since(found.since).unwrap_or_default();
        (found.failures >= MOST).then(|| MINUTE.saturating_sub(age))
    }

    pub(super) fn failed(&self, address: Option<IpAddr>, now: SystemTime) {
        let mut tried = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = tried.iter_mut().find(|tried| tried.address == address) {
            found.failures = found.failures.saturating_add(1);
            return;
        }
        if tried.len() >= ADDRESSES {
            tried.pop_front();
        }
        tried.push_back(WrongToken {
            address,
            since: now,
            failures: 1,
        });
    }
}
