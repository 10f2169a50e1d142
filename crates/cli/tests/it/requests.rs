//! `send`, `listen` and `explain`.

#![cfg(test)] // for clippy

use std::path::{Path, PathBuf};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::support::{SECRET, command, run, secret_of};

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tower-webhook-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// A `listen` that runs.
struct Listener {
    url: String,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Listener {
    async fn start(more: &[&str]) -> Self {
        let mut child = command(&["listen", "--listen", "127.0.0.1:0", "--json"])
            .args(more)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = said.next_line().await.unwrap().unwrap();
        let url = first.strip_prefix("listening on ").unwrap().to_owned();
        Self {
            url,
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            _child: child,
        }
    }

    async fn next(&mut self) -> serde_json::Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn what_others_wrote_is_told_from_what_is_said_of_it() {
    let mut child = command(&["listen", "--listen", "127.0.0.1:0", "-p", "dwolla", "--secret", SECRET])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let first = notes.next_line().await.unwrap().unwrap();
    let url = first.strip_prefix("listening on ").unwrap();
    let folder = std::env::temp_dir().join(format!("tower-webhook-others-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let captured = folder.join("request.http");
    std::fs::write(&captured, "X-A: \u{202e}a\n\nb\u{2066}\nauthentic\n").unwrap();
    run(&["send", "--captured", captured.to_str().unwrap(), "--url", url]).await;
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut lines = Vec::new();
    while !lines
        .last()
        .is_some_and(|line: &String| line.starts_with("    not authentic: "))
    {
        lines.push(said.next_line().await.unwrap().unwrap());
    }
    std::fs::remove_dir_all(&folder).unwrap();
    for expected in ["        x-a: \u{fffd}a", "        b\u{fffd}", "        authentic"] {
        assert!(lines.iter().any(|line| line == expected), "{lines:#?}");
    }
}

#[tokio::test]
async fn what_each_provider_sends_is_authentic_where_it_is_listened_for() {
    for provider in [
        "dwolla", "svix", "stripe", "github", "slack", "shopify", "paddle", "zoom", "linear",
    ] {
        let secret = secret_of(provider);
        let mut listener = Listener::start(&["-p", provider, "--secret", secret]).await;
        let sent = run(&["send", "-p", provider, "--secret", secret, "--url", &listener.url]).await;
        assert_eq!(sent.status.code(), Some(0), "{provider}: {sent:?}");
        let came = listener.next().await;
        assert_eq!(
            (&came["authentic"], &came["status"]),
            (&true.into(), &200.into()),
            "{provider}"
        );

        let arguments = [
            "send",
            "-p",
            provider,
            "--secret",
            secret,
            "--url",
            &listener.url,
            "--tamper",
            "body",
        ];
        assert_eq!(run(&arguments).await.status.code(), Some(1), "{provider}");
        let came = listener.next().await;
        assert_eq!(
            (&came["authentic"], &came["status"]),
            (&false.into(), &401.into()),
            "{provider}"
        );
        assert!(
            came["why"].as_str().unwrap().contains("without its last byte"),
            "{came}"
        );
    }
}

#[tokio::test]
async fn the_exact_bytes_and_headers_are_handed_on() {
    let mut behind = Listener::start(&["-p", "dwolla", "--secret", SECRET]).await;
    let url = format!("{}hooks", behind.url);
    let mut before = Listener::start(&["--forward", &url]).await;
    let folder = Folder::new("forward");
    // Spaces, an escape, no newline: whatever prints it again makes another body of it.
    let body = folder.write(
        "body",
        "{ \"id\" :\"1\",\"topic\":\"customer_created\" , \"x\":\"\\u00e9\"}",
    );
    let arguments = [
        "send",
        "-p",
        "dwolla",
        "--secret",
        SECRET,
        "--url",
        &before.url,
        "--body",
        &body,
    ];
    let sent = run(&[&arguments[..], &["--header", "X-Twice: a", "--header", "X-Other: b"]].concat()).await;
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    let (first, second) = (before.next().await, behind.next().await);
    assert_eq!(second["authentic"], true);
    assert_eq!(first["body"], second["body"]);
    let others = |came: &serde_json::Value| -> Vec<String> {
        let headers = came["headers"].as_array().unwrap().iter();
        let headers = headers.filter(|header| header[0] != "host" && header[0] != "connection");
        let mut headers: Vec<String> = headers.map(ToString::to_string).collect();
        headers.sort();
        headers
    };
    assert_eq!(others(&first), others(&second));
    assert_eq!(second["path"], "/hooks");
}

#[tokio::test]
async fn where_nobody_takes_it_over_the_provider_gets_502() {
    let mut listener = Listener::start(&["--forward", "http://127.0.0.1:1/"]).await;
    let arguments = [
        "send",
        "-p",
        "dwolla",
        "--secret",
        SECRET,
        "--url",
        &listener.url,
        "--json",
    ];
    let sent: serde_json::Value = serde_json::from_slice(&run(&arguments).await.stdout).unwrap();
    assert_eq!(sent["responses"][0]["status"], 502);
    assert!(
        listener.next().await["error"]
            .as_str()
            .unwrap()
            .contains("no connection")
    );
}

#[tokio::test]
async fn a_saved_request_is_sent_again_and_explained() {
    let folder = Folder::new("saved");
    let saved = folder.0.to_str().unwrap();
    let mut listener = Listener::start(&["-p", "dwolla", "--secret", SECRET, "--save", saved]).await;
    run(&["send", "-p", "dwolla", "--secret", SECRET, "--url", &listener.url]).await;
    let first = listener.next().await;
    let file = first["saved"].as_str().unwrap().to_owned();

    // No secret is needed to send again what was signed.
    let again = run(&["send", "--captured", &file, "--url", &listener.url, "--copies", "3"]).await;
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    for _ in 0..3 {
        let copy = listener.next().await;
        assert_eq!((&copy["authentic"], &copy["body"]), (&true.into(), &first["body"]));
    }

    let explained = run(&["explain", &file, "-p", "dwolla", "--secret", SECRET]).await;
    assert_eq!(explained.status.code(), Some(0), "{explained:?}");
    let newline = format!("{SECRET}\n");
    let explained = run(&["explain", &file, "-p", "dwolla", "--secret", &newline, "--json"]).await;
    assert_eq!(explained.status.code(), Some(1), "{explained:?}");
    let found: serde_json::Value = serde_json::from_slice(&explained.stdout).unwrap();
    assert_eq!(found["kinds"], serde_json::json!(["secret-whitespace"]), "{found}");
    assert!(!found.to_string().contains(SECRET));
}

#[tokio::test]
async fn a_request_of_an_hour_ago_is_explained_by_its_time() {
    let folder = Folder::new("clock");
    let saved = folder.0.to_str().unwrap();
    let mut listener = Listener::start(&["--save", saved]).await;
    let arguments = [
        "send",
        "-p",
        "stripe",
        "--secret",
        SECRET,
        "--url",
        &listener.url,
        "--tamper",
        "time",
    ];
    run(&arguments).await;
    let file = listener.next().await["saved"].as_str().unwrap().to_owned();
    let output = run(&["explain", &file, "-p", "stripe", "--secret", SECRET]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("by this receiver's clock") && text.contains("--at"),
        "{text}"
    );
    let output = run(&["explain", &file, "-p", "stripe", "--secret", SECRET, "--at", "30days"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[tokio::test]
async fn what_is_no_request_is_said_so() {
    let folder = Folder::new("none");
    let file = folder.write("request", "{\"a\":1}");
    let output = run(&["explain", &file, "-p", "dwolla", "--secret", SECRET]).await;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("holds no request; expected lines `Name: value`"),
        "{text}"
    );
    assert!(Path::new(&file).exists());
}
