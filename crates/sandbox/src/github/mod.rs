//! GitHub's API for the hooks of repositories, organisations and an App, and their deliveries.
//!
//! GitHub sends each event once, waits 10 seconds, and never retries: a receiver that misses one
//! asks for it within 3 days, and then it comes as another delivery under the same GUID.

mod courier;
mod deliveries;
mod errors;
mod event;
mod hooks;

use std::{sync::Arc, time::Duration};

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderName, Method};
use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use self::{
    deliveries::{Parcel, Record},
    errors::Refusal,
    event::Event,
    hooks::{Hook, Owner},
};
use crate::{
    Error, Provider,
    clock::{Clock, earlier},
    deliver::{Dispatcher, Job, Turn},
    http::{Incoming, with_header},
    keep::{Keeper, Kept},
    shelf::Shelf,
};

/// Deliveries are kept, and can be asked for again, so long.
const RETENTION: Duration = Duration::from_secs(3 * 24 * 3600);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-github-request-id");

pub(crate) struct GitHub {
    base: String,
    dispatcher: Arc<Dispatcher>,
    state: Mutex<State>,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

struct State {
    hooks: Shelf<Hook>,
    /// The deliveries on their way, by [`Parcel::key`].
    parcels: Shelf<Arc<Parcel>>,
    /// The deliveries that were sent, by their ids.
    records: Shelf<Record>,
    /// The last id of a hook or a delivery.
    last_id: u64,
    keeper: Keeper,
}

/// The name of the last id in a state file.
const LAST_ID: &str = "github.last_id";

impl GitHub {
    /// `base`: where the API is, without a slash at the end.
    pub(crate) fn new(base: String, dispatcher: Arc<Dispatcher>, kept: &mut Kept) -> Result<Arc<Self>, Error> {
        let state = State {
            hooks: Shelf::of(kept)?,
            parcels: Shelf::of(kept)?,
            records: Shelf::of(kept)?,
            last_id: match kept.take(LAST_ID)?.pop() {
                Some((_, id)) => id,
                // As long as real ones; the same id in two runs would be two things.
                None => 100_000_000 + u64::from(fastrand::u32(..)),
            },
            keeper: kept.keeper.clone(),
        };
        Ok(Arc::new(Self {
            base,
            dispatcher,
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn respond(self: &Arc<Self>, request: &Incoming) -> Response {
        let response = self.route(request).unwrap_or_else(Refusal::into_response);
        with_header(response, REQUEST_ID, &Uuid::new_v4().simple().to_string())
    }

    fn route(self: &Arc<Self>, request: &Incoming) -> Result<Response, Refusal> {
        if !["bearer", "token", "basic"]
            .iter()
            .any(|scheme| request.credentials(scheme).is_some())
        {
            return Err(Refusal::unauthenticated());
        }
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        match path[..] {
            ["app", "hook", "config"] => self.app_config(request),
            ["app", "hook", "deliveries", ref rest @ ..] => {
                let hook = self.state.lock().app().map(|hook| hook.id);
                self.deliveries(hook.ok_or_else(Refusal::not_found)?, rest, request)
            }
            ["repos", owner, name, "hooks", ref rest @ ..] => {
                self.hooks(&Owner::repository(owner, name), rest, request)
            }
            ["orgs", name, "hooks", ref rest @ ..] => self.hooks(&Owner::organization(name), rest, request),
            _ => Err(Refusal::not_found()),
        }
    }

    fn hooks(self: &Arc<Self>, owner: &Owner, path: &[&str], request: &Incoming) -> Result<Response, Refusal> {
        let method = &request.method;
        let [id, rest @ ..] = path else {
            return match *method {
                Method::POST => self.create_hook(owner, request),
                Method::GET => Ok(self.list_hooks(owner)),
                _ => Err(Refusal::not_found()),
            };
        };
        let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
        let is_owners = |hook: &Hook| hook.owner == *owner;
        if !self.state.lock().hooks.get(&id.to_string()).is_some_and(is_owners) {
            return Err(Refusal::not_found());
        }
        match (method.as_str(), rest) {
            ("GET", []) => self.hook(id),
            ("PATCH", []) => self.change_hook(id, request),
            ("DELETE", []) => Ok(self.delete_hook(id)),
            ("POST", ["pings"]) => Ok(self.ping(id)),
            (_, ["deliveries", rest @ ..]) => self.deliveries(id, rest, request),
            _ => Err(Refusal::not_found()),
        }
    }

    /// Makes an event happen: a topic, or an event's name with its payload.
    pub(crate) fn fire(self: &Arc<Self>, body: &Bytes) -> Result<Bytes, Error> {
        let event = Event::read(body, &self.dispatcher)?;
        let shown = event.show();
        let hooks: Vec<u64> = {
            let state = self.state.lock();
            let wanting = state.hooks.oldest_first().filter(|hook| hook.wants(&event));
            wanting.map(|hook| hook.id).collect()
        };
        for hook in hooks {
            self.send(hook, &event);
        }
        Ok(shown)
    }

    /// Sends an event to a hook.
    fn send(self: &Arc<Self>, hook: u64, event: &Event) {
        let now = self.clock().now();
        let key = {
            let mut state = self.state.lock();
            state.drop_old(now);
            let State { hooks, parcels, .. } = &mut *state;
            let Some(hook) = hooks.get(&hook.to_string()) else {
                return;
            };
            let parcel = Parcel::of(event, hook);
            let key = parcel.key();
            parcels.insert(&key, now, Arc::new(parcel));
            key
        };
        let job = Job::new(Provider::GitHub, &key, &hook.to_string(), 0, Turn::Scheduled(0));
        self.dispatcher.begin(job);
    }

    fn clock(&self) -> &Clock {
        self.dispatcher.clock()
    }
}

impl State {
    fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.keeper.put(LAST_ID, 0, &self.last_id);
        self.last_id
    }

    fn app(&self) -> Option<&Hook> {
        self.hooks.oldest_first().find(|hook| hook.owner == Owner::App)
    }

    fn drop_old(&mut self, now: std::time::SystemTime) {
        self.parcels.drop_before(earlier(now, RETENTION));
        self.records.drop_before(earlier(now, RETENTION));
    }
}

fn ok(body: &Value) -> Response {
    crate::http::json(http::StatusCode::OK, JSON, body)
}

const JSON: &str = "application/json; charset=utf-8";
