//! Hooks: whose they are, what they want, and where it goes.

use std::{sync::Arc, time::SystemTime};

use axum::response::Response;
use http::{Method, StatusCode, header::LOCATION};
use serde::{Deserialize, Serialize};
use serde_json::{Value, error::Category, json};

use super::{GitHub, JSON, errors::Refusal, event::Event, ok};
use crate::{
    http::{Incoming, empty, is_endpoint, is_token, json as respond, with_header},
    object::Object,
    secret::Secret,
    shelf::Shelved,
    time::{exact, seconds},
};

/// Where events must happen for a hook to get them. GitHub's names have no case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Owner {
    Repository(String),
    Organization(String),
    App,
}

impl Owner {
    pub(super) fn repository(owner: &str, name: &str) -> Self {
        Self::Repository(format!("{owner}/{name}").to_lowercase())
    }

    pub(super) fn organization(name: &str) -> Self {
        Self::Organization(name.to_lowercase())
    }

    /// Whether a repository, `owner/name`, is there.
    pub(super) fn has(&self, full_name: &str) -> bool {
        let full_name = full_name.to_lowercase();
        match self {
            Self::Repository(name) => full_name == *name,
            Self::Organization(name) => full_name.split('/').next() == Some(name),
            Self::App => true,
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Repository(name) => format!("/repos/{name}"),
            Self::Organization(name) => format!("/orgs/{name}"),
            Self::App => "/app".to_owned(),
        }
    }

    /// As `X-GitHub-Hook-Installation-Target-Type` names it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Repository(_) => "repository",
            Self::Organization(_) => "organization",
            Self::App => "integration",
        }
    }
}

#[derive(Deserialize, Serialize)]
pub(super) struct Hook {
    pub(super) id: u64,
    pub(super) owner: Owner,
    pub(super) url: String,
    /// Instead of JSON.
    pub(super) sends_forms: bool,
    pub(super) secret: Option<Secret>,
    events: Vec<String>,
    pub(super) active: bool,
    #[serde(with = "exact")]
    created: SystemTime,
}

impl Shelved for Hook {
    const KIND: &'static str = "github.hook";
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct New {
    config: Object<Config>,
    events: Option<Vec<String>>,
    active: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    url: Option<String>,
    content_type: Option<String>,
    secret: Option<String>,
}

impl Hook {
    pub(super) fn wants(&self, event: &Event) -> bool {
        let named = |wanted: &String| wanted == "*" || *wanted == event.name;
        self.active && !self.url.is_empty() && self.events.iter().any(named) && event.is_of(&self.owner)
    }

    /// Checks all of it before it changes any of it.
    fn change(
        &mut self,
        New {
            config: Object(config),
            events,
            active,
        }: New,
    ) -> Result<(), Refusal> {
        let sends_forms = match config.content_type.as_deref() {
            None => self.sends_forms,
            Some("form") => true,
            Some("json") => false,
            Some(_) => {
                return Err(Refusal::invalid(
                    "Hook",
                    "content_type",
                    "content_type is neither json nor form",
                ));
            }
        };
        if !config.url.as_deref().is_none_or(is_endpoint) {
            return Err(Refusal::invalid("Hook", "url", "url is not a valid URL"));
        }
        if !events.iter().flatten().all(|event| is_token(event)) || events.as_ref().is_some_and(Vec::is_empty) {
            return Err(Refusal::invalid(
                "Hook",
                "events",
                "events has no events, or what is none",
            ));
        }
        self.sends_forms = sends_forms;
        self.url = config.url.unwrap_or_else(|| self.url.clone());
        self.events = events.unwrap_or_else(|| self.events.clone());
        self.active = active.unwrap_or(self.active);
        if let Some(secret) = config.secret {
            // An empty one takes the secret away, as at GitHub.
            self.secret = Secret::new(secret).ok();
        }
        Ok(())
    }

    fn config(&self) -> Value {
        json!({
            "url": self.url,
            "content_type": if self.sends_forms { "form" } else { "json" },
            "insecure_ssl": "0",
            "secret": self.secret.is_some().then_some("********"),
        })
    }

