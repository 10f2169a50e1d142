//! Dwolla's API, as far as it is about webhooks, and its deliveries.
//!
//! If Dwolla's documents leave something open, the sandbox takes what is harder for a receiver:
//!
//! - A pause drops the retries that were waiting, and what is created meanwhile is never sent by
//!   itself.
//! - A response of 3xx is a failure that is not retried.
//! - `startDate` and `endDate` are the first moments of these days in UTC.

mod courier;
mod errors;
mod event;
mod hal;
mod simulate;
mod state;
mod subscriptions;
mod token;
mod webhooks;

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use parking_lot::Mutex;
use serde_json::json;
use uuid::Uuid;

use self::{errors::Refusal, state::State};
use crate::{
    Error, Provider,
    clock::{Clock, earlier},
    deliver::{Dispatcher, Job, Turn},
    http::{Incoming, empty, with_header},
    keep::Kept,
};

pub(super) const HAL: &str = "application/vnd.dwolla.v1.hal+json";

/// Events and webhooks are kept so long.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

/// The name of the account's id in a state file.
const ACCOUNT: &str = "dwolla.account";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

#[derive(Debug)]
pub(crate) struct Dwolla {
    base: String,
    /// The id of the application's account.
    account: String,
    /// In the world's time, in which a client counts it.
    token_lifetime: Duration,
    dispatcher: Arc<Dispatcher>,
    state: Mutex<State>,
}

impl Dwolla {
    /// `base`: where the API is, without a slash at the end.
    pub(crate) fn new(
        base: String,
        token_lifetime: Duration,
        dispatcher: Arc<Dispatcher>,
        kept: &mut Kept,
    ) -> Result<Arc<Self>, Error> {
        let account = match kept.take(ACCOUNT)?.pop() {
            Some((_, account)) => account,
            None => new_id(),
        };
        kept.keeper.put(ACCOUNT, 0, &account);
        Ok(Arc::new(Self {
            base,
            account,
            token_lifetime,
            dispatcher,
            state: Mutex::new(State::of(kept)?),
        }))
    }

    pub(crate) fn respond(self: &Arc<Self>, request: &Incoming) -> Response {
        let response = match self.route(request) {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        with_header(response, REQUEST_ID, &new_id())
    }

    fn route(self: &Arc<Self>, request: &Incoming) -> Result<Response, Refusal> {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        if let ["token"] = path[..] {
            return Ok(self.token(request));
        }
        self.check_token(request)?;
        if !request.accepts(HAL) {
            return Err(Refusal::version());
        }
        let get = || only(request, &[Method::GET]);
        let post = || only(request, &[Method::POST]);
        match path[..] {
            [] => get().map(|_| self.root()),
            ["events"] => get().and_then(|_| self.list_events(request)),
            ["events", id] => get().and_then(|_| self.event(id)),
            ["webhook-subscriptions"] => match only(request, &[Method::GET, Method::POST])? {
                Method::POST => self.once(request, || self.create_subscription(request)),
                _ => Ok(self.list_subscriptions()),
            },
            ["webhook-subscriptions", id] => match only(request, &[Method::GET, Method::POST, Method::DELETE])? {
                Method::POST => self.update_subscription(id, request),
                Method::DELETE => self.delete_subscription(id),
                _ => self.subscription(id),
            },
            ["webhook-subscriptions", id, "webhooks"] => get().and_then(|_| self.list_webhooks(id, request)),
            ["webhooks", id] => get().and_then(|_| self.webhook(id)),
            ["webhooks", id, "retries"] => match only(request, &[Method::GET, Method::POST])? {
                Method::POST => self.once(request, || self.retry(id)),
                _ => self.list_retries(id),
            },
            ["webhooks", id, "retries", retry] => get().and_then(|_| self.one_retry(id, retry)),
            ["sandbox-simulations"] => post().map(|_| self.simulate()),
            _ => Err(Refusal::not_found()),
        }
    }

    fn root(&self) -> Response {
        let links = json!({
            "account": self.link(&format!("/accounts/{}", self.account)),
            "events": self.link("/events"),
            "webhook-subscriptions": self.link("/webhook-subscriptions"),
        });
        hal::resource(&json!({ "_links": links }))
    }

    /// Makes an event happen: a topic with what belongs to it, or a whole event as it is.
    pub(crate) fn fire(self: &Arc<Self>, body: &Bytes) -> Result<Bytes, Error> {
        let event = event::Event::read(body, self)?;
        Ok(self.happen(event))
    }

    /// Records an event, and a webhook for each subscription.
    fn happen(self: &Arc<Self>, event: event::Event) -> Bytes {
        let now = self.clock().now();
        let delivered = event.delivered.clone();
        let mut state = self.state.lock();
        state.drop_old(now);
        let webhooks = state.record(event, now);
        // Begun outside of the lock, which couriers take.
        drop(state);
        for webhook in webhooks {
            let (id, subscription) = (&webhook.id, &webhook.subscription);
            let job = Job::new(
                Provider::Dwolla,
                id,
                subscription,
                webhook.generation,
                Turn::Scheduled(0),
            );
            self.dispatcher.begin(job);
        }
        delivered
    }

    /// The response that a request of the same `Idempotency-Key` and body got within a day, or a
    /// new one.
    fn once(
        &self,
        request: &Incoming,
        respond: impl FnOnce() -> Result<Response, Refusal>,
    ) -> Result<Response, Refusal> {
        let Some(key) = request.header(&IDEMPOTENCY_KEY) else {
            return respond();
        };
        let key = (key.to_owned(), request.path.clone(), request.body.clone());
        let now = self.clock().now();
        if let Some(location) = self.state.lock().replies.location(&key, now) {
            return Ok(created(&location));
        }
        let response = respond()?;
        if let Some(location) = response.headers().get(http::header::LOCATION) {
            let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
            self.state.lock().replies.remember(&key, location, now);
        }
        Ok(response)
    }

    fn clock(&self) -> &Clock {
        self.dispatcher.clock()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn link(&self, path: &str) -> serde_json::Value {
        json!({ "href": self.url(path), "type": HAL })
    }
}

/// The method, if the resource has it.
fn only(request: &Incoming, methods: &[Method]) -> Result<Method, Refusal> {
    if methods.contains(&request.method) {
        Ok(request.method.clone())
    } else {
        Err(Refusal::method(methods))
    }
}

/// 201 with an empty body.
fn created(location: &str) -> Response {
    with_header(empty(StatusCode::CREATED), http::header::LOCATION, location)
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

/// Before this, everything is gone.
fn oldest(now: std::time::SystemTime) -> std::time::SystemTime {
    earlier(now, RETENTION)
}
