use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use crate::{
    OtherFields, RecordedHeaders, Time,
    lenient::{self, Fields},
};

/// A webhook subscription: where Dwolla sends an application's events.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Subscription {
    /// The subscription's id.
    pub id: String,
    /// The address that the events are sent to.
    pub url: Option<String>,
    /// Whether nothing is sent now. Absent in some responses.
    pub paused: Option<bool>,
    /// When the subscription was created.
    pub created: Option<Time>,
    /// All other fields.
    pub other: OtherFields,
}

impl<'de> Deserialize<'de> for Subscription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            id: fields.id()?,
            url: fields.text("url"),
            paused: fields.flag("paused"),
            created: fields.time("created"),
            other: fields.other(),
        })
    }
}

/// The delivery of one event to one subscription.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Webhook {
    /// The webhook's id. It is *not* the event's.
    pub id: String,
    /// The topic: `transfer_completed`, for example.
    pub topic: Option<String>,
    /// The account that the event is about.
    pub account_id: Option<String>,
    /// The event's id: what the receiver deduplicates by.
    pub event_id: Option<String>,
    /// The subscription's id.
    pub subscription_id: Option<String>,
    /// The requests and responses; empty if nothing was sent, because of a pause.
    pub attempts: Vec<Attempt>,
    /// All other fields.
    pub other: OtherFields,
}

impl Webhook {
    /// Whether an attempt got a response of 2xx.
    #[must_use]
    pub fn is_delivered(&self) -> bool {
        let status = |attempt: &Attempt| attempt.response.as_ref()?.status_code;
        self.attempts
            .iter()
            .filter_map(status)
            .any(|status| (200..300).contains(&status))
    }
}

impl<'de> Deserialize<'de> for Webhook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        let event_id = fields.text("eventId").or_else(|| fields.id_of_link("event"));
        let subscription_id = fields
            .text("subscriptionId")
            .or_else(|| fields.id_of_link("subscription"));
        Ok(Self {
            id: fields.id()?,
            topic: fields.text("topic"),
            account_id: fields.text("accountId"),
            event_id,
            subscription_id,
            attempts: fields.list("attempts"),
            other: fields.other(),
        })
    }
}

/// One attempt to deliver a webhook.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attempt {
    /// The attempt's id.
    pub id: Option<String>,
    /// The request.
    pub request: Option<RecordedRequest>,
    /// The response; absent if there was none.
    pub response: Option<RecordedResponse>,
    /// All other fields.
    pub other: OtherFields,
}

impl<'de> Deserialize<'de> for Attempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            id: fields.text("id"),
            request: fields.object("request"),
            response: fields.object("response"),
            other: fields.other(),
        })
    }
}

/// The request of an attempt.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordedRequest {
    /// When it was sent.
    pub timestamp: Option<Time>,
    /// The address that it was sent to.
    pub url: Option<String>,
    /// Its headers, the signature among them.
    pub headers: RecordedHeaders,
    /// Its body: a text that holds the event's JSON.
    pub body: Option<String>,
    /// All other fields.
    pub other: OtherFields,
}

impl<'de> Deserialize<'de> for RecordedRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            timestamp: timestamp(&mut fields),
            url: fields.text("url"),
            headers: fields.object("headers").unwrap_or_default(),
            body: fields.text("body"),
            other: fields.other(),
        })
    }
}

/// Without the URL, whose query may hold a token, and without the body.
impl fmt::Debug for RecordedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedRequest")
            .field("timestamp", &self.timestamp)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}

/// The response to an attempt.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordedResponse {
    /// When it came.
    pub timestamp: Option<Time>,
    /// Its status.
    pub status_code: Option<u16>,
    /// Its headers. Dwolla has recorded none since 2019.
    pub headers: RecordedHeaders,
    /// Its body. Dwolla has recorded none since 2019.
    pub body: Option<String>,
    /// All other fields.
    pub other: OtherFields,
}

impl<'de> Deserialize<'de> for RecordedResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            timestamp: timestamp(&mut fields),
            status_code: fields.number("statusCode"),
            headers: fields.object("headers").unwrap_or_default(),
            body: fields.text("body"),
            other: fields.other(),
        })
    }
}

/// Without the body.
impl fmt::Debug for RecordedResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedResponse")
            .field("timestamp", &self.timestamp)
            .field("status_code", &self.status_code)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}

/// Dwolla's examples call it `timestamp`, its prose `created`.
fn timestamp(fields: &mut Fields) -> Option<Time> {
    fields.time("timestamp").or_else(|| fields.time("created"))
}

/// A retry that was asked for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Retry {
    /// The retry's id.
    pub id: String,
    /// When it was asked for.
    pub timestamp: Option<Time>,
    /// All other fields.
    pub other: OtherFields,
}

impl<'de> Deserialize<'de> for Retry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        Ok(Self {
            id: fields.id()?,
            timestamp: timestamp(&mut fields),
            other: fields.other(),
        })
    }
}

/// An event, as the API tells it. A delivery tells the same facts in other bytes.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The event's id.
    pub id: String,
    /// The topic.
    pub topic: Option<String>,
    /// When it happened.
    pub created: Option<Time>,
    /// The id of the resource that the event is about.
    pub resource_id: Option<String>,
    /// The id that the application gave the transfer.
    pub correlation_id: Option<String>,
    /// All other fields.
    pub other: OtherFields,
    /// The event's JSON.
    pub json: Bytes,
}

impl Event {
    pub(crate) fn read(json: Bytes) -> Result<Self, serde_json::Error> {
        let mut fields: Fields = lenient::from_slice(&json)?;
        Ok(Self {
            id: fields.id()?,
            topic: fields.text("topic"),
            created: fields.time("created").or_else(|| fields.time("timestamp")),
            resource_id: fields.text("resourceId").or_else(|| fields.id_of_link("resource")),
            correlation_id: fields.text("correlationId"),
            other: fields.other(),
            json,
        })
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let value = serde_json::Value::deserialize(deserializer)?;
        Self::read(value.to_string().into()).map_err(D::Error::custom)
    }
}

/// Without the JSON.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("topic", &self.topic)
            .field("created", &self.created)
            .field("resource_id", &self.resource_id)
            .field("other", &self.other)
            .finish_non_exhaustive()
    }
}
