use std::{borrow::Cow, fmt};

/// Why an authentic body is no event. Its text never repeats the body.
///
/// ```
/// use tower_webhook::event::{EventError, EventErrorKind, EventId, from_json};
///
/// #[derive(serde::Deserialize)]
/// struct Envelope {
///     id: EventId,
/// }
///
/// let error: EventError = from_json::<Envelope>(b"{\"id\":7}").err().unwrap();
/// assert_eq!(error.kind(), EventErrorKind::Field);
/// assert_eq!(
///     error.to_string(),
///     "the event's id is a number; expected a string of 1 to 255 bytes at line 1 column 7"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError {
    kind: EventErrorKind,
    message: Cow<'static, str>,
}

/// The kind of an [`EventError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// Not UTF-8, not JSON, or nested too deeply.
    Syntax,
    /// JSON, but not an object.
    NotAnObject,
    /// A field is missing, doubled or of the wrong form.
    Field,
}

impl EventError {
    /// An error with a text of the provider's own. The text is sent to the (authentic) provider
    /// and logged: name the field and what was expected, never the value.
    pub fn new(kind: EventErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// The error's kind.
    #[must_use]
    pub fn kind(&self) -> EventErrorKind {
        self.kind
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EventError {}
