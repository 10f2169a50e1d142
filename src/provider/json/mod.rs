//! What providers have in common whose body is a JSON object with a topic that is text: everything but the places.

mod envelope;
mod sent;
mod times;
mod event;

pub use event::JsonEvent;

pub(super) use envelope::{Envelope, Role};
pub(super) use sent::id_without;

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};

use crate::{
    event::{EventError, EventErrorKind, EventId, Fingerprint, Identity},
    signature::{Scheme, SecretError, Secrets, Verifier},
};
use event::Fields;

/// Names for a provider's usual topics: `NAME = "as.the.provider.writes.it"`.
macro_rules! topics {
    ($($name:ident = $text:literal),* $(,)?) => {
        /// Names of topics that are common. Every other topic is as good as its text.
        pub mod topic {
            $(
                #[doc = concat!("`", $text, "`")]
                pub const $name: &str = $text;
            )*
        }

        const COMMON_TOPICS: &[&str] = &[$($text),*];
    };
}
pub(super) use topics;

/// A provider keyed with its secrets, and where its events have what.
#[derive(Debug)]
pub(super) struct Configured {
    pub(super) verifier: Verifier,
    pub(super) reader: Reader,
}

impl Configured {
    pub(super) fn new(
        scheme: &Scheme,
        secrets: impl TryInto<Secrets, Error: Into<SecretError>>,
        reader: Reader,
    ) -> Result<Self, SecretError> {
        let secrets = secrets.try_into().map_err(Into::into)?;
        Ok(Self {
            verifier: Verifier::new(scheme, &secrets)?,
            reader,
        })
    }

    /// Reads an event whose id is in a header that the scheme signs.
    pub(super) fn event_under_signed_id<S>(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<JsonEvent<S>, EventError> {
        let id = signed_id(&self.verifier, headers)?;
        self.reader.read(headers, body, Some(id))
    }

    /// With another tolerance for the signed time.
    pub(super) fn tolerance(self, tolerance: Duration) -> Self {
        Self {
            verifier: self.verifier.with_tolerance(tolerance),
            ..self
        }
    }
}

/// A path into a body, key by key.
pub(super) type Path = &'static [&'static str];

/// Where a provider's events have what.
#[derive(Debug, Default)]
pub(super) struct Reader {
    envelope: Envelope,
    /// The header that the topic is in, or begins in.
    topic_header: Option<HeaderName>,
    /// Whether an event may be without that header.
    topic_is_optional: bool,
    /// What stands before a topic of the body's, and is the topic where the body has none.
    topic_prefix: &'static str,
    /// A header that repeats the topic or its first part, which is in the body: the two must agree.
    repeats_topic: Option<HeaderName>,
    /// Headers whose values an event keeps, as unsigned.
    unsigned: Vec<HeaderName>,
    payloads: Arc<[Vec<String>]>,
    facts: Facts,
}

/// What makes two deliveries the same event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Facts {
    /// The body's bytes, and the topic where it is not in the body.
    #[default]
    Bytes,
    /// Topic and time: the id names the event, and a body that is sent again may say more of itself than before. Where an event has no time, its
    /// bytes after all: of two events under one id the second is a conflict then, and not a duplicate.
    TopicAndTime,
}

