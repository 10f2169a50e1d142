use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::{
    OtherFields, RecordedHeaders, Time,
    lenient::{self, Fields, raw_text},
};

/// One attempt to deliver an event.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The attempt's id.
    pub id: String,
    /// The delivery's id, the same for all attempts: `X-GitHub-Delivery`.
    pub guid: Option<String>,
    /// When it was sent.
    pub delivered_at: Option<Time>,
    /// Whether somebody asked for it.
    pub redelivery: bool,
    /// How long the response took, in seconds.
    pub duration: Option<f64>,
    /// The result in GitHub's words: `OK`, `failed to connect`.
    pub status: Option<String>,
    /// The status of the response. Where there was none, GitHub makes one up: 502, 504 or 0.
    pub status_code: Option<u16>,
    /// The event's name: `X-GitHub-Event`.
    pub event: Option<String>,
    /// The payload's action.
    pub action: Option<String>,
    /// The installation that the event belongs to.
    pub installation_id: Option<u64>,
    /// The repository that the event belongs to.
    pub repository_id: Option<u64>,
    /// All other fields.
    pub other: OtherFields,
}

impl Delivery {
    /// Whether the receiver responded 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status_code.is_some_and(|status| (200..300).contains(&status))
    }

    fn read<E: serde::de::Error>(fields: &mut Fields) -> Result<Self, E> {
        Ok(Self {
            id: fields.id()?,
            guid: fields.text("guid"),
            delivered_at: fields.time("delivered_at"),
            redelivery: fields.flag("redelivery").unwrap_or(false),
            duration: fields.number("duration"),
            status: fields.text("status"),
            status_code: fields.number("status_code"),
            event: fields.text("event"),
            action: fields.text("action"),
            installation_id: fields.number("installation_id"),
            repository_id: fields.number("repository_id"),
            other: OtherFields::default(),
        })
    }
}

impl<'de> Deserialize<'de> for Delivery {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Fields::deserialize(deserializer)?;
        let delivery = Self::read(&mut fields)?;
        Ok(Self {
            other: fields.other(),
            ..delivery
        })
    }
}

/// One attempt with its request and response.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct DeliveryDetail {
    /// The fields that the list has, too.
    pub delivery: Delivery,
    /// The address that it was sent to.
    pub url: Option<String>,
    /// The request's headers, the signature among them.
    pub headers: RecordedHeaders,
    /// The payload's JSON as the API wrote it. See the [module](super) about its bytes.
    pub body: Option<Bytes>,
    /// The response's headers.
    pub response_headers: RecordedHeaders,
    /// The response's body.
    pub response_body: Option<String>,
}

impl DeliveryDetail {
    pub(crate) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        /// Beside the fields, the payload's own text: its signature covers that.
        #[derive(Deserialize)]
        struct Texts<'a> {
            #[serde(borrow, default)]
            request: Option<RequestTexts<'a>>,
        }
        #[derive(Deserialize)]
        struct RequestTexts<'a> {
            #[serde(borrow, default)]
            payload: Option<&'a RawValue>,
        }

        let mut fields: Fields = lenient::from_slice(json)?;
        let texts: Option<Texts<'_>> = serde_json::from_slice(json).ok();
        let body = texts.and_then(|texts| texts.request?.payload).map(raw_text);
        let delivery = Delivery::read(&mut fields)?;
        let url = fields.text("url");
        let mut request: Fields = fields.object("request").unwrap_or_default();
        let mut response: Fields = fields.object("response").unwrap_or_default();
        Ok(Self {
            delivery: Delivery {
                other: fields.other(),
                ..delivery
            },
            url,
            headers: request.object("headers").unwrap_or_default(),
            body: body.filter(|body| !body.is_empty() && body != "null"),
            response_headers: response.object("headers").unwrap_or_default(),
            response_body: response.text("payload"),
        })
    }
}

/// Without the URL, whose query may hold a token, and without the bodies.
impl fmt::Debug for DeliveryDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryDetail")
            .field("delivery", &self.delivery)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.as_ref().map(Bytes::len))
            .field("response_headers", &self.response_headers)
            .finish_non_exhaustive()
    }
}
