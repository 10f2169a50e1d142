//! GitHub: hooks by hand, deliveries by the reconciler's client.

mod deliveries;
mod hooks;

use serde_json::{Value, json};
use tower_webhook_reconcile::{
    Options,
    github::{Deliveries, Delivery, GitHubApi, Hook},
};
use tower_webhook_sandbox::{Provider, Sandbox};

use crate::support::{Reply, SECRET, call};

pub(super) const TOKEN: &str = "Authorization: token any";

pub(super) async fn api(sandbox: &Sandbox, line: &str, body: Value) -> Reply {
    let (method, path) = line.split_once(' ').unwrap();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    call(sandbox, &format!("{method} /github{path}"), &[TOKEN], &body).await
}

/// A hook of `octocat/hello` with JSON bodies that wants these events.
pub(super) async fn hook(sandbox: &Sandbox, url: &str, events: Value) -> u64 {
    let config = json!({ "url": url, "content_type": "json", "secret": SECRET });
    let body = json!({ "name": "web", "config": config, "events": events });
    let reply = api(sandbox, "POST /repos/octocat/hello/hooks", body).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["id"].as_u64().unwrap()
}

pub(super) fn deliveries(sandbox: &Sandbox, hook: u64) -> Deliveries {
    let api = GitHubApi::with_options(&sandbox.url(Provider::GitHub), "any", Options::new()).unwrap();
    api.deliveries(Hook::repository("octocat", "hello", hook))
}

pub(super) async fn all(deliveries: &Deliveries) -> Vec<Delivery> {
    deliveries.list().collect().await.unwrap()
}

pub(super) fn fire(sandbox: &Sandbox, event: Value) -> String {
    let fired = sandbox.fire(Provider::GitHub, event.to_string()).unwrap();
    serde_json::from_slice::<Value>(&fired).unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned()
}
