//! Bodies that may have been signed instead of the one that came.

use std::borrow::Cow;

use super::{
    gzip,
    json::{Escapes, Layout, escape, layout},
};

/// Bodies up to this length are written in other forms: 1 MiB. Longer ones are tried in parts.
const LONGEST: usize = 1 << 20;

/// No other form is longer than this: 4 MiB.
const LONGEST_FORM: usize = 4 << 20;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A change to the body between the provider and here, to be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyChange {
    /// JSON was parsed and printed; it was this before, and there was a newline behind it.
    Printed(Layout, Escapes, bool),
    /// The strings of JSON were written differently.
    Escaped(Escapes),
    NewlineAdded,
    /// Whitespace was added at the end.
    SpaceAdded,
    NewlineLost,
    CrLfLost,
    /// Line ends became CRLF.
    ToCrLf,
    /// Line ends became LF.
    ToLf,
    BomAdded,
    BomLost,
    ByteAdded,
    /// The last byte was lost. Which one it was is searched for, so this has no form.
    ByteLost,
    Compressed,
    /// Decompressed; it was compressed at this level.
    Decompressed(u32),
    /// UTF-8 was read as Latin-1.
    Recoded,
}

use BodyChange::{
    BomAdded, BomLost, ByteAdded, ByteLost, Compressed, CrLfLost, Decompressed, Escaped, NewlineAdded, NewlineLost,
    Printed, Recoded, SpaceAdded, ToCrLf, ToLf,
};

/// The usual ones, the likeliest first.
pub(super) const CHANGES: &[BodyChange] = &[
    NewlineAdded,
    ByteAdded,
    SpaceAdded,
    NewlineLost,
    CrLfLost,
    Printed(Layout::Compact, Escapes::Kept, false),
    Printed(Layout::Spaced, Escapes::Kept, false),
    Printed(Layout::Indented(2), Escapes::Kept, false),
    Printed(Layout::Indented(4), Escapes::Kept, false),
    Printed(Layout::Compact, Escapes::Kept, true),
    Printed(Layout::Indented(2), Escapes::Kept, true),
    Printed(Layout::Indented(4), Escapes::Kept, true),
    ToCrLf,
    ToLf,
    BomAdded,
    BomLost,
    Compressed,
    Decompressed(6),
    Decompressed(1),
    Decompressed(9),
    Recoded,
    Escaped(Escapes::Fewest),
    Escaped(Escapes::Ascii),
    Escaped(Escapes::AsciiAndSlashes),
    Escaped(Escapes::Slashes),
    Escaped(Escapes::Html),
    Printed(Layout::Compact, Escapes::Fewest, false),
    Printed(Layout::Compact, Escapes::Ascii, false),
    Printed(Layout::Compact, Escapes::AsciiAndSlashes, false),
    Printed(Layout::Compact, Escapes::Slashes, false),
    Printed(Layout::Compact, Escapes::Html, false),
    Printed(Layout::Spaced, Escapes::Ascii, false),
    Printed(Layout::Compact, Escapes::Html, true),
];

/// The body without the change, if it can have been made.
pub(super) fn undo(change: BodyChange, body: &[u8]) -> Option<Cow<'_, [u8]>> {
    // Whatever the length, these copy nothing.
    match change {
        NewlineAdded => {
            let text = body.strip_suffix(b"\n")?;
            return Some(text.strip_suffix(b"\r").unwrap_or(text).into());
        }
        SpaceAdded => {
            let text = body.trim_ascii_end();
            return (text.len() < body.len()).then_some(text.into());
        }
        ByteAdded => return body.split_last().map(|(_, rest)| rest.into()),
        BomAdded => return body.strip_prefix(BOM).map(Into::into),
        _ => {}
    }
    if body.len() > LONGEST {
        return None;
    }
    let before = match change {
        Printed(kind, escapes, newline) => {
            let mut text = layout(body, kind, LONGEST_FORM)?;
            if escapes != Escapes::Kept {
                let escaped = escape(&text, escapes)?;
                if escaped == text {
                    return None;
                }
                text = escaped;
            }
            if newline {
                text.push(b'\n');
            }
            text
        }
        Escaped(escapes) => escape(body, escapes)?,
        NewlineLost => [body, b"\n"].concat(),
        CrLfLost => [body, b"\r\n"].concat(),
        ToCrLf => replace_line_ends(body, b"\n"),
        ToLf => replace_line_ends(body, b"\r\n"),
        BomLost if !body.starts_with(BOM) => [BOM, body].concat(),
        Compressed if gzip::is_compressed(body) => gzip::decompress(body, LONGEST_FORM)?,
        Decompressed(level) if !gzip::is_compressed(body) => gzip::compress(body, level)?,
        Recoded => latin1(body)?,
        BomLost | Compressed | Decompressed(_) | ByteLost => return None,
        NewlineAdded | SpaceAdded | ByteAdded | BomAdded => return None, // above
    };
    (before != body && before.len() <= LONGEST_FORM).then_some(before.into())
}

