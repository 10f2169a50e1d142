use std::marker::PhantomData;

use serde::{Deserialize, de::DeserializeSeed};

use super::{EventError, EventErrorKind};

/// How deeply a body may nest. Senders' bodies nest below 20; serde's own limit is 128, but it does not hold for values it skips.
const MAX_DEPTH: usize = 64;

/// Reads an event's envelope from a body: UTF-8, one JSON object, at most 64 levels deep, no field of `T` twice.
///
/// `T` is a struct that derives `Deserialize`; fields it does not name are skipped.
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
/// // derived structs also read arrays; an event is never one
/// assert!(from_json::<Envelope>(br#"["customer_created"]"#).is_err());
/// # Ok::<(), tower_webhook::event::EventError>(())
/// ```
///
/// # Errors
/// Says what is wrong, and where (line and column), without repeating the body.
pub fn from_json<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, EventError> {
    from_json_seed(body, PhantomData)
}

/// The same where what to read is known at run time only: `seed` reads the object.
pub(crate) fn from_json_seed<'de, S: DeserializeSeed<'de>>(body: &'de [u8], seed: S) -> Result<S::Value, EventError> {
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
        Some(_) => {
            return Err(EventError::new(
                EventErrorKind::NotAnObject,
                "the body is not a JSON object; expected one",
            ));
        }
    }
    check_depth(body)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut json).map_err(describe)?;
    json.end().map_err(describe)?;
    Ok(value)
}

fn check_depth(body: &[u8]) -> Result<(), EventError> {
    // Few brackets in all cannot nest deeply, whichever of them stand inside strings: the usual body is done here.
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

/// In pieces whose count fits a byte, which the compiler counts sixteen at a time.
fn open_brackets(body: &[u8]) -> usize {
    let count = |piece: &[u8]| {
        piece
            .iter()
            .fold(0_u8, |count, byte| count + u8::from(matches!(byte, b'{' | b'[')))
    };
    body.chunks(u8::MAX.into()).map(|piece| usize::from(count(piece))).sum()
}

/// serde's messages are kept where they name one of our fields; the others may quote the value, which is body.
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
