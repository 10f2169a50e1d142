//! The list of events.

use std::time::SystemTime;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{RETENTION, Stripe, errors::Refusal, event::Event};
use crate::{
    clock::earlier,
    http::{Incoming, json as respond, with_body},
    time::unix,
};

#[derive(Serialize)]
struct List {
    object: &'static str,
    url: &'static str,
    has_more: bool,
    /// In their own texts.
    data: Vec<Box<RawValue>>,
}

/// Which events were asked for.
struct Filter<'a> {
    /// `created[gte]` and the like: the comparison, and seconds.
    created: Vec<(&'a str, u64)>,
    types: Vec<&'a str>,
    success: Option<bool>,
}

impl<'a> Filter<'a> {
    fn read(request: &'a Incoming) -> Result<Self, Refusal> {
        let mut filter = Self {
            created: Vec::new(),
            types: Vec::new(),
            success: None,
        };
        for (name, value) in &request.query {
            let (name, key) = match name.split_once('[') {
                Some((name, key)) => (name, key.strip_suffix(']').unwrap_or(key)),
                None => (name.as_str(), ""),
            };
            match name {
                "created" if ["", "gt", "gte", "lt", "lte"].contains(&key) => {
                    let seconds = value.parse();
                    let refusal =
                        |_| Refusal::invalid("created", "Invalid timestamp: must be an integer Unix timestamp.");
                    filter.created.push((key, seconds.map_err(refusal)?));
                }
                "created" => return Err(Refusal::invalid("created", "Received unknown parameter: created.")),
                "type" | "types" => filter.types.push(value),
                "delivery_success" => match value.as_str() {
                    "true" => filter.success = Some(true),
                    "false" => filter.success = Some(false),
                    _ => return Err(Refusal::invalid("delivery_success", "Invalid boolean.")),
                },
                _ => {}
            }
        }
        Ok(filter)
    }

    fn takes(&self, event: &Event, pending: usize) -> bool {
        let created = unix(event.created);
        let in_time = self.created.iter().all(|(comparison, seconds)| match *comparison {
            "gt" => created > *seconds,
            "gte" => created >= *seconds,
            "lt" => created < *seconds,
            "lte" => created <= *seconds,
            _ => created == *seconds,
        });
        in_time
            && (self.types.is_empty() || self.types.iter().any(|wanted| is_of_type(&event.topic, wanted)))
            && self.success.is_none_or(|success| success == (pending == 0))
    }
}

/// `charge.*` stands for all that begin with `charge.`.
fn is_of_type(topic: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(prefix) => topic.starts_with(prefix),
        None => topic == wanted,
    }
}

impl Stripe {
    pub(super) fn list_events(&self, request: &Incoming) -> Result<Response, Refusal> {
        let limit = match request.parameter("limit").map(str::parse::<usize>) {
            None => 10,
            Some(Ok(limit @ 1..=100)) => limit,
            Some(Ok(_)) => return Err(Refusal::invalid("limit", "Invalid limit: must be between 1 and 100.")),
            Some(Err(_)) => return Err(Refusal::invalid("limit", "Invalid integer.")),
        };
        let filter = Filter::read(request)?;
        let mut state = self.state.lock();
        state.events.drop_before(self.oldest());
        let endpoints = &state.endpoints;
        let missing = |id, param| move || Refusal::missing("event", id, param);
        let all = || state.events.list("");
        let older = match request.parameter("starting_after") {
            None => None,
            Some(id) => Some(all().older_than(id).ok_or_else(missing(id, "starting_after"))?),
        };
        let newer = match request.parameter("ending_before") {
            None => None,
            Some(id) => Some(all().newer_than(id).ok_or_else(missing(id, "ending_before"))?),
        };
        let takes = |event: &&Event| filter.takes(event, event.pending(endpoints));
        let (page, has_more) = match (older, newer) {
            // The nearest ones that are newer, in the order of all lists.
            (None, Some(newer)) => {
                let mut newer = newer.oldest_first().filter(takes);
                let mut page: Vec<&Event> = newer.by_ref().take(limit).collect();
                page.reverse();
                (page, newer.next().is_some())
            }
            (older, _) => {
                let mut older = older.unwrap_or_else(all).newest_first().filter(takes);
                let page: Vec<&Event> = older.by_ref().take(limit).collect();
                (page, older.next().is_some())
            }
        };
        let texts = page.into_iter().filter_map(|event| text(&event.listed(endpoints)));
        let list = List {
            object: "list",
            url: "/v1/events",
            has_more,
            data: texts.collect(),
        };
        Ok(respond(StatusCode::OK, "application/json", &list))
    }

    pub(super) fn event(&self, id: &str) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        state.events.drop_before(self.oldest());
        let event = state
            .events
            .get(id)
            .ok_or_else(|| Refusal::missing("event", id, "id"))?;
        let body = event.listed(&state.endpoints);
        Ok(with_body(StatusCode::OK, "application/json", body))
    }

    fn oldest(&self) -> SystemTime {
        earlier(self.clock().now(), RETENTION)
    }
}

/// Events were JSON when they came in.
fn text(body: &Bytes) -> Option<Box<RawValue>> {
    serde_json::from_slice(body).ok()
}
