//! Events and how they are signed.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::value::RawValue;
use tower_webhook::signature::{Algorithm, Encoding, Scheme, Secrets};

use super::{Example, new_id};
use crate::{
    Error,
    fired::Fired,
    odd::{self, Odd},
    time::seconds,
};

const SIGNATURE: &str = "X-Webhook-Signature";

const FORMS: [Odd; 5] = [
    Odd::ExtraField,
    Odd::HalfAnEmoji,
    Odd::Charset,
    Odd::DoubledSignature,
    Odd::EmptyEncoding,
];

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) body: Bytes,
    odd: Option<Odd>,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    r#type: &'a str,
    created_at: &'a str,
    data: &'a RawValue,
}

impl Event {
    /// Reads what is to be fired: with an `id` it is a whole event, and is delivered as it is.
    pub(super) fn read(body: &Bytes, example: &Example) -> Result<Self, Error> {
        let fired = Fired::read(body, "{\"type\": …, \"data\": …}, with \"id\" a whole event")?;
        let topic = fired.token("type")?;
        Ok(match fired.optional_token("id")? {
            None => Self::new(&topic, fired.raw("data").unwrap_or(RawValue::NULL), example),
            Some(id) => Self {
                id,
                topic,
                body: body.clone(),
                odd: None,
            },
        })
    }

    pub(super) fn test(example: &Example) -> Self {
        Self::new("webhook.test", RawValue::NULL, example)
    }

    fn new(topic: &str, data: &RawValue, example: &Example) -> Self {
        let id = new_id("evt");
        let odd = example.dispatcher.odd(&FORMS);
        let body = Body {
            id: &id,
            r#type: topic,
            created_at: &seconds(example.clock().now()),
            data,
        };
        let body = serde_json::to_vec(&body).unwrap_or_default().into();
        Self {
            topic: topic.to_owned(),
            body: odd::body(odd, body),
            id,
            odd,
        }
    }

    /// The headers of its deliveries to a webhook.
    pub(super) fn headers(&self, webhook: &str, secrets: &Secrets) -> Vec<(String, String)> {
        let signature = scheme().sign(secrets, &self.body);
        let tag = signature.ok().and_then(|headers| {
            let value = headers.values().next()?;
            Some(value.to_str().ok()?.to_owned())
        });
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("X-Webhook-Id".to_owned(), webhook.to_owned()),
            ("X-Webhook-Event".to_owned(), self.topic.clone()),
            (SIGNATURE.to_owned(), tag.unwrap_or_default()),
        ];
        odd::headers(self.odd, SIGNATURE, &mut headers);
        headers
    }
}

/// `sha256=` and the hex of HMAC-SHA256 over the body.
fn scheme() -> Scheme {
    let header = HeaderName::from_static("x-webhook-signature");
    Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="))
}
