//! Webhook endpoints.

use std::time::SystemTime;

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Stripe, errors::Refusal, new_id, ok};
use crate::{
    http::{Incoming, find, is_endpoint, is_token},
    secret::Secret,
    shelf::Shelved,
    time::{exact, unix},
};

#[derive(Deserialize, Serialize)]
pub(super) struct Endpoint {
    pub(super) id: String,
    pub(super) url: String,
    pub(super) secret: Secret,
    events: Vec<String>,
    pub(super) enabled: bool,
    #[serde(with = "exact")]
    created: SystemTime,
}

impl Shelved for Endpoint {
    const KIND: &'static str = "stripe.endpoint";
}

impl Endpoint {
    pub(super) fn wants(&self, topic: &str) -> bool {
        self.enabled && self.events.iter().any(|wanted| wanted == "*" || wanted == topic)
    }

    fn show(&self) -> Value {
        json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": null,
            "application": null,
            "created": unix(self.created),
            "description": null,
            "enabled_events": self.events,
            "livemode": false,
            "metadata": {},
            "status": if self.enabled { "enabled" } else { "disabled" },
            "url": self.url,
        })
    }
}

impl Stripe {
    /// The secret is made here and shown once, as by Stripe. A request to the sandbox may bring
    /// one: then a receiver's configuration outlives the sandbox.
    pub(super) fn create_endpoint(&self, request: &Incoming) -> Result<Response, Refusal> {
        let form = request.form();
        let url = checked_url(find(&form, "url").ok_or_else(|| Refusal::parameter_missing("url"))?)?;
        let events = checked_events(&form)?.ok_or_else(|| Refusal::parameter_missing("enabled_events"))?;
        let secret = find(&form, "secret").map_or_else(
            || format!("whsec_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
            str::to_owned,
        );
        let key = Secret::new(secret.as_str());
        let now = self.clock().now();
        let endpoint = Endpoint {
            id: new_id("we"),
            url,
            secret: key.map_err(|_| Refusal::invalid("secret", "The secret is empty."))?,
            events,
            enabled: true,
            created: now,
        };
        let mut shown = endpoint.show();
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("secret".to_owned(), secret.into());
        }
        let id = endpoint.id.clone();
        self.state.lock().endpoints.insert(&id, now, endpoint);
        Ok(ok(&shown))
    }

    pub(super) fn list_endpoints(&self) -> Response {
        let state = self.state.lock();
        let shown: Vec<Value> = state.endpoints.oldest_first().rev().map(Endpoint::show).collect();
        ok(&json!({ "object": "list", "url": "/v1/webhook_endpoints", "has_more": false, "data": shown }))
    }

    pub(super) fn endpoint(&self, id: &str) -> Result<Response, Refusal> {
        let state = self.state.lock();
        let endpoint = state.endpoints.get(id);
        endpoint.map(|endpoint| ok(&endpoint.show())).ok_or_else(|| missing(id))
    }

    pub(super) fn change_endpoint(&self, id: &str, request: &Incoming) -> Result<Response, Refusal> {
        let form = request.form();
        let url = find(&form, "url").map(checked_url).transpose()?;
        let events = checked_events(&form)?;
        let enabled = match find(&form, "disabled") {
            None => None,
            Some("true") => Some(false),
            Some("false") => Some(true),
            Some(_) => return Err(Refusal::invalid("disabled", "Invalid boolean.")),
        };
        let mut state = self.state.lock();
        let changed = state.endpoints.change(id, |endpoint| {
            endpoint.enabled = enabled.unwrap_or(endpoint.enabled);
            if let Some(url) = url {
                endpoint.url = url;
            }
            if let Some(events) = events {
                endpoint.events = events;
            }
            ok(&endpoint.show())
        });
        changed.ok_or_else(|| missing(id))
    }

    pub(super) fn delete_endpoint(&self, id: &str) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        state.endpoints.remove(id).ok_or_else(|| missing(id))?;
        Ok(ok(&json!({ "id": id, "object": "webhook_endpoint", "deleted": true })))
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::missing("webhook endpoint", id, "webhook_endpoint")
}

fn checked_url(url: &str) -> Result<String, Refusal> {
    if is_endpoint(url) {
        Ok(url.to_owned())
    } else {
        Err(Refusal::invalid(
            "url",
            "Invalid URL: An explicit scheme (such as https) must be provided.",
        ))
    }
}

/// `enabled_events[]=…`, with a number in the brackets or without.
fn checked_events(form: &[(String, String)]) -> Result<Option<Vec<String>>, Refusal> {
    let is_event = |name: &str| {
        let index = name
            .strip_prefix("enabled_events[")
            .and_then(|rest| rest.strip_suffix(']'));
        index.is_some_and(|index| index.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let events = form.iter().filter(|(name, _)| is_event(name));
    let events: Vec<String> = events.map(|(_, value)| value.clone()).collect();
    if !events.iter().all(|event| is_token(event)) {
        return Err(Refusal::invalid(
            "enabled_events",
            "Invalid enabled_events: not a type of events.",
        ));
    }
    Ok((!events.is_empty()).then_some(events))
}
