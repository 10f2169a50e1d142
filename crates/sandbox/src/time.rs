//! How the APIs write times.

use std::time::SystemTime;

use jiff::{Timestamp, civil::Date, fmt::rfc2822::DateTimePrinter, tz::TimeZone};

/// `2019-05-30T18:21:11.490Z`
pub(crate) fn millis(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.3}"))
}

/// `2019-05-30T18:21:11Z`
pub(crate) fn seconds(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.0}"))
}

/// `2022-10-28T16:20:47+00:00`
pub(crate) fn with_offset(time: SystemTime) -> String {
    seconds(time).replace('Z', "+00:00")
}

/// `Mon, 15 Jan 2024 10:03:05 GMT`
pub(crate) fn http_date(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

/// Seconds since the epoch.
pub(crate) fn unix(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A time as RFC 3339 writes it.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    text.parse::<Timestamp>().ok().map(SystemTime::from)
}

/// The first moment of a day, `YYYY-MM-DD`, in UTC.
pub(crate) fn parse_day(text: &str) -> Option<SystemTime> {
    if text.len() != "YYYY-MM-DD".len() {
        return None;
    }
    let day: Date = text.parse().ok()?;
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}

/// How times are kept, to the nanosecond: `2019-05-30T18:21:11.490000001Z`.
pub(crate) mod exact {
    use std::time::SystemTime;

    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        // Beyond the year 9999 one time is as good as another.
        let time = Timestamp::try_from(*time).unwrap_or(Timestamp::MAX);
        serializer.collect_str(&time)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        super::parse(&text).ok_or_else(|| D::Error::custom("a time is not in RFC 3339"))
    }
}
