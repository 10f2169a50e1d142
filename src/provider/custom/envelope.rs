use std::{borrow::Cow, fmt, time::SystemTime};

use serde::{
    Deserialize as _, Deserializer,
    de::{self, DeserializeSeed, IgnoredAny, MapAccess},
};
use serde_json::value::RawValue;

use crate::{
    event::{EventError, EventErrorKind, EventId, Position, Shape, read_json},
    provider::{
        lenient::{Lenient, Number},
        times::{self, Time},
    },
    signature::read_rfc3339,
};

const TEXT: &str = "a string of 1 to 255 bytes";
const TEXT_OR_NUMBER: &str = "a string of 1 to 255 bytes or a whole number";

/// The role of the value that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Role {
    /// A whole number is as good as its digits in a string.
    Id,
    /// An id that some bodies lack.
    MaybeId,
    /// The scope of the id, where the body names it. An odd value counts as none.
    Scope,
    Topic,
    /// One of several paths of the topic. The first that has one wins; an odd value counts as
    /// none.
    TopicAt(usize),
    /// The continuation of the topic, after a dot.
    Action,
    /// In RFC 3339, in seconds or in milliseconds.
    Time,
    /// When the request was signed, in any form that [`Time`](Self::Time) has.
    SigningTime,
    Payload,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id | Self::MaybeId => "id",
            Self::Scope => "id's scope",
            Self::Topic | Self::TopicAt(_) => "topic",
            Self::Action => "action",
            Self::Time => "time",
            Self::SigningTime => "signing time",
            Self::Payload => "payload",
        })
    }
}

/// The paths into a body as a tree, so that one walk over the body finds what is at all of them.
/// The walk skips everything else.
#[derive(Clone, Debug, Default)]
pub(in crate::provider) struct Envelope {
    root: Node,
    /// Whether one of several paths must lead to a topic.
    needs_topic: bool,
}

#[derive(Clone, Debug, Default)]
struct Node {
    key: String,
    /// The whole path to this node, for messages.
    path: String,
    role: Option<Role>,
    /// Whether an event needs what is here or further down. It needs an id and a topic, not a time.
    is_needed: bool,
    fields: Vec<Node>,
}

/// The values that the paths led to.
#[derive(Default)]
pub(in crate::provider) struct Found {
    pub(super) id: Option<EventId>,
    pub(in crate::provider) scope: Option<EventId>,
    pub(super) topic: Option<EventId>,
    pub(super) action: Option<EventId>,
    pub(super) time: Time,
    pub(super) signed_at: Option<SystemTime>,
    /// `signed_at` as the body writes it.
    pub(super) signed_at_as_written: Option<String>,
    /// The topic and the number of the path that led to it, where it has several.
    topic_at: Option<(usize, EventId)>,
}

impl Envelope {
    /// One of several paths must lead to a topic.
    pub(super) fn need_topic(&mut self) {
        self.needs_topic = true;
    }

    /// Adds a path. Payloads come last: they may hold the others, the others hold nothing.
    pub(in crate::provider) fn insert(&mut self, role: Role, path: &[String]) -> Result<(), String> {
        if path.is_empty() {
            return Err(format!(
                "the {role}'s path is empty; expected a key, or keys with dots between them"
            ));
        }
        let whole = path.join(".");
        if path.iter().any(String::is_empty) {
            return Err(format!(
                "the {role}'s path `{whole}` has an empty key; expected a key, or keys with dots between them"
            ));
        }
        let is_needed = matches!(role, Role::Id | Role::Topic);
        let mut node = &mut self.root;
        for key in path {
            if let Some(other) = node.role {
                return Err(format!(
                    "the {role}'s path `{whole}` leads through `{}`, where the {other} is; expected another path for one of them",
                    node.path
                ));
            }
            node.is_needed |= is_needed;
            node = node.field(key);
        }
        if let Some(other) = node.role {
            return Err(format!(
                "the {other} and the {role} have one path, `{whole}`; expected one for each"
            ));
        }
        if role != Role::Payload && !node.fields.is_empty() {
            return Err(format!(
                "the {role} is at `{whole}`, through which another path leads; expected another path for one of them"
            ));
        }
        node.role = Some(role);
        node.is_needed |= is_needed;
        Ok(())
    }

    /// Reads a body. Afterwards the id and the topic are there, where they have a path and are
    /// needed.
    pub(in crate::provider) fn read(&self, body: &[u8]) -> Result<Found, EventError> {
        // Where an event needs nothing from the body, an array will do.
        let shape = if self.root.is_needed { Shape::Object } else { Shape::Any };
        let mut found = read_json(body, shape, |json| {
            let mut found = Found::default();
            let walk = Walk {
                node: &self.root,
                found: &mut found,
            };
            walk.deserialize(json)?;
            Ok(found)
        })?;
        if found.topic.is_none() {
            found.topic = found.topic_at.take().map(|(_, topic)| topic);
        }
        let missing = [
            (Role::Id, found.id.is_none()),
            (Role::Topic, found.topic.is_none()),
            (Role::TopicAt(0), found.topic.is_none() && self.needs_topic),
        ];
        for (role, _) in missing.into_iter().filter(|(_, is_missing)| *is_missing) {
            if let Some(node) = self.root.find(role) {
                let message = format!("the event's {} is missing; expected {}", node.path, node.expected());
                return Err(EventError::new(EventErrorKind::Field, message));
            }
        }
        Ok(found)
    }
}

