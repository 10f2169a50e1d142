//! The parameters of a link or a form.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use axum::extract::FromRequestParts;
use http::request::Parts;

/// Names and values, in their order. A request's own come from its query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::read(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

impl Params {
    pub(crate) fn read(form: &[u8]) -> Self {
        Self(form_urlencoded::parse(form).into_owned().collect())
    }

    /// The value of this name, if there is one and it is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.iter();
        let found = pairs.find(|(found, value)| found == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(found, value)| found == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.trim().parse().ok()
    }

    /// A time, as a browser's field has it (in UTC), or in RFC 3339.
    pub(crate) fn time(&self, name: &str) -> Option<SystemTime> {
        read_time(self.get(name)?)
    }

    pub(crate) fn duration(&self, name: &str) -> Option<Duration> {
        humantime::parse_duration(self.get(name)?).ok()
    }

    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// These of them that are set, for the link to another page.
    pub(crate) fn only(&self, names: &[&str]) -> Vec<(String, String)> {
        let is_meant = |name: &String| names.contains(&name.as_str());
        self.0
            .iter()
            .filter(|(name, value)| is_meant(name) && !value.is_empty())
            .cloned()
            .collect()
    }
}

pub(crate) fn read_time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    // Without seconds, which a browser leaves out where they are 0.
    let with_seconds = (text.len() == 16).then(|| format!("{text}:00"));
    let text = with_seconds.as_deref().unwrap_or(text);
    humantime::parse_rfc3339_weak(text).ok()
}

/// A link to a page of ours: relative, so that it works wherever the page is mounted.
pub(crate) fn link<N: AsRef<str>, V: AsRef<str>>(page: &str, pairs: impl IntoIterator<Item = (N, V)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        query.append_pair(name.as_ref(), value.as_ref());
    }
    let query = query.finish();
    if query.is_empty() {
        page.to_owned()
    } else {
        format!("{page}?{query}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_a_browser_writes_them() {
        let expected = humantime::parse_rfc3339("2026-01-02T03:04:00Z").unwrap();
        for text in [
            "2026-01-02T03:04",
            "2026-01-02T03:04:00",
            "2026-01-02T03:04:00Z",
            " 2026-01-02 03:04:00 ",
        ] {
            assert_eq!(read_time(text), Some(expected), "{text}");
        }
        for text in ["", "yesterday", "2026-13-02T03:04", "2026-01-02", "1h"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_link_holds_whatever_a_name_is() {
        assert_eq!(
            link("event", [("id", "a&b=\"<>/ü")]),
            "event?id=a%26b%3D%22%3C%3E%2F%C3%BC"
        );
        assert_eq!(link("inbox", [] as [(&str, &str); 0]), "inbox");
    }
}
