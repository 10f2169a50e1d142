//! A sandbox with a state file ends, and another goes on.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tower_webhook_sandbox::{Chaos, ErrorKind, Provider, Sandbox, Settings};

use crate::support::{DAY, HOUR, Receiver, SECRET, call, fire_dwolla, id_of, minutes, still};

/// A name for a file; what is there is removed in the end.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-webhook-state-{}-{number}.db", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["db", "db-wal", "db-shm"] {
            drop(std::fs::remove_file(self.0.with_extension(end)));
        }
    }
}

/// Links name the same host in each sandbox.
fn settings(file: &File) -> Settings {
    still().state(file.path()).public_url("http://sandbox.test")
}

async fn open(file: &File) -> Sandbox {
    settings(file).start().await.unwrap()
}

async fn reopened(sandbox: Sandbox, file: &File) -> Sandbox {
    sandbox.stop().await.unwrap();
    open(file).await
}

const HAL: &str = "Accept: application/vnd.dwolla.v1.hal+json";
const JSON: &str = "Content-Type: application/json";
const KEY: &str = "Authorization: Bearer any-key";

/// Posts, and returns the response's body.
async fn post(sandbox: &Sandbox, path: &str, headers: &[&str], body: &str) -> Value {
    let reply = call(sandbox, &format!("POST {path}"), headers, body).await;
    assert!((200..300).contains(&reply.status), "{path}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap_or_default()
}

/// A receiver at each provider, whose deliveries fail.
async fn receivers_everywhere(sandbox: &Sandbox, url: &str) -> String {
    let basic = "Authorization: Basic aWQ6c2VjcmV0";
    let token = post(sandbox, "/dwolla/token", &[basic], "grant_type=client_credentials").await;
    let bearer = format!("Authorization: Bearer {}", token["access_token"].as_str().unwrap());
    let subscription = format!(r#"{{"url":"{url}","secret":"{SECRET}"}}"#);
    let path = "/dwolla/webhook-subscriptions";
    post(sandbox, path, &[HAL, JSON, &bearer], &subscription).await;
    let hook = format!(r#"{{"url":"{url}","events":["*"],"secret":"{SECRET}"}}"#);
    post(sandbox, "/example/v1/webhooks", &[KEY], &hook).await;
    let hook = format!(r#"{{"events":["*"],"config":{{"url":"{url}","content_type":"json","secret":"{SECRET}"}}}}"#);
    post(sandbox, "/github/repos/octocat/hello/hooks", &[KEY], &hook).await;
    let url: String = form(url);
    let endpoint = format!("url={url}&enabled_events[]=*&secret={SECRET}");
    post(sandbox, "/v1/webhook_endpoints", &[KEY], &endpoint).await;
    bearer
}

fn form(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn fire_everywhere(sandbox: &Sandbox) {
    fire_dwolla(sandbox, "customer_transfer_created");
    sandbox.fire(Provider::Example, r#"{"type":"user.created"}"#).unwrap();
    sandbox.fire(Provider::GitHub, r#"{"topic":"issues.opened"}"#).unwrap();
    sandbox.fire(Provider::Stripe, r#"{"type":"invoice.paid"}"#).unwrap();
}

/// All that the APIs tell, following what lists name.
async fn told(sandbox: &Sandbox, bearer: &str) -> Vec<(String, Value)> {
    let mut told = Vec::new();
    let mut paths: Vec<String> = [
        "/dwolla",
        "/dwolla/webhook-subscriptions",
        "/dwolla/events",
        "/example/v1/webhooks",
        "/github/repos/octocat/hello/hooks",
        "/v1/webhook_endpoints",
        "/v1/events",
        "/sandbox/attempts",
        "/sandbox",
    ]
    .map(str::to_owned)
    .into();
    while let Some(path) = paths.pop() {
        let key = if path.starts_with("/dwolla") { bearer } else { KEY };
        let reply = call(sandbox, &format!("GET {path}"), &[HAL, key], "").await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        // Half an emoji is no text for a strict parser; it is compared as it came.
        let value = serde_json::from_str(&reply.body).unwrap_or_else(|_| json!(reply.body));
        let ids = |list: &Value, before: &str, after: &str| -> Vec<String> {
            let entries = list.as_array().unwrap().iter();
            let ids = entries.map(|entry| entry["id"].as_str().map_or(entry["id"].to_string(), str::to_owned));
            ids.map(|id| format!("{before}/{id}{after}")).collect()
        };
        paths.extend(match path.as_str() {
            "/dwolla/webhook-subscriptions" => ids(&value["_embedded"]["webhook-subscriptions"], &path, "/webhooks"),
            "/example/v1/webhooks" => ids(&value["data"], &path, "/deliveries"),
            "/github/repos/octocat/hello/hooks" => ids(&value, &path, "/deliveries"),
            path if path.ends_with("/webhooks") => ids(&value["_embedded"]["webhooks"], "/dwolla/webhooks", "/retries"),
            path if path.starts_with("/github") && path.ends_with("/deliveries") => ids(&value, path, ""),
            _ => Vec::new(),
        });
        told.push((path, value));
    }
    told
}

#[tokio::test]
async fn everything_that_the_apis_tell_is_the_same_after_a_restart() {
    let (file, receiver) = (File::new(), Receiver::start(503).await);
    let sandbox = open(&file).await;
    let bearer = receivers_everywhere(&sandbox, &receiver.url).await;
    fire_everywhere(&sandbox);
    sandbox.idle().await;
    receiver.respond(200);
    fire_everywhere(&sandbox);
    sandbox.advance(HOUR).await;
    // Whole events, as odd as they come: with times that only just exist, and half an emoji.
    for created in ["1931-01-01T00:00:00.000000001Z", "9999-12-30T00:00:00Z"] {
        let event = format!(r#"{{"id":"{created}","topic":"x","created":"{created}","cut":"\ud83d", "n":1e999}}"#);
        sandbox.fire(Provider::Dwolla, event.clone()).unwrap();
        let event = event.replace("topic", "type");
        sandbox.fire(Provider::Stripe, event.clone()).unwrap();
        sandbox.fire(Provider::Example, event).unwrap();
    }
    sandbox.idle().await;
    let list = call(&sandbox, "GET /dwolla/webhook-subscriptions", &[HAL, &bearer], "").await;
    let subscription = list.json()["_embedded"]["webhook-subscriptions"][0]["id"].clone();
    let path = format!("/dwolla/webhook-subscriptions/{}", subscription.as_str().unwrap());
    let webhooks = call(&sandbox, &format!("GET {path}/webhooks"), &[HAL, &bearer], "").await;
    let webhook = webhooks.json()["_embedded"]["webhooks"][0]["id"].clone();
    let retries = format!("/dwolla/webhooks/{}/retries", webhook.as_str().unwrap());
    post(&sandbox, &retries, &[HAL, &bearer], "").await;
    post(&sandbox, &path, &[HAL, JSON, &bearer], r#"{"paused":true}"#).await;
    sandbox.idle().await;

    let before = told(&sandbox, &bearer).await;
    assert!(before.len() > 15, "{before:#?}");
    let sandbox = reopened(sandbox, &file).await;
    let after = told(&sandbox, &bearer).await;
    for ((path, before), (_, after)) in before.iter().zip(&after) {
        assert_eq!(before, after, "{path}");
    }
    assert_eq!(before.len(), after.len());
    // A second time, from what was not changed since.
    let sandbox = reopened(sandbox, &file).await;
    assert_eq!(told(&sandbox, &bearer).await, before);
}

#[tokio::test]
async fn what_was_removed_stays_away() {
    let (file, receiver) = (File::new(), Receiver::start(200).await);
    let sandbox = open(&file).await;
    let api = dwolla_at(&sandbox);
    let subscription = api.create_subscription(&receiver.url, SECRET).await.unwrap();
    let old = fire_dwolla(&sandbox, "transfer_created");
    sandbox.advance(31 * DAY).await;
    api.delete_subscription(&subscription).await.unwrap();
    let sandbox = reopened(sandbox, &file).await;
    let api = dwolla_at(&sandbox);
    api.subscription(&subscription).await.unwrap_err();
    api.event(&old).await.unwrap_err();
    // Nor is it in the file.
    sandbox.stop().await.unwrap();
    let kinds = kinds(&file).await;
    for gone in ["dwolla.subscription", "dwolla.webhook", "job"] {
        assert!(!kinds.iter().any(|kind| kind == gone), "{gone} in {kinds:?}");
    }
}

/// The kinds of what is in the file.
async fn kinds(file: &File) -> Vec<String> {
    let url = format!("sqlite:{}", file.path().display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let kinds = sqlx::query_scalar("SELECT DISTINCT kind FROM entries")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    kinds
}

/// Its API at the address where it listens, whatever its links say.
fn dwolla_at(sandbox: &Sandbox) -> tower_webhook_reconcile::dwolla::DwollaApi {
    let base = format!("http://{}/dwolla", sandbox.address());
    tower_webhook_reconcile::dwolla::DwollaApi::new(&base, "any id", "any secret").unwrap()
}

/// What each provider sends within a week of failures, and when.
async fn schedule(file: Option<&File>) -> Vec<(Provider, Vec<u64>)> {
    let receiver = Receiver::start(500).await;
    let mut sandbox = match file {
        Some(file) => open(file).await,
        None => still().start().await.unwrap(),
    };
    receivers_everywhere(&sandbox, &receiver.url).await;
    fire_everywhere(&sandbox);
    sandbox.idle().await;
    for hours in [1, 5, 30, 132] {
        if let Some(file) = file {
            sandbox = reopened(sandbox, file).await;
        }
        sandbox.advance(hours * HOUR).await;
    }
    let attempts = sandbox.attempts();
    let of = |provider| {
        let mut times = minutes(
            &attempts
                .iter()
                .filter(|attempt| attempt.provider == provider)
                .cloned()
                .collect::<Vec<_>>(),
        );
        times.sort_unstable();
        (provider, times)
    };
    Provider::ALL.iter().map(|provider| of(*provider)).collect()
}

#[tokio::test]
async fn retries_that_are_pending_come_at_their_times_after_restarts() {
    let file = File::new();
    let without = schedule(None).await;
    let counts: Vec<usize> = without.iter().map(|(_, times)| times.len()).collect();
    // GitHub: a ping and an event.
    assert_eq!(counts, [9, 6, 2, 10]);
    assert_eq!(schedule(Some(&file)).await, without);
}

#[tokio::test]
async fn what_was_on_its_way_is_sent_once_more() {
    let file = File::new();
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let receiver = Receiver::responding(move || {
        let arrived = arrived.clone();
        async move {
            arrived.send(()).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let sandbox = open(&file).await;
    let api = dwolla_at(&sandbox);
    api.create_subscription(&receiver.url, SECRET).await.unwrap();
    fire_dwolla(&sandbox, "transfer_created");
    arrivals.recv().await.unwrap();
    let sandbox = reopened(sandbox, &file).await;
    arrivals.recv().await.unwrap();
    assert_eq!(sandbox.attempts().len(), 0);
}

#[tokio::test]
async fn a_sandbox_that_is_dropped_has_kept_what_was_fired() {
    let file = File::new();
    let sandbox = open(&file).await;
    let fired = fire_dwolla(&sandbox, "transfer_created");
    drop(sandbox);
    let sandbox = open(&file).await;
    let events = dwolla_at(&sandbox).event(&fired).await.unwrap();
    assert_eq!(events.id, fired);
}

#[tokio::test]
async fn the_time_goes_on_from_where_it_was() {
    let file = File::new();
    let sandbox = open(&file).await;
    sandbox.advance(DAY).await;
    let time = sandbox.now();
    let sandbox = reopened(sandbox, &file).await;
    assert_eq!(sandbox.now(), time);
    sandbox.stop().await.unwrap();
    // At another speed, and whatever time is asked for.
    let sandbox = settings(&file).speed(3600.0).start().await.unwrap();
    assert!(sandbox.now() >= time);
    let later = sandbox.now();
    let sandbox = reopened(sandbox, &file).await;
    assert!(sandbox.now() >= later);
}

/// Which of 20 events are lost, where a sandbox ends after the tenth, or not.
async fn lost(file: &File, restarts: bool) -> Vec<bool> {
    let receiver = Receiver::start(200).await;
    let chaotic = || settings(file).chaos(Chaos::none(7).drop(0.5)).start();
    let mut sandbox = chaotic().await.unwrap();
    let api = dwolla_at(&sandbox);
    api.create_subscription(&receiver.url, SECRET).await.unwrap();
    let mut fired = Vec::new();
    for number in 0..20 {
        if restarts && number == 10 {
            sandbox.stop().await.unwrap();
            sandbox = chaotic().await.unwrap();
        }
        fired.push(fire_dwolla(&sandbox, "transfer_created"));
    }
    sandbox.idle().await;
    let received: Vec<String> = receiver.received().iter().map(|request| id_of(&request.body)).collect();
    fired.iter().map(|id| !received.contains(id)).collect()
}

#[tokio::test]
async fn chaos_goes_on_where_it_was() {
    let whole = lost(&File::new(), false).await;
    assert!(whole.contains(&true) && whole.contains(&false));
    assert_eq!(lost(&File::new(), true).await, whole);
}

async fn refused(file: &File) -> String {
    let error = settings(file).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    let name = file.path().display().to_string();
    error.to_string().replace(&name, "FILE")
}

async fn execute(file: &File, statements: &'static str) {
    let url = format!("sqlite:{}?mode=rwc", file.path().display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_another_program_is_refused_and_stays_as_it_is() {
    let text = File::new();
    std::fs::write(text.path(), "notes of mine\n".repeat(100)).unwrap();
    let before = std::fs::read(text.path()).unwrap();
    assert_eq!(
        refused(&text).await,
        "the state file FILE is no SQLite file; expected a sandbox's, or a name that is free: choose another"
    );
    assert_eq!(std::fs::read(text.path()).unwrap(), before);

    let database = File::new();
    execute(
        &database,
        "CREATE TABLE accounts (id INTEGER); INSERT INTO accounts VALUES (1)",
    )
    .await;
    let before = std::fs::read(database.path()).unwrap();
    let refusal = "the state file FILE is another program's database; expected a sandbox's, or a name that is free: \
                   choose another";
    assert_eq!(refused(&database).await, refusal);
    assert_eq!(std::fs::read(database.path()).unwrap(), before);
    execute(&database, "PRAGMA application_id = 7; PRAGMA user_version = 1").await;
    assert_eq!(refused(&database).await, refusal);
}

#[tokio::test]
async fn a_file_of_another_version_and_one_that_cannot_be_read_are_refused() {
    let file = File::new();
    open(&file).await.stop().await.unwrap();
    execute(
        &file,
        "INSERT INTO entries VALUES ('job', 3, '{\"due\":\"yesterday\"}')",
    )
    .await;
    assert_eq!(
        refused(&file).await,
        "entry 3 of job in the state file cannot be read; expected what a sandbox of this version wrote: begin with \
         another file"
    );
    execute(&file, "PRAGMA user_version = 2").await;
    assert_eq!(
        refused(&file).await,
        "the state file FILE has version 2; expected 1: run the sandbox that wrote it, or begin with another file"
    );
    let nowhere = File(std::env::temp_dir().join("tower-webhook-no-such-folder/state.db"));
    assert_eq!(
        refused(&nowhere).await,
        "the state file FILE cannot be opened; expected a file in a folder that can be written to"
    );
}

#[tokio::test]
async fn two_sandboxes_do_not_share_a_file() {
    let file = File::new();
    let first = open(&file).await;
    let fired = fire_dwolla(&first, "transfer_created");
    assert_eq!(
        refused(&file).await,
        "the state file FILE is in use; expected it to be this sandbox's alone: stop the other one, or choose another \
         file"
    );
    // The first goes on.
    first.idle().await;
    let second = reopened(first, &file).await;
    dwolla_at(&second).event(&fired).await.unwrap();
}
