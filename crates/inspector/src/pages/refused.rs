//! Refused requests as they came, and why.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use http::{StatusCode, header::CONTENT_LENGTH};
use maud::{Markup, html};
use tower_webhook::{delivery_log::Captured, signature::Explain};

use super::{
    body::body as shown_body,
    event::attachment,
    not_found,
    parts::{facts, headers, outcome, problem, time, time_and_age},
    respond,
};
use crate::{
    access::Session,
    inspector::Shared,
    params::{Params, link},
    text::{length, size, visible},
};

pub(crate) async fn page(State(shared): State<Arc<Shared>>, Extension(session): Extension<Session>) -> Response {
    let Some(captures) = &shared.captures else {
        return not_found(&shared, &session, "The page has no captures.");
    };
    let kept = captures.list();
    let main = html! {
        p { "To see why a request is refused, it must be looked at as a whole: capture, and have the provider send it again." }
        @match captures.remaining() {
            Some(left) => p .state {
                "Requests that are refused are captured for another " strong { (length(left)) } ". "
                a .button href="confirm?verb=stop-capture" { "Stop…" }
            },
            None => p .state { "Nothing is captured now. " a .button href="confirm?verb=start-capture" { "Capture…" } },
        }
        @if kept.is_empty() {
            p .nothing { "No refused request is kept." }
        } @else {
            table role="table" .list {
                caption { "Captured requests, the newest first" }
                thead role="rowgroup" {
                    tr role="row" {
                        @for column in ["Time (UTC)", "Refused for", "From", "Why"] { th role="columnheader" scope="col" { (column) } }
                    }
                }
                tbody role="rowgroup" {
                    @for (number, captured) in &kept {
                        tr role="row" {
                            td role="cell" data-label="Time (UTC)" .time {
                                a href=(link("request", [("number", number.to_string())])) { (time(captured.time)) }
                            }
                            td role="cell" data-label="Refused for" { (outcome(captured.outcome)) }
                            td role="cell" data-label="From" { (origin(captured)) }
                            td role="cell" data-label="Why" .reason { (visible(&captured.reason)) }
                        }
                    }
                }
            }
        }
    };
    respond(&shared, &session, StatusCode::OK, "refused", "Refused requests", main)
}

fn origin(captured: &Captured) -> Markup {
    html! {
        (visible(&captured.provider))
        @if *captured.namespace != *captured.provider { " " span .quiet { "as " (visible(&captured.namespace)) } }
    }
}

fn captured(shared: &Shared, params: &Params) -> Option<Captured> {
    shared.captures.as_ref()?.get(params.number("number")?)
}

pub(crate) async fn request(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let Some(captured) = captured(&shared, &params) else {
        return not_found(&shared, &session, "This request is not kept any more.");
    };
    let explained = explained(&shared, &captured).await;
    let raw = link("request-body", params.only(&["number"]));
    let main = html! {
        (facts(vec![
            ("Came", time_and_age(captured.time, shared.clock.now())),
            ("Refused for", outcome(captured.outcome)),
            ("The log says", html! { (visible(&captured.reason)) }),
            ("From", origin(&captured)),
            ("Request", html! { span .id { (visible(&captured.method)) " " (visible(&captured.path)) } }),
            ("Body", read(&captured)),
        ]))
        (explained)
        h2 { "Headers" }
        p .quiet { "Without " code { "Authorization" } " and cookies." }
        (headers(&captured.headers))
        @if !captured.body.is_empty() {
            h2 { "Body" }
            (shown_body(&captured.body, &raw))
        }
    };
    respond(&shared, &session, StatusCode::OK, "refused", "A refused request", main)
}

fn read(captured: &Captured) -> Markup {
    let announced = captured.headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    html! {
        @if captured.body.is_empty() && announced { "was not read: the request was refused for its headers" }
        @else { (size(captured.body.len() as u64)) " were read" }
    }
}

/// Which of the usual mistakes it is.
async fn explained(shared: &Shared, captured: &Captured) -> Markup {
    if captured.outcome != "signature" {
        return html! {};
    }
    let explain = shared
        .endpoint(&captured.namespace)
        .and_then(|endpoint| endpoint.explain.as_ref());
    let text = match explain {
        Some(explain) => search(shared, explain.clone(), captured.clone()).await,
        None => None,
    };
    html! {
        section .explanation aria-labelledby="explanation" {
            h2 #explanation { "Why its signature was refused" }
            @match (explain, text) {
                (None, _) => p {
                    "The page has no secrets of this endpoint, so it cannot look for the mistake. Give it some: "
                    code { "Endpoint::explain" } "."
                },
                (Some(_), Some((text, true))) => p .found { (visible(&text)) },
                (Some(_), Some((text, false))) => {
                    p .found { (visible(&text)) }
                    p .quiet { "No tag was recomputed: this is what the request looks like." }
                },
                (Some(_), None) => (problem("The search for the mistake was not finished.")),
            }
        }
    }
}

/// The explanation, and whether it is certain. It hashes up to 64 MiB: on a thread of its own, one
/// at a time.
async fn search(shared: &Shared, explain: Explain, captured: Captured) -> Option<(String, bool)> {
    let _permit = shared.explaining.acquire().await.ok()?;
    let search = tokio::task::spawn_blocking(move || {
        let Captured {
            headers, body, time, ..
        } = &captured;
        // What is wrong with the headers is seen before a body is read.
        let by_headers = body.is_empty().then(|| explain.headers_at(headers, *time)).flatten();
        let found = by_headers.unwrap_or_else(|| explain.request_at(headers, body, *time));
        (found.to_string(), found.is_certain())
    });
    search.await.ok()
}

/// The body's bytes, to be kept and never shown by the browser.
pub(crate) async fn body(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    match captured(&shared, &params) {
        Some(captured) => attachment(captured.body),
        None => not_found(&shared, &session, "This request is not kept any more."),
    }
}
