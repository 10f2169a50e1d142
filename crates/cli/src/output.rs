//! Output: text for people, JSON for programs.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// How a command prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
}

impl Output {
    /// The text, or this as JSON. A reader that is gone (`| head`) is no failure.
    pub(crate) fn print(self, text: impl FnOnce() -> String, value: &impl Serialize) {
        match self {
            Self::Text => line(&text()),
            Self::Json => json(value),
        }
    }
}

/// A line for people; colours only on a terminal.
pub(crate) fn line(text: &str) {
    drop(writeln!(anstream::stdout(), "{text}"));
}

/// Prints a text beside the result, to stderr.
pub(crate) fn note(text: &str) {
    drop(writeln!(anstream::stderr(), "{text}"));
}

/// A line of JSON.
pub(crate) fn json(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        drop(writeln!(std::io::stdout(), "{text}"));
    }
}

/// Whether a person watches.
pub(crate) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Asks the person who watches. Where nobody does, it is not.
pub(crate) fn is_confirmed(question: &str) -> bool {
    if !std::io::stdin().is_terminal() || !is_watched() {
        return false;
    }
    drop(write!(anstream::stderr(), "{question} [y/N] "));
    drop(std::io::stderr().flush());
    let mut line = String::new();
    drop(std::io::stdin().read_line(&mut line));
    matches!(line.trim(), "y" | "Y" | "yes")
}

/// In this colour.
pub(crate) fn coloured(colour: AnsiColor, text: &str) -> String {
    let style = Style::new().fg_color(Some(colour.into())).bold();
    format!("{style}{text}{style:#}")
}

/// Foreign text in one line, without anything that a terminal obeys.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| if is_obeyed(letter) { '\u{fffd}' } else { letter })
        .collect()
}

/// The same of a text whose lines are its own: a body.
pub(crate) fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// The same in a column that others follow: one long text would make every row as wide.
pub(crate) fn cell(text: &str) -> String {
    let mut text = plain(text);
    if let Some((end, _)) = text.char_indices().nth(WIDEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A digest in hex and some characters before it.
const WIDEST: usize = 80;

/// Whether a letter moves the cursor, begins a line, changes a colour, or turns the text behind it
/// around, so that a reader sees what was not written.
fn is_obeyed(letter: char) -> bool {
    let turns = matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let ends_a_line = matches!(letter, '\u{2028}' | '\u{2029}');
    turns || ends_a_line || (letter.is_control() && letter != '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_others_is_obeyed_and_only_a_body_has_lines() {
        for odd in [
            '\u{1b}', '\n', '\r', '\u{85}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{2028}',
        ] {
            assert_eq!(plain(&format!("a\t{odd}ä")), "a\t\u{fffd}ä", "{odd:?}");
        }
        assert_eq!(plain_lines("a\u{202e}\nb\r\n"), "a\u{fffd}\nb\u{fffd}\n");
        // What joins letters and marks a direction stays: names need it.
        assert_eq!(plain("\u{200d}\u{200f}"), "\u{200d}\u{200f}");
        assert_eq!(cell(&"ä".repeat(80)), "ä".repeat(80));
        assert_eq!(cell(&"ä".repeat(99)), format!("{}…", "ä".repeat(80)));
    }
}
