//! Receivers, and the command as it is run.

#![cfg(test)] // for clippy

use std::{
    net::SocketAddr,
    process::{Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{Router, routing::get};
use serde_json::Value;
use tokio::{net::TcpListener, process::Command};

pub(crate) const SECRET: &str = "a secret of this machine alone, 1";
pub(crate) const BASE64_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) fn secret_of(provider: &str) -> &'static str {
    match provider {
        "svix" | "standard-webhooks" => BASE64_SECRET,
        _ => SECRET,
    }
}

/// How often handlers ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs(Arc<AtomicU64>);

impl Runs {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Serves an app on a free port, with the number of runs at `/count`.
pub(crate) async fn serve(app: Router, runs: &Runs) -> SocketAddr {
    let runs = runs.clone();
    let app = app.route("/count", get(async move || runs.count().to_string()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// The command with these arguments, without this process' secrets.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tower-webhook"));
    command
        .args(arguments)
        .env_remove("WEBHOOK_SECRET")
        .env_remove("WEBHOOK_SECRET_DWOLLA")
        .env_remove("STORE")
        .env_remove("GITHUB_TOKEN")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

pub(crate) async fn run(arguments: &[&str]) -> Output {
    command(arguments).output().await.unwrap()
}

/// What `check` found.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) code: i32,
    pub(crate) report: Value,
}

/// Checks the receiver at this path, counting its runs.
pub(crate) async fn check(address: SocketAddr, path: &str, provider: &str, more: &[&str]) -> Checked {
    let url = format!("http://{address}{path}");
    let count = format!("http://{address}/count");
    let mut arguments = vec!["check", &url, "--provider", provider, "--json", "--count-url", &count];
    let secret = secret_of(provider);
    arguments.extend(["--secret", secret, "--rate", "1000"]);
    arguments.extend(more);
    let output = run(&arguments).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    Checked {
        code: output.status.code().unwrap(),
        report,
    }
}

impl Checked {
    /// The cases that ended so.
    pub(crate) fn with(&self, outcome: &str) -> Vec<&str> {
        let cases = self.report["cases"].as_array().unwrap().iter();
        let found = cases.filter(|case| case["verdict"] == outcome);
        found.map(|case| case["name"].as_str().unwrap()).collect()
    }

    /// The cases that do not pass, as a reader sees them.
    pub(crate) fn failures(&self) -> Vec<String> {
        let cases = self.report["cases"].as_array().unwrap().iter();
        let failed = cases.filter(|case| case["verdict"] != "passes");
        failed
            .map(|case| {
                format!(
                    "{}: {} (expected {}, got {})",
                    case["verdict"], case["name"], case["expected"], case["got"]
                )
            })
            .collect()
    }
}
