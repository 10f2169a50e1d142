//! Repairs, in a copy, JSON that providers write and parsers refuse: the signed bytes stay as they
//! came.

use std::borrow::Cow;

/// Without a byte order mark, which some serialisers write and RFC 8259 lets readers skip.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Half a surrogate pair becomes U+FFFD, of the same length, so that no position in the text moves.
/// JavaScript writes one where a text was cut within an emoji; UTF-8 has none.
pub(super) fn with_whole_letters(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut halves = Vec::new();
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memmem::find(rest, b"\\u")) {
        let at = from + found;
        from = at + 2;
        // An even number of backslashes before it: this one begins an escape.
        let before = bytes.get(..at).unwrap_or_default();
        let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 1 {
            continue;
        }
        match unit(bytes, at) {
            Some(0xd800..=0xdbff) if matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff)) => from = at + 12,
            Some(0xd800..=0xdfff) => halves.push(at),
            _ => {}
        }
    }
    if halves.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut mended = String::with_capacity(text.len());
    let mut done = 0;
    for at in halves {
        mended.push_str(text.get(done..at).unwrap_or_default());
        mended.push_str("\\ufffd");
        done = at + 6;
    }
    mended.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(mended)
}

/// The UTF-16 unit of an escape that begins here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Numbers that are larger than any `f64` become `null`, with blanks behind it up to their length;
/// `None` if there are none. They are grammatical, and JavaScript reads them as infinity.
pub(super) fn without_huge_numbers(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut mended = String::with_capacity(text.len());
    let (mut done, mut at) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            b'-' | b'0'..=b'9' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let is_of_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let end = at + rest.iter().take_while(is_of_number).count();
                let number = text.get(at..end).unwrap_or_default();
                if number.parse::<f64>().is_ok_and(f64::is_infinite) {
                    mended.push_str(text.get(done..at).unwrap_or_default());
                    mended.push_str("null");
                    // The shortest of them is `1e309`.
                    mended.extend(std::iter::repeat_n(' ', number.len().saturating_sub(4)));
                    done = end;
                }
                at = end;
            }
            _ => at += 1,
        }
    }
    (done > 0).then(|| mended + text.get(done..).unwrap_or_default())
}
