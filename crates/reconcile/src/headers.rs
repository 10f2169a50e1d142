use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The headers of a request or response, as a provider's API recorded them.
///
/// `Debug` shows their names only: the values include signatures.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RecordedHeaders(Vec<(String, String)>);

impl RecordedHeaders {
    /// The first value of a header, whatever the case of its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The headers in the order in which the API lists them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The headers for the `http` crate, without those that no HTTP message can have.
    #[must_use]
    pub fn to_header_map(&self) -> HeaderMap {
        let parse =
            |(name, value): (&str, &str)| Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?));
        let mut headers = HeaderMap::new();
        for (name, value) in self.iter().filter_map(parse) {
            headers.append(name, value);
        }
        headers
    }
}

/// Reads the list of `{name, value}` that Dwolla records, and the object that GitHub records.
impl<'de> Deserialize<'de> for RecordedHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::Array(headers) => headers
                .iter()
                .filter_map(|header| Some((text(header.get("name")?)?, text(header.get("value")?)?)))
                .collect(),
            Value::Object(headers) => headers
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
                .collect(),
            _ => Vec::new(),
        }))
    }
}

impl fmt::Debug for RecordedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
