//! Numbers as times.

use std::time::{Duration, SystemTime};

/// Whole numbers below 2^53 are exact; some print their milliseconds with an exponent.
pub(super) fn whole(number: f64) -> Option<u64> {
    const END: f64 = 9_007_199_254_740_992.0;
    ((0.0..END).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// Seconds since 1970; what counts no seconds, milliseconds.
pub(super) fn from_number(number: u64) -> Option<SystemTime> {
    from_seconds(number).or_else(|| from_milliseconds(number))
}

const END_OF_9999: u64 = 253_402_300_799;

/// Seconds since 1970. What would be later than the year 9999, RFC 3339's last, counts something
/// else.
fn from_seconds(seconds: u64) -> Option<SystemTime> {
    (seconds <= END_OF_9999).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

pub(super) fn from_milliseconds(milliseconds: u64) -> Option<SystemTime> {
    let is_time = milliseconds / 1000 <= END_OF_9999;
    is_time.then(|| SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds))
}