/// Each line end of either form as this one.
fn replace_line_ends(body: &[u8], end: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            None => text.extend_from_slice(line),
            Some(line) => {
                text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                text.extend_from_slice(end);
            }
        }
    }
    text
}

/// The letters of a text as one byte each, if that is possible.
fn latin1(body: &[u8]) -> Option<Vec<u8>> {
    if body.is_ascii() {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    text.chars().map(|letter| u8::try_from(letter).ok()).collect()
}

impl BodyChange {
    /// The words that follow "the signature matches".
    pub(super) fn matches(self) -> &'static str {
        match self {
            Printed(Layout::Compact, _, false) => "the body as compact JSON",
            Printed(Layout::Compact, _, true) => "the body as compact JSON with a newline behind it",
            Printed(Layout::Spaced, ..) => "the body as JSON with a space after each comma and colon",
            Printed(Layout::Indented(2), _, false) => "the body as JSON indented by 2 spaces",
            Printed(Layout::Indented(2), _, true) => "the body as JSON indented by 2 spaces, with a newline behind it",
            Printed(Layout::Indented(_), _, false) => "the body as JSON indented by 4 spaces",
            Printed(Layout::Indented(_), _, true) => "the body as JSON indented by 4 spaces, with a newline behind it",
            Escaped(_) => "the body with the strings of its JSON escaped in another way",
            NewlineAdded => "the body without its last newline",
            SpaceAdded => "the body without the whitespace at its end",
            NewlineLost => "the body with a newline behind it",
            CrLfLost => "the body with CRLF behind it",
            ToCrLf => "the body with LF instead of CRLF",
            ToLf => "the body with CRLF instead of LF",
            BomAdded => "the body without its byte order mark",
            BomLost => "the body with a byte order mark before it",
            ByteAdded => "the body without its last byte",
            ByteLost => "the body with one more byte at its end",
            Compressed => "the body after gunzip",
            Decompressed(_) => "the body after gzip",
            Recoded => "the body as the UTF-8 that was read as Latin-1",
        }
    }

    /// Advice on how to mend it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Printed(..) | Escaped(_) => {
                "the JSON was parsed and printed again on its way; pass the raw bytes of the request to the verification, \
                 and have no middleware or proxy rewrite them"
            }
            NewlineAdded | SpaceAdded => {
                "something appended it on the way (an editor or a shell, where the body comes from a file); pass the \
                 bytes as they came"
            }
            NewlineLost | CrLfLost => "something trimmed the body on its way; pass the bytes as they came",
            ToCrLf | ToLf => {
                "line ends were rewritten on the way (a file that was checked out, a text mode); pass the bytes as they \
                 came"
            }
            BomAdded | BomLost | Recoded => "the body was decoded as text on its way; pass its bytes as they came",
            ByteAdded => {
                "something appends one byte to the body; look at what is between the provider and this receiver"
            }
            ByteLost => {
                "something cuts the last byte off; look for a length that is one too small before this receiver"
            }
            Compressed => {
                "the provider signs before it compresses; have the provider, or the proxy that compresses, send it plain"
            }
            Decompressed(_) => {
                "the provider signs what it compressed, and something before this receiver decompressed it; switch that \
                 off (a decompression layer, gunzip in a proxy), or have the provider send it plain"
            }
        }
    }
}
