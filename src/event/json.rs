use serde::de::DeserializeOwned;
use serde_json::de::StrRead;

use super::{EventError, EventErrorKind, text_of_json};

/// How deeply a body may nest. Providers' bodies nest below 20; serde's own limit is 128, but it
/// does not hold for values it skips.
const MAX_DEPTH: usize = 64;

/// A parser that has been checked for depth and stands before the value.
pub(crate) type Parser<'de> = serde_json::Deserializer<StrRead<'de>>;

/// The JSON values that a body may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Any,
}

/// Reads an event's envelope from a body: UTF-8, one JSON object, at most 64 levels deep, no field
/// of `T` twice.
///
/// `T` is a struct that derives `Deserialize`; fields it does not name are skipped. What providers
/// write although few parsers take it is read all the same: a byte order mark before the body is
/// skipped, half an emoji (`"\ud83d"`) is U+FFFD, and a number that no `f64` can hold (`1e999`) is
/// `null`.
///
/// ```
/// use tower_webhook::event::from_json;
///
/// #[derive(serde::Deserialize)]
/// struct Envelope {
///     topic: String,
/// }
///
/// let envelope: Envelope = from_json(br#"{"topic":"customer_created","new":"field"}"#)?;
/// assert_eq!(envelope.topic, "customer_created");
///
/// // as JSON.stringify writes a text that was cut within an emoji
/// let envelope: Envelope = from_json(br#"{"topic":"party \ud83c"}"#)?;
/// assert_eq!(envelope.topic, "party \u{fffd}");
///
/// // derived structs also read arrays; an event is never one
/// assert!(from_json::<Envelope>(br#"["customer_created"]"#).is_err());
/// # Ok::<(), tower_webhook::event::EventError>(())
/// ```
///
/// # Errors
/// Says what is wrong, and where (line and column), without repeating the body.
pub fn from_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, EventError> {
    read_json(body, Shape::Object, |json| T::deserialize(json))
}

/// [`from_json`] for what is known at run time only. `read` may be called twice: the second time
/// with the numbers replaced that the parser could not hold.
pub(crate) fn read_json<T>(
    body: &[u8],
    shape: Shape,
    mut read: impl FnMut(&mut Parser<'_>) -> Result<T, serde_json::Error>,
) -> Result<T, EventError> {
    let body = text_of_json::without_mark(body);
    let text = std::str::from_utf8(body).map_err(|error| {
        let at = error.valid_up_to();
        EventError::new(
            EventErrorKind::Syntax,
            format!("the body is not UTF-8 from byte {at} on; expected JSON in UTF-8"),
        )
    })?;
    match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
        Some(b'{') => {}
        None => {
            return Err(EventError::new(
                EventErrorKind::Syntax,
                "the body is empty; expected a JSON object",
            ));
        }
        Some(_) if shape == Shape::Any => {}
        Some(_) => {
            return Err(EventError::new(
                EventErrorKind::NotAnObject,
                "the body is not a JSON object; expected one",
            ));
        }
    }
    check_depth(body)?;
    let text = text_of_json::with_whole_letters(text);
    let mut whole = |text: &str| {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = read(&mut json)?;
        json.end()?;
        Ok(value)
    };
    match whole(&text) {
        Ok(value) => Ok(value),
        Err(error) => match text_of_json::without_huge_numbers(&text) {
            Some(text) => whole(&text).map_err(describe),
            None => Err(describe(error)),
        },
    }
}

fn check_depth(body: &[u8]) -> Result<(), EventError> {
    // Few brackets in all cannot nest deeply, whichever of them stand inside strings: the usual
    // body is done here.
    if open_brackets(body) <= MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(EventError::new(
                EventErrorKind::Syntax,
                format!("the body nests more than {MAX_DEPTH} levels deep; expected an event"),
            ));
        }
    }
    Ok(())
}

/// In pieces whose count fits a byte, which the compiler counts sixteen at a time: each is a
/// multiple of sixteen, so that none of their bytes is left over.
fn open_brackets(body: &[u8]) -> usize {
    const PIECE: usize = 240;
    let count = |piece: &[u8]| {
        piece
            .iter()
            .fold(0_u8, |count, byte| count + u8::from(matches!(byte, b'{' | b'[')))
    };
    body.chunks(PIECE).map(|piece| usize::from(count(piece))).sum()
}

/// serde's messages are kept where they name one of our fields; the others may quote the value,
/// which is body.
fn describe(error: serde_json::Error) -> EventError {
    let (line, column) = (error.line(), error.column());
    if !error.is_data() {
        return EventError::new(
            EventErrorKind::Syntax,
            format!("the body is not valid JSON at line {line} column {column}"),
        );
    }
    let message = error.to_string();
    let ours = ["missing field `", "duplicate field `", "the event's "];
    if ours.iter().any(|start| message.starts_with(start)) {
        return EventError::new(EventErrorKind::Field, message);
    }
    EventError::new(
        EventErrorKind::Field,
        format!("a field has another type than expected at line {line} column {column}"),
    )
}
