//! A provider by the book, whose API and deliveries work like many others'.
//!
//! A webhook names the types of events that it wants; `*` stands for all. A delivery has six
//! attempts: at once, then 1 min, 5 min, 30 min, 1 h and 6 h after the one before. Anything but a
//! 2xx within 10 seconds is a failure. While a webhook is paused, nothing is recorded for it, and
//! a delivery whose next attempt falls into the pause has failed.

mod courier;
mod event;

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use self::event::Event;
use crate::{
    Error, Provider,
    clock::{Clock, earlier},
    deliver::{Dispatcher, Job, Turn},
    http::{Incoming, empty, is_endpoint, is_token, json as respond, with_allow, with_header},
    keep::{self, Kept},
    secret::Secret,
    shelf::{Shelf, Shelved},
    time::{exact, seconds},
};

/// Deliveries are kept so long.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Debug)]
pub(crate) struct Example {
    base: String,
    dispatcher: Arc<Dispatcher>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    webhooks: Shelf<Webhook>,
    deliveries: Shelf<Delivery>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Webhook {
    id: String,
    url: String,
    events: Vec<String>,
    secret: Secret,
    paused: bool,
    #[serde(with = "exact")]
    created: SystemTime,
    /// A pause begins a new one, and what was planned in the old one is not sent.
    generation: u64,
}

impl Shelved for Webhook {
    const KIND: &'static str = "example.webhook";
}

/// An event on its way to a webhook.
#[derive(Debug, Deserialize, Serialize)]
struct Delivery {
    id: String,
    webhook: String,
    event: String,
    topic: String,
    #[serde(with = "keep::bytes")]
    body: Bytes,
    headers: Vec<(String, String)>,
    #[serde(with = "exact")]
    created: SystemTime,
    status: Status,
    attempts: u32,
    /// The status of the last attempt.
    code: Option<u16>,
    took: Option<Duration>,
}

impl Shelved for Delivery {
    const KIND: &'static str = "example.delivery";

