//! Webhook subscriptions.

use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Dwolla, HAL, created, errors::Refusal, hal, new_id, state::Subscription};
use crate::{
    http::{Incoming, is_endpoint},
    secret::Secret,
    time::with_offset,
};

/// The most subscriptions in the sandbox; in production it is 5.
const MOST: usize = 10;

/// Characters.
const LONGEST_SECRET: usize = 128;

#[derive(Deserialize)]
struct New {
    url: Option<String>,
    secret: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    paused: bool,
}

impl Dwolla {
    pub(super) fn create_subscription(&self, request: &Incoming) -> Result<Response, Refusal> {
        let New { url, secret } = body(request)?;
        let mut errors = Vec::new();
        match url.as_deref() {
            None | Some("") => errors.push(("Required", "Url is required.", "/url")),
            Some(url) if !is_endpoint(url) => errors.push(("InvalidFormat", "Url must be a valid url.", "/url")),
            Some(_) => {}
        }
        let too_long = |secret: &str| secret.chars().count() > LONGEST_SECRET;
        match secret.as_deref() {
            None | Some("") => errors.push(("Required", "Secret is required.", "/secret")),
            Some(secret) if too_long(secret) => {
                errors.push(("InvalidFormat", "Secret must be 128 or fewer characters.", "/secret"));
            }
            Some(_) => {}
        }
        let (Some(url), Some(secret), true) = (url, secret, errors.is_empty()) else {
            return Err(Refusal::validation(&errors));
        };
        let secret = Secret::new(secret).map_err(|_| Refusal::bad_request())?;
        let now = self.clock().now();
        let id = new_id();
        let location = self.url(&format!("/webhook-subscriptions/{id}"));
        let mut state = self.state.lock();
        if state.subscriptions.len() >= MOST {
            return Err(Refusal::too_many_subscriptions());
        }
        let subscription = Subscription {
            id: id.clone(),
            url,
            secret,
            paused: false,
            created: now,
            generation: 0,
            failures: 0,
            last_success: now,
        };
        state.subscriptions.insert(&id, now, subscription);
        Ok(created(&location))
    }

    pub(super) fn list_subscriptions(&self) -> Response {
        let state = self.state.lock();
        let all = state.subscriptions.oldest_first();
        let all = all.map(|subscription| self.show(subscription));
        let url = self.url("/webhook-subscriptions");
        hal::resource(&hal::whole_list(&url, "webhook-subscriptions", all))
    }

    pub(super) fn subscription(&self, id: &str) -> Result<Response, Refusal> {
        let state = self.state.lock();
        let subscription = state.subscriptions.get(id).ok_or_else(Refusal::not_found)?;
        Ok(hal::resource(&self.show(subscription)))
    }

    pub(super) fn update_subscription(&self, id: &str, request: &Incoming) -> Result<Response, Refusal> {
        let now = self.clock().now();
        let mut state = self.state.lock();
        let changed = state.subscriptions.change(id, |subscription| {
            let Change { paused } = body(request)?;
            subscription.set_paused(paused, now);
            Ok(hal::resource(&self.show(subscription)))
        });
        changed.unwrap_or_else(|| Err(Refusal::not_found()))
    }

    /// With the history of what was sent.
    pub(super) fn delete_subscription(&self, id: &str) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        let deleted = state.subscriptions.remove(id).ok_or_else(Refusal::not_found)?;
        state.webhooks.remove_list(id);
        Ok(hal::resource(&self.show(&deleted)))
    }

    fn show(&self, subscription: &Subscription) -> Value {
        let path = format!("/webhook-subscriptions/{}", subscription.id);
        json!({
            "_links": {
                "self": self.link(&path),
                "webhooks": self.link(&format!("{path}/webhooks")),
            },
            "id": subscription.id,
            "url": subscription.url,
            "paused": subscription.paused,
            "created": with_offset(subscription.created),
        })
    }
}

/// The body, which is JSON under one of two names.
fn body<'a, T: Deserialize<'a>>(request: &'a Incoming) -> Result<T, Refusal> {
    let content_type = request.content_type().unwrap_or_default();
    let is_json = [HAL, "application/json"]
        .iter()
        .any(|known| content_type.eq_ignore_ascii_case(known));
    if !is_json {
        return Err(Refusal::bad_request());
    }
    request.object().map_err(|_| Refusal::bad_request())
}
