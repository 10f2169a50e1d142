//! Deliveries: listed, shown with their request, and asked for again.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::response::Response;
use bytes::Bytes;
use http::{StatusCode, header::LINK};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json, value::RawValue};
use tower_webhook::github::scheme;

use super::{GitHub, JSON, errors::Refusal, event::Event, hooks::Hook};
use crate::{
    Provider,
    deliver::{Failure, Job, Turn},
    http::{Incoming, json as respond, with_header},
    keep,
    odd::{self, Odd},
    shelf::Shelved,
    time::{exact, seconds},
};

const SIGNATURE: &str = "X-Hub-Signature-256";

/// The request to a hook, the same each time.
#[derive(Deserialize, Serialize)]
pub(super) struct Parcel {
    pub(super) hook: u64,
    pub(super) guid: String,
    pub(super) event: String,
    action: Option<String>,
    installation: Option<u64>,
    repository: Option<u64>,
    #[serde(with = "keep::bytes")]
    payload: Bytes,
    pub(super) headers: Vec<(String, String)>,
    #[serde(with = "keep::bytes")]
    pub(super) body: Bytes,
}

impl Shelved for Arc<Parcel> {
    const KIND: &'static str = "github.parcel";
}

/// One attempt, which GitHub calls a delivery.
#[derive(Deserialize, Serialize)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) parcel: Arc<Parcel>,
    #[serde(with = "exact")]
    pub(super) at: SystemTime,
    pub(super) redelivery: bool,
    pub(super) took: Duration,
    pub(super) url: String,
    pub(super) response: Result<Reply, Option<Failure>>,
}

impl Shelved for Record {
    const KIND: &'static str = "github.delivery";

    fn list(&self) -> Cow<'_, str> {
        Cow::Owned(self.parcel.hook.to_string())
    }
}

/// A receiver's response.
#[derive(Deserialize, Serialize)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    #[serde(with = "keep::bytes")]
    pub(super) body: Bytes,
}

impl Parcel {
    pub(super) fn of(event: &Event, hook: &Hook) -> Self {
        let is_form = hook.sends_forms || event.odd == Some(Odd::Form);
        let body = if is_form {
            let mut form = b"payload=".to_vec();
            form.extend(form_urlencoded::byte_serialize(&event.payload).flat_map(str::bytes));
            form.into()
        } else {
            event.payload.clone()
        };
        let media_type = if is_form {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let mut headers: Vec<(String, String)> = [
            ("Accept", "*/*"),
            ("Content-Type", media_type),
            ("User-Agent", "GitHub-Hookshot/sandbox"),
            ("X-GitHub-Delivery", &event.guid),
            ("X-GitHub-Event", &event.name),
            ("X-GitHub-Hook-ID", &hook.id.to_string()),
            ("X-GitHub-Hook-Installation-Target-Type", hook.owner.kind()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let signed = hook
            .secret
            .as_ref()
            .and_then(|secret| scheme().sign(secret.key(), &body).ok());
        let tag = signed.and_then(|headers| Some(headers.values().next()?.to_str().ok()?.to_owned()));
        headers.extend(tag.map(|tag| (SIGNATURE.to_owned(), tag)));
        odd::headers(event.odd, SIGNATURE, &mut headers);
        Self {
            hook: hook.id,
            guid: event.guid.clone(),
            event: event.name.clone(),
            action: event.action.clone(),
            installation: event.installation,
            repository: event.repository,
            payload: event.payload.clone(),
            headers,
            body,
        }
    }

    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.hook, self.guid)
    }

    pub(super) fn topic(&self) -> String {
        match &self.action {
            Some(action) => format!("{}.{action}", self.event),
            None => self.event.clone(),
        }
    }
}

impl Record {
    fn is_success(&self) -> bool {
        self.response
            .as_ref()
            .is_ok_and(|response| (200..300).contains(&response.status))
    }

    /// How GitHub records a response that never came.
    fn status(&self) -> (&'static str, u16) {
        match &self.response {
            Ok(response) if self.is_success() => ("OK", response.status),
            Ok(response) => {
                let status = StatusCode::from_u16(response.status).ok();
                let reason = status.and_then(|status| status.canonical_reason());
                (reason.unwrap_or("Invalid HTTP Response"), response.status)
            }
            Err(Some(Failure::Timeout)) => ("timed out", 504),
            Err(_) => ("failed to connect", 502),
        }
    }