    fn list(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.webhook)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
enum Status {
    Pending,
    Delivered,
    Failed,
}

#[derive(Deserialize)]
struct New {
    url: Option<String>,
    events: Option<Vec<String>>,
    secret: Option<String>,
}

#[derive(Deserialize)]
struct Change {
    events: Option<Vec<String>>,
    status: Option<String>,
}

/// A request that the API refuses: status, code, message.
struct Refusal(StatusCode, &'static str, &'static str);

const NOT_FOUND: Refusal = Refusal(StatusCode::NOT_FOUND, "not_found", "There is no such resource.");

impl Refusal {
    const fn invalid(message: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid_request", message)
    }
}

impl Example {
    /// `base`: where the API is, without a slash at the end.
    pub(crate) fn new(base: String, dispatcher: Arc<Dispatcher>, kept: &mut Kept) -> Result<Arc<Self>, Error> {
        let state = State {
            webhooks: Shelf::of(kept)?,
            deliveries: Shelf::of(kept)?,
        };
        Ok(Arc::new(Self {
            base,
            dispatcher,
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn respond(self: &Arc<Self>, request: &Incoming) -> Response {
        let response = self.route(request);
        response.unwrap_or_else(|Refusal(status, code, message)| {
            let body = json!({ "error": { "code": code, "message": message } });
            respond(status, "application/json", &body)
        })
    }

    fn route(self: &Arc<Self>, request: &Incoming) -> Result<Response, Refusal> {
        if request.bearer().is_none() {
            let message = "The request has no API key; expected Authorization: Bearer.";
            let refusal = Refusal(StatusCode::UNAUTHORIZED, "unauthorized", message);
            return Err(refusal);
        }
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let methods: &[Method] = match path[..] {
            ["webhooks"] => &[Method::GET, Method::POST],
            ["webhooks", _] => &[Method::GET, Method::PATCH, Method::DELETE],
            ["webhooks", _, "test"] => &[Method::POST],
            ["webhooks", _, "deliveries"] => &[Method::GET],
            _ => return Err(NOT_FOUND),
        };
        let post = request.method == Method::POST;
        match path[..] {
            _ if !methods.contains(&request.method) => {
                let message = "The resource has no such method.";
                let body = json!({ "error": { "code": "method_not_allowed", "message": message } });
                let response = respond(StatusCode::METHOD_NOT_ALLOWED, "application/json", &body);
                Ok(with_allow(response, methods))
            }
            ["webhooks"] if post => self.create(request),
            ["webhooks"] => Ok(self.list()),
            ["webhooks", id] => match request.method {
                Method::PATCH => self.change(id, request),
                Method::DELETE => self.delete(id),
                _ => self.get(id),
            },
            ["webhooks", id, "test"] => self.test(id),
            ["webhooks", id, ..] => self.deliveries(id, request),
            _ => Err(NOT_FOUND),
        }
    }

    fn create(&self, request: &Incoming) -> Result<Response, Refusal> {
        let New { url, events, secret } = body(request)?;
        let url = url.filter(|url| is_endpoint(url));
        let url = url.ok_or(Refusal::invalid("url is missing or no http or https URL."))?;
        let events = checked(events.ok_or(Refusal::invalid("events is missing."))?)?;
        let secret = Secret::new(secret.unwrap_or_default());
        let secret = secret.map_err(|_| Refusal::invalid("secret is missing or empty."))?;
        let now = self.clock().now();
        let webhook = Webhook {
            id: new_id("wh"),
            url,
            events,
            secret,
            paused: false,
            created: now,
            generation: 0,
        };
        let response = respond(StatusCode::CREATED, "application/json", &show(&webhook));
        let location = format!("{}/webhooks/{}", self.base, webhook.id);
        let id = webhook.id.clone();
        self.state.lock().webhooks.insert(&id, now, webhook);
        Ok(with_header(response, http::header::LOCATION, &location))
    }

    fn list(&self) -> Response {
        let state = self.state.lock();
        let all: Vec<Value> = state.webhooks.oldest_first().map(show).collect();
        ok(&json!({ "data": all }))
    }

    fn get(&self, id: &str) -> Result<Response, Refusal> {
        let state = self.state.lock();
        state
            .webhooks
            .get(id)
            .map(|webhook| ok(&show(webhook)))
            .ok_or(NOT_FOUND)
    }

    fn change(&self, id: &str, request: &Incoming) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        let changed = state.webhooks.change(id, |webhook| {
            webhook.change(body(request)?)?;
            Ok(ok(&show(webhook)))
        });
        changed.unwrap_or(Err(NOT_FOUND))
    }

    fn delete(&self, id: &str) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        state.webhooks.remove(id).ok_or(NOT_FOUND)?;
        state.deliveries.remove_list(id);
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// Sends an event of the type `webhook.test` to this webhook, whatever it wants.
    fn test(self: &Arc<Self>, id: &str) -> Result<Response, Refusal> {
        let event = Event::test(self);
        let now = self.clock().now();
        let mut state = self.state.lock();
        let webhook = state.webhooks.get(id).ok_or(NOT_FOUND)?;
        if webhook.paused {
            let message = "The webhook is paused.";
            return Err(Refusal(StatusCode::CONFLICT, "webhook_paused", message));
        }
        let (delivery, generation) = (Delivery::of(&event, webhook, now), webhook.generation);
        let (key, shown) = (delivery.id.clone(), delivery.show());
        state.deliveries.insert(&key, now, delivery);
        drop(state);
        self.dispatcher
            .begin(Job::new(Provider::Example, &key, id, generation, Turn::Scheduled(0)));
        Ok(respond(StatusCode::ACCEPTED, "application/json", &shown))
    }

    fn deliveries(&self, id: &str, request: &Incoming) -> Result<Response, Refusal> {
        let limit: usize = match request.parameter("limit") {
            None => 100,
            Some(text) => text.parse().map_err(|_| Refusal::invalid("limit is no number."))?,
        };
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.webhooks.get(id).ok_or(NOT_FOUND)?;
        state.deliveries.drop_before(earlier(now, RETENTION));
        let of_webhook = state.deliveries.list(id);
        let shown: Vec<Value> = of_webhook.page(0, limit.clamp(1, 1000)).map(Delivery::show).collect();
        Ok(ok(&json!({ "data": shown })))
    }

    /// Makes an event happen: a type with its data, or a whole event as it is.
    pub(crate) fn fire(self: &Arc<Self>, body: &Bytes) -> Result<Bytes, Error> {
        let event = Event::read(body, self)?;
        let now = self.clock().now();
        let mut jobs = Vec::new();
        {
            let mut state = self.state.lock();
            state.deliveries.drop_before(earlier(now, RETENTION));
            let State { webhooks, deliveries } = &mut *state;
            for webhook in webhooks.oldest_first().filter(|webhook| webhook.wants(&event.topic)) {
                let delivery = Delivery::of(&event, webhook, now);
                let turn = Turn::Scheduled(0);
                jobs.push(Job::new(
                    Provider::Example,
                    &delivery.id,
                    &webhook.id,
                    webhook.generation,
                    turn,
                ));
                let id = delivery.id.clone();
                deliveries.insert(&id, now, delivery);
            }
        }
        for job in jobs {
            self.dispatcher.begin(job);
        }
        Ok(event.body)
    }

    fn clock(&self) -> &Clock {
        self.dispatcher.clock()
    }
}

impl Webhook {
    /// Checks all of it before it changes any of it.
    fn change(&mut self, Change { events, status }: Change) -> Result<(), Refusal> {
        let events = events.map(checked).transpose()?;
        let paused = match status.as_deref() {
            None => self.paused,
            Some("active") => false,
            Some("paused") => true,
            Some(_) => return Err(Refusal::invalid("status is neither active nor paused.")),
        };
        if let Some(events) = events {
            self.events = events;
        }
        if paused && !self.paused {
            self.generation += 1;
        }
        self.paused = paused;
        Ok(())
    }

    fn wants(&self, topic: &str) -> bool {
        !self.paused && self.events.iter().any(|wanted| wanted == "*" || wanted == topic)
    }
}

impl Delivery {
    fn of(event: &Event, webhook: &Webhook, now: SystemTime) -> Self {
        Self {
            id: new_id("dlv"),
            webhook: webhook.id.clone(),
            event: event.id.clone(),
            topic: event.topic.clone(),
            body: event.body.clone(),
            headers: event.headers(&webhook.id, webhook.secret.key()),
            created: now,
            status: Status::Pending,
            attempts: 0,
            code: None,
            took: None,
        }
    }

    fn show(&self) -> Value {
        json!({
            "id": self.id,
            "event_id": self.event,
            "status": match self.status {
                Status::Pending => "pending",
                Status::Delivered => "delivered",
                Status::Failed => "failed",
            },
            "attempts": self.attempts,
            "response_code": self.code,
            "response_time_ms": self.took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            "created_at": seconds(self.created),
        })
    }
}

fn show(webhook: &Webhook) -> Value {
    json!({
        "id": webhook.id,
        "url": webhook.url,
        "events": webhook.events,
        "status": if webhook.paused { "paused" } else { "active" },
        "created_at": seconds(webhook.created),
    })
}

fn ok(body: &Value) -> Response {
    respond(StatusCode::OK, "application/json", body)
}

fn body<'a, T: Deserialize<'a>>(request: &'a Incoming) -> Result<T, Refusal> {
    request
        .object()
        .map_err(|_| Refusal::invalid("The body is no JSON object with fields of the expected types."))
}

fn checked(events: Vec<String>) -> Result<Vec<String>, Refusal> {
    if events.is_empty() || !events.iter().all(|event| is_token(event)) {
        return Err(Refusal::invalid("events is empty, or holds what is no type of events."));
    }
    Ok(events)
}

fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}
