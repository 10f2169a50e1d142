//! Reads fields of any type. Where a provider sends something odd, the field is lost, not the
//! event.
//!
//! The built-in providers derive `Deserialize` for a struct of [`Field`]s. `borrow` on each field
//! would do, too; the struct says `bound(deserialize = "'de: 'a")` once instead.

use std::{borrow::Cow, fmt, marker::PhantomData, time::SystemTime};

use serde::{Deserialize, Deserializer, de};

use super::times::{self, Time};
use crate::event::EventId;

/// A type that reads a JSON value of any type.
///
/// serde's own means would cost more: `#[serde(untagged)]` copies each value before looking at it,
/// and `serde_json::Value` builds a tree.
pub(super) trait Lenient<'de>: Sized {
    type Value;

    /// A value of no use; `kind` says what it is, with its article.
    fn other<E: de::Error>(self, kind: &'static str) -> Result<Self::Value, E>;

    /// Borrowed from the body, unless it is written there with escapes.
    fn text<E: de::Error>(self, _: Cow<'de, str>) -> Result<Self::Value, E> {
        self.other("a string")
    }

    fn number<E: de::Error>(self, _: Number) -> Result<Self::Value, E> {
        self.other("a number")
    }

    fn object<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        // First, so that an error is at the value's beginning.
        let value = self.other("an object")?;
        while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(value)
    }

    fn read<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(LenientVisitor(self))
    }
}

struct LenientVisitor<L>(L);

impl<'de, L: Lenient<'de>> de::Visitor<'de> for LenientVisitor<L> {
    type Value = L::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<L::Value, E> {
        self.0.text(Cow::Borrowed(text))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<L::Value, E> {
        self.0.text(Cow::Owned(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<L::Value, E> {
        self.0.number(Number::Whole(number))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<L::Value, E> {
        self.0.number(Number::Negative(number))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<L::Value, E> {
        self.0.number(Number::Float(number))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<L::Value, E> {
        self.0.other("a boolean")
    }

    fn visit_unit<E: de::Error>(self) -> Result<L::Value, E> {
        self.0.other("null")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<L::Value, A::Error> {
        self.0.object(map)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<L::Value, A::Error> {
        let value = self.0.other("an array")?;
        while seq.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(value)
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

    /// A field that every event must have: its id or its topic. The error names the field.
    pub(super) fn required<E: de::Error>(&self, name: &str) -> Result<EventId, E> {
        let wrong = match self {
            Self::Text(text) => match EventId::new(text) {
                Ok(id) => return Ok(id),
                Err(error) => error.wrong(),
            },
            Self::Absent => required_but("missing"),
            Self::Number(_) => required_but("a number"),
            Self::Other(kind) => required_but(kind),
        };
        Err(E::custom(format_args!("the event's {name} {wrong}")))
    }

    /// The id of an event that can be without one: an odd value counts as none.
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

fn required_but(found: &str) -> String {
    format!("is {found}; expected a string of 1 to 255 bytes")
}

/// Reads a [`Field`].
struct AsField;

impl<'de> Lenient<'de> for AsField {
    type Value = Field<'de>;

    fn other<E>(self, kind: &'static str) -> Result<Field<'de>, E> {
        Ok(Field::Other(kind))
    }

    fn text<E>(self, text: Cow<'de, str>) -> Result<Field<'de>, E> {
        Ok(Field::Text(text))
    }

    fn number<E>(self, number: Number) -> Result<Field<'de>, E> {
        Ok(Field::Number(number))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AsField.read(deserializer)
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

/// Reads an [`Object`].
struct AsObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Lenient<'de> for AsObject<T> {
    type Value = Object<T>;

    fn other<E>(self, kind: &'static str) -> Result<Object<T>, E> {
        Ok(Object::Other(kind))
    }

    fn object<A: de::MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(map)).map(Object::Is)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        AsObject(PhantomData).read(deserializer)
    }
}
