//! Reads what APIs really send.
//!
//! A number may come as text, a text as a number, an object may be null. A field that cannot be
//! read is absent. Only a missing id is an error: without its id, an entry is of no use.

use std::fmt;

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

    /// Where a HAL link leads. Dwolla sent links as plain texts until 2015.
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