impl Reader {
    /// The whole body is the payload, until [`payload`](Self::payload) says otherwise.
    pub(super) fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            ..Self::default()
        }
    }

    /// From roles and their paths.
    pub(super) fn of(places: &[(Role, Path)]) -> Self {
        let mut reader = Self::default();
        for (role, path) in places {
            let path = owned(path);
            #[expect(
                clippy::expect_used,
                reason = "a provider's places, fixed in its file and read by its tests"
            )]
            reader.envelope.insert(*role, &path).expect("places that fit");
        }
        reader
    }

    pub(super) fn topic_header(mut self, name: HeaderName) -> Self {
        self.topic_header = Some(name);
        self
    }

    pub(super) fn optional_topic(mut self) -> Self {
        self.topic_is_optional = true;
        self
    }

    pub(super) fn has_topic_header(&self) -> bool {
        self.topic_header.is_some()
    }

    pub(super) fn topic_prefix(mut self, prefix: &'static str) -> Self {
        self.topic_prefix = prefix;
        self
    }

    pub(super) fn repeats_topic(mut self, name: HeaderName) -> Self {
        self.repeats_topic = Some(name);
        self
    }

    pub(super) fn unsigned(mut self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.unsigned.extend(names);
        self
    }

    /// Where the payload stands: at the first of these paths that leads to something.
    pub(super) fn payloads(mut self, paths: Vec<Vec<String>>) -> Self {
        self.payloads = paths.into();
        self
    }

    /// The same, fixed in a provider's file.
    pub(super) fn payload_at(self, paths: &[Path]) -> Self {
        let paths = paths.iter().map(|path| owned(path)).collect();
        self.payloads(paths)
    }

    pub(super) fn facts(mut self, facts: Facts) -> Self {
        self.facts = facts;
        self
    }

    /// Reads an event. `signed_id` is the id where it is in a header that is signed.
    pub(super) fn read<S>(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        signed_id: Option<&str>,
    ) -> Result<JsonEvent<S>, EventError> {
        self.read_within(headers, body, body, signed_id)
    }

    /// The same where the JSON is a part of the body: a field of a form.
    pub(super) fn read_within<S>(
        &self,
        headers: &HeaderMap,
        body: &Bytes,
        json: &Bytes,
        signed_id: Option<&str>,
    ) -> Result<JsonEvent<S>, EventError> {
        let field = |message: String| EventError::new(EventErrorKind::Field, message);
        let found = self.envelope.read(json)?;
        let first = match (found.topic, &self.topic_header) {
            (Some(topic), _) if self.topic_prefix.is_empty() => Some(topic),
            (Some(topic), _) => Some(
                EventId::new(&format!("{}{topic}", self.topic_prefix))
                    .map_err(|error| field(format!("the event's topic {}", error.wrong())))?,
            ),
            (None, Some(name)) if self.topic_is_optional => header(headers, name).ok(),
            (None, Some(name)) => {
                Some(header(headers, name).map_err(|wrong| field(format!("the event's header {name} {wrong}")))?)
            }
            // Where a topic must be there, the envelope has seen to it.
            (None, None) => EventId::new(self.topic_prefix.trim_end_matches('.')).ok(),
        };
        if let Some(name) = &self.repeats_topic
            && headers.contains_key(name)
            && header(headers, name).ok() != first
        {
            return Err(field(format!(
                "the event's header {name} and its body disagree on the topic; expected the body's, which is signed"
            )));
        }
        let topic = match (first, found.action) {
            // An action that makes it too long is none, as any odd one.
            (Some(first), Some(action)) => EventId::new(&format!("{first}.{action}")).ok().or(Some(first)),
            (first, _) => first,
        };
        let topic_bytes = topic.as_ref().map_or("", EventId::as_str).as_bytes();
        let id = match signed_id {
            Some(id) => Some(EventId::new(id).map_err(|error| field(error.to_string()))?),
            None => found.id,
        };
        let time = found.time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let fingerprint = match (self.facts, time) {
            (Facts::Bytes, _) if self.topic_header.is_none() => None,
            (Facts::TopicAndTime, Some(time)) => Some(Fingerprint::of([topic_bytes, &time.as_nanos().to_be_bytes()])),
            (Facts::Bytes | Facts::TopicAndTime, _) => Some(match &found.odd_time {
                // In a form that is not read here: its text tells as much as the time it stands
                // for.
                Some(text) if matches!(self.facts, Facts::TopicAndTime) => {
                    Fingerprint::of([topic_bytes, b"as", text.as_bytes()])
                }
                _ => Fingerprint::of([topic_bytes, body]),
            }),
        };
        let identity = match (&id, found.scope) {
            (Some(id), Some(scope)) => scoped(&scope, id).map(Identity::signed),
            // Two topics may have one body: the header that tells them apart is part of what the event is.
            (None, _) if self.topic_header.is_some() => {
                let topic = topic.as_ref().map_or("", EventId::as_str);
                Some(Identity::of_body().with_unsigned("", &[topic]))
            }
            _ => None,
        };
        // Nothing depends on them, so nothing is refused for them.
        let unsigned = self
            .unsigned
            .iter()
            .filter_map(|name| Some((name.clone(), header(headers, name).ok()?)))
            .collect();
        Ok(JsonEvent::new(Fields {
            id,
            topic,
            time: found.time,
            sent: found.sent,
            sent_as: found.sent_as,
            fingerprint,
            unsigned,
            identity,
            body: body.clone(),
            json: json.clone(),
            payloads: Arc::clone(&self.payloads),
        }))
    }
}

/// An id within its scope. Both together may be longer than an id can be: then their digest.
fn scoped(scope: &EventId, id: &EventId) -> Option<EventId> {
    let both = format!("{scope}:{id}");
    let digest = || EventId::new(&format!("sha256:{}", hex::encode(Sha256::digest(&both))));
    EventId::new(&both).or_else(|_| digest()).ok()
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|key| (*key).to_owned()).collect()
}

/// The id in the header that the scheme signs.
pub(super) fn signed_id<'h>(verifier: &Verifier, headers: &'h HeaderMap) -> Result<&'h str, EventError> {
    let id = verifier.scheme().and_then(|scheme| scheme.signed_id(headers));
    id.ok_or_else(|| {
        EventError::new(
            EventErrorKind::Field,
            "the event's id is missing; expected it in the header that is signed",
        )
    })
}

/// The header's only value, under the rules of an id. Gateways repeat a header: equal values are
/// one value.
fn header(headers: &HeaderMap, name: &HeaderName) -> Result<EventId, String> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Err("is missing; expected it once".to_owned());
    };
    if values.any(|other| other != value) {
        let times = headers.get_all(name).iter().count();
        return Err(format!(
            "is there {times} times with different values; expected one value"
        ));
    }
    let text = value
        .to_str()
        .map_err(|_| "is not printable ASCII; expected 1 to 255 bytes of it".to_owned())?;
    EventId::new(text).map_err(|error| error.wrong())
}
