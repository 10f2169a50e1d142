//! Reads fields of any type. Where a provider sends something odd, the field is lost, not the
//! event.

use std::{borrow::Cow, fmt, marker::PhantomData, time::SystemTime};

use serde::{Deserialize, Deserializer, de};

use super::times::{self, Time};
use crate::event::EventId;

/// What can be read from a JSON value of any type.
///
/// serde's own means would cost more: `#[serde(untagged)]` copies each value before looking at it,
/// and `serde_json::Value` builds a tree.
pub(super) trait Lenient<'de>: Sized {
    /// A value of no use; `kind` says what it is, with its article.
    fn other(kind: &'static str) -> Self;

    /// Borrowed from the body, unless it is written there with escapes.
    fn text(_: Cow<'de, str>) -> Self {
        Self::other("a string")
    }

    fn number(_: Number) -> Self {
        Self::other("a number")
    }

    fn object<A: de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(Self::other("an object"))
    }

    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LenientVisitor(PhantomData))
    }
}

struct LenientVisitor<T>(PhantomData<T>);

impl<'de, T: Lenient<'de>> de::Visitor<'de> for LenientVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<T, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Ok(T::number(Number::Whole(number)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        Ok(T::number(Number::Negative(number)))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        Ok(T::number(Number::Float(number)))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<T, E> {
        Ok(T::other("a boolean"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        Ok(T::other("null"))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::object(map)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        while seq.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(T::other("an array"))
    }
}

/// A number as the parser holds it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Negative(i64),
    Float(f64),
}

impl Number {
    /// The number, if it is whole and not negative.
    pub(super) fn whole(self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Negative(_) => None,
            Self::Float(number) => times::whole(number),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Negative(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}

/// A field of the body, whatever its value is.
#[derive(Debug, Default)]
pub(super) enum Field<'a> {
    #[default]
    Absent,
    Text(Cow<'a, str>),
    Number(Number),
    /// Anything else, by its kind.
    Other(&'static str),
}

impl Field<'_> {
    /// A text of at least one character.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// What an event cannot be without: its id or its topic. The error names the field.
    pub(super) fn required<E: de::Error>(&self, name: &str) -> Result<EventId, E> {
        const EXPECTED: &str = "a string of 1 to 255 bytes";
        let found = match self {
            Self::Text(text) => {
                return EventId::new(text)
                    .map_err(|error| E::custom(format_args!("the event's {name} {}", error.wrong())));
            }
            Self::Absent => "missing",
            Self::Number(_) => "a number",
            Self::Other(kind) => kind,
        };
        Err(E::custom(format_args!(
            "the event's {name} is {found}; expected {EXPECTED}"
        )))
    }

    /// The same where the event can be without it: an odd value counts as none.
    pub(super) fn optional(&self) -> Option<EventId> {
        match self {
            Self::Text(text) => EventId::new(text).ok(),
            _ => None,
        }
    }

    /// A time in RFC 3339, in seconds or in milliseconds.
    pub(super) fn time(&self) -> Time {
        match self {
            Self::Text(text) => Time::of_text(text),
            Self::Number(number) => Time::of_number(*number),
            Self::Absent | Self::Other(_) => Time::default(),
        }
    }

    /// A time in milliseconds.
    pub(super) fn milliseconds(&self) -> Option<SystemTime> {
        match self {
            Self::Number(number) => number.whole().and_then(times::from_milliseconds),
            _ => None,
        }
    }
}

impl<'de> Lenient<'de> for Field<'de> {
    fn other(kind: &'static str) -> Self {
        Self::Other(kind)
    }

    fn text(text: Cow<'de, str>) -> Self {
        Self::Text(text)
    }

    fn number(number: Number) -> Self {
        Self::Number(number)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Field::<'de>::read(deserializer)
    }
}

/// An object with the fields of `T`, or anything else.
#[derive(Debug, Default)]
pub(super) enum Object<T> {
    #[default]
    Absent,
    Is(T),
    /// Anything else, by its kind.
    Other(&'static str),
}

impl<T: Default> Object<T> {
    /// The fields; those of an empty object where there is none.
    pub(super) fn or_empty(self) -> T {
        match self {
            Self::Is(object) => object,
            Self::Absent | Self::Other(_) => T::default(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Lenient<'de> for Object<T> {
    fn other(kind: &'static str) -> Self {
        Self::Other(kind)
    }

    fn object<A: de::MapAccess<'de>>(map: A) -> Result<Self, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Self::Is)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(deserializer)
    }
}
