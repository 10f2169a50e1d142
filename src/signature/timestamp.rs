//! The time that a scheme signs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970 have ten digits until 2286; with twelve they are no time that anyone would sign, and milliseconds have thirteen.
const MAX_DIGITS: usize = 11;

/// Why a text is no time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTime {
    Empty,
    Digits,
    LeadingZero,
    TooLong(usize),
}

/// Reads whole seconds since 1970: digits alone, without a leading zero. What is signed is the text, so each time has one text.
pub(super) fn parse(text: &[u8]) -> Result<u64, NoTime> {
    match text {
        [] => return Err(NoTime::Empty),
        [b'0', _, ..] => return Err(NoTime::LeadingZero),
        _ => {}
    }
    if !text.iter().all(u8::is_ascii_digit) {
        return Err(NoTime::Digits);
    }
    if text.len() > MAX_DIGITS {
        return Err(NoTime::TooLong(text.len()));
    }
    // Eleven digits are far from the end of a u64.
    Ok(text.iter().fold(0_u64, |number, digit| {
        number
            .wrapping_mul(10)
            .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
    }))
}

/// How far a signed time is from now, if it is farther than tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    Past(u64),
    Future(u64),
}

/// Compares whole seconds, as senders' own libraries do.
pub(super) fn check(time: u64, now: SystemTime, tolerance: Duration) -> Result<(), Off> {
    // A clock before 1970 tolerates nothing but times about 1970.
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.saturating_sub(time) > tolerance.as_secs() {
        Err(Off::Past(now.saturating_sub(time)))
    } else if time.saturating_sub(now) > tolerance.as_secs() {
        Err(Off::Future(time.saturating_sub(now)))
    } else {
        Ok(())
    }
}
