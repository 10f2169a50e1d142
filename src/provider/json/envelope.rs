use std::{fmt, time::SystemTime};

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::times::{from_milliseconds, from_number, whole};
use crate::{
    event::{EventError, EventErrorKind, EventId, Position, Shape, read_json},
    signature::read_rfc3339,
};

const TEXT: &str = "a string of 1 to 255 bytes";
const TEXT_OR_NUMBER: &str = "a string of 1 to 255 bytes or a whole number";

/// What can stand at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Role {
    Id,
    /// An id that some bodies have not.
    MaybeId,
    Topic,
    /// What scopes the id, where a body says it: an odd value is none.
    Scope,
    /// A topic that some bodies have not: an odd value is none.
    MaybeTopic,
    /// A topic for bodies that have none at its own place.
    OtherTopic,
    /// One of several places of the topic, the first that has one wins: an odd value is none.
    TopicAt(usize),
    /// What the topic goes on with, after a dot.
    Action,
    /// In RFC 3339, in seconds or in milliseconds.
    Time,
    /// In milliseconds.
    Milliseconds,
    /// When the request was signed, in milliseconds.
    Sent,
    /// The same in any form that [`Time`](Self::Time) has.
    SentAnyhow,
    Payload,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Id | Self::MaybeId => "id",
            Self::Scope => "id's scope",
            Self::Topic | Self::MaybeTopic | Self::OtherTopic | Self::TopicAt(_) => "topic",
            Self::Action => "action",
            Self::Time | Self::Milliseconds => "time",
            Self::Sent | Self::SentAnyhow => "signing time",
            Self::Payload => "payload",
        })
    }
}

/// The paths into a body as a tree, so that one walk over the body finds what stands at all of them. What no path leads to is
/// skipped.
#[derive(Debug, Default)]
pub(in crate::provider) struct Envelope {
    root: Node,
    /// Whether ids, and what scopes them, may be whole numbers.
    takes_numbers: bool,
    /// Whether one of several places must have a topic.
    needs_topic: bool,
}

#[derive(Debug, Default)]
struct Node {
    key: String,
    /// The whole path to it, for messages.
    name: String,
    role: Option<Role>,
    /// Whether an event needs what is here or further down: without its id or topic a body is no event, without a time it is.
    needed: bool,
    fields: Vec<Node>,
}

/// What stands at the paths.
#[derive(Default)]
pub(super) struct Found {
    pub(super) id: Option<EventId>,
    pub(super) scope: Option<EventId>,
    pub(super) topic: Option<EventId>,
    pub(super) other_topic: Option<EventId>,
    pub(super) action: Option<EventId>,
    pub(super) time: Option<SystemTime>,
    /// The time as it was written, where it cannot be read.
    pub(super) odd_time: Option<String>,
    pub(super) sent: Option<SystemTime>,
    /// The same as it was written.
    pub(super) sent_as: Option<String>,
    /// Of several places, which one it is.
    topic_at: Option<(usize, EventId)>,
}

impl Found {
    /// A number that is no time here still tells one time from another.
    fn odd_time_of(&mut self, node: &Node, number: impl fmt::Display) {
        if node.role == Some(Role::Time) && self.time.is_none() {
            self.odd_time = Some(number.to_string());
        }
    }
}

impl Envelope {
    /// Ids, and what scopes them, may be whole numbers, which are as good as their digits in a
    /// string.
    pub(in crate::provider) fn take_numbers(&mut self) {
        self.takes_numbers = true;
    }

    /// One of several places must have a topic.
    pub(in crate::provider) fn need_topic(&mut self) {
        self.needs_topic = true;
    }

    /// Adds a path. A payload comes last: it may hold the others, the others hold nothing.
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
        let needed = matches!(role, Role::Id | Role::Topic | Role::OtherTopic);
        let mut node = &mut self.root;
        for key in path {
            if let Some(other) = node.role {
                return Err(format!(
                    "the {role}'s path `{whole}` leads through `{}`, where the {other} is; expected another path for one of them",
                    node.name
                ));
            }
            node.needed |= needed;
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
        node.needed |= needed;
        Ok(())
    }

    /// Reads a body. Id and topic are there afterwards, where they have a path.
    pub(super) fn read(&self, body: &[u8]) -> Result<Found, EventError> {
        // Where an event needs no field of the body's, an array is as good.
        let shape = if self.root.needed { Shape::Object } else { Shape::Any };
        let mut found = read_json(body, shape, |json| {
            let mut found = Found::default();
            let walk = Walk {
                node: &self.root,
                found: &mut found,
                takes_numbers: self.takes_numbers,
            };
            walk.deserialize(json)?;
            Ok(found)
        })?;
        if found.topic.is_none() {
            let at = found.topic_at.take().map(|(_, topic)| topic);
            found.topic = at.or(found.other_topic.take());
        }
        let no_topic = found.topic.is_none();
        let missing = [
            (Role::Id, found.id.is_none()),
            (Role::Topic, no_topic),
            (Role::TopicAt(0), no_topic && self.needs_topic),
        ];
        for (role, missing) in missing {
            if let (Some(node), true) = (self.root.find(role), missing) {
                let message = format!(
                    "the event's {} is missing; expected {}",
                    node.name,
                    node.expected(self.takes_numbers)
                );
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
                name: [self.name.as_str(), key].join(if self.name.is_empty() { "" } else { "." }),
                ..Self::default()
            });
            self.fields.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the position was found or made just now")]
        &mut self.fields[position]
    }

