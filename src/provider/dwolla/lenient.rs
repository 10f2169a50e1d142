use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, de};

/// What can be read from a JSON value of any type: a type of no use gives [`unusable`](Loose::unusable), not an error.
///
/// serde's own ways would cost more: `#[serde(untagged)]` copies each value before looking at it, and `Value` builds a
/// tree.
pub(super) trait Loose<'de>: Sized {
    fn unusable() -> Self;

    /// Borrowed from the body, unless it is written there with escapes.
    fn text(_: Cow<'de, str>) -> Self {
        Self::unusable()
    }

    fn object<A: de::MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(Self::unusable())
    }

    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor(PhantomData))
    }
}

struct LooseVisitor<T>(PhantomData<T>);

impl<'de, T: Loose<'de>> de::Visitor<'de> for LooseVisitor<T> {
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

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::object(map)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        while seq.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(T::unusable())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<T, E> {
        Ok(T::unusable())
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<T, E> {
        Ok(T::unusable())
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<T, E> {
        Ok(T::unusable())
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<T, E> {
        Ok(T::unusable())
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        Ok(T::unusable())
    }
}

/// A field that ought to be a text of at least one character.
#[derive(Default)]
pub(super) enum Text<'de> {
    /// The field is not there.
    #[default]
    Absent,
    /// It is there, but empty or of another type.
    Unusable,
    Is(Cow<'de, str>),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Is(text) => Some(text),
            Self::Absent | Self::Unusable => None,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<'de> Loose<'de> for Text<'de> {
    fn unusable() -> Self {
        Self::Unusable
    }

    fn text(text: Cow<'de, str>) -> Self {
        if text.is_empty() {
            Self::Unusable
        } else {
            Self::Is(text)
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::<'de>::read(deserializer)
    }
}
