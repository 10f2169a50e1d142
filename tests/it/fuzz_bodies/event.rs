//! The event parser, beside a second statement of what an event is.

use std::{collections::BTreeMap, fmt, sync::LazyLock, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use serde_json::Value;
use tower_webhook::{
    custom::{Custom, FieldPath},
    dwolla,
    event::{self, Event as _, EventId},
    provider::{DeliveryPolicy, Provider as _},
    signature::{Algorithm, Encoding, Scheme},
};

use super::{
    Input,
    json::{Json, write_event},
};

/// A JSON body as it is, or, behind a byte that is no ASCII, decisions to write one by.
pub(crate) fn check(bytes: &[u8]) {
    let written;
    let body = match bytes {
        [0x80..=0xff, decisions @ ..] => {
            written = write_event(&mut Input::new(decisions));
            &written
        }
        _ => bytes,
    };
    check_dwolla(body);
    check_envelope(body);
    check_custom(body);
}

fn check_dwolla(body: &[u8]) {
    let shown = String::from_utf8_lossy(body);
    match (dwolla::Event::from_json(body), expected(body)) {
        (Ok(event), Some(expected)) => {
            assert_eq!(event.id().as_str(), expected.id, "{shown}");
            assert_eq!(event.topic().as_str(), expected.topic, "{shown}");
            assert_eq!(event.created_text(), expected.created.as_deref(), "{shown}");
            assert_eq!(event.correlation_id(), expected.correlation_id.as_deref(), "{shown}");
            if let Some(resource_id) = &expected.resource_id {
                assert_eq!(event.resource_id(), Some(&**resource_id), "{shown}");
            }
            let links: Vec<_> = expected.links.iter().map(|(name, href)| (&**name, &**href)).collect();
            assert_eq!(event.links().collect::<Vec<_>>(), links, "{shown}");
            // Whatever was read can be asked for.
            let _ = (
                event.is_sandbox(),
                event.resource_id(),
                event.fingerprint(),
                event.time(),
            );
            assert_eq!(
                format!("{event:?}"),
                format!("Event {{ id: {:?}, topic: {:?}, .. }}", event.id(), event.topic())
            );
            // A third reader, which has no text for half a surrogate, no number beyond a float's
            // range and no mark.
            if let Ok(value) = serde_json::from_slice::<Value>(body) {
                assert_eq!(value["id"], expected.id, "{shown}");
                assert_eq!(value["topic"], expected.topic, "{shown}");
            }
        }
        (Err(error), None) => assert_tells_nothing(&error, body),
        (Ok(_), None) => panic!("accepted, though it is no event: {shown}"),
        (Err(error), Some(_)) => panic!("refused ({error}), though it is an event: {shown}"),
    }
}

/// An event as a user of `from_json` may write it, with types whose refusals would quote the body
/// if serde worded them.
#[derive(Deserialize)]
struct Envelope {
    id: EventId,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    created: Kind,
    #[serde(default, rename = "resourceId")]
    count: Option<u8>,
    #[serde(default, rename = "_links")]
    links: BTreeMap<String, Option<Link>>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    CustomerCreated,
    TransferFailed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    #[serde(default)]
    href: Option<String>,
}

fn check_envelope(body: &[u8]) {
    let shown = String::from_utf8_lossy(body);
    let envelope = match event::from_json::<Envelope>(body) {
        Ok(envelope) => envelope,
        Err(error) => return assert_tells_nothing(&error, body),
    };
    let Some(Json::Object(fields)) = Json::parse(body) else {
        panic!("accepted, though it is no object: {shown}");
    };
    for known in ["id", "topic", "created", "resourceId", "_links"] {
        assert!(count(&fields, known) <= 1, "accepted with {known} twice: {shown}");
    }
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        assert_eq!(value["id"], envelope.id.as_str(), "{shown}");
        assert_eq!(
            value.get("topic").and_then(Value::as_str),
            envelope.topic.as_deref(),
            "{shown}"
        );
        assert_eq!(
            value.get("resourceId").and_then(Value::as_u64),
            envelope.count.map(u64::from),
            "{shown}"
        );
        assert_eq!(
            value.get("created").is_some_and(|kind| kind == "transfer_failed"),
            envelope.created == Kind::TransferFailed
        );
        for (name, link) in envelope.links {
            // below the top a derived struct may be an array too
            let expected = match &value["_links"][&name] {
                Value::Array(fields) => fields.first(),
                link => link.get("href"),
            };
            let href = link.and_then(|link| link.href);
            assert_eq!(expected.and_then(Value::as_str), href.as_deref(), "{shown}");
        }
    }
}

