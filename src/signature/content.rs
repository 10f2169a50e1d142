//! The signed content: text, and the parts of a request between it.

use std::{borrow::Cow, fmt};

use super::TimestampFormat;

/// A part of what is signed, besides the body.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Part {
    Text(Cow<'static, str>),
    Id,
    Timestamp,
    /// The name of the tenant whose secrets decide.
    Tenant,
}

/// The signed content: the parts before the body, the body, the parts after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    before: Vec<Part>,
    after: Vec<Part>,
    /// Whether no text tells where the time ends, so that a time in digits must have a certain
    /// number of them.
    exact_time: bool,
}

/// The texts of a request that a part stands for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Values<'a> {
    pub(super) id: &'a [u8],
    pub(super) timestamp: &'a [u8],
}

impl Content {
    /// Puts this part and a dot before the rest.
    pub(super) fn preceded_by(mut self, part: Part) -> Self {
        if !self.names(&part) {
            self.before.splice(0..0, [part, Part::Text(Cow::Borrowed("."))]);
        }
        self
    }

    /// From a template. It must name what the scheme has a place for, and nothing else.
    pub(super) fn parse(template: &str, has_id: bool, timestamp: Option<TimestampFormat>) -> Result<Self, SchemeError> {
        let bodies = template.matches("{body}").count();
        let Some((before, after)) = template.split_once("{body}").filter(|_| bodies == 1) else {
            return Err(SchemeError(Wrong::Bodies(bodies)));
        };
        let mut content = Self {
            before: parts(before)?,
            after: parts(after)?,
            exact_time: false,
        };
        for (part, name, has_place) in [
            (Part::Id, "{id}", has_id),
            (Part::Timestamp, "{timestamp}", timestamp.is_some()),
        ] {
            match content.all().filter(|each| **each == part).count() {
                0 if has_place => return Err(SchemeError(Wrong::Unnamed(name))),
                1 if !has_place => return Err(SchemeError(Wrong::NoPlace(name))),
                0 | 1 => {}
                times => return Err(SchemeError(Wrong::Repeated(name, times))),
            }
        }
        match content.all().filter(|each| **each == Part::Tenant).count() {
            0 | 1 => {}
            times => return Err(SchemeError(Wrong::Repeated("{tenant}", times))),
        }
        if content.after.contains(&Part::Tenant) {
            return Err(SchemeError(Wrong::TenantBehind));
        }
        content.exact_time = !content.text_ends_time();
        content.tells_where_ids_end(timestamp.unwrap_or_default())?;
        Ok(content)
    }

    /// Signed content must be cut in one way only: were there two, a request could be turned into
    /// another one under the same tag, with bytes of the body for a time, say. From the front up to
    /// the body and from the back up to it, each part's end must follow from the bytes alone. A
    /// text is fixed. A time in RFC 3339 tells its own ends; a time in digits ends where text
    /// begins that is no digit, or else has a fixed number of digits. An id ends at the first
    /// letter of the text behind it, which it may not hold. Before a time in RFC 3339 it may not
    /// hold a colon: the time's first colon is then the first of all, and the time begins 13 bytes
    /// before it.
    pub(super) fn tells_where_ids_end(&self, format: TimestampFormat) -> Result<(), SchemeError> {
        let is_told = |(index, part): (usize, &Part)| {
            *part != Part::Id
                || match self.before.get(index.saturating_add(1)) {
                    Some(Part::Text(_)) => true,
                    Some(Part::Timestamp) => format == TimestampFormat::Rfc3339,
                    Some(Part::Id | Part::Tenant) | None => false,
                }
        };
        if self.before.iter().enumerate().all(is_told) && !self.after.contains(&Part::Id) {
            Ok(())
        } else {
            Err(SchemeError(Wrong::IdEnd))
        }
    }

    /// Whether a time in digits lies beside text, on the side of the body, that it cannot go on
    /// with.
    fn text_ends_time(&self) -> bool {
        let place = |parts: &[Part]| parts.iter().position(|part| *part == Part::Timestamp);
        let (neighbour, end): (_, fn(&str) -> Option<char>) = match (place(&self.before), place(&self.after)) {
            (Some(index), _) => (self.before.get(index.saturating_add(1)), |text| text.chars().next()),
            (None, Some(index)) => {
                let before = index.checked_sub(1).and_then(|index| self.after.get(index));
                (before, |text| text.chars().next_back())
            }
            (None, None) => return true,
        };
        match neighbour {
            Some(Part::Text(text)) => end(text).is_some_and(|letter| !letter.is_ascii_digit()),
            _ => false,
        }
    }

    /// Whether a time in digits must have a certain number of them.
    pub(super) fn exact_time(&self) -> bool {
        self.exact_time
    }

    fn all(&self) -> impl Iterator<Item = &Part> {
        self.before.iter().chain(&self.after)
    }

    fn names(&self, part: &Part) -> bool {
        self.all().any(|each| each == part)
    }

    /// The letter that ends an id in what is signed, so that no id may hold it.
    pub(super) fn after_id(&self) -> Option<u8> {
        let index = self.before.iter().position(|part| *part == Part::Id)?;
        match self.before.get(index.saturating_add(1)) {
            Some(Part::Text(text)) => text.bytes().next(),
            Some(Part::Timestamp) => Some(b':'),
            Some(Part::Id | Part::Tenant) | None => None,
        }
    }

