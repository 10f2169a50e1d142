//! Events: one set of facts, in the bytes that are delivered and in those of the API.

use std::time::SystemTime;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tower_webhook::{
    dwolla::{Topic, scheme},
    signature::Secrets,
};

use super::{Dwolla, HAL, new_id, simulate::Pending};
use crate::{
    Error,
    fired::Fired,
    keep,
    odd::{self, Odd},
    shelf::Shelved,
    time::{exact, millis, parse},
};

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) resource: String,
    pub(super) customer: Option<String>,
    pub(super) correlation: Option<String>,
    /// How what it begins shall end.
    pub(super) outcome: Option<String>,
    #[serde(with = "exact")]
    pub(super) happened: SystemTime,
    /// The bytes that are delivered.
    #[serde(with = "keep::bytes")]
    pub(super) delivered: Bytes,
    /// The bytes that the API shows.
    #[serde(with = "keep::bytes")]
    pub(super) listed: Bytes,
    odd: Option<Odd>,
}

impl Shelved for Event {
    const KIND: &'static str = "dwolla.event";
}

/// A request to fire an event.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) topic: String,
    pub(super) resource: Option<String>,
    pub(super) customer: Option<String>,
    pub(super) correlation: Option<String>,
    /// Not a field of Dwolla's: how `/sandbox-simulations` ends it.
    pub(super) outcome: Option<String>,
}

#[derive(Serialize)]
struct Href {
    href: String,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    media_type: Option<&'static str>,
    #[serde(rename = "resource-type", skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'static str>,
}

#[derive(Serialize)]
struct Links<L> {
    #[serde(rename = "self")]
    itself: L,
    account: L,
    resource: L,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<L>,
}

/// The order of the fields is that of deliveries that were captured.
#[derive(Serialize)]
struct Delivered<'a, L> {
    id: &'a str,
    #[serde(rename = "resourceId")]
    resource: &'a str,
    topic: &'a str,
    timestamp: &'a str,
    #[serde(rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation: Option<&'a str>,
    #[serde(rename = "_links")]
    links: Links<L>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<&'a str>,
}

/// An event's facts as a list writes them, in other bytes than its delivery.
#[derive(Serialize)]
struct Listed<'a, L> {
    #[serde(rename = "_links")]
    links: L,
    id: &'a str,
    created: &'a str,
    topic: &'a str,
    #[serde(rename = "resourceId")]
    resource: &'a str,
    #[serde(rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation: Option<&'a str>,
}

/// Forms that Dwolla's captures and documents show beside the usual one.
const FORMS: [Odd; 7] = [
    Odd::LinksAsTexts,
    Odd::TimestampAlone,
    Odd::ExtraField,
    Odd::HalfAnEmoji,
    Odd::Charset,
    Odd::DoubledSignature,
    Odd::EmptyEncoding,
];

impl Event {
    /// Reads what is to be fired: with an `id` it is a whole event, and is delivered as it is.
    pub(super) fn read(body: &Bytes, dwolla: &Dwolla) -> Result<Self, Error> {
        let fired = Fired::read(body, "{\"topic\": …}, with \"id\" a whole event")?;
        let topic = fired.token("topic")?;
        if let Some(id) = fired.optional_token("id")? {
            return Ok(Self::whole(id, topic, &fired, body, dwolla));
        }
        let happening = Happening {
            topic,
            resource: fired.optional_token("resourceId")?,
            customer: fired.optional_token("customerId")?,
            correlation: fired.optional_token("correlationId")?,
            outcome: fired.optional_token("outcome")?,
        };
        if let Some(outcome) = &happening.outcome {
            let end = Pending::end_of(&happening.topic, outcome);
            if !end.is_some_and(|end| !matches!(Topic::from(end.as_str()), Topic::Unknown(_))) {
                let topic = &happening.topic;
                return Err(fired.refuse(&format!("outcome is {outcome}, which ends no {topic}")));
            }
        }
        Ok(Self::new(happening, dwolla))
    }

    /// A whole event, however odd.
    fn whole(id: String, topic: String, fired: &Fired<'_>, body: &Bytes, dwolla: &Dwolla) -> Self {
        let time = |name| fired.text(name).as_deref().and_then(parse);
        let now = dwolla.clock().now();
        let happened = time("created").or_else(|| time("timestamp")).unwrap_or(now);
        let resource = fired.text("resourceId").unwrap_or_default();
        let correlation = fired.text("correlationId");
        let listed = Listed {
            links: fired.raw("_links").unwrap_or(RawValue::NULL),
            id: &id,
            created: &millis(happened),
            topic: &topic,
            resource: &resource,
            correlation: correlation.as_deref(),
        };
        Self {
            listed: written(&listed),
            id,
            topic,
            resource,
            customer: None,
            correlation,
            outcome: None,
            happened,
            delivered: body.clone(),
            odd: None,
        }
    }

