use std::fmt;

use bytes::Bytes;

use crate::{
    OtherFields, Time,
    lenient::{self, Fields},
};

/// An event of Stripe, as the API tells it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The event's id, `evt_…`: what the receiver deduplicates by.
    pub id: String,
    /// The topic: the field `type`.
    pub topic: Option<String>,
    /// When it happened, in seconds since 1970.
    pub created: Option<Time>,
    /// Whether it happened in live mode.
    pub livemode: Option<bool>,
    /// How many endpoints have not taken it yet.
    pub pending_webhooks: Option<u64>,
    /// The API version in which it is rendered.
    pub api_version: Option<String>,
    /// The connected account that it happened in.
    pub account: Option<String>,
    /// All other fields; `data` among them.
    pub other: OtherFields,
    /// The event's JSON as the API wrote it.
    pub json: Bytes,
}

impl Event {
    pub(crate) fn read(json: Bytes) -> Result<Self, serde_json::Error> {
        let mut fields: Fields = lenient::from_slice(&json)?;
        Ok(Self {
            id: fields.id()?,
            topic: fields.text("type"),
            created: fields.time("created"),
            livemode: fields.flag("livemode"),
            pending_webhooks: fields.number("pending_webhooks"),
            api_version: fields.text("api_version"),
            account: fields.text("account"),
            other: fields.other(),
            json,
        })
    }
}

/// Without the JSON.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("created", &self.created)
            .field("livemode", &self.livemode)
            .field("pending_webhooks", &self.pending_webhooks)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}
