//! Times on the command line.

use std::time::{Duration, SystemTime};

/// RFC 3339, a day in UTC, or an age: `90s`, `3h`, `2days`.
pub(crate) fn parse(text: &str) -> Result<SystemTime, String> {
    let age = || SystemTime::now().checked_sub(humantime::parse_duration(text).ok()?);
    let day = || humantime::parse_rfc3339_weak(&format!("{text} 00:00:00")).ok();
    humantime::parse_rfc3339_weak(text)
        .ok()
        .or_else(day)
        .or_else(age)
        .ok_or_else(|| "expected a time in RFC 3339, a day (2026-01-31), or an age: 90s, 3h, 2days".to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "expected a time with its unit: 30s, 10min".to_owned())
}

pub(crate) fn write(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_an_age() {
        assert_eq!(write(parse("2026-01-01T00:00:00Z").unwrap()), "2026-01-01T00:00:00Z");
        assert_eq!(write(parse("2026-01-31").unwrap()), "2026-01-31T00:00:00Z");
        let age = SystemTime::now().duration_since(parse("3h").unwrap()).unwrap();
        assert!(age.as_secs().abs_diff(3 * 3600) < 10);
        for text in ["yesterday", "2026-01", "2026-01-31 00:00:00 00:00:00", "2026-02-30", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
