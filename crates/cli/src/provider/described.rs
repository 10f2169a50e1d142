//! A provider that the table has not: its scheme and its events are in a file.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use clap::Args;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use tower_webhook::signature::{Algorithm, Encoding, Scheme};

use super::{Event, FieldPlace, Hash, Key, Provider, Resent, Shape, Text, Time};
use crate::failure::Failure;

/// The name that stands for one.
pub(super) const NAME: &str = "custom";

/// How a command is told of one.
#[derive(Args, Clone, Debug)]
pub(crate) struct DescriptionArgs {
    /// How the provider `custom` signs, and what it posts, as JSON: see the README
    #[arg(long, value_name = "FILE")]
    description: Option<PathBuf>,
}

/// The contents of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    /// `Name: value` with `{tag}`, and perhaps `{time}`, in the value.
    signature: String,
    /// The separator of tags, where the header holds a list of them.
    list: Option<String>,
    #[serde(default = "body_alone")]
    signed: String,
    #[serde(default)]
    algorithm: Digest,
    #[serde(default)]
    encoding: Writing,
    #[serde(default)]
    secret: Form,
    #[serde(default)]
    tolerance: Option<String>,
    retries: Option<Retries>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    topic: String,
    event: Value,
}

fn body_alone() -> String {
    "{body}".to_owned()
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
enum Digest {
    #[default]
    #[serde(rename = "hmac-sha256")]
    Sha256,
    #[serde(rename = "hmac-sha512")]
    Sha512,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Writing {
    #[default]
    Hex,
    Base64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    #[default]
    Text,
    Base64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Retries {
    FirstBytes,
    SignedAgain,
    Unknown,
}

impl DescriptionArgs {
    /// The provider of this name: one of the table, or the one that is described.
    pub(crate) fn provider(&self, name: &str) -> Result<&'static Provider, Failure> {
        match (&self.description, name) {
            (None, NAME) => Err(Failure::usage(
                "--provider is custom, and --description is missing; expected a file that says how it signs: see the \
                 README",
            )),
            (Some(path), NAME) => {
                let refuse = |why: String| Failure::usage(format!("--description is {}: {why}", path.display()));
                let text = fs::read(path)
                    .map_err(|error| refuse(format!("{error}; expected a file that says how it signs")))?;
                let description: Description = serde_json::from_slice(&text)
                    .map_err(|error| refuse(format!("{error}; expected JSON as the README has it")))?;
                // One command has one, and its cases hold on to it.
                description
                    .provider()
                    .map(|provider| &*Box::leak(Box::new(provider)))
                    .map_err(refuse)
            }
            (Some(_), _) => Err(Failure::usage(format!(
                "--description is given, and --provider is {name}; expected --provider custom with it"
            ))),
            (None, _) => Provider::named(name),
        }
    }
}

/// For as long as the process lasts.
fn kept(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

impl Description {
    fn provider(self) -> Result<Provider, String> {
        let (name, value) = self.signature.split_once(':').ok_or_else(|| {
            format!(
                "signature is {:?}; expected a header, \"X-Signature: sha256={{tag}}\", say",
                self.signature
            )
        })?;
        let (name, value) = (header(name.trim())?, value.trim());
        if value.matches("{tag}").count() != 1 {
            return Err(format!("signature is {value:?}; expected {{tag}} in it, once"));
        }
        let id = self.header_of("{id}");
        let place = Place::read(value, self.list.as_deref())?;
        let signs = |part: &str| self.signed.contains(part);
        let time = match (&place.time, self.header_of("{time}")) {
            _ if !signs("{time}") => Time::Unsigned,
            (Some(label), _) => Time::Item(kept(label)),
            (None, Some(name)) => Time::Header(kept(&name.to_lowercase())),
            (None, None) => {
                return Err(
                    "signed has {time}, which is nowhere; expected it in the signature's value, or a header \
                     whose value it is"
                        .to_owned(),
                );
            }
        };
        let signed_id = match (signs("{id}"), id) {
            (false, _) => None,
            (true, Some(name)) => Some(kept(&name.to_lowercase())),
            (true, None) => {
                return Err("signed has {id}, which is nowhere; expected a header whose value it is".to_owned());
            }
        };
        let scheme = self.scheme(&name, &place, signed_id, time)?;
        let resent = match self.retries {
            Some(Retries::FirstBytes) => Resent::FirstBytes,
            Some(Retries::SignedAgain) => Resent::SignedAgain,
            Some(Retries::Unknown) => Resent::Unknown,
            None if time == Time::Unsigned => Resent::FirstBytes,
            None => Resent::Unknown,
        };
        let shape = Shape {
            content: kept(&self.signed),
            value: kept(value),
            hash: match self.algorithm {
                Digest::Sha256 => Hash::Sha256,
                Digest::Sha512 => Hash::Sha512,
            },
            text: match self.encoding {
                Writing::Hex => Text::Hex,
                Writing::Base64 => Text::Base64,
            },
            key: match self.secret {
                Form::Text => Key::AsIs,
                Form::Base64 => Key::Base64,
            },
            id: signed_id,
            time,
        };
        // What the scheme itself writes is not written twice.
        let is_signed =
            |value: &str| value == "{id}" && signed_id.is_some() || value == "{time}" && time != Time::Unsigned;
        let mut headers = Vec::new();
        for (name, value) in self.headers.iter().filter(|(_, value)| !is_signed(value)) {
            headers.push((kept(header(name)?.as_str()), value.clone()));
        }
        let (topic, id) = (self.place_of("{topic}")?, self.place_of("{id}")?);
        let list = place
            .separator
            .as_deref()
            .map(|separator| (kept(separator), kept(&place.tag)));
        let event = self.event;
        Ok(Provider {
            name: NAME,
            shape,
            resent,
            usual_topic: kept(&self.topic),
            scheme: Box::leak(Box::new(move |_: &str| scheme.clone())),
            topic,
            id,
            list,
            event: Box::leak(Box::new(move |about: &Event| filled(&event, about))),
            headers: Box::leak(Box::new(move |about: &Event| {
                let all = headers.iter();
                all.map(|(name, value)| (*name, text(value, about))).collect()
            })),
        })
    }

    fn scheme(&self, name: &HeaderName, place: &Place, id: Option<&'static str>, time: Time) -> Result<Scheme, String> {
        let algorithm = match self.algorithm {
            Digest::Sha256 => Algorithm::HmacSha256,
            Digest::Sha512 => Algorithm::HmacSha512,
        };
        let encoding = match self.encoding {
            Writing::Hex => Encoding::Hex,
            Writing::Base64 => Encoding::Base64,
        };
        let tolerance = match &self.tolerance {
            None => Duration::from_secs(300),
            Some(text) => humantime::parse_duration(text)
                .map_err(|_| format!("tolerance is {text:?}; expected a length of time, \"5min\", say"))?,
        };
        let unusable = |error: &dyn std::fmt::Display| format!("the scheme is unusable: {error}");
        let mut scheme = Scheme::new(name.clone(), algorithm, encoding);
        scheme = match &place.separator {
            Some(separator) => scheme
                .list(separator.as_str(), &place.tag)
                .map_err(|error| unusable(&error))?,
            None => {
                let prefix = HeaderValue::from_str(&place.tag).map_err(|error| unusable(&error))?;
                scheme.prefix(prefix)
            }
        };
        if let Some(name) = id {
            scheme = scheme.id_header(HeaderName::from_static(name));
        }
        scheme = match time {
            Time::Unsigned => scheme,
            Time::Header(name) => scheme.timestamp_header(HeaderName::from_static(name), tolerance),
            Time::Item(label) => scheme
                .timestamp_item(label, tolerance)
                .map_err(|error| unusable(&error))?,
        };
        let template = self.signed.replace("{time}", "{timestamp}");
        scheme = scheme.signed_content(&template).map_err(|error| unusable(&error))?;
        Ok(match self.secret {
            Form::Text => scheme,
            Form::Base64 => scheme.base64_secrets("whsec_"),
        })
    }

    /// The header that is this, and nothing else.
    fn header_of(&self, part: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(_, value)| *value == part).map(|(name, _)| name.as_str())
    }

    /// Where an event says it: in the body, where it is a text of its own, or else in a header.
    fn place_of(&self, part: &str) -> Result<FieldPlace, String> {
        if let Some(pointer) = pointer_to(&self.event, part) {
            let places: &'static [&'static str] = Box::leak(Box::new([kept(&pointer)]));
            return Ok(FieldPlace::Body(places));
        }
        match self.headers.values().any(|value| value.contains(part)) {
            true => Ok(FieldPlace::Header),
            false => Err(format!(
                "{part} is nowhere; expected it as a text of the event, or in a header"
            )),
        }
    }
}

/// How the tag, and perhaps a time, stand in the signature's value.
struct Place {
    separator: Option<String>,
    /// The texts before the tag and before the time.
    tag: String,
    time: Option<String>,
}

impl Place {
    fn read(value: &str, list: Option<&str>) -> Result<Self, String> {
        let refuse = || {
            format!("signature is {value:?}; expected {{tag}} at its end, or a list as in \"t={{time}},v1={{tag}}\"")
        };
        let separators = list.map_or(vec![",", ";", " "], |list| vec![list]);
        let items = |separator: &str| -> Vec<String> {
            let items = value.split(separator).map(|item| item.trim().to_owned());
            items.collect()
        };
        let label =
            |items: &[String], part: &str| items.iter().find_map(|item| item.strip_suffix(part)).map(str::to_owned);
        if value.contains("{time}") {
            return separators
                .into_iter()
                .find_map(|separator| {
                    let items = items(separator);
                    let (tag, time) = (label(&items, "{tag}")?, label(&items, "{time}")?);
                    let is_whole = items.len() == 2 && !tag.contains('{') && !time.contains('{');
                    is_whole.then(|| Self {
                        separator: Some(separator.to_owned()),
                        tag,
                        time: Some(time),
                    })
                })
                .ok_or_else(refuse);
        }
        Ok(Self {
            separator: list.map(str::to_owned),
            tag: value.strip_suffix("{tag}").ok_or_else(refuse)?.to_owned(),
            time: None,
        })
    }
}

fn header(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no name of a header; expected one"))
}

/// The JSON pointer to this text.
fn pointer_to(value: &Value, part: &str) -> Option<String> {
    match value {
        Value::String(text) => (text == part).then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(format!("/{index}{}", pointer_to(item, part)?))),
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            Some(format!("/{name}{}", pointer_to(field, part)?))
        }),
        _ => None,
    }
}