static CUSTOM: LazyLock<Custom> = LazyLock::new(|| {
    let scheme = Scheme::new(
        HeaderName::from_static("x-signature"),
        Algorithm::HmacSha256,
        Encoding::Hex,
    );
    Custom::builder("custom", scheme)
        .secrets("the secret")
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("topic"))
        .time(FieldPath::body("created"))
        .payload(FieldPath::body("_links.resource"))
        .policy(DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(3600)))
        .build()
        .unwrap()
});

/// The parser that goes by places.
fn check_custom(body: &[u8]) {
    let shown = String::from_utf8_lossy(body);
    let found = CUSTOM.event(&HeaderMap::new(), &Bytes::copy_from_slice(body));
    let (event, (id, topic)) = match (found, expected_of_custom(body)) {
        (Ok(event), Some(expected)) => (event, expected),
        (Err(error), None) => return assert_tells_nothing(&error, body),
        (Ok(_), None) => panic!("accepted, though it is no event: {shown}"),
        (Err(error), Some(_)) => panic!("refused ({error}), though it is an event: {shown}"),
    };
    assert_eq!(event.id().map(EventId::as_str), Some(&*id), "{shown}");
    assert_eq!(event.topic(), topic, "{shown}");
    let payload = event.payload::<Value>();
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        if value["id"].is_string() {
            assert_eq!(value["id"], id, "{shown}");
        }
        assert_eq!(value["topic"], topic, "{shown}");
        let links = value.get("_links").unwrap_or(&Value::Null);
        match payload {
            Ok(payload) => assert_eq!(payload, links["resource"], "{shown}"),
            Err(error) => assert!(!links.is_null() && !links.is_object(), "{error}: {shown}"),
        }
    }
    if let Err(error) = event.payload::<Kind>() {
        let error = error.to_string();
        let (kind, reason) = error.split_once(": ").unwrap();
        assert!(
            kind.starts_with("the payload does not fit ") && kind.ends_with("Kind"),
            "{error}"
        );
        assert_tells_nothing(&reason, body);
    }
}

/// Id and topic of an event where the custom provider has them.
fn expected_of_custom(body: &[u8]) -> Option<(String, String)> {
    let Json::Object(fields) = Json::parse(body)? else {
        return None;
    };
    if ["id", "topic", "created", "_links"]
        .iter()
        .any(|name| count(&fields, name) > 1)
    {
        return None;
    }
    let field = |name: &str| fields.iter().find(|(found, _)| found == name).map(|(_, value)| value);
    if let Some(Json::Object(links)) = field("_links")
        && count(links, "resource") > 1
    {
        return None;
    }
    let name = |name| match field(name) {
        Some(Json::Text(text)) => Some(text.clone()).filter(|text| is_name(text)),
        _ => None,
    };
    // A whole number is as good as its digits.
    let id = match field("id") {
        Some(Json::Number(number)) => {
            let digits = number.strip_prefix('-').unwrap_or(number);
            let is_whole = digits.len() <= 255 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_whole.then(|| number.clone()).filter(|id| is_name(id))
        }
        _ => name("id"),
    };
    Some((id?, name("topic")?))
}

/// What an id may be, and a custom provider's topic.
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// What can be read from a Dwolla event.
pub(crate) struct Expected {
    pub(crate) id: String,
    pub(crate) topic: String,
    created: Option<String>,
    correlation_id: Option<String>,
    resource_id: Option<String>,
    links: Vec<(String, String)>,
}

