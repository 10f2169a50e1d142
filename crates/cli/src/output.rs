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

/// A text that came from elsewhere, without anything that a terminal obeys.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect()
}
