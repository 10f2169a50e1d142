//! Contents that may be signed besides the body.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use super::super::{
    Scheme,
    content::Values,
    scheme::{Form, TimePlace},
};

/// How the content that the provider signs differs from the scheme's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentChange {
    BodyAlone,
    /// The signed URL has a slash at its end that the scheme's has not.
    SlashAdded,
    SlashRemoved,
    Https,
    Http,
}

/// The content that is signed before and after the body.
pub(super) struct Content {
    pub(super) change: Option<ContentChange>,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    /// The text of the time that is signed, as it stands in the request.
    pub(super) time: Option<Vec<u8>>,
}

/// At most one for each of the scheme's headers as the scheme has it, and five others.
pub(super) fn of(scheme: &Scheme, headers: &HeaderMap) -> Vec<Content> {
    let mut contents: Vec<Content> = Vec::new();
    for (index, _) in scheme.headers().iter().enumerate() {
        let content = as_the_scheme_has_it(scheme, headers, index);
        if !contents
            .iter()
            .any(|other| other.before == content.before && other.after == content.after)
        {
            contents.push(content);
        }
    }
    let others = contents.first().map(|first| {
        let url = |change, before: Option<Vec<u8>>| {
            before.map(|before| Content {
                change: Some(change),
                before,
                after: first.after.clone(),
                time: first.time.clone(),
            })
        };
        let before = &first.before;
        let is_url = before.starts_with(b"http://") || before.starts_with(b"https://");
        let of_url = |change, made: Option<Vec<u8>>| url(change, made.filter(|_| is_url));
        let alone = (!first.before.is_empty() || !first.after.is_empty()).then(|| Content {
            change: Some(ContentChange::BodyAlone),
            before: Vec::new(),
            after: Vec::new(),
            time: None,
        });
        let behind = |prefix: &[u8], other: &[u8]| before.strip_prefix(prefix).map(|rest| [other, rest].concat());
        [
            alone,
            of_url(
                ContentChange::SlashRemoved,
                before.strip_suffix(b"/").map(<[u8]>::to_vec),
            ),
            of_url(
                ContentChange::SlashAdded,
                (!before.ends_with(b"/")).then(|| [before.as_slice(), b"/"].concat()),
            ),
            of_url(ContentChange::Https, behind(b"http://", b"https://")),
            of_url(ContentChange::Http, behind(b"https://", b"http://")),
        ]
    });
    contents.extend(others.into_iter().flatten().flatten());
    contents
}

fn as_the_scheme_has_it(scheme: &Scheme, headers: &HeaderMap, index: usize) -> Content {
    let value = |name| headers.get(name).map(http::HeaderValue::as_bytes);
    let id = scheme.id_name(index).and_then(value).unwrap_or_default();
    let time = match (
        scheme.timestamp_place().map(|timestamp| &timestamp.place),
        scheme.form(),
    ) {
        (Some(TimePlace::Headers(names)), _) => names.get(index).or(names.first()).and_then(value),
        (Some(TimePlace::Item(label)), Form::List { prefix, separator, .. }) => {
            scheme.headers().get(index).and_then(value).and_then(|list| {
                let list = list.strip_prefix(prefix.as_bytes()).unwrap_or(list);
                let end = separator.as_bytes().first();
                list.split(|byte| Some(byte) == end)
                    .find_map(|item| item.trim_ascii_start().strip_prefix(label.as_bytes()))
            })
        }
        _ => None,
    };
    let values = Values {
        id,
        timestamp: time.unwrap_or_default(),
    };
    let content = scheme.content();
    Content {
        change: None,
        before: content.before_body(values).collect::<Vec<_>>().concat(),
        after: content.after_body(values).collect::<Vec<_>>().concat(),
        time: time.map(<[u8]>::to_vec),
    }
}

/// The unit that a time in digits is in, and the time. Seconds have ten digits until 2286.
pub(super) fn read_time(text: &[u8]) -> Option<(Option<&'static str>, SystemTime)> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Ok(number) = text.parse::<u64>() {
        let (unit, since) = match text.len() {
            ..=11 => (None, Duration::from_secs(number)),
            12..=14 => (Some("milliseconds"), Duration::from_millis(number)),
            15..=17 => (Some("microseconds"), Duration::from_micros(number)),
            _ => (Some("nanoseconds"), Duration::from_nanos(number)),
        };
        return Some((unit, UNIX_EPOCH.checked_add(since)?));
    }
    if let Some((seconds, _)) = text.split_once('.')
        && let Ok(seconds) = seconds.parse::<u64>()
    {
        let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
        return Some((Some("seconds with a fraction"), time));
    }
    let time = humantime::parse_rfc3339_weak(text).ok()?;
    Some((Some("a date"), time))
}

impl ContentChange {
    /// The words that follow "the signature matches".
    pub(super) fn matches(self) -> &'static str {
        match self {
            Self::BodyAlone => "the body alone, without what else the scheme signs",
            Self::SlashAdded => "the URL with a slash at its end",
            Self::SlashRemoved => "the URL without the slash at its end",
            Self::Https => "the URL with https instead of http",
            Self::Http => "the URL with http instead of https",
        }
    }

    /// Advice on how to mend it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::BodyAlone => {
                "use a scheme that signs the body alone, if this is how the provider's documents have it"
            }
            _ => "give this receiver the URL letter for letter as the provider has it",
        }
    }
}
