//! A request to fire an event, as JSON. Only a few fields are read, so that the rest may be as odd
//! as it likes.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::{Error, ErrorKind, http::is_token};

/// The fields of an event to fire, in their own texts.
pub(crate) struct Fired<'a> {
    fields: BTreeMap<String, &'a RawValue>,
    /// The expectation that an error states.
    expected: &'static str,
}

impl<'a> Fired<'a> {
    pub(crate) fn read(body: &'a [u8], expected: &'static str) -> Result<Self, Error> {
        let fields = serde_json::from_slice(body);
        let fields = fields.map_err(|error| refuse(&format!("the event is no JSON object: {error}"), expected))?;
        Ok(Self { fields, expected })
    }

    pub(crate) fn refuse(&self, what: &str) -> Error {
        refuse(what, self.expected)
    }

    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.fields.get(name).copied()
    }

    /// A text; nothing, if it is another type.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.raw(name)?.get()).ok()
    }

    /// A text that a header can hold, or nothing.
    pub(crate) fn optional_token(&self, name: &str) -> Result<Option<String>, Error> {
        match self.raw(name).map(|_| self.text(name)) {
            None => Ok(None),
            Some(Some(text)) if is_token(&text) => Ok(Some(text)),
            Some(_) => Err(self.refuse(&format!(
                "{name} is not 1 to 255 printable characters of ASCII without blanks"
            ))),
        }
    }

    /// A text that a header can hold.
    pub(crate) fn token(&self, name: &str) -> Result<String, Error> {
        let missing = || self.refuse(&format!("{name} is missing"));
        self.optional_token(name)?.ok_or_else(missing)
    }
}

fn refuse(what: &str, expected: &str) -> Error {
    Error::new(ErrorKind::Event, format!("{what}; expected {expected}"))
}
