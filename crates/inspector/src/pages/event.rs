//! One event: its record, what is stored of it, its attempts and its deliveries.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use maud::{Markup, html};
use tower_webhook::{
    delivery_log::DeliveryLogFilter,
    event::EventId,
    inbox::{InboxAdmin as _, Letter},
    store::{IdempotencyStore as _, Key, Record, Stage, State as RecordState},
};

use super::{
    body::body as shown_body,
    not_found,
    parts::{deliveries, facts, headers, outcome, problem, time_and_age},
    respond,
};
use crate::{
    access::Session,
    endpoint::Endpoint,
    inspector::Shared,
    params::{Params, link},
    text::visible,
};

/// How many of an event's deliveries are shown.
const DELIVERIES: usize = 100;

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let (Some(namespace), Some(id)) = (params.get("namespace"), params.get("id")) else {
        return not_found(&shared, &session, "No event is named.");
    };
    let endpoint = shared.endpoint(namespace);
    let key = EventId::new(id).ok().map(|id| Key::new(namespace, id));
    let (mut stored, mut record) = (html! {}, html! {});
    if let (Some(endpoint), Some(key)) = (endpoint, &key) {
        (record, stored) = remembered(&shared, endpoint, key).await;
    }
    let main = html! {
        p .quiet { "In the namespace " (visible(namespace)) "." }
        (record)
        (deliveries_of(&shared, namespace, id).await)
        (stored)
    };
    respond(
        &shared,
        &session,
        StatusCode::OK,
        "deliveries",
        &format!("Event {id}"),
        main,
    )
}

async fn deliveries_of(shared: &Shared, namespace: &str, id: &str) -> Markup {
    let Some(log) = &shared.log else {
        return html! {};
    };
    let filter = DeliveryLogFilter::new().namespace(namespace).id(id);
    // One more than is shown says whether that is all.
    html! {
        h2 { "Deliveries and runs" }
        @match log.list(&filter, None, DELIVERIES + 1).await {
            Ok(found) if found.is_empty() => p .quiet { "The log has none of this event." },
            Ok(found) => @match found.get(..DELIVERIES).filter(|_| found.len() > DELIVERIES) {
                None => (deliveries("All that the log has of this event, the newest first", &found, None)),
                Some(newest) => {
                    (deliveries("The newest that the log has of this event", newest, None))
                    p { a href=(link("deliveries", [("namespace", namespace), ("id", id)])) { "All of them" } }
                }
            },
            Err(error) => (problem(&format!("The delivery log did not respond: {error}"))),
        }
    }
}

/// Renders the stored event: its record with the possible actions, and its delivery.
async fn remembered(shared: &Shared, endpoint: &Endpoint, key: &Key) -> (Markup, Markup) {
    if let Some(inbox) = &endpoint.inbox {
        match inbox.letter(key).await {
            Ok(Some(letter)) => {
                // The record says how a finished event ended; the stage alone does not.
                let record = inbox.get(key).await.ok().flatten();
                return (
                    state_of_letter(shared, &letter, record.as_ref()),
                    stored(shared, key, &letter),
                );
            }
            Ok(None) => {}
            Err(error) => return (problem(&format!("The inbox did not respond: {error}")), html! {}),
        }
    }
    let Some(store) = &endpoint.store else {
        return (html! {}, html! {});
    };
    let record = match store.get(key).await {
        Ok(Some(record)) => html! {
            h2 { "State" }
            (facts(vec![("In the store", state_of(shared, &record))]))
            (actions(key, &["forget"]))
        },
        Ok(None) => html! {
            h2 { "State" }
            p .quiet { "The store does not know this event." }
        },
        Err(error) => problem(&format!("The store did not respond: {error}")),
    };
    (record, html! {})
}

fn state_of(shared: &Shared, record: &Record) -> Markup {
    let now = shared.clock.now();
    html! {
        @match &record.state {
            RecordState::Claimed { attempts, lease_until, .. } => {
                "a handler runs, attempt " (attempts) "; its lease ends " (time_and_age(*lease_until, now))
            }
            RecordState::Free { attempts, .. } => {
                "the last of " (attempts) " attempts failed; it waits for the provider's next"
            }
            RecordState::Done { completion, at } => { (outcome(completion.as_str())) " " (time_and_age(*at, now)) }
            RecordState::Dead { attempts, at, .. } => {
                "given up after " (attempts) " attempts, " (time_and_age(*at, now))
            }
            _ => "in a state that this page does not know"
        }
    }
}

