//! The times that bodies tell.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::lenient::Number;
use crate::{event::Fingerprint, signature::read_rfc3339};

/// When an event happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) at: Option<SystemTime>,
    /// The time as the body writes it, where it cannot be read. It still tells one event from
    /// another.
    odd: Option<String>,
}

impl Time {
    /// In RFC 3339.
    pub(super) fn of_text(text: &str) -> Self {
        let at = read_rfc3339(text);
        Self {
            odd: at.is_none().then(|| text.to_owned()),
            at,
        }
    }

    /// In seconds or in milliseconds.
    pub(super) fn of_number(number: Number) -> Self {
        let at = number.whole().and_then(from_number);
        Self {
            odd: at.is_none().then(|| number.to_string()),
            at,
        }
    }

    /// The fingerprint of topic and time: the id names the event, and a body that is sent again may
    /// say more about it than before. Without a time it is the fingerprint of the whole body, so
    /// that the second of two events under one id is a conflict, not a duplicate.
    pub(super) fn fingerprint(&self, topic: &str, body: &[u8]) -> Fingerprint {
        let topic = topic.as_bytes();
        let since = self.at.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        match (since, &self.odd) {
            (Some(since), _) => Fingerprint::of([topic, &since.as_nanos().to_be_bytes()]),
            (None, Some(text)) => Fingerprint::of([topic, b"as", text.as_bytes()]),
            (None, None) => Fingerprint::of([topic, body]),
        }
    }
}

/// A float as an integer, if it is one. Floats below 2^53 are exact; some providers print
/// milliseconds with an exponent.
pub(super) fn whole(number: f64) -> Option<u64> {
    const END: f64 = 9_007_199_254_740_992.0;
    ((0.0..END).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// Seconds since 1970, or milliseconds where the number is too large for seconds.
pub(super) fn from_number(number: u64) -> Option<SystemTime> {
    from_seconds(number).or_else(|| from_milliseconds(number))
}

/// The last second of the year 9999, the last year of RFC 3339. A larger number counts something
/// else.
const END_OF_9999: u64 = 253_402_300_799;

fn from_seconds(seconds: u64) -> Option<SystemTime> {
    (seconds <= END_OF_9999).then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Milliseconds since 1970.
pub(super) fn from_milliseconds(milliseconds: u64) -> Option<SystemTime> {
    (milliseconds / 1000 <= END_OF_9999).then(|| UNIX_EPOCH + Duration::from_millis(milliseconds))
}
