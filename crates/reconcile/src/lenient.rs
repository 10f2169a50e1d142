//! Reads what APIs really send.
//!
//! A number may come as text, a text as a number, an object may be null. A field that cannot be
//! read is absent. Only a missing id is an error: without its id, an entry is of no use.
//!
//! Some of what JSON allows has no place in serde_json's values: a text that was cut within an
//! emoji, a number beyond those of `f64`. One of them, in a field that nobody asks for, must not
//! cost a page of entries, and every reconciliation with it.

use std::{collections::HashMap, fmt};

use bytes::Bytes;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value, value::RawValue};

use crate::Time;

/// The fields of a response that this crate has no name for: new ones, and undocumented ones.
///
/// `Debug` shows their names only.
#[derive(Clone, Default, PartialEq)]
pub struct OtherFields(Map<String, Value>);

impl OtherFields {
    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl fmt::Debug for OtherFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// How deep odd values are looked for: as deep as serde_json reads.
const MAX_DEPTH: usize = 128;

/// Reads JSON in which values may be odd: half of an emoji becomes U+FFFD, a number that is too
/// large null.
pub(crate) fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| match serde_json::from_slice::<&RawValue>(json) {
        Ok(raw) if error.is_syntax() => T::deserialize(value_of(raw.get(), MAX_DEPTH)),
        _ => Err(error),
    })
}

fn value_of(raw: &str, depth: usize) -> Value {
    if let Ok(value) = serde_json::from_str(raw) {
        return value;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    let read = match raw.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<HashMap<String, &RawValue>>(raw).map(|fields| {
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (name, value_of(value.get(), depth)))
                .collect()
        }),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(raw).map(|elements| {
            let elements = elements.into_iter();
            elements.map(|element| value_of(element.get(), depth)).collect()
        }),
        Some(b'"') => serde_json::from_str(&without_half_pairs(raw)),
        _ => Ok(Value::Null),
    };
    read.unwrap_or_default()
}

/// A text of JSON in which half of a surrogate pair is U+FFFD instead.
fn without_half_pairs(text: &str) -> String {
    const HIGH: std::ops::RangeInclusive<u16> = 0xd800..=0xdbff;
    const LOW: std::ops::RangeInclusive<u16> = 0xdc00..=0xdfff;
    let unit = |text: &str| u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, _)) = rest.split_once('\\') {
        whole.push_str(plain);
        let escape = rest.get(plain.len()..).unwrap_or_default();
        let (kept, length) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(high), Some(low)) if HIGH.contains(&high) && LOW.contains(&low) => (escape.get(..12), 12),
            (Some(half), _) if HIGH.contains(&half) || LOW.contains(&half) => (Some("\\ufffd"), 6),
            (Some(_), _) => (escape.get(..6), 6),
            // `\"`, `\\` and the like.
            (None, _) => (escape.get(..2), 2),
        };
        whole.push_str(kept.unwrap_or_default());
        rest = escape.get(length..).unwrap_or_default();
    }
    whole.push_str(rest);
    whole
}

/// The fields of a JSON object. Each method takes one out; what is left goes to [`OtherFields`].
#[derive(Default)]
pub(crate) struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

impl Fields {
    /// The entry's id, or else the last segment of its link to itself.
    pub(crate) fn id<E: serde::de::Error>(&mut self) -> Result<String, E> {
        let id = self.text("id").or_else(|| self.id_of_link("self"));
        id.filter(|id| !id.is_empty()).ok_or_else(|| E::missing_field("id"))
    }

    /// The last segment of a HAL link: `81f6` of `{"href": "https://api.dwolla.com/events/81f6"}`.
    pub(crate) fn id_of_link(&self, name: &str) -> Option<String> {
        let id = last_segment(self.link(name)?)?;
        Some(id.to_owned())
    }

    /// The target of a HAL link. Dwolla sent links as plain texts until 2015.
    pub(crate) fn link(&self, name: &str) -> Option<&str> {
        match self.0.get("_links")?.get(name)? {
            Value::String(link) => Some(link),
            link => link.get("href")?.as_str(),
        }
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    pub(crate) fn time(&mut self, name: &str) -> Option<Time> {
        self.text(name).map(Time::new)
    }

    pub(crate) fn number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        self.text(name)?.trim().parse().ok()
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        self.text(name)?.trim().parse().ok()
    }

    /// An object, if it is one that can be read.
    pub(crate) fn object<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        T::deserialize(self.0.remove(name)?).ok()
    }

    /// The elements that can be read; none where there is no list.
    pub(crate) fn list<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let Some(Value::Array(elements)) = self.0.remove(name) else {
            return Vec::new();
        };
        elements
            .into_iter()
            .filter_map(|element| T::deserialize(element).ok())
            .collect()
    }

    /// The elements, all of which must be readable; none where there is no list.
    pub(crate) fn entries<T: DeserializeOwned>(&mut self, name: &str) -> Result<Vec<T>, serde_json::Error> {
        match self.0.remove(name) {
            Some(elements @ Value::Array(_)) => serde_json::from_value(elements),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn other(self) -> OtherFields {
        OtherFields(self.0)
    }
}

/// The id at the end of a URL or path.
pub(crate) fn last_segment(link: &str) -> Option<&str> {
    let path = link.split(['?', '#']).next()?;
    path.trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|segment| !segment.is_empty())
}

/// The text of a JSON value as it was received.
pub(crate) fn raw_text(value: &RawValue) -> Bytes {
    Bytes::copy_from_slice(value.get().as_bytes())
}