impl Node {
    fn field(&mut self, key: &str) -> &mut Self {
        let position = self.fields.iter().position(|field| field.key == key);
        let position = position.unwrap_or_else(|| {
            self.fields.push(Self {
                key: key.to_owned(),
                path: [self.path.as_str(), key].join(if self.path.is_empty() { "" } else { "." }),
                ..Self::default()
            });
            self.fields.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or made just now")]
        &mut self.fields[position]
    }

    fn expected(&self) -> &'static str {
        match self.role {
            _ if !self.fields.is_empty() => "an object",
            Some(Role::Id) => TEXT_OR_NUMBER,
            _ => TEXT,
        }
    }

    fn find(&self, role: Role) -> Option<&Self> {
        if self.role == Some(role) {
            return Some(self);
        }
        self.fields.iter().find_map(|field| field.find(role))
    }
}

/// Walks on from a node, and keeps what it finds.
struct Walk<'a> {
    node: &'a Node,
    found: &'a mut Found,
}

impl<'de> Walk<'_> {
    /// Reads a value from its JSON: a parser that makes a float of a number loses its digits.
    fn raw<E: de::Error>(self, json: &'de str) -> Result<(), E> {
        let is_time = self.node.role == Some(Role::SigningTime);
        if is_time {
            self.found.signed_at_as_written = Some(json.to_owned());
        }
        let digits = json.strip_prefix('-').unwrap_or(json);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match json.bytes().next() {
            Some(b'"') => {
                let text: String = serde_json::from_str(json).map_err(|_| E::custom("a string is no string"))?;
                self.text(Cow::Owned(text))
            }
            _ if is_time => {
                let number = json.parse().ok().and_then(times::whole);
                self.found.signed_at = number.and_then(times::from_number);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') if is_whole => self.text(Cow::Borrowed(json)),
            Some(b'-' | b'0'..=b'9') => self.other("a number"),
            Some(b'{') => self.other("an object"),
            Some(b'[') => self.other("an array"),
            Some(b't' | b'f') => self.other("a boolean"),
            _ => self.other("null"),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.node.role {
            Some(Role::Payload) if self.node.fields.is_empty() => IgnoredAny::deserialize(deserializer).map(drop),
            Some(Role::Id | Role::MaybeId | Role::Scope | Role::SigningTime) => {
                self.raw(<&RawValue>::deserialize(deserializer)?.get())
            }
            _ => self.read(deserializer),
        }
    }
}

impl<'de> Lenient<'de> for Walk<'_> {
    type Value = ();

    /// An error where something is needed.
    fn other<E: de::Error>(self, kind: &'static str) -> Result<(), E> {
        if !self.node.is_needed {
            return Ok(());
        }
        let (path, expected) = (&self.node.path, self.node.expected());
        Err(E::custom(format_args!(
            "the event's {path} is {kind}; expected {expected}"
        )))
    }

    fn object<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let fields = &self.node.fields;
        if fields.is_empty() {
            self.other("an object")?;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut seen = vec![false; fields.len()];
        while let Some(position) = map.next_key_seed(Position(fields.iter().map(|field| field.key.as_str())))? {
            let known = position.and_then(|position| Some((fields.get(position)?, seen.get_mut(position)?)));
            let Some((node, seen)) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(seen, true) {
                return Err(de::Error::custom(format_args!(
                    "the event's {} is there twice; expected it once",
                    node.path
                )));
            }
            map.next_value_seed(Walk {
                node,
                found: self.found,
            })?;
        }
        Ok(())
    }

    fn text<E: de::Error>(self, text: Cow<'de, str>) -> Result<(), E> {
        let path = &self.node.path;
        let checked =
            || EventId::new(&text).map_err(|error| E::custom(format_args!("the event's {path} {}", error.wrong())));
        match self.node.role {
            Some(Role::Id) => self.found.id = Some(checked()?),
            Some(Role::MaybeId) => self.found.id = EventId::new(&text).ok(),
            Some(Role::Topic) => self.found.topic = Some(checked()?),
            Some(Role::Scope) => self.found.scope = EventId::new(&text).ok(),
            Some(Role::TopicAt(at)) => {
                if let Ok(topic) = EventId::new(&text)
                    && self.found.topic_at.as_ref().is_none_or(|(other, _)| at < *other)
                {
                    self.found.topic_at = Some((at, topic));
                }
            }
            Some(Role::Action) => self.found.action = EventId::new(&text).ok(),
            Some(Role::Time) => self.found.time = Time::of_text(&text),
            Some(Role::SigningTime) => self.found.signed_at = read_rfc3339(&text),
            Some(Role::Payload) | None => return self.other("a string"),
        }
        Ok(())
    }

    fn number<E: de::Error>(self, number: Number) -> Result<(), E> {
        if self.node.role == Some(Role::Time) {
            self.found.time = Time::of_number(number);
        }
        self.other("a number")
    }
}