/// The event that a body is, if it is one.
pub(crate) fn expected(body: &[u8]) -> Option<Expected> {
    let Json::Object(fields) = Json::parse(body)? else {
        return None;
    };
    let field = |name: &str| match count(&fields, name) {
        0 => Some(None),
        1 => Some(fields.iter().find(|(found, _)| found == name).map(|(_, value)| value)),
        _ => None,
    };
    let Some(Json::Text(id)) = field("id")? else {
        return None;
    };
    if !is_name(id) {
        return None;
    }
    let Some(Json::Text(topic)) = field("topic")? else {
        return None;
    };
    let text = |name| Some(field(name)?.and_then(usable));
    let (created, timestamp) = (text("created")?, text("timestamp")?);
    if field("created")?.is_none() && field("timestamp")?.is_none() {
        return None;
    }
    let mut links = Vec::new();
    if let Some(Json::Object(found)) = field("_links")? {
        for (name, link) in found {
            let href = match link {
                Json::Object(link) => {
                    if count(link, "href") > 1 {
                        return None;
                    }
                    let href = link.iter().find(|(name, _)| name == "href");
                    href.and_then(|(_, href)| usable(href))
                }
                link => usable(link),
            };
            links.extend(href.map(|href| (name.clone(), href)));
        }
    }
    Some(Expected {
        id: id.clone(),
        topic: topic.clone(),
        created: created.or(timestamp),
        correlation_id: text("correlationId")?,
        resource_id: text("resourceId")?,
        links,
    })
}

fn count(fields: &[(String, Json)], name: &str) -> usize {
    fields.iter().filter(|(found, _)| found == name).count()
}

/// The text of a field that may be of any type, if it is one.
fn usable(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        _ => None,
    }
}

/// A refusal is one of these sentences, so nothing of the body is in it. N is any number (the 8 of
/// UTF-8 too), and no larger than a place in the body can be.
fn assert_tells_nothing(error: &dyn fmt::Display, body: &[u8]) {
    const WHERE: &str = " at line N column N";
    const SENTENCES: [&str; 7] = [
        "the body is not UTF-N from byte N on; expected JSON in UTF-N",
        "the body is empty; expected a JSON object",
        "the body is not a JSON object; expected one",
        "the body nests more than N levels deep; expected an event",
        "the body is not valid JSON",
        "a field has another type than expected",
        "the event's created and timestamp are both missing; expected at least one of them",
    ];
    const FIELDS: [&str; 10] = [
        "_links.resource",
        "resource",
        "id",
        "topic",
        "resourceId",
        "created",
        "timestamp",
        "correlationId",
        "_links",
        "href",
    ];
    const TYPES: [&str; 5] = ["a boolean", "a number", "null", "an array", "an object"];

    let message = error.to_string();
    let mut sentence = String::new();
    let mut rest = &*message;
    while let Some(letter) = rest.chars().next() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 {
            let number: usize = rest[..digits].parse().unwrap();
            assert!(
                number <= body.len().max(255) + 1,
                "{message}: a number that is no place in the body"
            );
            sentence.push('N');
            rest = &rest[digits..];
        } else {
            sentence.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    let sentence = sentence.strip_suffix(WHERE).unwrap_or(&sentence);
    let one_of = |sentences: &[String]| sentences.iter().any(|known| *known == sentence);
    let known = SENTENCES.contains(&sentence)
        || FIELDS.iter().any(|field| {
            one_of(&[
                format!("missing field `{field}`"),
                format!("duplicate field `{field}`"),
                format!("the event's {field} has another type than expected"),
                format!("the event's {field} is missing"),
                format!("the event's {field} is missing; expected a string of N to N bytes"),
                format!("the event's {field} is missing; expected a string of N to N bytes or a whole number"),
                format!("the event's {field} is there twice; expected it once"),
                format!("the event's {field} is empty; expected N to N bytes"),
                format!("the event's {field} has N bytes; expected N to N"),
                format!("the event's {field} has a control character at position N; expected none"),
            ])
        })
        || TYPES.iter().any(|found| {
            one_of(&[
                format!("the event's id is {found}; expected a string of N to N bytes"),
                format!("the event's id is {found}; expected a string of N to N bytes or a whole number"),
                format!("the event's topic is {found}; expected a string of N to N bytes"),
                format!("the event's topic is {found}; expected a string"),
            ])
        });
    assert!(known, "not a known refusal, so it may tell of the body: {message}");
}
