//! A body to be read: indented where it is JSON, and always text.

use maud::{Markup, html};

use crate::text::{size, visible_lines};

/// So much of a body is shown. All of it is behind a link.
const SHOWN: usize = 64 * 1024;

/// How deep an indentation gets: what is nested deeper begins at the same column.
const DEEPEST: usize = 40;

/// Shows a body, with a link to all of it.
pub(crate) fn body(bytes: &[u8], raw: &str) -> Markup {
    if bytes.is_empty() {
        return html! { p .quiet { "The body is empty." } };
    }
    let length = size(bytes.len() as u64);
    let (form, text, is_cut) = match std::str::from_utf8(bytes) {
        Ok(text) if is_json(text) => {
            let (text, is_cut) = indented(text, SHOWN);
            ("JSON, indented here", text, is_cut)
        }
        Ok(text) => {
            let shown = beginning(text, SHOWN);
            ("text", shown.to_owned(), shown.len() < text.len())
        }
        Err(_) => {
            let shown = bytes.get(..SHOWN).unwrap_or(bytes);
            let text = String::from_utf8_lossy(shown).into_owned();
            (
                "no UTF-8: bytes that are no text show as �",
                text,
                shown.len() < bytes.len(),
            )
        }
    };
    html! {
        p .quiet {
            (length) ", " (form) ". "
            @if is_cut { "Only the beginning is shown. " }
            a href=(raw) download { "Download the bytes as they came" }
        }
        pre tabindex="0" role="region" aria-label="Body" { code { (visible_lines(&text)) } }
    }
}

/// The longest beginning of at most `most` bytes.
fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or(text)
}

fn is_json(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// JSON with a line for each value. Order, numbers and strings stay as they came: nothing is parsed
/// and printed again. Whether it was cut at `most` bytes.
fn indented(json: &str, most: usize) -> (String, bool) {
    let mut text = String::with_capacity(json.len().min(most));
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        for _ in 0..depth.min(DEEPEST) {
            text.push_str("  ");
        }
    };
    while let Some(letter) = letters.next() {
        if text.len() >= most {
            return (text, true);
        }
        if in_string {
            text.push(letter);
            match letter {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match letter {
            '"' => {
                in_string = true;
                text.push(letter);
            }
            '{' | '[' => {
                text.push(letter);
                while letters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if letters.peek().is_some_and(|next| matches!(next, '}' | ']')) {
                    text.extend(letters.next());
                } else {
                    depth = depth.saturating_add(1);
                    line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(letter);
            }
            ',' => {
                text.push(letter);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            letter if letter.is_ascii_whitespace() => {}
            letter => text.push(letter),
        }
    }
    (text, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_nothing_else_changes() {
        let json = r#"{"b":1.50,"a":[ ],"c":{"d":"x, {y}: \"z\\"},"e":[1e3,null , true]}"#;
        let expected = "{\n  \"b\": 1.50,\n  \"a\": [],\n  \"c\": {\n    \"d\": \"x, {y}: \\\"z\\\\\"\n  },\n  \"e\": [\n    \
                        1e3,\n    null,\n    true\n  ]\n}";
        assert_eq!(indented(json, SHOWN), (expected.to_owned(), false));
    }

    #[test]
    fn deep_and_long_json_is_bounded() {
        let deep = "[".repeat(100_000);
        let (text, is_cut) = indented(&deep, SHOWN);
        assert!(is_cut && text.len() < SHOWN + 200);
    }

    #[test]
    fn hostile_bodies_are_text() {
        let shown = body(b"<script>alert(1)</script>", "raw").into_string();
        assert!(shown.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !shown.contains("<script>"));
        let shown = body(b"\xff<b>", "raw").into_string();
        assert!(shown.contains("\u{fffd}&lt;b&gt;"));
        let long = "ü".repeat(SHOWN);
        assert!(
            body(long.as_bytes(), "raw")
                .into_string()
                .contains("Only the beginning")
        );
    }
}