    /// How many bytes of what is signed are before the name of the tenant, if that is signed.
    pub(super) fn before_tenant(&self, values: Values<'_>) -> Option<usize> {
        let place = self.before.iter().position(|part| *part == Part::Tenant)?;
        Some(
            self.before
                .iter()
                .take(place)
                .map(|part| part.bytes(values).len())
                .sum(),
        )
    }

    /// Replaces the tenant's place by this name.
    #[must_use]
    pub(super) fn of_tenant(mut self, name: &str) -> Self {
        for part in &mut self.before {
            if *part == Part::Tenant {
                *part = Part::Text(Cow::Owned(name.to_owned()));
            }
        }
        self
    }

    /// The signed parts before the body, in order.
    pub(super) fn before_body<'a>(&'a self, values: Values<'a>) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.before.iter().map(move |part| part.bytes(values))
    }

    /// The signed parts after the body, in order.
    pub(super) fn after_body<'a>(&'a self, values: Values<'a>) -> impl Iterator<Item = &'a [u8]> + Clone {
        self.after.iter().map(move |part| part.bytes(values))
    }
}

/// A long text is a URL, say, which may have a password in it.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) if text.len() <= 8 => fmt::Debug::fmt(text, f),
            Self::Text(text) => write!(f, "({} bytes)", text.len()),
            Self::Id => f.write_str("{id}"),
            Self::Timestamp => f.write_str("{timestamp}"),
            Self::Tenant => f.write_str("{tenant}"),
        }
    }
}

impl Part {
    fn bytes<'a>(&'a self, values: Values<'a>) -> &'a [u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Id => values.id,
            Self::Timestamp => values.timestamp,
            // Whose it is, is known after the headers were read.
            Self::Tenant => &[],
        }
    }
}

fn parts(template: &str) -> Result<Vec<Part>, SchemeError> {
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        rest = if let Some(rest) = rest.strip_prefix("{id}") {
            parts.push(Part::Id);
            rest
        } else if let Some(rest) = rest.strip_prefix("{timestamp}") {
            parts.push(Part::Timestamp);
            rest
        } else if let Some(rest) = rest.strip_prefix("{tenant}") {
            parts.push(Part::Tenant);
            rest
        } else {
            let length = rest.find(['{', '}']).unwrap_or(rest.len());
            if length == 0 {
                return Err(SchemeError(Wrong::Placeholder));
            }
            let (text, rest) = rest.split_at(length);
            parts.push(Part::Text(Cow::Owned(text.to_owned())));
            rest
        };
    }
    Ok(parts)
}

impl Content {
    /// Text, then the body: for a URL that may hold braces.
    pub(super) fn after_text(text: String) -> Self {
        Self {
            before: vec![Part::Text(Cow::Owned(text))],
            ..Self::default()
        }
    }

    /// A text, the tenant's name and another text, then the body.
    pub(super) fn after_tenant(before: String, behind: String) -> Self {
        let text = |text| Part::Text(Cow::Owned(text));
        Self {
            before: vec![text(before), Part::Tenant, text(behind)],
            ..Self::default()
        }
    }
}

/// Why a [`Scheme`](super::Scheme) cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemeError(pub(super) Wrong);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Bodies(usize),
    Placeholder,
    Unnamed(&'static str),
    NoPlace(&'static str),
    Repeated(&'static str, usize),
    TenantBehind,
    IdEnd,
    Item(String, String),
    Separator(String),
    Label(String),
    NoList,
    NoTime,
}

impl fmt::Display for SchemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Wrong::Bodies(found) => write!(
                f,
                "the signed content names {{body}} {found} times; expected exactly once"
            ),
            Wrong::Placeholder => f.write_str(
                "the signed content has a brace outside {id}, {timestamp}, {tenant} and {body}; expected text and these \
                 alone",
            ),
            Wrong::Unnamed(name) => write!(
                f,
                "the signed content leaves out {name}, which the scheme has a place for; expected it: unsigned, it would say nothing"
            ),
            Wrong::NoPlace(name) => write!(
                f,
                "the signed content names {name}, but the scheme has no place for it; expected id_header, timestamp_header or \
                 timestamp_item before"
            ),
            Wrong::Repeated(name, times) => {
                write!(f, "the signed content names {name} {times} times; expected once")
            }
            Wrong::TenantBehind => f.write_str("the signed content has {tenant} behind {body}; expected it before"),
            Wrong::IdEnd => f.write_str(
                "the signed content does not tell where {id} ends; expected {id} before {body}, and text or a time in RFC 3339 right \
                 behind it: otherwise two requests could sign alike",
            ),
            Wrong::Separator(separator) => write!(
                f,
                "items cannot be separated by {separator:?}; expected one printable ASCII character, with spaces behind it where the \
                 provider writes them"
            ),
            Wrong::Item(label, separator) if separator.chars().next().is_some_and(|first| label.contains(first)) => write!(
                f,
                "the label {label:?} holds the separator {separator:?}; expected a label that fits into an item"
            ),
            Wrong::Item(label, separator) => write!(
                f,
                "items between {separator:?} that begin with {label:?} cannot stand in a header; expected printable ASCII and a label that \
                 begins with no space"
            ),
            Wrong::Label(label) => write!(
                f,
                "the label {label:?} of the time begins as the tag's does; expected two that differ"
            ),
            Wrong::NoTime => f.write_str(
                "the scheme signs no time that could be written in another way; expected `timestamp_header` or `timestamp_item` before",
            ),
            Wrong::NoList => f.write_str("the scheme has no list that the time could be an item of; expected `list` before"),
        }
    }
}

impl std::error::Error for SchemeError {}