    /// A new event that happens now.
    pub(super) fn new(happening: Happening, dwolla: &Dwolla) -> Self {
        let now = dwolla.clock().now();
        let id = new_id();
        let topic = Topic::from(happening.topic.as_str());
        let resource = happening.resource.unwrap_or_else(new_id);
        let customer = happening.customer.or_else(|| topic.is_customer().then(new_id));
        let collection = topic.resource().unwrap_or_else(|| collection_of(topic.as_str()));
        // A customer's event about the customer points at the same resource twice.
        let resource = match &customer {
            Some(customer) if collection == "customers" => customer.clone(),
            _ => resource,
        };
        let at = millis(now);
        let links = Links {
            itself: dwolla.url(&format!("/events/{id}")),
            account: dwolla.url(&format!("/accounts/{}", dwolla.account)),
            resource: dwolla.url(&format!("/{collection}/{resource}")),
            customer: customer.as_ref().map(|id| dwolla.url(&format!("/customers/{id}"))),
        };
        let odd = dwolla.dispatcher.odd(&FORMS);
        let delivered = Delivered {
            id: &id,
            resource: &resource,
            topic: topic.as_str(),
            timestamp: &at,
            correlation: happening.correlation.as_deref(),
            links: links.map(|href| Href {
                href: href.clone(),
                media_type: None,
                resource_type: None,
            }),
            created: (odd != Some(Odd::TimestampAlone)).then_some(at.as_str()),
        };
        let body = if odd == Some(Odd::LinksAsTexts) {
            let Delivered {
                id,
                resource,
                topic,
                timestamp,
                correlation,
                created,
                ..
            } = delivered;
            written(&Delivered {
                id,
                resource,
                topic,
                timestamp,
                correlation,
                links: links.map(String::clone),
                created,
            })
        } else {
            written(&delivered)
        };
        let typed = |href: &String, resource_type| Href {
            href: href.clone(),
            media_type: Some(HAL),
            resource_type,
        };
        let listed = Listed {
            links: Links {
                itself: typed(&links.itself, Some("event")),
                account: typed(&links.account, Some("account")),
                // It never has one, even where its siblings do.
                resource: typed(&links.resource, None),
                customer: links.customer.as_ref().map(|href| typed(href, Some("customer"))),
            },
            id: &id,
            created: &at,
            topic: topic.as_str(),
            resource: &resource,
            correlation: happening.correlation.as_deref(),
        };
        Self {
            listed: written(&listed),
            delivered: odd::body(odd, body),
            topic: topic.as_str().to_owned(),
            id,
            resource,
            customer,
            correlation: happening.correlation,
            outcome: happening.outcome,
            happened: now,
            odd,
        }
    }

    /// The headers of its deliveries to a subscription.
    pub(super) fn headers(&self, secrets: &Secrets) -> Vec<(String, String)> {
        let signature = scheme().sign(secrets, &self.delivered);
        let tag = signature.ok().and_then(|headers| {
            let value = headers.values().next()?;
            Some(value.to_str().ok()?.to_owned())
        });
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("Content-Length".to_owned(), self.delivered.len().to_string()),
            ("User-Agent".to_owned(), "dwolla-webhooks/1.1".to_owned()),
            ("X-Dwolla-Topic".to_owned(), self.topic.clone()),
            ("X-Request-Signature-SHA-256".to_owned(), tag.unwrap_or_default()),
        ];
        odd::headers(self.odd, "X-Request-Signature-SHA-256", &mut headers);
        headers
    }
}

impl<L> Links<L> {
    fn map<M>(&self, change: impl Fn(&L) -> M) -> Links<M> {
        Links {
            itself: change(&self.itself),
            account: change(&self.account),
            resource: change(&self.resource),
            customer: self.customer.as_ref().map(change),
        }
    }
}

/// Where an event of a topic without examples points.
fn collection_of(topic: &str) -> &'static str {
    let kinds = [
        ("funding_source", "funding-sources"),
        ("microdeposits", "funding-sources"),
        ("mass_payment", "mass-payments"),
        ("transfer", "transfers"),
        ("document", "documents"),
        ("beneficial_owner", "beneficial-owners"),
        ("label", "labels"),
        ("statement", "statements"),
        ("exchange", "exchanges"),
        ("customer", "customers"),
    ];
    let found = kinds.iter().find(|(kind, _)| topic.contains(kind));
    found.map_or("accounts", |(_, collection)| collection)
}

fn written(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
