use std::{any::type_name, fmt, marker::PhantomData};

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess};
use serde_path_to_error::{Path, Segment, Track};

use super::{Event, EventError, EventErrorKind, Shape, read_json};

/// The longest key that an error names. Field names are shorter; a longer key is data.
const LONGEST_KEY: usize = 40;
/// The most digits in one: `iso8601` has four. Ids, telephone numbers and tokens have more.
const MOST_DIGITS: usize = 4;

/// An event whose payload the handler names as a type of its own.
///
/// With it, handlers take the payload as an argument: `handler::Payload<T>`. The providers that
/// come with this crate and carry their topic as a string implement it; an event of your own does
/// with a line of [`read_payload`]:
///
/// ```
/// use bytes::Bytes;
/// use serde::de::DeserializeOwned;
/// use tower_webhook::event::{Event, EventId, PayloadError, WithPayload, read_payload};
///
/// #[derive(Clone)]
/// struct Build {
///     id: EventId,
///     body: Bytes,
/// }
/// # impl Event for Build {
/// #     fn id(&self) -> Option<&EventId> { Some(&self.id) }
/// #     fn topic(&self) -> &str { "build" }
/// # }
///
/// impl WithPayload for Build {
///     fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError> {
///         read_payload(&self.body, &["build", "result"])
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no payload that a handler could name as a type",
    note = "a handler can take the event itself, or its `Delivery`, whose `body()` are the signed bytes"
)]
pub trait WithPayload: Event {
    /// Reads the payload as a type of the caller's choosing. The type owns its texts (`String`, not
    /// `&str`): what is read may be a mended copy of the body, with U+FFFD for half an emoji, say.
    ///
    /// # Errors
    /// The payload does not fit the type. The error says where and does not repeat the body.
    fn payload<T: DeserializeOwned>(&self) -> Result<T, PayloadError>;
}

/// Reads what stands at a path into a body, or with an empty path the whole body.
///
/// A missing value counts as `null`, which an `Option` takes; so does a value below a `null`.
///
/// ```
/// use tower_webhook::event::read_payload;
///
/// #[derive(serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// let body = br#"{"id":"1","data":{"user":{"name":"Ada"}}}"#;
/// let user: User = read_payload(body, &["data", "user"])?;
/// assert_eq!(user.name, "Ada");
///
/// let error = read_payload::<u64>(body, &["data", "user", "name"]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "the payload does not fit u64: the event's data.user.name has another type than expected \
///      at line 1 column 38",
/// );
///
/// assert_eq!(read_payload::<Option<u64>>(body, &["data", "team"])?, None);
/// let error = read_payload::<u64>(body, &["data", "team"]).unwrap_err();
/// assert_eq!(error.to_string(), "the payload does not fit u64: the event's data.team is missing");
/// # Ok::<(), tower_webhook::event::PayloadError>(())
/// ```
///
/// # Errors
/// The body is no JSON, a key of the path is there twice, or what stands there does not fit `T`.
/// The error names the path of the field.
pub fn read_payload<T: DeserializeOwned>(body: &[u8], path: &[&str]) -> Result<T, PayloadError> {
    read_first_payload(body, &[path])
}

/// [`read_payload`] at the first of these paths that leads to something other than `null`. Where
/// none does, what is missing counts as `null`.
pub(crate) fn read_first_payload<T: DeserializeOwned>(body: &[u8], paths: &[&[&str]]) -> Result<T, PayloadError> {
    let mut missing = String::new();
    for path in paths {
        let shape = if path.is_empty() { Shape::Any } else { Shape::Object };
        let mut misfit = None;
        let found = read_json(body, shape, |json| {
            Descend::<T> {
                rest: path,
                may_be_null: path.is_empty(),
                misfit: &mut misfit,
                payload: PhantomData,
            }
            .deserialize(json)
        });
        match found {
            Ok(Some(payload)) => return Ok(payload),
            Ok(None) => missing = path.join("."),
            // An array has no keys: the next place, the whole body say, may do.
            Err(error) if error.kind() == EventErrorKind::NotAnObject && paths.len() > 1 => missing = path.join("."),
            Err(error) => {
                let error = match misfit.filter(|_| error.kind() == EventErrorKind::Field) {
                    Some(inner) => EventError::new(error.kind(), name(error.to_string(), path, &inner)),
                    None => error,
                };
                return Err(PayloadError::new::<T>(error));
            }
        }
    }
    serde_json::from_str("null").map_err(|_| {
        let message = format!("the event's {missing} is missing");
        PayloadError::new::<T>(EventError::new(EventErrorKind::Field, message))
    })
}

