//! Stripe's API for events and webhook endpoints, and its deliveries.
//!
//! Each attempt is signed again, in the world's time, which a receiver compares with its own clock.
//! An event that gets no 2xx is sent again for three days, less and less often.

mod courier;
mod endpoints;
mod errors;
mod event;
mod events;

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use self::{endpoints::Endpoint, errors::Refusal, event::Event};
use crate::{
    Error, Provider,
    clock::{Clock, earlier},
    deliver::{Dispatcher, Job, Turn},
    http::{Incoming, with_header},
    keep::Kept,
    shelf::Shelf,
};

/// Events are kept so long.
const RETENTION: Duration = Duration::from_secs(30 * 24 * 3600);

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

pub(crate) struct Stripe {
    dispatcher: Arc<Dispatcher>,
    state: Mutex<State>,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stripe").finish_non_exhaustive()
    }
}

struct State {
    endpoints: Shelf<Endpoint>,
    events: Shelf<Event>,
}

impl Stripe {
    pub(crate) fn new(dispatcher: Arc<Dispatcher>, kept: &mut Kept) -> Result<Arc<Self>, Error> {
        let state = State {
            endpoints: Shelf::of(kept)?,
            events: Shelf::of(kept)?,
        };
        Ok(Arc::new(Self {
            dispatcher,
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn respond(self: &Arc<Self>, request: &Incoming) -> Response {
        let response = self.route(request).unwrap_or_else(Refusal::into_response);
        with_header(response, REQUEST_ID, &new_id("req"))
    }

    fn route(&self, request: &Incoming) -> Result<Response, Refusal> {
        // The key is a token, or a user without a password.
        let user = request.basic().is_some_and(|(user, _)| !user.is_empty());
        if request.bearer().is_none() && !user {
            return Err(Refusal::no_key());
        }
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match (request.method.as_str(), &path[..]) {
            ("GET", ["v1", "events"]) => self.list_events(request),
            ("GET", ["v1", "events", id]) => self.event(id),
            ("GET", ["v1", "webhook_endpoints"]) => Ok(self.list_endpoints()),
            ("POST", ["v1", "webhook_endpoints"]) => self.create_endpoint(request),
            ("GET", ["v1", "webhook_endpoints", id]) => self.endpoint(id),
            ("POST", ["v1", "webhook_endpoints", id]) => self.change_endpoint(id, request),
            ("DELETE", ["v1", "webhook_endpoints", id]) => self.delete_endpoint(id),
            (method, path) => Err(Refusal::no_such_url(method, &path.join("/"))),
        }
    }

    /// Makes an event happen: a type with its data, or a whole event as it is.
    pub(crate) fn fire(self: &Arc<Self>, body: &Bytes) -> Result<Bytes, Error> {
        let now = self.clock().now();
        let mut state = self.state.lock();
        state.events.drop_before(earlier(now, RETENTION));
        let event = Event::read(body, &state.endpoints, now, &self.dispatcher)?;
        let delivered = event.body.clone();
        let jobs: Vec<Job> = event
            .deliveries
            .iter()
            .map(|delivery| Job::new(Provider::Stripe, &event.id, &delivery.endpoint, 0, Turn::Scheduled(0)))
            .collect();
        let id = event.id.clone();
        state.events.insert(&id, now, event);
        drop(state);
        for job in jobs {
            self.dispatcher.begin(job);
        }
        Ok(delivered)
    }

    fn clock(&self) -> &Clock {
        self.dispatcher.clock()
    }
}

fn ok(body: &Value) -> Response {
    crate::http::json(StatusCode::OK, "application/json", body)
}

fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", Uuid::new_v4().simple())
}
