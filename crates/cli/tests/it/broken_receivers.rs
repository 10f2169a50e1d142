//! Receivers that are broken on purpose, each in one way, and what the check says of each.

#![cfg(test)] // for clippy

use std::{
    collections::HashSet,
    future::IntoFuture as _,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tower_webhook::{
    github,
    signature::{Secrets, verify},
};

use crate::support::{Checked, Runs, SECRET, check, serve};

/// What a broken receiver does, step by step; each has one step that is wrong.
#[derive(Clone, Copy)]
struct Steps {
    verify: fn(&HeaderMap, &[u8]) -> bool,
    refusal: fn(&HeaderMap, &[u8]) -> (StatusCode, String),
    /// Whether the body is an event that is taken.
    takes: fn(&HeaderMap, &[u8]) -> Result<(), StatusCode>,
    key: fn(&HeaderMap, &[u8]) -> String,
    remembers: bool,
}

fn is_right(headers: &HeaderMap, body: &[u8]) -> bool {
    verify(&github::scheme(), &Secrets::new(SECRET).unwrap(), headers, body).is_ok()
}

fn right_tag(body: &[u8]) -> String {
    let signed = github::scheme().sign(&Secrets::new(SECRET).unwrap(), body).unwrap();
    signed["x-hub-signature-256"].to_str().unwrap().to_owned()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

const SOUND: Steps = Steps {
    verify: is_right,
    refusal: |_, _| (StatusCode::UNAUTHORIZED, "no\n".to_owned()),
    takes: |_, _| Ok(()),
    key: |headers, body| format!("{} {}", text(headers, "x-github-delivery"), STANDARD.encode(body)),
    remembers: true,
};

/// The receiver; its handler runs for issues that are opened.
async fn checked(steps: Steps, more: &[&str]) -> Checked {
    let runs = Runs::default();
    let counted = runs.clone();
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let handle = move |headers: HeaderMap, body: Bytes| {
        let (runs, seen) = (counted.clone(), Arc::clone(&seen));
        async move {
            if !(steps.verify)(&headers, &body) {
                return (steps.refusal)(&headers, &body);
            }
            if let Err(status) = (steps.takes)(&headers, &body) {
                return (status, String::new());
            }
            let is_handled = text(&headers, "x-github-event") == "issues";
            let is_new = seen.lock().unwrap().insert((steps.key)(&headers, &body));
            if is_handled && (is_new || !steps.remembers) {
                runs.add();
            }
            (StatusCode::OK, String::new())
        }
    };
    let limit = axum::extract::DefaultBodyLimit::max(2 << 20);
    let app = Router::new().route("/hooks", post(handle)).layer(limit);
    let address = serve(app, &runs).await;
    check(address, "/hooks", "github", more).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_without_a_fault_passes() {
    let checked = checked(SOUND, &[]).await;
    assert_eq!(checked.failures(), <[String; 0]>::default());
    assert_eq!(checked.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_verifies_nothing_is_found_within_a_second() {
    let steps = Steps {
        verify: |_, _| true,
        ..SOUND
    };
    let checked = checked(steps, &["--fail-fast"]).await;
    assert_eq!(checked.code, 1);
    assert_eq!(checked.with("fails open"), ["no signature"]);
    assert!(
        checked.report["first_failure_ms"].as_u64().unwrap() < 1000,
        "{checked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_verifies_only_where_the_header_is_fails_open() {
    let steps = Steps {
        verify: |headers, body| !headers.contains_key("x-hub-signature-256") || is_right(headers, body),
        ..SOUND
    };
    let checked = checked(steps, &["--only", "signature"]).await;
    let found = checked.with("fails open");
    assert!(found.contains(&"no signature"), "{found:?}");
    assert!(!found.contains(&"an empty signature"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_compares_a_beginning_fails_open() {
    let steps = Steps {
        verify: |headers, body| {
            let given = text(headers, "x-hub-signature-256");
            !given.is_empty() && right_tag(body).starts_with(given)
        },
        ..SOUND
    };
    let checked = checked(steps, &["--only", "tag"]).await;
    assert_eq!(
        checked.with("fails open"),
        [
            "a label without a tag",
            "the tag without its last byte",
            "half of the tag",
            "the first four letters of the tag",
            "the first letter of the tag alone",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_verifies_a_body_that_was_printed_again_fails_open_and_refuses_the_legitimate() {
    let steps = Steps {
        verify: |headers, body| {
            let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
            is_right(headers, parsed.to_string().as_bytes())
        },
        ..SOUND
    };
    let checked = checked(steps, &[]).await;
    let open = checked.with("fails open");
    assert!(open.contains(&"the body printed again with other spaces"), "{open:?}");
    assert!(open.contains(&"a newline behind the body"), "{open:?}");
    let refused = checked.with("refuses the legitimate");
    assert!(refused.contains(&"text in unicode escapes"), "{refused:?}");
    assert!(refused.contains(&"JSON with spaces and line breaks"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lets_the_request_choose_the_algorithm_fails_open() {
    let steps = Steps {
        verify: |headers, body| is_right(headers, body) || text(headers, "x-hub-signature-256").starts_with("none="),
        ..SOUND
    };
    let checked = checked(steps, &["--only", "prefix"]).await;
    assert_eq!(checked.with("fails open"), ["the prefix none= chooses the algorithm"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_refuses_and_runs_all_the_same_fails_open() {
    let runs = Runs::default();
    let counted = runs.clone();
    let handle = async move |headers: HeaderMap, body: Bytes| {
        counted.add();
        if is_right(&headers, &body) {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        }
    };
    let address = serve(Router::new().route("/hooks", post(handle)), &runs).await;
    let checked = check(address, "/hooks", "github", &["--only", "no signature"]).await;
    assert!(
        checked.with("fails open").contains(&"no signature"),
        "{:?}",
        checked.failures()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_remembers_nothing_runs_twice() {
    let steps = Steps {
        remembers: false,
        ..SOUND
    };
    let checked = checked(steps, &["--only", "twice"]).await;
    let found = checked.with("runs twice");
    assert_eq!(found, ["a delivery twice", "a delivery twice over one connection"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_remembers_bodies_alone_loses_events() {
    let steps = Steps {
        key: |_, body| STANDARD.encode(body),
        ..SOUND
    };
    let checked = checked(steps, &["--only", "one body"]).await;
    assert_eq!(checked.with("loses"), ["two events with one body"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_remembers_before_it_verifies_loses_events() {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let runs = Runs::default();
    let counted = runs.clone();
    let handle = async move |headers: HeaderMap, body: Bytes| {
        let is_new = seen
            .lock()
            .unwrap()
            .insert(text(&headers, "x-github-delivery").to_owned());
        match (is_new, is_right(&headers, &body)) {
            (false, _) => StatusCode::OK,
            (true, false) => StatusCode::UNAUTHORIZED,
            (true, true) => {
                counted.add();
                StatusCode::OK
            }
        }
    };
    let address = serve(Router::new().route("/hooks", post(handle)), &runs).await;
    let checked = check(address, "/hooks", "github", &["--only", "a forgery, then"]).await;
    assert_eq!(checked.with("loses"), ["a forgery, then the event itself"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_refuses_what_is_odd_refuses_the_legitimate() {
    let steps = Steps {
        takes: |headers, body| {
            let is_json = text(headers, "content-type") == "application/json";
            let parsed: Result<Value, _> = serde_json::from_slice(body);
            let is_small = body.len() < 100_000;
            if is_json && parsed.is_ok() && is_small {
                Ok(())
            } else {
                Err(StatusCode::BAD_REQUEST)
            }
        },
        ..SOUND
    };
    let checked = checked(steps, &[]).await;
    let found = checked.with("refuses the legitimate");
    for name in [
        "half an emoji",
        "Content-Type with a charset",
        "a body of 200 KB",
        "payload= in a form",
    ] {
        assert!(found.contains(&name), "{name}: {found:?}");
    }
    assert!(checked.with("fails open").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_says_which_tag_it_expected_leaks() {
    let steps = Steps {
        refusal: |_, body| (StatusCode::UNAUTHORIZED, format!("expected {}", right_tag(body))),
        ..SOUND
    };
    let checked = checked(steps, &["--only", "the body"]).await;
    assert!(checked.with("leaks").contains(&"one bit of the body was flipped"));
    assert!(
        !checked.report.to_string().contains("sha256="),
        "the report says the tag"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_whose_errors_hold_the_secret_leaks() {
    let steps = Steps {
        refusal: |_, _| (StatusCode::BAD_REQUEST, format!("config {{ secret: {SECRET:?} }}")),
        ..SOUND
    };
    let checked = checked(steps, &["--only", "no signature"]).await;
    assert!(checked.with("leaks").contains(&"no signature"));
    assert!(
        !checked.report.to_string().contains(SECRET),
        "the report says the secret"
    );
}

/// Work for each letter that is equal, as no constant-time comparison has it.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_compares_letter_by_letter_leaks_by_time() {
    let steps = Steps {
        verify: |headers, body| {
            let (expected, given) = (right_tag(body), text(headers, "x-hub-signature-256").to_owned());
            let equal = expected.bytes().zip(given.bytes()).take_while(|(a, b)| a == b).count();
            // Each letter is a request to a slow vault, say: here the work of a few MACs.
            for _ in 0..equal {
                std::hint::black_box(right_tag(body));
            }
            expected == given
        },
        ..SOUND
    };
    let checked = checked(steps, &["--only", "the time a wrong tag takes"]).await;
    assert_eq!(checked.with("leaks"), ["the time a wrong tag takes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_panics_falls_over() {
    let steps = Steps {
        takes: |_, body| {
            let event: Value = serde_json::from_slice(body).unwrap_or_default();
            let id = event["issue"]["number"].as_u64();
            assert!(id.is_some(), "a handler that expects too much");
            Ok(())
        },
        ..SOUND
    };
    let checked = checked(steps, &["--only", "a signed"]).await;
    let found = checked.with("falls over");
    assert!(found.contains(&"a signed null"), "{found:?}");
    assert!(found.contains(&"a signed body that is no JSON"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_recover_falls_over() {
    static IS_POISONED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let steps = Steps {
        takes: |_, body| {
            use std::sync::atomic::Ordering::SeqCst;
            IS_POISONED.fetch_or(body == b"null", SeqCst);
            // What it says to the null itself is fine.
            if IS_POISONED.load(SeqCst) && body != b"null" {
                return Err(StatusCode::GATEWAY_TIMEOUT);
            }
            Ok(())
        },
        ..SOUND
    };
    let checked = checked(steps, &["--only", "a signed null"]).await;
    assert_eq!(checked.with("falls over"), ["a signed null"]);
    assert!(
        checked.failures()[0].contains("then a usual delivery: 504"),
        "{:?}",
        checked.failures()
    );
}

/// Its process ends: nothing that follows can be said of it, and the run ends with the finding.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_ends_at_a_delivery_falls_over_and_is_said_to_be_gone() {
    let (end, ended) = (Arc::new(tokio::sync::Notify::new()), Runs::default());
    let stop = Arc::clone(&end);
    let handle = async move |body: Bytes| {
        if &body[..] == b"null" {
            stop.notify_one();
            std::future::pending::<()>().await;
        }
        ended.add();
        StatusCode::OK
    };
    let app = Router::new().route("/hooks", post(handle));
    let app = app.route("/count", axum::routing::get(async || "0"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    tokio::spawn(async move {
        tokio::select! {
            _ = axum::serve(listener, app).into_future() => {}
            () = end.notified() => {}
        }
    });
    let arguments = [
        "check",
        &url,
        "-p",
        "github",
        "--secret",
        SECRET,
        "--json",
        "--timeout",
        "1",
    ];
    let output = crate::support::run(&[&arguments[..], &["--only", "a signed nu"]].concat()).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(report["cases"][0]["verdict"], "falls over", "{report}");
    assert!(
        report["cases"][0]["got"]
            .as_str()
            .unwrap()
            .contains("then a usual delivery"),
        "{report}"
    );
}
