//! A provider that is described in a file: checked, sent as, listened for and explained.

#![cfg(test)] // for clippy

use std::{path::PathBuf, time::Duration};

use axum::{Router, body::Bytes, routing::post};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    custom::{Custom, FieldPath},
    provider::DeliveryPolicy,
    signature::{Algorithm, Encoding, Scheme},
};

use crate::support::{Runs, SECRET, check, run, serve};

/// A file with this in it, which is removed with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, description: &Value) -> Self {
        let path = std::env::temp_dir().join(format!("tower-webhook-{name}-{}.json", std::process::id()));
        std::fs::write(&path, description.to_string()).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn event() -> Value {
    json!({ "id": "{id}", "type": "{topic}", "created_at": "{created}", "data": { "name": "Ada" } })
}

/// The receiver of this scheme, and what `check` says of it as it is described.
async fn all_pass(name: &str, description: &Value, scheme: Scheme) {
    let runs = Runs::default();
    let is_id_signed = scheme.signs_id();
    let provider = Custom::builder("acme", scheme).secrets(SECRET);
    let provider = match is_id_signed {
        true => provider.signed_id(),
        false => provider.id(FieldPath::body("id")),
    };
    let provider = provider
        .topic(FieldPath::body("type"))
        .time(FieldPath::body("created_at"))
        .policy(DeliveryPolicy::new(
            Duration::from_secs(10),
            Duration::from_secs(8 * 3600),
        ))
        .build()
        .unwrap();
    let counted = runs.clone();
    let topics = TopicRouter::new().on(
        "user.created",
        move |_: tower_webhook::Delivery<tower_webhook::custom::Event>| {
            let runs = counted.clone();
            async move { runs.add() }
        },
    );
    let layer = WebhookLayer::new(provider, MemoryStore::new());
    let app = Router::new().route_service("/hooks", layer.topics(topics));
    let address = serve(app, &runs).await;
    let file = File::new(name, description);
    let checked = check(address, "/hooks", "custom", &["--description", file.path()]).await;
    assert_eq!(checked.failures(), <[String; 0]>::default(), "{name}");
    assert_eq!(checked.code, 0, "{name}");
    let cases = checked.report["cases"].as_array().unwrap().len();
    assert!(cases >= 120, "{name}: {cases}");
    assert_eq!(checked.report["provider"], "custom");
}