    fn expected(&self, takes_numbers: bool) -> &'static str {
        match self.role {
            _ if !self.fields.is_empty() => "an object",
            Some(Role::Id) if takes_numbers => TEXT_OR_NUMBER,
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

struct Walk<'a> {
    node: &'a Node,
    found: &'a mut Found,
    takes_numbers: bool,
}

impl Walk<'_> {
    /// Reads a value from its JSON: the digits of a number are lost to a parser that makes a float
    /// of them.
    fn raw<E: de::Error>(self, json: &str) -> Result<(), E> {
        use de::Visitor as _;
        let is_time = self.node.role == Some(Role::SentAnyhow);
        if is_time {
            self.found.sent_as = Some(json.to_owned());
        }
        let digits = json.strip_prefix('-').unwrap_or(json);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match json.bytes().next() {
            Some(b'"') => {
                let text: String = serde_json::from_str(json).map_err(|_| E::custom("a string is no string"))?;
                self.visit_str(&text)
            }
            _ if is_time => {
                self.found.sent = json.parse().ok().and_then(whole).and_then(from_number);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') if is_whole => self.visit_str(json),
            Some(b'-' | b'0'..=b'9') => self.unusable("a number"),
            Some(b'{') => self.unusable("an object"),
            Some(b'[') => self.unusable("an array"),
            Some(b't' | b'f') => self.unusable("a boolean"),
            _ => self.unusable("null"),
        }
    }

    /// The value is of a type that tells nothing here: an error where something is needed.
    fn unusable<E: de::Error>(&self, found: &str) -> Result<(), E> {
        if !self.node.needed {
            return Ok(());
        }
        let expected = self.node.expected(self.takes_numbers);
        Err(E::custom(format_args!(
            "the event's {} is {found}; expected {expected}",
            self.node.name
        )))
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.node.role == Some(Role::Payload) && self.node.fields.is_empty() {
            return IgnoredAny::deserialize(deserializer).map(drop);
        }
        let is_raw = match self.node.role {
            Some(Role::Id | Role::MaybeId | Role::Scope) => self.takes_numbers,
            Some(Role::SentAnyhow) => true,
            _ => false,
        };
        if is_raw {
            return self.raw(<&RawValue>::deserialize(deserializer)?.get());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> de::Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let fields = &self.node.fields;
        if fields.is_empty() {
            self.unusable("an object")?;
        }
        let mut seen = vec![false; fields.len()];
        while let Some(position) = map.next_key_seed(Position(fields.iter().map(|field| field.key.as_str())))? {
            let ours = position.and_then(|position| Some((fields.get(position)?, seen.get_mut(position)?)));
            let Some((node, seen)) = ours else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if std::mem::replace(seen, true) {
                return Err(de::Error::custom(format_args!(
                    "the event's {} is there twice; expected it once",
                    node.name
                )));
            }
            map.next_value_seed(Walk {
                node,
                found: self.found,
                takes_numbers: self.takes_numbers,
            })?;
        }
        Ok(())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let name = &self.node.name;
        let checked =
            || EventId::new(text).map_err(|error| E::custom(format_args!("the event's {name} {}", error.wrong())));
        match self.node.role {
            Some(Role::Id) => self.found.id = Some(checked()?),
            Some(Role::MaybeId) => self.found.id = EventId::new(text).ok(),
            Some(Role::Topic) => self.found.topic = Some(checked()?),
            Some(Role::Scope) => self.found.scope = EventId::new(text).ok(),
            Some(Role::MaybeTopic) => self.found.topic = EventId::new(text).ok(),
            Some(Role::OtherTopic) => self.found.other_topic = Some(checked()?),
            Some(Role::TopicAt(at)) => {
                if let Ok(topic) = EventId::new(text)
                    && self.found.topic_at.as_ref().is_none_or(|(other, _)| at < *other)
                {
                    self.found.topic_at = Some((at, topic));
                }
            }
            Some(Role::Action) => self.found.action = EventId::new(text).ok(),
            Some(Role::Time) => {
                self.found.time = read_rfc3339(text);
                self.found.odd_time = self.found.time.is_none().then(|| text.to_owned());
            }
            Some(Role::SentAnyhow) => self.found.sent = read_rfc3339(text),
            Some(Role::Milliseconds | Role::Sent) => {}
            Some(Role::Payload) | None => self.unusable("a string")?,
        }
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        match self.node.role {
            Some(Role::Time) => self.found.time = from_number(number),
            Some(Role::Milliseconds) => self.found.time = from_milliseconds(number),
            Some(Role::Sent) => self.found.sent = from_milliseconds(number),
            _ => {}
        }
        self.found.odd_time_of(self.node, number);
        self.unusable("a number")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        self.found.odd_time_of(self.node, number);
        self.unusable("a number")
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        if let Some(whole) = whole(number) {
            match self.node.role {
                Some(Role::Time) => self.found.time = from_number(whole),
                Some(Role::Milliseconds) => self.found.time = from_milliseconds(whole),
                Some(Role::Sent) => self.found.sent = from_milliseconds(whole),
                _ => {}
            }
        }
        self.found.odd_time_of(self.node, number);
        self.unusable("a number")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.unusable("a boolean")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.unusable("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.unusable("an array")?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}