    fn show(&self, base: &str) -> Value {
        let url = format!("{base}{}/hooks/{}", self.owner.path(), self.id);
        json!({
            "type": match self.owner { Owner::Repository(_) => "Repository", Owner::Organization(_) => "Organization", Owner::App => "App" },
            "id": self.id,
            "name": "web",
            "active": self.active,
            "events": self.events,
            "config": self.config(),
            "created_at": seconds(self.created),
            "updated_at": seconds(self.created),
            "url": url,
            "ping_url": format!("{url}/pings"),
            "deliveries_url": format!("{url}/deliveries"),
        })
    }
}

impl GitHub {
    pub(super) fn create_hook(self: &Arc<Self>, owner: &Owner, request: &Incoming) -> Result<Response, Refusal> {
        let new: New = body(request)?;
        if new.config.0.url.is_none() {
            return Err(Refusal::invalid("Hook", "url", "url cannot be blank"));
        }
        let (id, shown) = {
            let mut state = self.state.lock();
            let now = self.clock().now();
            let mut hook = Hook::new(state.new_id(), owner.clone(), now);
            hook.change(new)?;
            let shown = hook.show(&self.base);
            let id = hook.id;
            state.hooks.insert(&id.to_string(), now, hook);
            (id, shown)
        };
        self.ping(id);
        let response = respond(StatusCode::CREATED, JSON, &shown);
        let url = shown.get("url").and_then(Value::as_str).unwrap_or_default();
        Ok(with_header(response, LOCATION, url))
    }

    pub(super) fn list_hooks(&self, owner: &Owner) -> Response {
        let state = self.state.lock();
        let of_owner = state.hooks.oldest_first().filter(|hook| hook.owner == *owner);
        let shown: Vec<Value> = of_owner.map(|hook| hook.show(&self.base)).collect();
        ok(&shown.into())
    }

    pub(super) fn hook(&self, id: u64) -> Result<Response, Refusal> {
        let state = self.state.lock();
        let hook = state.hooks.get(&id.to_string());
        hook.map(|hook| ok(&hook.show(&self.base)))
            .ok_or_else(Refusal::not_found)
    }

    pub(super) fn change_hook(&self, id: u64, request: &Incoming) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        let changed = state.hooks.change(&id.to_string(), |hook| {
            hook.change(body(request)?)?;
            Ok(ok(&hook.show(&self.base)))
        });
        changed.unwrap_or_else(|| Err(Refusal::not_found()))
    }

    pub(super) fn delete_hook(&self, id: u64) -> Response {
        let mut state = self.state.lock();
        state.hooks.remove(&id.to_string());
        state.records.remove_list(&id.to_string());
        empty(StatusCode::NO_CONTENT)
    }

    pub(super) fn ping(self: &Arc<Self>, id: u64) -> Response {
        let shown = {
            let state = self.state.lock();
            let hook = state.hooks.get(&id.to_string());
            hook.map(|hook| hook.show(&self.base))
        };
        if let Some(shown) = shown {
            self.send(id, &Event::ping(&shown, id));
        }
        empty(StatusCode::NO_CONTENT)
    }

    /// An App has one hook, which is there from the first time that it is given a URL.
    pub(super) fn app_config(&self, request: &Incoming) -> Result<Response, Refusal> {
        let mut state = self.state.lock();
        if request.method == Method::PATCH {
            let change = New {
                config: Object(body(request)?),
                ..New::default()
            };
            let id = match state.app() {
                Some(app) => app.id,
                None => {
                    let now = self.clock().now();
                    let mut hook = Hook::new(state.new_id(), Owner::App, now);
                    hook.events = vec!["*".to_owned()];
                    let id = hook.id;
                    state.hooks.insert(&id.to_string(), now, hook);
                    id
                }
            };
            let changed = state.hooks.change(&id.to_string(), |app| app.change(change));
            changed.ok_or_else(Refusal::not_found)??;
        } else if request.method != Method::GET {
            return Err(Refusal::not_found());
        }
        let app = state.app().ok_or_else(Refusal::not_found)?;
        Ok(ok(&app.config()))
    }
}

impl Hook {
    /// With GitHub's defaults.
    fn new(id: u64, owner: Owner, now: SystemTime) -> Self {
        Self {
            id,
            owner,
            url: String::new(),
            sends_forms: true,
            secret: None,
            events: vec!["push".to_owned()],
            active: true,
            created: now,
        }
    }
}

fn body<'a, T: Deserialize<'a>>(request: &'a Incoming) -> Result<T, Refusal> {
    request.object().map_err(|error| match error.classify() {
        Category::Data => Refusal::no_object(),
        _ => Refusal::no_json(),
    })
}
