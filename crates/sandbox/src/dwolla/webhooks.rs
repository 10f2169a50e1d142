//! Webhooks, their attempts and retries, and events.

use std::time::SystemTime;

use axum::response::Response;
use serde_json::{Value, json};

use super::{
    Dwolla, created,
    errors::Refusal,
    hal::{self, Paging},
    new_id,
    state::{Retry, Webhook},
};
use crate::{
    Provider,
    clock::time_after,
    deliver::{Job, Turn},
    http::Incoming,
    time::{millis, parse_day},
};

impl Dwolla {
    pub(super) fn list_webhooks(&self, subscription: &str, request: &Incoming) -> Result<Response, Refusal> {
        let paging = Paging::read(request)?;
        let from = day(request, "startDate", "/startDate")?;
        let until = day(request, "endDate", "/endDate")?;
        let resource = request.parameter("resourceId");
        let filters: Vec<(&str, &str)> = ["startDate", "endDate", "resourceId"]
            .into_iter()
            .filter_map(|name| Some((name, request.parameter(name)?)))
            .collect();
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.drop_old(now);
        state.subscriptions.get(subscription).ok_or_else(Refusal::not_found)?;
        let mut listed = state.webhooks.list(subscription);
        if let Some(from) = from {
            listed = listed.since(from);
        }
        if let Some(until) = until {
            listed = listed.until(until);
        }
        let url = self.url(&format!("/webhook-subscriptions/{subscription}/webhooks"));
        let show = |webhook: &Webhook| hal::raw(&self.show_webhook(webhook));
        let (total, entries): (_, Vec<_>) = match resource {
            None => (listed.len(), paging.of(&listed).filter_map(show).collect()),
            Some(id) => {
                let is_about = |webhook: &&Webhook| webhook.resource.eq_ignore_ascii_case(id);
                let about: Vec<&Webhook> = listed.newest_first().filter(is_about).collect();
                let total = about.len();
                (total, paging.among(about).filter_map(show).collect())
            }
        };
        Ok(hal::resource(&paging.page(&url, &filters, "webhooks", total, entries)))
    }

    pub(super) fn webhook(&self, id: &str) -> Result<Response, Refusal> {
        self.with_webhook(id, |webhook| hal::resource(&self.show_webhook(webhook)))
    }

    /// Asks for another attempt. It is made at once, with the body and signature of the first, and
    /// leaves the schedule as it is.
    pub(super) fn retry(self: &std::sync::Arc<Self>, id: &str) -> Result<Response, Refusal> {
        let now = self.clock().now();
        let retry = new_id();
        let mut state = self.state.lock();
        state.drop_old(now);
        let subscription = state.webhooks.change(id, |webhook| {
            webhook.retries.push(Retry {
                id: retry.clone(),
                asked: now,
            });
            webhook.subscription.clone()
        });
        let subscription = subscription.ok_or_else(Refusal::not_found)?;
        let generation = state
            .subscriptions
            .get(&subscription)
            .map_or(0, |found| found.generation);
        drop(state);
        let job = Job::new(Provider::Dwolla, id, &subscription, generation, Turn::Extra);
        self.dispatcher.plan(job, now);
        Ok(created(&self.url(&format!("/webhooks/{id}/retries/{retry}"))))
    }

    pub(super) fn list_retries(&self, id: &str) -> Result<Response, Refusal> {
        self.with_webhook(id, |webhook| {
            let all = webhook.retries.iter().map(|retry| self.show_retry(id, retry));
            let url = self.url(&format!("/webhooks/{id}/retries"));
            hal::resource(&hal::whole_list(&url, "retries", all))
        })
    }

    pub(super) fn one_retry(&self, id: &str, retry: &str) -> Result<Response, Refusal> {
        let found = self.with_webhook(id, |webhook| {
            let found = webhook.retries.iter().find(|known| known.id == retry)?;
            Some(hal::resource(&self.show_retry(id, found)))
        })?;
        found.ok_or_else(Refusal::not_found)
    }

    pub(super) fn list_events(&self, request: &Incoming) -> Result<Response, Refusal> {
        let paging = Paging::read(request)?;
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.drop_old(now);
        let listed = state.events.list("");
        let entries = paging
            .of(&listed)
            .filter_map(|event| serde_json::from_slice(&event.listed).ok());
        let page = paging.page(&self.url("/events"), &[], "events", listed.len(), entries.collect());
        Ok(hal::resource(&page))
    }

    pub(super) fn event(&self, id: &str) -> Result<Response, Refusal> {
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.drop_old(now);
        let event = state.events.get(id).ok_or_else(Refusal::not_found)?;
        let body = event.listed.clone();
        Ok(crate::http::with_body(http::StatusCode::OK, super::HAL, body))
    }

    fn with_webhook<T>(&self, id: &str, show: impl FnOnce(&Webhook) -> T) -> Result<T, Refusal> {
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.drop_old(now);
        state.webhooks.get(id).map(show).ok_or_else(Refusal::not_found)
    }

    fn show_webhook(&self, webhook: &Webhook) -> Value {
        let path = format!("/webhooks/{}", webhook.id);
        let headers: Vec<Value> = webhook
            .headers
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect();
        let body = String::from_utf8_lossy(&webhook.body);
        let attempts: Vec<Value> = webhook
            .attempts
            .iter()
            .map(|attempt| {
                let mut shown = json!({
                    "id": attempt.id,
                    "request": {
                        "timestamp": millis(attempt.sent_at),
                        "url": attempt.url,
                        "headers": headers,
                        "body": body,
                    },
                });
                // Absent if there was none. Since 2019 Dwolla keeps neither its headers nor its
                // body.
                if let (Some(status), Some(shown)) = (attempt.status, shown.as_object_mut()) {
                    let at = millis(time_after(attempt.sent_at, attempt.took));
                    let response = json!({ "timestamp": at, "headers": [], "statusCode": status, "body": "" });
                    shown.insert("response".into(), response);
                }
                shown
            })
            .collect();
        json!({
            "_links": {
                "self": self.link(&path),
                "subscription": self.link(&format!("/webhook-subscriptions/{}", webhook.subscription)),
                "retry": self.link(&format!("{path}/retries")),
                "event": self.link(&format!("/events/{}", webhook.event)),
            },
            "id": webhook.id,
            "topic": webhook.topic,
            "accountId": self.account,
            "eventId": webhook.event,
            "subscriptionId": webhook.subscription,
            "attempts": attempts,
        })
    }

    fn show_retry(&self, webhook: &str, retry: &Retry) -> Value {
        let path = format!("/webhooks/{webhook}");
        json!({
            "_links": {
                "self": self.link(&format!("{path}/retries/{}", retry.id)),
                "webhook": self.link(&path),
            },
            "id": retry.id,
            "timestamp": millis(retry.asked),
        })
    }
}

fn day(request: &Incoming, name: &str, path: &str) -> Result<Option<SystemTime>, Refusal> {
    let Some(text) = request.parameter(name) else {
        return Ok(None);
    };
    let refusal = || Refusal::validation(&[("InvalidFormat", "Date must have the format YYYY-MM-DD.", path)]);
    parse_day(text).map(Some).ok_or_else(refusal)
}
