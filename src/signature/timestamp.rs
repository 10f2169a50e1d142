//! The time that a scheme signs.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How a signed time is written. What is signed is its text as it stands; it is read only to tell
/// how far it is from now.
///
/// ```
/// use http::HeaderName;
/// use std::time::{Duration, SystemTime};
/// use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets, TimestampFormat};
///
/// // as Box signs: the body, then the time, with nothing between them
/// let scheme = Scheme::new(
///     HeaderName::from_static("box-signature-primary"),
///     Algorithm::HmacSha256,
///     Encoding::Base64,
/// )
/// .timestamp_header(
///     HeaderName::from_static("box-delivery-timestamp"),
///     Duration::from_secs(600),
/// )
/// .timestamp_format(TimestampFormat::Rfc3339)?
/// .signed_content("{body}{timestamp}")?;
///
/// let sent = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_862_000);
/// let headers = scheme.sign_at(&Secrets::new("SamplePrimaryKey")?, "", sent, b"{}")?;
/// assert_eq!(headers["box-delivery-timestamp"], "2020-01-01T07:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimestampFormat {
    /// Whole seconds since 1970: digits alone, without a leading zero.
    #[default]
    Seconds,
    /// Milliseconds since 1970, likewise.
    Milliseconds,
    /// RFC 3339: `2026-07-01T12:00:00Z`, with or without a fraction, and `+02:00` or `-02:00` for
    /// the `Z`.
    Rfc3339,
}

/// Why a text is no time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTime {
    Empty,
    Digits,
    LeadingZero,
    Length(usize),
    Rfc3339,
}

impl TimestampFormat {
    /// How many digits such a time has from 2001 until 2286.
    fn usual_digits(self) -> usize {
        match self {
            Self::Seconds => 10,
            Self::Milliseconds => 13,
            Self::Rfc3339 => 0,
        }
    }

    /// Whether a text of this many digits is taken. One more than the usual number reaches the year
    /// 5138. Where nothing else tells where the time ends (`exact`), only the usual number does.
    fn has_digits(self, digits: usize, exact: bool) -> bool {
        let usual = self.usual_digits();
        if exact {
            digits == usual
        } else {
            digits <= usual.saturating_add(1)
        }
    }

    /// Reads a time, in whole seconds since 1970.
    #[inline]
    pub(super) fn read(self, text: &[u8], exact: bool) -> Result<u64, NoTime> {
        match self {
            Self::Seconds => self.read_digits(text, exact),
            Self::Milliseconds => Ok(self.read_digits(text, exact)? / 1000),
            Self::Rfc3339 => {
                let time = std::str::from_utf8(text).ok().and_then(read_rfc3339);
                let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
                since.map(|since| since.as_secs()).ok_or(match text {
                    [] => NoTime::Empty,
                    _ => NoTime::Rfc3339,
                })
            }
        }
    }

    /// Digits alone, without a leading zero. What is signed is the text, so each number has one
    /// text.
    fn read_digits(self, text: &[u8], exact: bool) -> Result<u64, NoTime> {
        match text {
            [] => return Err(NoTime::Empty),
            [b'0', _, ..] => return Err(NoTime::LeadingZero),
            _ => {}
        }
        if !text.iter().all(u8::is_ascii_digit) {
            return Err(NoTime::Digits);
        }
        if !self.has_digits(text.len(), exact) {
            return Err(NoTime::Length(text.len()));
        }
        // Fourteen digits are far from the end of a u64.
        Ok(text.iter().fold(0_u64, |number, digit| {
            number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
        }))
    }

    /// The text of a time, if [`read`](Self::read) takes it. A time before 1970 counts as 1970.
    pub(super) fn write(self, time: SystemTime, exact: bool) -> Option<String> {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let digits = match self {
            Self::Seconds => since.as_secs().to_string(),
            Self::Milliseconds => since.as_millis().to_string(),
            Self::Rfc3339 => {
                let time = (since.as_secs() <= END_OF_9999).then(|| UNIX_EPOCH.checked_add(since))??;
                return Some(humantime::format_rfc3339_seconds(time).to_string());
            }
        };
        self.has_digits(digits.len(), exact).then_some(digits)
    }

    /// The expected form, for messages.
    pub(super) fn rule(self, f: &mut fmt::Formatter<'_>, exact: bool) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "whole seconds since 1970",
            Self::Milliseconds => "milliseconds since 1970",
            Self::Rfc3339 => return f.write_str("RFC 3339, such as 2026-07-01T12:00:00Z"),
        })?;
        if exact {
            write!(
                f,
                " in {} digits, since no text tells where they end",
                self.usual_digits()
            )?;
        }
        Ok(())
    }
}

/// The last second of RFC 3339's last year.
const END_OF_9999: u64 = 253_402_300_799;

/// Reads a time in RFC 3339. No text that it takes is the beginning of another one, nor the end of
/// another one, however such texts are continued: schemes rely on it where a time and a body touch.
pub(crate) fn read_rfc3339(text: &str) -> Option<SystemTime> {
    const DATE_AND_TIME: &[u8; 19] = b"0000-00-00T00:00:00";
    // Nanoseconds and an offset make 35 bytes.
    if text.len() > 35 || !text.is_ascii() {
        return None;
    }
    let (date_and_time, rest) = text.split_at_checked(DATE_AND_TIME.len())?;
    let mut places = date_and_time.bytes().zip(DATE_AND_TIME);
    if !places.all(|(byte, place)| byte == *place || (*place == b'0' && byte.is_ascii_digit())) {
        return None;
    }
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let offset = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
            (offset.len() < fraction.len()).then_some(offset)?
        }
        None => rest,
    };
    // The calendar's part. Its own parser takes more behind the seconds than a time.
    let local = text.get(..text.len().checked_sub(offset.len())?)?;
    let time = humantime::parse_rfc3339_weak(local).ok()?;
    if offset == "Z" {
        return Some(time);
    }
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let minutes = 60 * two_digits(hours, 23)? + two_digits(minutes, 59)?;
    let offset = Duration::from_secs(60 * minutes);
    match sign {
        "+" => time.checked_sub(offset),
        "-" => time.checked_add(offset),
        _ => None,
    }
}

fn two_digits(text: &str, most: u64) -> Option<u64> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= most)
}

/// How far a signed time is from now, if it is farther than tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeOff {
    Past(u64),
    Future(u64),
}

/// Compares whole seconds, as providers' own libraries do.
pub(super) fn check(time: u64, now: SystemTime, tolerance: Duration) -> Result<(), TimeOff> {
    // A clock before 1970 tolerates nothing but times about 1970.
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.saturating_sub(time) > tolerance.as_secs() {
        Err(TimeOff::Past(now.saturating_sub(time)))
    } else if time.saturating_sub(now) > tolerance.as_secs() {
        Err(TimeOff::Future(time.saturating_sub(now)))
    } else {
        Ok(())
    }
}
