//! Events: a name in a header, and a payload.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use super::hooks::Owner;
use crate::{
    Error,
    deliver::Dispatcher,
    fired::Fired,
    odd::{self, Odd},
};

const FORMS: [Odd; 6] = [
    Odd::Form,
    Odd::ExtraField,
    Odd::HalfAnEmoji,
    Odd::Charset,
    Odd::DoubledSignature,
    Odd::EmptyEncoding,
];

#[derive(Debug)]
pub(super) struct Event {
    /// The GUID of its deliveries.
    pub(super) guid: String,
    pub(super) name: String,
    pub(super) action: Option<String>,
    pub(super) installation: Option<u64>,
    pub(super) repository: Option<u64>,
    /// The repository's owner and name, if the payload tells.
    full_name: Option<String>,
    pub(super) payload: Bytes,
    pub(super) odd: Option<Odd>,
}

#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    event: &'a str,
    payload: &'a RawValue,
}

impl Event {
    pub(super) fn read(body: &[u8], dispatcher: &Dispatcher) -> Result<Self, Error> {
        let expected = "{\"topic\": \"issues.opened\"} or {\"event\": …, \"payload\": {…}}";
        let fired = Fired::read(body, expected)?;
        let (name, action) = match fired.optional_token("event")? {
            Some(name) => (name, None),
            None => {
                let topic = fired.token("topic")?;
                match topic.split_once('.') {
                    Some((name, action)) => (name.to_owned(), Some(action.to_owned())),
                    None => (topic, None),
                }
            }
        };
        let guid = fired
            .optional_token("id")?
            .unwrap_or_else(|| Uuid::new_v4().to_string());
        let odd = dispatcher.odd(&FORMS);
        let payload: Bytes = match fired.raw("payload") {
            // Byte for byte, spaces and number formats alike.
            Some(payload) if payload.get().starts_with('{') => payload.get().to_owned().into(),
            Some(_) => return Err(fired.refuse("payload is no object")),
            None => {
                let sender = json!({ "login": "octocat", "id": 583_231 });
                let payload = match action {
                    Some(action) => json!({ "action": action, "sender": sender }),
                    None => json!({ "sender": sender }),
                };
                odd::body(odd, payload.to_string().into())
            }
        };
        Ok(Self::new(guid, name, payload, odd))
    }

    /// The event that GitHub sends when a hook is made, and when it is asked to.
    pub(super) fn ping(hook: &Value, id: u64) -> Self {
        let payload = json!({ "zen": "Anything added dilutes everything else.", "hook_id": id, "hook": hook });
        let guid = Uuid::new_v4().to_string();
        Self::new(guid, "ping".to_owned(), payload.to_string().into(), None)
    }

    fn new(guid: String, name: String, payload: Bytes, odd: Option<Odd>) -> Self {
        /// A field of another type is absent.
        #[derive(Default, Deserialize)]
        struct Facts {
            #[serde(default)]
            action: Value,
            #[serde(default)]
            installation: Value,
            #[serde(default)]
            repository: Value,
        }
        // Half an emoji or a huge number elsewhere is skipped; within these it costs the facts.
        let facts: Facts = serde_json::from_slice(&payload).unwrap_or_default();
        Self {
            guid,
            name,
            action: facts.action.as_str().map(str::to_owned),
            installation: facts.installation.get("id").and_then(Value::as_u64),
            repository: facts.repository.get("id").and_then(Value::as_u64),
            full_name: facts
                .repository
                .get("full_name")
                .and_then(Value::as_str)
                .map(str::to_owned),
            payload,
            odd,
        }
    }

    /// Whether it happened where a hook is: everywhere, if the payload does not tell.
    pub(super) fn is_of(&self, owner: &Owner) -> bool {
        self.full_name.as_deref().is_none_or(|name| owner.has(name))
    }

    /// The event as the sandbox returns it: the GUID is in no payload.
    pub(super) fn show(&self) -> Bytes {
        let payload: Option<&RawValue> = serde_json::from_slice(&self.payload).ok();
        let shown = Shown {
            id: &self.guid,
            event: &self.name,
            payload: payload.unwrap_or(RawValue::NULL),
        };
        serde_json::to_vec(&shown).unwrap_or_default().into()
    }
}