/// The event, with what it is about in its places.
fn filled(value: &Value, about: &Event) -> Value {
    match value {
        Value::String(at) if at == "{seconds}" => about.since_1970().as_secs().into(),
        Value::String(at) if at == "{milliseconds}" => about.created_in_milliseconds().into(),
        Value::String(at) => text(at, about).into(),
        Value::Array(items) => items.iter().map(|item| filled(item, about)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, field)| (name.clone(), filled(field, about)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

fn text(template: &str, about: &Event) -> String {
    // What is put in is not looked at again.
    let parts: [(&str, String); 4] = [
        ("{id}", about.id.clone()),
        ("{topic}", about.topic.clone()),
        ("{created}", about.rfc3339()),
        ("{time}", (about.sent_in_milliseconds() / 1000).to_string()),
    ];
    let (mut filled, mut rest) = (String::new(), template);
    while let Some(letter) = rest.chars().next() {
        let found = parts
            .iter()
            .find_map(|(name, part)| Some((rest.strip_prefix(name)?, part)));
        match found {
            Some((behind, part)) => {
                filled.push_str(part);
                rest = behind;
            }
            None => {
                filled.push(letter);
                rest = rest.strip_prefix(letter).unwrap_or_default();
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: Value) -> Result<Provider, String> {
        let mut all = json!({
            "signature": "X-Acme-Signature: t={time},v1={tag}",
            "signed": "{time}.{body}",
            "topic": "user.created",
            "event": { "id": "{id}", "about": { "type/kind": "{topic}" } },
        });
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
        }
        serde_json::from_value::<Description>(all).unwrap().provider()
    }

    #[test]
    fn a_description_says_where_everything_is() {
        let provider = read(json!({})).unwrap();
        assert_eq!(provider.shape.time, Time::Item("t="));
        assert_eq!(provider.list, Some((",", "v1=")));
        assert_eq!(
            (provider.id, provider.topic),
            (FieldPlace::Body(&["/id"]), FieldPlace::Body(&["/about/type~1kind"]))
        );
        assert_eq!(provider.resent, Resent::Unknown);

        let provider = read(json!({
            "signature": "x-acme-signature: sha256={tag}",
            "signed": "{id}.{time}.{body}",
            "headers": { "X-Acme-Id": "{id}", "X-Acme-Time": "{time}", "X-Acme-Topic": "about {topic}" },
            "event": { "at": "{seconds}", "in_ms": "{milliseconds}", "text": "{id} {created} {topic" },
        }))
        .unwrap();
        assert_eq!(
            (provider.shape.id, provider.shape.time),
            (Some("x-acme-id"), Time::Header("x-acme-time"))
        );
        assert_eq!((provider.id, provider.topic), (FieldPlace::Header, FieldPlace::Header));
        let event = Event {
            id: "{topic}".to_owned(),
            topic: "a.b".to_owned(),
            created: std::time::UNIX_EPOCH + Duration::from_secs(7),
            sent: std::time::UNIX_EPOCH,
        };
        assert_eq!((provider.headers)(&event), [("x-acme-topic", "about a.b".to_owned())]);
        assert_eq!(
            (provider.event)(&event),
            json!({ "at": 7, "in_ms": 7000, "text": "{topic} 1970-01-01T00:00:07.000Z {topic" })
        );
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        for (change, said) in [
            (
                json!({ "signature": "no header" }),
                "signature is \"no header\"; expected a header",
            ),
            (json!({ "signature": "x-s: abc" }), "expected {tag} in it, once"),
            (
                json!({ "signature": "x-s: {tag}{time}" }),
                "expected {tag} at its end, or a list",
            ),
            (json!({ "signature": "x s: {tag}" }), "\"x s\" is no name of a header"),
            (
                json!({ "signature": "x-s: {tag}" }),
                "signed has {time}, which is nowhere",
            ),
            (
                json!({ "signed": "{id}.{time}.{body}" }),
                "signed has {id}, which is nowhere",
            ),
            (json!({ "signed": "{time}" }), "the scheme is unusable"),
            (
                json!({ "tolerance": "soon" }),
                "tolerance is \"soon\"; expected a length of time",
            ),
            (json!({ "event": { "id": "{id}" } }), "{topic} is nowhere"),
            (json!({ "event": { "type": "{topic}" } }), "{id} is nowhere"),
        ] {
            let error = read(change.clone()).map(|provider| provider.name).unwrap_err();
            assert!(error.contains(said), "{change}: {error}");
        }
    }
}