fn state_of_letter(shared: &Shared, letter: &Letter, record: Option<&Record>) -> Markup {
    let now = shared.clock.now();
    let entry = &letter.entry;
    let mut pairs = vec![
        ("Stage", super::inbox::stage(entry, now)),
        ("Topic", html! { (visible(&entry.topic)) }),
        ("Stored", time_and_age(entry.received_at, now)),
    ];
    if let Some(record) = record.filter(|record| matches!(record.state, RecordState::Done { .. })) {
        pairs.push(("Ended", state_of(shared, record)));
    }
    if let Some(due_at) = entry.due_at.filter(|_| entry.stage == Stage::Waiting) {
        pairs.push(("Due", time_and_age(due_at, now)));
    }
    if entry.attempts > 0 {
        pairs.push((
            "Attempts",
            html! {
                (entry.attempts) " since it was stored or replayed"
                @if entry.crashes > 0 { ", of which the last " (entry.crashes) " were never settled: the process died" }
            },
        ));
    }
    let possible: &[&str] = match entry.stage {
        Stage::Done => &["replay", "forget"],
        Stage::Dead => &["replay", "forget"],
        _ => &["replay", "bury", "forget"],
    };
    html! {
        h2 { "State" }
        (facts(pairs))
        (actions(&entry.key, possible))
    }
}

/// Links to the pages that ask whether it is meant.
fn actions(key: &Key, verbs: &[&str]) -> Markup {
    html! {
        ul .actions aria-label="What can be done" {
            @for verb in verbs {
                li {
                    a .button href=(link("confirm", [("verb", *verb), ("namespace", key.namespace()), ("id", key.id().as_str())])) {
                        @match *verb {
                            "replay" => "Replay…",
                            "bury" => "Bury…",
                            _ => "Forget…",
                        }
                    }
                }
            }
        }
    }
}

fn stored(shared: &Shared, key: &Key, letter: &Letter) -> Markup {
    let now = shared.clock.now();
    let raw = link("body", [("namespace", key.namespace()), ("id", key.id().as_str())]);
    html! {
        h2 { "Attempts that failed" }
        @if letter.history.is_empty() {
            p .quiet { "None." }
        } @else {
            ol .attempts {
                @for past in letter.history.iter().rev() {
                    li {
                        p {
                            "Attempt " (past.attempt.number) ": " (outcome(&past.attempt.outcome)) " "
                            (time_and_age(past.ended_at, now))
                            @if !past.attempt.worker.is_empty() { " " span .quiet { "by " (visible(&past.attempt.worker)) } }
                        }
                        p .reason { (visible(&past.attempt.error)) }
                    }
                }
            }
        }
        h2 { "Headers" }
        p .quiet { "As they came, without signatures and credentials." }
        (headers(&letter.delivery.headers))
        h2 { "Body" }
        (shown_body(&letter.delivery.body, &raw))
    }
}

/// The body's bytes, to be kept and never shown by the browser.
pub(crate) async fn body(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let (Some(namespace), Some(id)) = (params.get("namespace"), params.get("id")) else {
        return not_found(&shared, &session, "No event is named.");
    };
    let inbox = shared.endpoint(namespace).and_then(|endpoint| endpoint.inbox.as_ref());
    let (Some(inbox), Ok(id)) = (inbox, EventId::new(id)) else {
        return not_found(&shared, &session, "Nothing of this event is stored.");
    };
    match inbox.letter(&Key::new(namespace, id)).await {
        Ok(Some(letter)) => attachment(letter.delivery.body),
        Ok(None) => not_found(&shared, &session, "Nothing of this event is stored."),
        Err(error) => not_found(&shared, &session, &format!("The inbox did not respond: {error}")),
    }
}

/// Bytes from outside: a file, whatever they are.
pub(crate) fn attachment(body: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"body.txt\""),
        ),
    ];
    (StatusCode::OK, headers, body).into_response()
}
