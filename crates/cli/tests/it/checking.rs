//! How `check` is called, and how it ends.

#![cfg(test)] // for clippy

use axum::{Router, body::Bytes, routing::post};
use http::{HeaderMap, StatusCode};
use tower_webhook::{
    dwolla,
    signature::{Secrets, verify},
};

use crate::support::{Runs, SECRET, command, run, serve};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A receiver of Dwolla that verifies, and remembers nothing.
async fn receiver(runs: &Runs) -> std::net::SocketAddr {
    let counted = runs.clone();
    let handle = async move |headers: HeaderMap, body: Bytes| {
        if verify(&dwolla::scheme(), &Secrets::new(SECRET).unwrap(), &headers, &body).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        counted.add();
        StatusCode::OK
    };
    serve(Router::new().route("/hooks", post(handle)), runs).await
}

#[tokio::test]
async fn another_machine_is_sent_nothing_without_a_confirmation() {
    // A name that leads nowhere: had it been asked for, the error would say so.
    let url = "http://receiver.invalid/hooks";
    let output = run(&["check", url, "-p", "dwolla", "--secret", SECRET]).await;
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "tower-webhook: receiver.invalid is another machine; expected your own receiver, or --yes: hostile requests are \
         sent to it\n"
    );
    let output = run(&["check", url, "-p", "dwolla", "--secret", SECRET, "--yes"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("no connection"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn a_receiver_that_is_not_there_or_has_another_secret_is_no_finding() {
    let runs = Runs::default();
    let address = receiver(&runs).await;
    let url = format!("http://{address}/hooks");
    for (url, secret, said) in [
        ("http://127.0.0.1:1/hooks", SECRET, "is the receiver running there?"),
        (&*url, "a secret of somebody else", "responded 401 to a usual delivery"),
        (
            &*format!("http://{address}/nothing"),
            SECRET,
            "responded 404 to a usual delivery",
        ),
    ] {
        let output = run(&["check", url, "-p", "dwolla", "--secret", secret]).await;
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(text(&output.stderr).contains(said), "{}", text(&output.stderr));
    }
}

#[tokio::test]
async fn a_count_that_does_not_move_is_no_finding() {
    let runs = Runs::default();
    let address = receiver(&runs).await;
    let url = format!("http://{address}/hooks");
    let still = serve(Router::new(), &Runs::default()).await;
    let count = format!("http://{still}/count");
    let output = run(&["check", &url, "-p", "dwolla", "--secret", SECRET, "--count-url", &count]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("the count did not move"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_the_receiver_reports_itself_are_counted() {
    // The receiver learns the address once the check listens.
    let port = {
        let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let handle = async move |headers: HeaderMap, body: Bytes| {
        if verify(&dwolla::scheme(), &Secrets::new(SECRET).unwrap(), &headers, &body).is_err() {
            return StatusCode::UNAUTHORIZED;
        }
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut report = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = "POST /ran HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        report.write_all(request.as_bytes()).await.unwrap();
        report.read_to_end(&mut Vec::new()).await.unwrap();
        StatusCode::OK
    };
    let address = serve(Router::new().route("/hooks", post(handle)), &Runs::default()).await;
    let (url, listen) = (format!("http://{address}/hooks"), format!("127.0.0.1:{port}"));
    let arguments = [
        "check",
        &url,
        "-p",
        "dwolla",
        "--secret",
        SECRET,
        "--only",
        "a delivery twice",
    ];
    let output = run(&[&arguments[..], &["--count-listen", &listen]].concat()).await;
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{shown}{}", text(&output.stderr));
    assert!(shown.contains("runs twice") && shown.contains("2 runs"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_json_and_junit_say_the_same_and_none_of_them_the_secret() {
    let runs = Runs::default();
    let address = receiver(&runs).await;
    let url = format!("http://{address}/hooks");
    let folder = std::env::temp_dir().join(format!("tower-webhook-cli-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (junit, secret) = (folder.join("report.xml"), folder.join("secret"));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let count = format!("http://{address}/count");
    let arguments = [
        "check",
        &url,
        "-p",
        "dwolla",
        "--count-url",
        &count,
        "--only",
        "delivery",
    ];
    let output = command(&arguments)
        .arg("--secret-file")
        .arg(&secret)
        .arg("--junit")
        .arg(&junit)
        .output()
        .await
        .unwrap();
    let (table, xml) = (text(&output.stdout), std::fs::read_to_string(&junit).unwrap());
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        table.contains("runs twice: a delivery five times\n    why: a timeout"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "no colours where no terminal is");
    assert!(xml.contains("<failure type=\"runs twice\" message=\"expected 2xx, one run, got 200 (5 times); 5 runs\">"));
    let output = command(&arguments)
        .args(["--json"])
        .env("WEBHOOK_SECRET_DWOLLA", SECRET)
        .output()
        .await
        .unwrap();
    let json = text(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let cases = report["cases"].as_array().unwrap();
    assert!(xml.contains(&format!("tests=\"{}\"", cases.len())));
    let five = cases
        .iter()
        .find(|case| case["name"] == "a delivery five times")
        .unwrap();
    assert_eq!(five["verdict"], "runs twice");
    for shown in [&table, &xml, &json] {
        assert!(!shown.contains(SECRET));
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_is_wrong_on_the_command_line_is_said_with_what_was_expected() {
    for (arguments, said) in [
        (
            &["check", "x", "-p", "dwolla"][..],
            "URL is x; expected http://… or https://…",
        ),
        (
            &["check", "http://127.0.0.1/", "-p", "paypal"],
            "--provider is paypal; expected one of dwolla, example, standard-webhooks",
        ),
        (
            &["check", "http://127.0.0.1/", "-p", "dwolla"],
            "the secret is missing; expected what the receiver has: set WEBHOOK_SECRET_DWOLLA",
        ),
        (
            &[
                "check",
                "http://127.0.0.1/",
                "-p",
                "svix",
                "--secret",
                "hunter2 hunter2",
            ],
            "the secret is unusable",
        ),
        (
            &[
                "check",
                "http://127.0.0.1/",
                "-p",
                "dwolla",
                "--secret",
                "hunter2 hunter2",
                "--only",
                "zzz",
            ],
            "--only is zzz, which no case's name holds",
        ),
        (
            &[
                "check",
                "http://127.0.0.1/",
                "-p",
                "dwolla",
                "--secret-env",
                "NOT_SET_HERE",
            ],
            "--secret-env is NOT_SET_HERE, which is not set",
        ),
    ] {
        let output = run(arguments).await;
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{shown}");
        assert!(shown.contains(said), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let output = run(&["check", "x", "-p", "dwolla", "--json"]).await;
    assert_eq!(
        text(&output.stdout),
        "{\"error\":\"URL is x; expected http://… or https://…\"}\n"
    );
}

#[tokio::test]
async fn shells_get_completions_and_providers_are_listed() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]).await;
        assert!(text(&output.stdout).contains("count-url"), "{shell}");
    }
    let output = run(&["providers", "--json"]).await;
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["providers"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn no_more_requests_are_sent_than_the_rate_allows() {
    let runs = Runs::default();
    let address = receiver(&runs).await;
    let url = format!("http://{address}/hooks");
    let arguments = [
        "check", &url, "-p", "dwolla", "--secret", SECRET, "--json", "--rate", "20",
    ];
    let output = run(&[&arguments[..], &["--only", "no signature"]].concat()).await;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let cases = report["cases"].as_array().unwrap().len() as u64;
    // The usual delivery comes first and at once, each case 50 ms behind the one before.
    assert_eq!(report["failed"], 0, "{report}");
    assert!(report["took_ms"].as_u64().unwrap() >= cases * 50, "{report}");
}
