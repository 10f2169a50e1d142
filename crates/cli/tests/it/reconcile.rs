//! `reconcile`, between the sandbox's providers and a store.

#![cfg(test)] // for clippy

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tower_webhook::{
    event::{EventId, Fingerprint, Tenant},
    inbox::{Deposit, Inbox as _, StoredDelivery},
    store::{ClaimRequest, Completion, IdempotencyStore as _, Key, Token},
};
use tower_webhook_reconcile::dwolla::DwollaApi;
use tower_webhook_sandbox::{Provider, Sandbox, Settings};
use tower_webhook_sqlx::SqliteStore;

use crate::support::{Runs, SECRET, command, serve};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A sandbox whose time stands still, a store, and the arguments that lead to both.
struct Scene {
    folder: PathBuf,
    store: SqliteStore,
    sandbox: Sandbox,
    arguments: Vec<String>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

async fn scene(name: &str, provider: Provider) -> Scene {
    let folder = std::env::temp_dir().join(format!("tower-webhook-reconcile-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("webhooks.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let sandbox = Settings::new().speed(0.0).start().await.unwrap();
    let arguments = [
        "--provider",
        provider.as_str(),
        "--api",
        &sandbox.url(provider),
        "--store",
        &format!("sqlite:{}", path.display()),
    ];
    Scene {
        arguments: arguments.map(str::to_owned).into(),
        folder,
        store,
        sandbox,
    }
}

/// What the command said, and its exit code.
#[derive(Debug)]
struct CommandResult {
    code: i32,
    json: Value,
    /// Beside the result.
    notes: String,
}

impl CommandResult {
    /// The ids of the events that are missing, sorted.
    fn missing(&self) -> Vec<&str> {
        let items = self.json["missing"].as_array().unwrap().iter();
        let mut ids: Vec<&str> = items.map(|item| item["event_id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids
    }

    fn error(&self) -> &str {
        assert_eq!(self.code, 2, "{self:?}");
        self.json["error"].as_str().unwrap()
    }
}

impl Scene {
    /// Dwolla's, with a subscription at this address.
    async fn dwolla(name: &str, url: &str) -> Self {
        let mut scene = scene(name, Provider::Dwolla).await;
        let api = DwollaApi::new(&scene.sandbox.url(Provider::Dwolla), "id", "secret").unwrap();
        let subscription = api.create_subscription(url, SECRET).await.unwrap();
        scene.arguments.extend(["--subscription".to_owned(), subscription]);
        scene
    }

    async fn run(&self, more: &[&str]) -> CommandResult {
        let mut arguments = vec!["reconcile", "--json"];
        arguments.extend(self.arguments.iter().map(String::as_str));
        arguments.extend(more);
        let output = command(&arguments)
            .env("DWOLLA_CLIENT_ID", "any id")
            .env("DWOLLA_CLIENT_SECRET", "any secret")
            .env("GITHUB_TOKEN", "any token")
            .env("STRIPE_API_KEY", "any key")
            .output()
            .await
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let code = output.status.code().unwrap();
        let notes = String::from_utf8(output.stderr).unwrap();
        CommandResult { code, json, notes }
    }

    /// What people read.
    async fn text(&self, more: &[&str]) -> String {
        let mut arguments = vec!["reconcile", "--client-id", "i", "--client-secret", "s"];
        arguments.extend(self.arguments.iter().map(String::as_str));
        arguments.extend(more);
        let output = command(&arguments).output().await.unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes an event happen; its id.
    fn fire(&self, provider: Provider, event: &str) -> String {
        let event = self.sandbox.fire(provider, event.to_owned()).unwrap();
        let event: Value = serde_json::from_slice(&event).unwrap();
        event["id"].as_str().unwrap().to_owned()
    }

    /// The receiver has handled it.
    async fn handled(&self, namespace: &str, id: &str) {
        let key = Key::new(namespace, EventId::new(id).unwrap());
        let request = ClaimRequest::new(key, Token::random(), Fingerprint::of(["known"]));
        self.store.complete(&request, Completion::Handled).await.unwrap();
    }

    /// It lies in the receiver's inbox.
    async fn deposited(&self, namespace: &str, id: EventId) {
        let delivery = StoredDelivery::new("customer_created", http::HeaderMap::new(), "{}");
        let deposit = Deposit::new(Key::new(namespace, id), Fingerprint::of(["known"]), delivery);
        self.store.deposit(&deposit).await.unwrap();
    }

    async fn is_stored(&self, namespace: &str, id: &str) -> bool {
        let key = Key::new(namespace, EventId::new(id).unwrap());
        self.store.get(&key).await.unwrap().is_some()
    }
}

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1/";
const CREATED: &str = r#"{"topic":"customer_created"}"#;

#[tokio::test]
async fn what_the_store_does_not_know_is_named_and_nothing_is_changed() {
    let scene = Scene::dwolla("names", NOWHERE).await;
    let known = scene.fire(Provider::Dwolla, CREATED);
    let mut missing = vec![
        scene.fire(Provider::Dwolla, CREATED),
        scene.fire(Provider::Dwolla, CREATED),
    ];
    missing.sort();
    scene.sandbox.idle().await;
    scene.handled("dwolla", &known).await;
    let requests = scene.sandbox.attempts().len();

    let said = scene.run(&[]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!((&said.json["seen"], &said.json["known"]), (&3.into(), &1.into()));
    assert_eq!(said.missing(), missing);
    assert_eq!(said.json["missing"][0]["topic"], "customer_created");
    assert!(said.json["remedy"].is_null());
    scene.sandbox.idle().await;
    assert_eq!(scene.sandbox.attempts().len(), requests);
    for id in &missing {
        assert!(!scene.is_stored("dwolla", id).await);
    }
    // No lease either.
    let lease = Key::new("tower-webhook-reconcile", EventId::new("any").unwrap());
    let records = tower_webhook::store::StoreAdmin::count(&scene.store, lease.namespace())
        .await
        .unwrap();
    assert_eq!(records, tower_webhook::store::Counts::default());

    for id in &missing {
        scene.handled("dwolla", id).await;
    }
    let said = scene.run(&[]).await;
    assert_eq!((said.code, said.missing().len()), (0, 0), "{said:?}");
    // Of another namespace nothing is known.
    let said = scene.run(&["--namespace", "another"]).await;
    assert_eq!((said.code, said.missing().len()), (1, 3), "{said:?}");
}

#[tokio::test]
async fn the_window_is_what_was_asked_for() {
    let scene = Scene::dwolla("window", NOWHERE).await;
    let mut fired = Vec::new();
    for _ in 0..3 {
        fired.push(scene.fire(Provider::Dwolla, CREATED));
        scene.sandbox.idle().await;
        scene.sandbox.advance(DAY / 24).await;
    }
    // The sandbox's time began now: an hour, two hours ahead.
    let in_hours = |hours: u64| {
        let time = std::time::SystemTime::now() + Duration::from_secs(hours * 3600 - 1800);
        humantime::format_rfc3339_seconds(time).to_string()
    };
    let said = scene.run(&["--since", &in_hours(1), "--until", &in_hours(2)]).await;
    assert_eq!(said.missing(), [fired[1].as_str()], "{said:?}");
    let said = scene.run(&["--since", &in_hours(1), "--until", &in_hours(9)]).await;
    assert_eq!(said.missing().len(), 2, "{said:?}");
    let said = scene
        .run(&["--since", "2026-02-01T00:00:00Z", "--until", "2026-01-01T00:00:00Z"])
        .await;
    assert_eq!(
        said.error(),
        "--since is 2026-02-01T00:00:00Z and --until 2026-01-01T00:00:00Z; expected --since to be earlier"
    );
}

#[tokio::test]
async fn now_is_the_providers_time_where_its_clock_is_ahead() {
    for provider in [Provider::Dwolla, Provider::Stripe] {
        let name = format!("ahead-{provider}");
        let scene = match provider {
            Provider::Dwolla => Scene::dwolla(&name, NOWHERE).await,
            _ => scene(&name, provider).await,
        };
        let said = scene.run(&[]).await;
        assert_eq!((said.code, &*said.notes), (0, ""), "{said:?}");
        scene.sandbox.advance(40 * DAY).await;
        let body = r#"{"topic":"customer_created","type":"invoice.paid"}"#;
        let event = scene.fire(provider, body);
        scene.sandbox.idle().await;
        let said = scene.run(&[]).await;
        assert_eq!((said.code, said.missing()), (1, vec![event.as_str()]), "{said:?}");
        let note = "the provider's clock is 1month 9days";
        assert!(
            said.notes.starts_with(note) && said.notes.contains(": --until is its time, "),
            "{said:?}"
        );
        // What is asked for is what is compared.
        assert_eq!(scene.run(&["--until", "0s"]).await.json["seen"], 0);
    }
}

#[tokio::test]
async fn what_is_missing_is_sent_again_once_that_is_confirmed() {
    let runs = Runs::default();
    let counted = runs.clone();
    let app = axum::Router::new().fallback(move || {
        counted.add();
        async {}
    });
    let address = serve(app, &runs).await;
    let scene = Scene::dwolla("redelivers", &format!("http://{address}/")).await;
    let event = scene.fire(Provider::Dwolla, CREATED);
    scene.sandbox.idle().await;
    assert_eq!(runs.count(), 1);

    let said = scene.run(&["--redeliver", "--also-delivered"]).await;
    let expected = "1 are missing, and nobody has confirmed that they are to be sent again; expected a yes, or --yes";
    assert_eq!(said.error(), expected);
    scene.sandbox.idle().await;
    assert_eq!(runs.count(), 1);

    let said = scene.run(&["--redeliver", "--yes", "--also-delivered"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.missing(), [event.as_str()]);
    assert_eq!(said.json["remedy"]["endings"]["asked"], 1);
    scene.sandbox.idle().await;
    assert_eq!(runs.count(), 2);
    scene.handled("dwolla", &event).await;
    assert_eq!(scene.run(&["--redeliver"]).await.code, 0);
}

#[tokio::test]
async fn what_is_missing_is_put_into_the_inbox() {
    let scene = Scene::dwolla("deposits", NOWHERE).await;
    let event = scene.fire(Provider::Dwolla, CREATED);
    scene.sandbox.idle().await;
    // Without the secret it is the API's event that is stored, with it the request that was sent.
    let said = scene.run(&["--deposit", "--secret", SECRET]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.missing(), [event.as_str()]);
    assert_eq!(said.json["remedy"]["endings"]["stored"], 1);
    assert!(scene.is_stored("dwolla", &event).await);
    assert_eq!(scene.run(&[]).await.code, 0);
    let other = scene.fire(Provider::Dwolla, CREATED);
    scene.sandbox.idle().await;
    assert_eq!(scene.run(&["--deposit"]).await.code, 0);
    assert!(scene.is_stored("dwolla", &other).await);
    // Redis keeps no deliveries. It is not asked.
    let mut arguments = vec!["reconcile", "--json", "--deposit"];
    arguments.extend(scene.arguments[..4].iter().map(String::as_str));
    arguments.extend(["--store", "redis://u:hunter2@127.0.0.1:1"]);
    let output = command(&arguments).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("keeps records and no deliveries"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn what_was_delivered_and_is_not_stored_is_told_apart_and_missing_where_its_topic_is_asked_for() {
    let is_up = Arc::new(AtomicBool::new(true));
    let status = Arc::clone(&is_up);
    let app = axum::Router::new().fallback(async move || match status.load(Ordering::SeqCst) {
        true => http::StatusCode::OK,
        false => http::StatusCode::SERVICE_UNAVAILABLE,
    });
    let address = serve(app, &Runs::default()).await;
    let scene = Scene::dwolla("delivered", &format!("http://{address}/")).await;
    let unhandled = scene.fire(Provider::Dwolla, r#"{"topic":"transfer_created"}"#);
    let lost = scene.fire(Provider::Dwolla, CREATED);
    scene.sandbox.idle().await;

    // A receiver responds 200 to what nobody handles.
    let said = scene.run(&[]).await;
    let none: [&str; 0] = [];
    assert_eq!((said.code, said.missing()), (0, none.to_vec()), "{said:?}");
    assert_eq!(said.json["endings"], json!({ "delivered-not-stored": 2 }));
    assert_eq!(said.json["delivered_not_stored"][0]["delivered"], true);
    let said = scene.run(&["--deposit"]).await;
    assert_eq!((said.code, &said.json["remedy"]), (0, &Value::Null), "{said:?}");

    let said = scene
        .run(&["--topic", "customer_created", "--topic", "account_suspended"])
        .await;
    assert_eq!((said.code, said.missing()), (1, vec![lost.as_str()]), "{said:?}");
    assert_eq!(said.json["endings"], json!({ "missing": 1, "unwanted": 1 }));

    // What was not delivered is missing whatever its topic.
    is_up.store(false, Ordering::SeqCst);
    let missing = scene.fire(Provider::Dwolla, r#"{"topic":"transfer_failed"}"#);
    scene.sandbox.idle().await;
    let said = scene.run(&["--deposit"]).await;
    assert_eq!((said.code, said.missing()), (0, vec![missing.as_str()]), "{said:?}");
    let stored = async |id: &str| scene.is_stored("dwolla", id).await;
    assert!(stored(&missing).await && !stored(&lost).await && !stored(&unhandled).await);

    // A record may have expired: what was delivered is deposited by its own option alone.
    let of_topic = ["--topic", "customer_created", "--deposit"];
    let said = scene.run(&of_topic).await;
    assert_eq!((said.code, said.missing()), (1, vec![lost.as_str()]), "{said:?}");
    assert!(!stored(&lost).await);
    let said = scene.run(&[&of_topic[..], &["--also-delivered"]].concat()).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(stored(&lost).await && !stored(&unhandled).await);

    let said = scene.text(&[]).await;
    assert!(
        said.ends_with("--topic says which should be there\n  1 transfer_created\n"),
        "{said}"
    );
}

#[tokio::test]
async fn where_a_layer_has_tenants_one_of_them_must_be_named_and_its_keys_are_meant() {
    let scene = Scene::dwolla("tenants", NOWHERE).await;
    let known = scene.fire(Provider::Dwolla, CREATED);
    let missing = scene.fire(Provider::Dwolla, CREATED);
    scene.sandbox.idle().await;
    let acme = |id: &str| Tenant::new("acme").unwrap().id_of(&EventId::new(id).unwrap());
    scene.deposited("dwolla", acme(&known)).await;

    for arguments in [&[][..], &["--deposit"]] {
        let said = scene.run(arguments).await;
        let expected = "--tenant is missing, and the namespace dwolla holds events of tenants (acme is one)";
        assert!(said.error().starts_with(expected), "{said:?}");
    }
    assert!(!scene.is_stored("dwolla", &known).await);

    let said = scene.run(&["--tenant", "acme"]).await;
    assert_eq!((said.code, said.missing()), (1, vec![missing.as_str()]), "{said:?}");
    assert_eq!(said.json["tenant"], "acme");
    // Without the secret the API's event is stored, with it the request.
    let said = scene.run(&["--tenant", "acme", "--deposit"]).await;
    assert_eq!(said.json["remedy"]["endings"]["stored"], 1, "{said:?}");
    assert!(scene.is_stored("dwolla", acme(&missing).as_str()).await);
    assert!(!scene.is_stored("dwolla", &missing).await);
    let said = scene
        .run(&["--tenant", "umbrella", "--deposit", "--secret", SECRET])
        .await;
    assert_eq!((said.code, &said.json["remedy"]["endings"]["stored"]), (0, &2.into()));
    assert!(scene.is_stored("dwolla", &format!("umbrella/{known}")).await);

    // What lies in no inbox is not listed, and leaves a doubt.
    scene.handled("direct", acme(&known).as_str()).await;
    let said = scene.run(&["--namespace", "direct"]).await;
    let doubt = "none of these events is known, though the namespace direct has 1: if its layer has tenants";
    assert!(said.code == 1 && said.notes.starts_with(doubt), "{said:?}");
    let said = scene.run(&["--namespace", "direct", "--tenant", "acme"]).await;
    assert_eq!((said.missing(), &*said.notes), (vec![missing.as_str()], ""));

    // And of a layer without tenants none.
    scene.deposited("plain", EventId::new(&known).unwrap()).await;
    let said = scene
        .run(&["--namespace", "plain", "--tenant", "acme", "--deposit"])
        .await;
    let expected = "--tenant is acme, and the namespace plain holds events of no tenant";
    assert!(said.error().starts_with(expected), "{said:?}");
}

/// What GitHub's API is asked, or what it is told; the response's JSON.
async fn github(sandbox: &Sandbox, line: &str, body: &str) -> Value {
    let request = format!(
        "{line} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer token\r\nConnection: close\r\nContent-Length: {}\r\n\r\n\
         {body}",
        body.len()
    );
    let mut stream = TcpStream::connect(sandbox.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    serde_json::from_str(response.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn githubs_failures_are_missing_and_are_verified_before_they_are_stored() {
    let mut scene = scene("github", Provider::GitHub).await;
    let hook =
        format!(r#"{{"events":["issues"],"config":{{"url":"{NOWHERE}","content_type":"json","secret":"{SECRET}"}}}}"#);
    let hook = github(&scene.sandbox, "POST /github/repos/octocat/hello/hooks", &hook).await;
    let hook = format!("octocat/hello/{}", hook["id"]);
    scene.arguments.extend(["--hook".to_owned(), hook]);
    scene.fire(Provider::GitHub, r#"{"topic":"issues.opened"}"#);
    scene.sandbox.idle().await;

    let said = scene.run(&[]).await;
    assert_eq!(said.code, 1, "{said:?}");
    // The ping and the event.
    assert_eq!(said.json["endings"]["missing"], 2, "{said:?}");
    assert!(
        scene
            .run(&["--deposit"])
            .await
            .error()
            .starts_with("the secret is missing; expected what the receiver has")
    );
    let said = scene
        .run(&["--deposit", "--secret", "another secret than the hook's"])
        .await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_eq!(said.json["remedy"]["left"][0]["ending"], "not-fetchable");
    let said = scene.run(&["--deposit", "--secret", SECRET]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.json["remedy"]["endings"]["stored"], 1, "{said:?}");
    // It has left marks, by which the deliveries are known.
    assert_eq!(scene.run(&[]).await.code, 0);
}

#[tokio::test]
async fn stripes_events_are_compared_and_cannot_be_asked_for() {
    let scene = scene("stripe", Provider::Stripe).await;
    let event = scene.fire(Provider::Stripe, r#"{"type":"invoice.paid"}"#);
    let said = scene.run(&[]).await;
    assert_eq!((said.code, said.missing()), (1, vec![event.as_str()]), "{said:?}");
    let said = scene.run(&["--redeliver", "--yes"]).await;
    assert_eq!(said.code, 1);
    let reason = said.json["remedy"]["left"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("cannot be asked to send again"), "{reason}");
    assert_eq!(scene.run(&["--deposit"]).await.code, 0);
    assert!(scene.is_stored("stripe", &event).await);
}

#[tokio::test]
async fn what_cannot_be_compared_is_an_error_without_credentials_in_it() {
    let scene = Scene::dwolla("errors", NOWHERE).await;
    let ends = |count: usize| {
        scene
            .arguments
            .iter()
            .take(count)
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    let told = async |arguments: Vec<&str>| {
        let output = command(&[vec!["reconcile"], arguments].concat())
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("hunter2"), "{said}");
        said
    };
    for (arguments, expected) in [
        (
            ends(6),
            "--client-id is missing; expected the application's, here or in DWOLLA_CLIENT_ID",
        ),
        (
            [ends(6), vec!["--client-id", "i", "--client-secret", "hunter2"]].concat(),
            "--subscription is missing; expected the id of the webhook subscription",
        ),
        (ends(4), "--store is missing; expected sqlite:<path>"),
        (
            vec!["-p", "github", "--store", "sqlite:x"],
            "--token is missing; expected one that may read deliveries",
        ),
        (
            vec![
                "-p", "github", "--store", "sqlite:x", "--token", "hunter2", "--hook", "a/b/c/d",
            ],
            "--hook is a/b/c/d; expected OWNER/REPOSITORY/ID, ORGANISATION/ID, or app",
        ),
        (
            vec!["-p", "stripe", "--store", "sqlite:/nowhere/at.db", "--token", "hunter2"],
            "--store is a SQLite file that is not there",
        ),
        (
            [
                ends(6),
                vec![
                    "--client-id",
                    "i",
                    "--client-secret",
                    "hunter2",
                    "--subscription",
                    "unknown",
                ],
            ]
            .concat(),
            "they could not be compared: ",
        ),
        (
            vec![
                "-p",
                "stripe",
                "--api",
                "http://example.com",
                "--store",
                "sqlite:x",
                "--token",
                "hunter2",
            ],
            "the provider's API cannot be used: the base URL is http",
        ),
    ] {
        let said = told(arguments).await;
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn people_get_a_line_and_a_table() {
    let scene = Scene::dwolla("text", NOWHERE).await;
    let event = scene.fire(Provider::Dwolla, CREATED);
    scene.sandbox.idle().await;
    let mut arguments = vec!["reconcile"];
    arguments.extend(scene.arguments.iter().map(String::as_str));
    let credentials = [
        "--client-id",
        "i",
        "--client-secret",
        "s",
        "--until",
        "2999-01-01T00:00:00Z",
    ];
    let output = command(&[arguments, credentials.to_vec()].concat())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (line, table) = text.split_once('\n').unwrap();
    assert!(
        line.starts_with("dwolla/") && line.ends_with(" to 2999-01-01T00:00:00Z: 1 seen, 1 missing"),
        "{text}"
    );
    assert!(table.contains(&event) && table.contains("customer_created"), "{text}");
    // No progress bar where nobody watches.
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
