//! JSON written differently: the same tokens with other whitespace, the same strings with other
//! escapes. It works on the text, without a parser, so that numbers and the order of keys stay.

/// Whitespace between the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Compact,
    /// A space after each comma and colon, as Python's `json.dumps` writes.
    Spaced,
    /// This many spaces for each level.
    Indented(usize),
}

/// How strings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escapes {
    /// As they are.
    Kept,
    /// Non-ASCII letters as `\uXXXX`, as Python writes them.
    Ascii,
    /// Non-ASCII letters as `\uXXXX` and slashes as `\/`, as PHP writes them.
    AsciiAndSlashes,
    /// Slashes as `\/`.
    Slashes,
    /// `<`, `>` and `&` as `\uXXXX`, as Go writes them.
    Html,
    /// As few escapes as there can be, as JavaScript writes strings.
    Fewest,
}

/// The text in this layout; `None` if it is no JSON object or array, or would be longer than
/// `most`.
pub(super) fn layout(text: &[u8], layout: Layout, most: usize) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    if !matches!(text.first(), Some(b'{' | b'[')) {
        return None;
    }
    let mut written = Vec::with_capacity(text.len());
    let mut depth = 0_usize;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            b'"' => {
                written.push(byte);
                loop {
                    let byte = bytes.next()?;
                    written.push(byte);
                    match byte {
                        b'\\' => written.push(bytes.next()?),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                written.push(byte);
                while bytes.next_if(u8::is_ascii_whitespace).is_some() {}
                if let Some(end) = bytes.next_if(|next| matches!(next, b'}' | b']')) {
                    written.push(end);
                } else {
                    depth += 1;
                    break_line(&mut written, layout, depth, most)?;
                }
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                break_line(&mut written, layout, depth, most)?;
                written.push(byte);
            }
            b',' => {
                written.push(byte);
                if layout == Layout::Spaced {
                    written.push(b' ');
                }
                break_line(&mut written, layout, depth, most)?;
            }
            b':' => {
                written.push(byte);
                if layout != Layout::Compact {
                    written.push(b' ');
                }
            }
            other => written.push(other),
        }
        if written.len() > most {
            return None;
        }
    }
    (depth == 0).then_some(written)
}

/// Indentation grows with the square of what is nested, so it is counted before it is written.
fn break_line(written: &mut Vec<u8>, layout: Layout, depth: usize, most: usize) -> Option<()> {
    if let Layout::Indented(spaces) = layout {
        let spaces = depth.saturating_mul(spaces);
        if written.len().saturating_add(spaces) > most {
            return None;
        }
        written.push(b'\n');
        written.resize(written.len().saturating_add(spaces), b' ');
    }
    Some(())
}

/// The text with its strings written in this way; `None` if it is no UTF-8.
pub(super) fn escape(text: &[u8], escapes: Escapes) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let ascii = matches!(escapes, Escapes::Ascii | Escapes::AsciiAndSlashes);
    let slashes = matches!(escapes, Escapes::Slashes | Escapes::AsciiAndSlashes);
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let (taken, after) = rest.split_at(letter.len_utf8());
        rest = after;
        match letter {
            '\\' => {
                if escapes == Escapes::Fewest
                    && let Some((letter, length)) = needless(rest)
                {
                    written.push(letter);
                    rest = rest.get(length..).unwrap_or_default();
                } else {
                    let next = rest.chars().next()?;
                    written.push('\\');
                    written.push(next);
                    rest = rest.get(next.len_utf8()..).unwrap_or_default();
                }
            }
            '/' if slashes => written.push_str("\\/"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' if escapes == Escapes::Html => units(letter, &mut written),
            letter if ascii && !letter.is_ascii() => units(letter, &mut written),
            _ => written.push_str(taken),
        }
    }
    Some(written.into_bytes())
}

/// The letter that an escape stands for which need not be one, and the escape's length without its
/// backslash.
fn needless(rest: &str) -> Option<(char, usize)> {
    if rest.starts_with('/') {
        return Some(('/', 1));
    }
    let unit = |text: &str| {
        let digits = text.strip_prefix('u')?.get(..4)?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(rest)?;
    let second = rest.get(5..).and_then(|rest| rest.strip_prefix('\\')).and_then(unit);
    let mut letters = char::decode_utf16([Some(first), second].into_iter().flatten());
    let letter = letters.next()?.ok()?;
    // Control characters and what JSON itself escapes stay escaped.
    (letter >= ' ' && letter != '"' && letter != '\\').then_some((letter, if letter.len_utf16() == 2 { 11 } else { 5 }))
}

fn units(letter: char, written: &mut String) {
    use std::fmt::Write as _;
    for unit in letter.encode_utf16(&mut [0; 2]) {
        let _ = write!(written, "\\u{unit:04x}"); // a `String` takes everything
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_those_that_serializers_write() {
        let text = br#" {"a" : [1,2, {} ],
            "b":{"c":"x, y: \"z\" {"},"d":[ ]} "#;
        let show = |kind| String::from_utf8(layout(text, kind, 1000).unwrap()).unwrap();
        assert_eq!(
            show(Layout::Compact),
            r#"{"a":[1,2,{}],"b":{"c":"x, y: \"z\" {"},"d":[]}"#
        );
        assert_eq!(
            show(Layout::Spaced),
            r#"{"a": [1, 2, {}], "b": {"c": "x, y: \"z\" {"}, "d": []}"#
        );
        let value: serde_json::Value = serde_json::from_slice(text).unwrap();
        assert_eq!(show(Layout::Indented(2)), serde_json::to_string_pretty(&value).unwrap());
    }

    #[test]
    fn nothing_but_json_has_a_layout_and_no_layout_is_longer_than_its_limit() {
        for text in ["", "x", "\"x\"", "{\"x", "[]]", "[[]", "{\"a\\"] {
            assert_eq!(layout(text.as_bytes(), Layout::Indented(2), 1000), None, "{text}");
        }
        let nested = "[".repeat(10_000) + "1" + &"]".repeat(10_000);
        assert_eq!(layout(nested.as_bytes(), Layout::Indented(4), 1 << 20), None);
    }

    #[test]
    fn escapes_are_undone_and_made_again() {
        let plain = "{\"é\":\"a/b <\u{1f600}> \\\\ \\n \\\" \\u0001\"}";
        let show = |text: &str, escapes| String::from_utf8(escape(text.as_bytes(), escapes).unwrap()).unwrap();
        let php = r#"{"\u00e9":"a\/b <\ud83d\ude00> \\ \n \" \u0001"}"#;
        assert_eq!(show(plain, Escapes::AsciiAndSlashes), php);
        assert_eq!(show(php, Escapes::Fewest), plain);
        let html = "{\"é\":\"a/b \\u003c\u{1f600}\\u003e \\\\ \\n \\\" \\u0001\"}";
        assert_eq!(show(plain, Escapes::Html), html);
        assert_eq!(show(html, Escapes::Fewest), plain);
        for broken in [r"\", r"\u12", r"\ud83d", r"\ud83dx", "\\u12é"] {
            let _ = escape(broken.as_bytes(), Escapes::Fewest);
        }
    }
}
