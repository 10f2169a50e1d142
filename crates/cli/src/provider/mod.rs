//! The providers that requests can be sent as.

mod described;
mod sign;
mod table;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tower_webhook::signature::Scheme;

pub(crate) use described::DescriptionArgs;
pub(crate) use sign::{Claims, Hash, Signer};

use crate::{failure::Failure, output::Output};

/// One of them.
#[derive(Clone, Copy)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) resent: Resent,
    pub(crate) usual_topic: &'static str,
    /// How it signs what it posts to this address.
    pub(crate) scheme: &'static (dyn Fn(&str) -> Scheme + Sync),
    /// Where it says the topic, and the event's id.
    pub(crate) topic: FieldPlace,
    pub(crate) id: FieldPlace,
    /// The separator and the label of tags, where the header holds a list of them.
    pub(crate) list: Option<(&'static str, &'static str)>,
    /// The body.
    pub(crate) event: &'static (dyn Fn(&Event) -> Value + Sync),
    /// Headers that are not signed: those that a first delivery always carries. An empty one is
    /// left out.
    pub(crate) headers: &'static (dyn Fn(&Event) -> Vec<(&'static str, String)> + Sync),
}

/// Where a provider says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldPlace {
    /// In a header.
    Header,
    /// In the body, at these JSON pointers: their texts with dots between them.
    Body(&'static [&'static str]),
}

/// The form of an automatic retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resent {
    /// The bytes, the time and the tag of the first attempt, hours later.
    FirstBytes,
    /// The same event with the time and the tag of the attempt.
    SignedAgain,
    /// The provider does not say.
    Unknown,
}

/// How a request claims to be signed, so that each part can be wrong alone. The crate's own schemes
/// sign what is right, and a test compares the two.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// The signed content, with `{id}`, `{time}`, `{url}` and `{body}` in it.
    pub(crate) content: &'static str,
    /// The value of the signature's header, with `{time}` and `{tag}` in it.
    pub(crate) value: &'static str,
    pub(crate) hash: Hash,
    pub(crate) text: Text,
    pub(crate) key: Key,
    /// The header of a signed id.
    pub(crate) id: Option<&'static str>,
    pub(crate) time: Time,
}

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Hex,
    Base64,
}

/// The part of a secret that is the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    AsIs,
    /// The decoded base64 after `whsec_`.
    Base64,
}

/// The place of a signed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Unsigned,
    Header(&'static str),
    /// An item of the signature's list, behind this.
    Item(&'static str),
}

/// An event to be sent.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) created: SystemTime,
    /// When the attempt is made.
    pub(crate) sent: SystemTime,
}

impl Event {
    fn rfc3339(&self) -> String {
        humantime::format_rfc3339_millis(self.created).to_string()
    }

    fn since_1970(&self) -> Duration {
        self.created.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn created_in_milliseconds(&self) -> u64 {
        u64::try_from(self.since_1970().as_millis()).unwrap_or(u64::MAX)
    }

    fn sent_in_milliseconds(&self) -> u64 {
        let since = self.sent.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The topic before its first dot, and what is behind it.
    fn name_and_action(&self) -> (&str, Option<&str>) {
        match self.topic.split_once('.') {
            Some((name, action)) => (name, Some(action)),
            None => (&self.topic, None),
        }
    }
}

impl Provider {
    /// The provider of this name.
    pub(crate) fn named(name: &str) -> Result<&'static Self, Failure> {
        static PROVIDERS: [Provider; 12] = table::PROVIDERS;
        PROVIDERS.iter().find(|provider| provider.name == name).ok_or_else(|| {
            let names = Self::names().collect::<Vec<_>>().join(", ");
            Failure::usage(format!(
                "--provider is {name}; expected one of {names}, or custom with --description"
            ))
        })
    }

    /// Prints them all.
    pub(crate) fn list(output: Output) {
        let all = table::PROVIDERS.iter();
        let all: Vec<_> = all
            .map(|provider| serde_json::json!({ "name": provider.name, "topic": provider.usual_topic }))
            .collect();
        let lines = || {
            let lines = table::PROVIDERS.iter();
            let lines = lines.map(|provider| format!("{:18} {}", provider.name, provider.usual_topic));
            lines.collect::<Vec<_>>().join("\n")
        };
        output.print(lines, &serde_json::json!({ "providers": all }));
    }

    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        table::PROVIDERS.iter().map(|provider| provider.name)
    }
}

/// A random UUID (version 4).
pub(crate) fn fresh_id() -> String {
    let bits = fastrand::u128(..) & !(0xf000_c000 << 48) | 0x4000_8000 << 48;
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}
