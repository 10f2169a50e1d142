//! How values become text.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// A text from outside, on one line, with nothing in it that cannot be seen or that turns the
/// direction of what stands beside it. (The page's own templates escape what is HTML.)
pub(crate) fn visible(text: &str) -> String {
    shown(text, |letter| letter.is_control())
}

/// [`visible`] for several lines.
pub(crate) fn visible_lines(text: &str) -> String {
    shown(text, |letter| letter.is_control() && !matches!(letter, '\n' | '\t'))
}

fn shown(text: &str, is_hidden: impl Fn(char) -> bool) -> String {
    let turns = |letter: char| matches!(letter, '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_hidden(letter) || turns(letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// A time in RFC 3339, in UTC, to the second. `None` before 1970 and after 9999.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    time.duration_since(UNIX_EPOCH).ok()?;
    let mut text = String::new();
    write!(text, "{}", humantime::format_rfc3339_seconds(time)).ok()?;
    Some(text)
}

/// A length of time in its two largest units: `3 min 20 s`. Of few seconds the tenths count, too.
pub(crate) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds, time.subsec_millis()) {
        (0, 0) => return format!("{} µs", time.as_micros()),
        (0, milliseconds) => return format!("{milliseconds} ms"),
        (1..10, 100..) => return format!("{seconds}.{} s", time.subsec_millis() / 100),
        _ => {}
    }
    let units = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut text = String::new();
    let mut left = 2;
    for (size, unit) in units {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            let space = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{space}{count} {unit}");
        }
        // The two are neighbours: 3 days and 5 seconds are 3 days.
        if !text.is_empty() {
            left -= 1;
        }
        if left == 0 {
            break;
        }
    }
    text
}

fn whole(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

/// How long ago, or in how long.
pub(crate) fn ago(time: SystemTime, now: SystemTime) -> String {
    match now.duration_since(time) {
        Ok(age) if age.as_secs() == 0 => "now".to_owned(),
        Ok(age) => format!("{} ago", length(whole(age))),
        Err(ahead) if ahead.duration().as_secs() == 0 => "now".to_owned(),
        Err(ahead) => format!("in {}", length(whole(ahead.duration()))),
    }
}

pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// `1 delivery`, `2 deliveries`.
pub(crate) fn count(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { more })
}

/// `100,000`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(visible("a\u{202e}b\r\n\u{0}ü🦀"), "a\\u{202e}b\\u{d}\\u{a}\\u{0}ü🦀");
        assert_eq!(visible_lines("a\n\tb\r"), "a\n\tb\\u{d}");
    }

    #[test]
    fn lengths_of_time_have_two_units() {
        let seconds = |seconds| length(Duration::from_secs(seconds));
        assert_eq!(length(Duration::from_micros(12)), "12 µs");
        assert_eq!(length(Duration::from_millis(12)), "12 ms");
        assert_eq!(length(Duration::from_millis(1099)), "1 s");
        assert_eq!(length(Duration::from_millis(1840)), "1.8 s");
        assert_eq!(length(Duration::from_millis(10_900)), "10 s");
        assert_eq!(
            [seconds(1), seconds(200), seconds(7200), seconds(86_405)],
            ["1 s", "3 min 20 s", "2 h", "1 d"]
        );
    }

    #[test]
    fn ages_are_in_whole_seconds() {
        let now = UNIX_EPOCH + Duration::from_secs(100);
        assert_eq!(ago(now - Duration::from_millis(2700), now), "2 s ago");
        assert_eq!(ago(now + Duration::from_millis(2700), now), "in 2 s");
        assert_eq!(ago(now - Duration::from_millis(900), now), "now");
    }

    #[test]
    fn times_outside_of_the_calendar_are_none() {
        assert_eq!(rfc3339(UNIX_EPOCH).as_deref(), Some("1970-01-01T00:00:00Z"));
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), None);
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(1 << 40)), None);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [
                grouped(0),
                grouped(999),
                grouped(1000),
                grouped(100_000),
                grouped(1_234_567)
            ],
            ["0", "999", "1,000", "100,000", "1,234,567"]
        );
    }
}