    fn show(&self) -> Map<String, Value> {
        let (status, code) = self.status();
        let parcel = &self.parcel;
        let fields = [
            ("id", json!(self.id)),
            ("guid", json!(parcel.guid)),
            ("delivered_at", json!(seconds(self.at))),
            ("redelivery", json!(self.redelivery)),
            ("duration", json!((self.took.as_secs_f64() * 100.0).round() / 100.0)),
            ("status", json!(status)),
            ("status_code", json!(code)),
            ("event", json!(parcel.event)),
            ("action", json!(parcel.action)),
            ("installation_id", json!(parcel.installation)),
            ("repository_id", json!(parcel.repository)),
            ("throttled_at", Value::Null),
        ];
        fields
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

/// A record with its request and response.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(flatten)]
    record: Map<String, Value>,
    url: &'a str,
    request: Request<'a>,
    response: Value,
}

#[derive(Serialize)]
struct Request<'a> {
    headers: Map<String, Value>,
    /// In its own text, which the signature covers.
    payload: Option<&'a RawValue>,
}

impl GitHub {
    pub(super) fn deliveries(
        self: &Arc<Self>,
        hook: u64,
        path: &[&str],
        request: &Incoming,
    ) -> Result<Response, Refusal> {
        match (request.method.as_str(), path) {
            ("GET", []) => self.list_deliveries(hook, request),
            ("GET", [id]) => self.delivery(hook, id),
            ("POST", [id, "attempts"]) => self.redeliver(hook, id),
            _ => Err(Refusal::not_found()),
        }
    }

    fn list_deliveries(&self, hook: u64, request: &Incoming) -> Result<Response, Refusal> {
        let per_page = match request.parameter("per_page") {
            None => 30,
            Some(text) => text
                .parse::<usize>()
                .map_err(|_| Refusal::invalid("HookDelivery", "per_page", "per_page is no number"))?
                .clamp(1, 100),
        };
        // The cursor is the id of the last delivery that was listed.
        let cursor = match request.parameter("cursor") {
            None => None,
            Some(text) => {
                let id: Option<u64> = text.strip_prefix("v1_").and_then(|id| id.parse().ok());
                let refusal = || Refusal::invalid("HookDelivery", "cursor", "cursor is invalid");
                Some(id.ok_or_else(refusal)?)
            }
        };
        let success = match request.parameter("status") {
            None => None,
            Some("success") => Some(true),
            Some("failure") => Some(false),
            Some(_) => {
                return Err(Refusal::invalid(
                    "HookDelivery",
                    "status",
                    "status is neither success nor failure",
                ));
            }
        };
        let redelivery = request.parameter("redelivery").map(|text| text == "true");
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.drop_old(now);
        let mut listed = state.records.list(&hook.to_string());
        if let Some(last) = cursor {
            listed = listed.while_older(|record| record.id < last);
        }
        let mut listed = listed.newest_first().filter(|record| {
            success.is_none_or(|success| record.is_success() == success)
                && redelivery.is_none_or(|redelivery| record.redelivery == redelivery)
        });
        let page: Vec<&Record> = listed.by_ref().take(per_page).collect();
        let more = listed.next().is_some();
        let shown: Vec<Value> = page.iter().map(|record| record.show().into()).collect();
        let response = respond(StatusCode::OK, JSON, &shown);
        let Some(last) = page.last().filter(|_| more) else {
            return Ok(response);
        };
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(request.query.iter().filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", &format!("v1_{}", last.id));
        let next = format!(
            "<{}/{}?{}>; rel=\"next\"",
            self.base,
            request.path.join("/"),
            query.finish()
        );
        Ok(with_header(response, LINK, &next))
    }

    fn delivery(&self, hook: u64, id: &str) -> Result<Response, Refusal> {
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.drop_old(now);
        let record = state.records.get(id).filter(|record| record.parcel.hook == hook);
        let record = record.ok_or_else(Refusal::not_found)?;
        let parcel = &record.parcel;
        let detail = Detail {
            record: record.show(),
            url: &record.url,
            request: Request {
                headers: object(&parcel.headers),
                payload: serde_json::from_slice(&parcel.payload).ok(),
            },
            response: match &record.response {
                Ok(response) => json!({
                    "headers": object(&response.headers),
                    "payload": String::from_utf8_lossy(&response.body),
                }),
                Err(_) => json!({ "headers": {}, "payload": null }),
            },
        };
        Ok(respond(StatusCode::OK, JSON, &detail))
    }

    fn redeliver(self: &Arc<Self>, hook: u64, id: &str) -> Result<Response, Refusal> {
        let now = self.clock().now();
        let key = {
            let mut state = self.state.lock();
            state.drop_old(now);
            let record = state.records.get(id).filter(|record| record.parcel.hook == hook);
            let parcel = Arc::clone(&record.ok_or_else(Refusal::not_found)?.parcel);
            let key = parcel.key();
            state.parcels.insert(&key, now, parcel);
            key
        };
        let job = Job::new(Provider::GitHub, &key, &hook.to_string(), 0, Turn::Extra);
        self.dispatcher.plan(job, now);
        Ok(respond(StatusCode::ACCEPTED, JSON, &json!({})))
    }
}

/// The last of equal names counts, as in an object.
fn object(headers: &[(String, String)]) -> Map<String, Value> {
    let headers = headers.iter();
    headers
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect()
}