/// The error with the path of the field that it is about.
fn name(error: String, outer: &[&str], inner: &Path) -> String {
    let mut keys: Vec<String> = outer.iter().map(|key| (*key).to_owned()).collect();
    for segment in inner.iter() {
        match segment {
            Segment::Map { key } => keys.push(printable(key)),
            Segment::Enum { .. } => {}
            Segment::Seq { index } => match keys.last_mut() {
                Some(last) => last.push_str(&format!("[{index}]")),
                None => keys.push(format!("[{index}]")),
            },
            Segment::Unknown => keys.push("?".to_owned()),
        }
    }
    let whole = keys.join(".");
    let Some(rest) = error.strip_prefix("a field ").filter(|_| !whole.is_empty()) else {
        return if inner.iter().next().is_some() {
            format!("{error} (in the event's {whole})")
        } else {
            error
        };
    };
    format!("the event's {whole} {rest}")
}

/// A key of a map may be data of the body's: only what looks like a field's name is named.
fn printable(key: &str) -> String {
    let is_name = key.len() <= LONGEST_KEY
        && !key.starts_with(|letter: char| letter.is_ascii_digit())
        && key.bytes().filter(u8::is_ascii_digit).count() <= MOST_DIGITS
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte));
    if is_name { key.to_owned() } else { "?".to_owned() }
}

/// Walks down the keys that are left and reads what stands at their end.
struct Descend<'p, T> {
    rest: &'p [&'p str],
    /// The whole body is there, whatever it is.
    may_be_null: bool,
    /// The place in the payload that did not fit.
    misfit: &'p mut Option<Path>,
    payload: PhantomData<T>,
}

impl<T: DeserializeOwned> Descend<'_, T> {
    fn payload<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        let mut track = Track::new();
        T::deserialize(serde_path_to_error::Deserializer::new(deserializer, &mut track))
            .map(Some)
            .inspect_err(|_| *self.misfit = Some(track.path()))
    }
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Descend<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.rest.is_empty() && self.may_be_null {
            self.payload(deserializer)
        } else {
            // an option, because null leads nowhere, as a key that is missing does
            deserializer.deserialize_option(self)
        }
    }
}

impl<'de, T: DeserializeOwned> de::Visitor<'de> for Descend<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.rest.is_empty() {
            return self.payload(deserializer);
        }
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let Some((key, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        let mut found = None;
        while let Some(ours) = map.next_key_seed(Position([*key]))? {
            if ours.is_none() {
                map.next_value::<IgnoredAny>()?;
            } else if found.is_none() {
                found = Some(map.next_value_seed(Descend {
                    rest,
                    may_be_null: false,
                    misfit: &mut *self.misfit,
                    payload: PhantomData,
                })?);
            } else {
                return Err(de::Error::custom(format_args!(
                    "the event's {key} is there twice; expected it once"
                )));
            }
        }
        Ok(found.flatten())
    }
}

/// Reads a key: its position among these, if it is one of them.
pub(crate) struct Position<I>(pub(crate) I);

impl<'de, 'k, I: IntoIterator<Item = &'k str>> DeserializeSeed<'de> for Position<I> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'k, I: IntoIterator<Item = &'k str>> de::Visitor<'_> for Position<I> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, found: &str) -> Result<Option<usize>, E> {
        Ok(self.0.into_iter().position(|key| key == found))
    }
}

/// Why a payload is not of the type that a handler asks for. Its text never repeats the body.
///
/// For the same reason the parser's own error is not its [source](std::error::Error::source): it
/// may quote a value. What this crate says instead is [`get_ref`](Self::get_ref).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadError {
    expected: &'static str,
    error: EventError,
}

impl PayloadError {
    fn new<T>(error: EventError) -> Self {
        Self {
            expected: type_name::<T>(),
            error,
        }
    }

    /// The error without the type: what was wrong with the body. It is part of this error's text.
    ///
    /// ```
    /// use tower_webhook::event::{EventErrorKind, read_payload};
    ///
    /// let error = read_payload::<u64>(b"not JSON", &["data"]).unwrap_err();
    /// assert_eq!(error.get_ref().kind(), EventErrorKind::NotAnObject);
    /// let error = read_payload::<u64>(b"{}", &["data"]).unwrap_err();
    /// assert_eq!(error.get_ref().kind(), EventErrorKind::Field);
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &EventError {
        &self.error
    }
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the payload does not fit {}: {}", self.expected, self.error)
    }
}

impl std::error::Error for PayloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Its text is part of this one's.
        self.error.source()
    }
}