fn header(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_over_the_body_passes() {
    let description = json!({
        "signature": "X-Acme-Signature: sha256={tag}",
        "topic": "user.created",
        "headers": { "X-Acme-Event": "{topic}" },
        "event": event(),
    });
    let scheme = Scheme::new(header("x-acme-signature"), Algorithm::HmacSha256, Encoding::Hex)
        .prefix(HeaderValue::from_static("sha256="));
    all_pass("plain", &description, scheme).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_a_time_and_another_hash_passes() {
    let description = json!({
        "signature": "X-Acme-Signature: ts={time};h={tag}",
        "signed": "{time}|{body}",
        "algorithm": "hmac-sha512",
        "encoding": "base64",
        "tolerance": "10min",
        "retries": "signed-again",
        "topic": "user.created",
        "event": event(),
    });
    let scheme = Scheme::new(header("x-acme-signature"), Algorithm::HmacSha512, Encoding::Base64)
        .list(";", "h=")
        .unwrap()
        .timestamp_item("ts=", Duration::from_secs(600))
        .unwrap()
        .signed_content("{timestamp}|{body}")
        .unwrap();
    all_pass("list", &description, scheme).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_and_a_time_in_headers_pass() {
    let description = json!({
        "signature": "X-Acme-Signature: {tag}",
        "signed": "{id}.{time}.{body}",
        "headers": { "X-Acme-Id": "{id}", "X-Acme-Time": "{time}" },
        "topic": "user.created",
        "event": { "type": "{topic}", "created_at": "{created}" },
    });
    let scheme = Scheme::new(header("x-acme-signature"), Algorithm::HmacSha256, Encoding::Hex)
        .id_header(header("x-acme-id"))
        .timestamp_header(header("x-acme-time"), Duration::from_secs(300))
        .signed_content("{id}.{timestamp}.{body}")
        .unwrap();
    all_pass("headers", &description, scheme).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_compares_no_tag_fails_open() {
    let runs = Runs::default();
    let counted = runs.clone();
    let handle = async move |headers: HeaderMap, _: Bytes| {
        // There is a signature. Whose, nobody asks.
        match headers.get("x-acme-signature") {
            Some(value) if value.as_bytes().starts_with(b"sha256=") => {
                counted.add();
                StatusCode::OK
            }
            _ => StatusCode::UNAUTHORIZED,
        }
    };
    let address = serve(Router::new().route("/hooks", post(handle)), &runs).await;
    let file = File::new(
        "open",
        &json!({ "signature": "X-Acme-Signature: sha256={tag}", "topic": "user.created", "event": event() }),
    );
    let more = ["--description", file.path(), "--only", "the tag"];
    let checked = check(address, "/hooks", "custom", &more).await;
    let found = checked.with("fails open");
    assert!(
        found.contains(&"the first letter of the tag is another"),
        "{:?}",
        checked.report
    );
    assert_eq!(checked.code, 1);
}

/// The same file leads `send`, `listen` and `explain`.
#[tokio::test]
async fn what_is_sent_by_a_description_is_authentic_by_the_same() {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let file = File::new(
        "send",
        &json!({
            "signature": "X-Acme-Signature: t={time},v1={tag}",
            "signed": "{time}.{body}",
            "topic": "user.created",
            "event": event(),
        }),
    );
    let described = ["-p", "custom", "--description", file.path(), "--secret", SECRET];
    let folder = std::env::temp_dir().join(format!("tower-webhook-described-{}", std::process::id()));
    let saved = folder.to_str().unwrap();
    let listen = ["listen", "--listen", "127.0.0.1:0", "--json", "--save", saved];
    let mut listener = crate::support::command(&[&listen[..], &described].concat())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(listener.stderr.take().unwrap()).lines();
    let said = said.next_line().await.unwrap().unwrap();
    let url = said.strip_prefix("listening on ").unwrap();
    let mut came = BufReader::new(listener.stdout.take().unwrap()).lines();

    for (more, code, authentic) in [
        (&["--id", "evt_1", "--topic", "user.renamed"][..], 0, true),
        (&["--tamper", "time"], 1, false),
        (&["--tamper", "body"], 1, false),
    ] {
        let sent = run(&[&["send", "--url", url], &described[..], more].concat()).await;
        assert_eq!(sent.status.code(), Some(code), "{more:?}: {sent:?}");
        let came: Value = serde_json::from_str(&came.next_line().await.unwrap().unwrap()).unwrap();
        assert_eq!(came["authentic"], authentic, "{came}");
        let saved = came["saved"].as_str().unwrap();
        let explained = run(&[&["explain", saved], &described[..]].concat()).await;
        assert_eq!(explained.status.code(), Some(code), "{explained:?}");
        if authentic {
            let body: Value = serde_json::from_str(came["body"].as_str().unwrap()).unwrap();
            assert_eq!((&body["id"], &body["type"]), (&"evt_1".into(), &"user.renamed".into()));
        }
    }
    drop(std::fs::remove_dir_all(&folder));
}

#[tokio::test]
async fn a_description_that_is_not_there_or_does_not_fit_is_refused() {
    let good = File::new(
        "good",
        &json!({ "signature": "x-s: {tag}", "topic": "a", "event": { "id": "{id}", "type": "{topic}" } }),
    );
    let bad = File::new("bad", &json!({ "signature": "x-s: {tag}", "topic": "a", "evnt": {} }));
    let nowhere = File::new(
        "nowhere",
        &json!({ "signature": "x-s: {tag}", "topic": "a", "event": {} }),
    );
    for (arguments, said) in [
        (&["-p", "custom"][..], "--description is missing; expected a file"),
        (
            &["-p", "github", "--description", good.path()],
            "--provider is github; expected --provider custom",
        ),
        (
            &["-p", "custom", "--description", "/nowhere/at.json"],
            "expected a file that says how it signs",
        ),
        (&["-p", "custom", "--description", bad.path()], "unknown field `evnt`"),
        (&["-p", "custom", "--description", nowhere.path()], "{topic} is nowhere"),
        (&["-p", "acme"], "or custom with --description"),
    ] {
        let output = run(&[&["send", "--secret", SECRET], arguments].concat()).await;
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
}
