//! Events, and where each of them goes.

use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{json, value::RawValue};
use tower_webhook::{signature::Secrets, stripe::scheme};

use super::{endpoints::Endpoint, new_id};
use crate::{
    Error,
    deliver::Dispatcher,
    fired::Fired,
    keep,
    odd::{self, Odd},
    shelf::{Shelf, Shelved},
    time::{exact, unix},
};

const SIGNATURE: &str = "Stripe-Signature";

const FORMS: [Odd; 5] = [
    Odd::ExtraField,
    Odd::HalfAnEmoji,
    Odd::DoubledSignature,
    Odd::EmptyEncoding,
    Odd::SecondSignature,
];

#[derive(Deserialize, Serialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) topic: String,
    #[serde(with = "exact")]
    pub(super) created: SystemTime,
    /// As it is delivered: with the number of endpoints that it began with.
    #[serde(with = "keep::bytes")]
    pub(super) body: Bytes,
    /// The event's object, unless the event came as a whole.
    data: Option<Box<RawValue>>,
    pub(super) deliveries: Vec<Delivery>,
    odd: Option<Odd>,
}

impl Shelved for Event {
    const KIND: &'static str = "stripe.event";
}

#[derive(Deserialize, Serialize)]
pub(super) struct Delivery {
    pub(super) endpoint: String,
    pub(super) delivered: bool,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    api_version: &'static str,
    created: u64,
    data: &'a RawValue,
    livemode: bool,
    pending_webhooks: usize,
    request: Request,
    r#type: &'a str,
}

/// Nobody's request was the cause.
#[derive(Serialize)]
struct Request {
    id: Option<String>,
    idempotency_key: Option<String>,
}

impl Event {
    /// Reads what is to be fired: with an `id` it is a whole event, and is delivered as it is.
    pub(super) fn read(
        body: &Bytes,
        endpoints: &Shelf<Endpoint>,
        now: SystemTime,
        dispatcher: &Dispatcher,
    ) -> Result<Self, Error> {
        let expected = "{\"type\": …, \"data\": {\"object\": {…}}}, with \"id\" a whole event";
        let fired = Fired::read(body, expected)?;
        let topic = fired.token("type")?;
        let id = fired.optional_token("id")?;
        let wanting = endpoints.oldest_first().filter(|endpoint| endpoint.wants(&topic));
        let deliveries: Vec<Delivery> = wanting
            .map(|endpoint| Delivery {
                endpoint: endpoint.id.clone(),
                delivered: false,
            })
            .collect();
        let mut event = Self {
            id: String::new(),
            topic,
            created: now,
            body: body.clone(),
            data: None,
            deliveries,
            odd: None,
        };
        match id {
            Some(id) => event.id = id,
            None => {
                let nothing = || serde_json::value::to_raw_value(&json!({ "object": {} })).ok();
                event.id = new_id("evt");
                event.data = fired.raw("data").map(RawValue::to_owned).or_else(nothing);
                event.odd = dispatcher.odd(&FORMS);
                event.body = event.written(event.deliveries.len());
            }
        }
        Ok(event)
    }

    /// In Stripe's form; a whole event stays as it is.
    fn written(&self, pending: usize) -> Bytes {
        let Some(data) = &self.data else {
            return self.body.clone();
        };
        let body = Body {
            id: &self.id,
            object: "event",
            api_version: "2026-08-27",
            created: unix(self.created),
            data,
            livemode: false,
            pending_webhooks: pending,
            request: Request {
                id: None,
                idempotency_key: None,
            },
            r#type: &self.topic,
        };
        odd::body(self.odd, serde_json::to_vec(&body).unwrap_or_default().into())
    }

    /// To how many of the endpoints it has not been delivered.
    pub(super) fn pending(&self, endpoints: &Shelf<Endpoint>) -> usize {
        let is_there = |delivery: &&Delivery| endpoints.get(&delivery.endpoint).is_some();
        let pending = self.deliveries.iter().filter(|delivery| !delivery.delivered);
        pending.filter(is_there).count()
    }

    /// As the API shows it.
    pub(super) fn listed(&self, endpoints: &Shelf<Endpoint>) -> Bytes {
        self.written(self.pending(endpoints))
    }

    /// The headers of an attempt, signed at this time.
    pub(super) fn headers(&self, secrets: &Secrets, now: SystemTime) -> Vec<(String, String)> {
        let sign = |secrets: &Secrets| {
            let signed = scheme().sign_at(secrets, "", now, &self.body).ok()?;
            Some(signed.values().next()?.to_str().ok()?.to_owned())
        };
        let mut signature = sign(secrets).unwrap_or_default();
        if self.odd == Some(Odd::SecondSignature) {
            // The old secret's comes first while an endpoint's secret rolls.
            let old = Secrets::raw_key("the secret that is on its way out").ok();
            let old = old.and_then(|secrets| sign(&secrets));
            let new = signature.split_once(',').map(|(_, tag)| tag);
            if let (Some(old), Some(new)) = (old, new) {
                signature = format!("{old},{new}");
            }
        }
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned()),
            ("Accept".to_owned(), "*/*; q=0.5, application/xml".to_owned()),
            ("Cache-Control".to_owned(), "no-cache".to_owned()),
            (
                "User-Agent".to_owned(),
                "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned(),
            ),
            (SIGNATURE.to_owned(), signature),
        ];
        odd::headers(self.odd, SIGNATURE, &mut headers);
        headers
    }
}
