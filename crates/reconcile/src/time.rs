use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

/// A time as a provider wrote it.
///
/// Providers write times in several ways, and an odd one must not make a response unreadable: the
/// text is kept, and [`to_system_time`](Self::to_system_time) reads it if it can.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_webhook_reconcile::Time;
///
/// let expected = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_642_695_647));
/// assert_eq!(Time::new("2022-01-20T16:20:47+00:00").to_system_time(), expected);
/// assert_eq!(Time::new("2022-01-20 16:20:47 UTC").to_system_time(), expected);
/// assert_eq!(Time::new("1642695647").to_system_time(), expected);
/// assert_eq!(Time::new("yesterday").to_system_time(), None);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Time(String);

impl Time {
    /// A time in a provider's words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The provider's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The instant: of RFC 3339, of the same with ` UTC` at its end, or of seconds since 1970.
    #[must_use]
    pub fn to_system_time(&self) -> Option<SystemTime> {
        let text = self.0.trim();
        if let Ok(seconds) = text.parse() {
            return SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        }
        let parsed: Result<jiff::Timestamp, _> = match text.strip_suffix(" UTC") {
            Some(text) => format!("{text}Z").parse(),
            None => text.parse(),
        };
        parsed.ok().map(SystemTime::from)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `2022-01-20`: the day of a time, in UTC.
pub(crate) fn date_of(time: SystemTime) -> Option<String> {
    let timestamp = jiff::Timestamp::try_from(time).ok()?;
    Some(timestamp.to_zoned(jiff::tz::TimeZone::UTC).date().to_string())
}
