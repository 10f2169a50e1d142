//! Whether it is meant.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::{Markup, html};
use tower_webhook::{
    inbox::{Filter, InboxAdmin as _},
    store::Stage,
};

use super::{inbox::line, parts::problem, respond};
use crate::{
    access::Session,
    actions::{Action, CAPTURING},
    inspector::Shared,
    params::Params,
    text::{count, length, visible},
};

/// How many a replay of all that match is counted up to.
const COUNTED: usize = 1000;

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let action = match Action::read(&params) {
        Ok(action) => action,
        Err(why) => {
            let main = html! { (problem(&why)) p { a href="inbox" { "The inbox" } } };
            return respond(
                &shared,
                &session,
                StatusCode::BAD_REQUEST,
                "",
                "Nothing to confirm",
                main,
            );
        }
    };
    let section = match action {
        Action::StartCapture | Action::StopCapture => "refused",
        _ => "inbox",
    };
    let main = html! {
        (consequences(&action))
        (meant(&shared, &action).await)
        form method="post" action="do" .confirm {
            @for (name, value) in action.fields() { input type="hidden" name=(name) value=(value); }
            input type="hidden" name="token" value=(shared.access.form_token(&session, &action.canonical()));
            (choices(&action))
            div .buttons {
                button type="submit" .primary[!is_grave(&action)] .grave[is_grave(&action)] { (button(&action)) }
                a href=(action.back()) { "Cancel" }
            }
        }
    };
    respond(&shared, &session, StatusCode::OK, section, &question(&action), main)
}

fn is_grave(action: &Action) -> bool {
    matches!(action, Action::Bury(_) | Action::Forget(_) | Action::StopCapture)
}

fn question(action: &Action) -> String {
    let events = count(action.keys().len() as u64, "event", "events");
    match action {
        Action::Replay(_) => format!("Replay {events}?"),
        Action::ReplayAll(_) => "Replay all that match?".to_owned(),
        Action::Bury(_) => format!("Bury {events}?"),
        Action::Forget(_) => format!("Forget {events}?"),
        Action::StartCapture => "Capture refused requests?".to_owned(),
        Action::StopCapture => "Stop capturing?".to_owned(),
    }
}

fn button(action: &Action) -> &'static str {
    match action {
        Action::Replay(_) | Action::ReplayAll(_) => "Replay",
        Action::Bury(_) => "Bury",
        Action::Forget(_) => "Forget",
        Action::StartCapture => "Start capturing",
        Action::StopCapture => "Stop, and forget what was captured",
    }
}

fn consequences(action: &Action) -> Markup {
    html! {
        p {
            @match action {
                Action::Replay(_) | Action::ReplayAll(_) =>
                    "The handler runs again, with its attempts counted from the first. What is done already has its \
                     effects a second time.",
                Action::Bury(_) =>
                    "What is buried is given up: no worker takes it until somebody replays it. A run under way may \
                     still finish.",
                Action::Forget(_) =>
                    "The record goes, and what is stored of the delivery with it. If the provider sends the event \
                     again, its handler runs as if it had never come.",
                Action::StartCapture => {
                    "Requests that are refused are kept as they came for " (length(CAPTURING)) ", with headers and body: the \
                     newest 32, in memory. They hold what strangers sent, and signatures."
                }
                Action::StopCapture => "All that was captured is forgotten.",
            }
        }
    }
}

/// The further choices of the operator.
fn choices(action: &Action) -> Markup {
    html! {
        @match action {
            Action::ReplayAll(_) => div {
                label for="over" { "Spread over" }
                select #over name="over" {
                    @for (value, words) in [("0s", "no time: all at once"), ("1m", "a minute"), ("10m", "ten minutes"), ("1h", "an hour")] {
                        option value=(value) { (words) }
                    }
                }
            },
            Action::Bury(_) => div {
                label for="reason" { "Why, for the event's history" }
                input #reason name="reason" type="text" maxlength="200" value="buried by an operator";
            },
            _ => {}
        }
    }
}

/// The events that are meant, as they are now.
async fn meant(shared: &Shared, action: &Action) -> Markup {
    let now = shared.clock.now();
    let inbox = action
        .namespace()
        .and_then(|namespace| shared.endpoint(namespace))
        .and_then(|endpoint| endpoint.inbox.as_ref());
    if let (Action::ReplayAll(filter), Some(inbox)) = (action, inbox) {
        let listed = inbox.list(filter, None, COUNTED).await;
        return html! {
            p { "All of the namespace " strong { (visible(&filter.namespace)) } " " (filter_words(filter)) "." }
            @match listed {
                Ok(page) if page.next.is_some() => p { "At least " (count(COUNTED as u64, "event matches", "events match")) "." },
                Ok(page) => p { (count(page.entries.len() as u64, "event matches", "events match")) "." },
                Err(error) => (problem(&format!("The inbox did not respond: {error}"))),
            }
        };
    }
    if action.keys().is_empty() {
        return html! {};
    }
    let mut rows = Vec::new();
    for key in action.keys() {
        let letter = match inbox {
            Some(inbox) => inbox.letter(key).await.ok().flatten(),
            None => None,
        };
        rows.push((key, letter));
    }
    html! {
        table role="table" .list {
            caption { "Which is meant, as it is now" }
            thead role="rowgroup" {
                tr role="row" { @for column in ["Event", "Stage", "Stored (UTC)"] { th role="columnheader" scope="col" { (column) } } }
            }
            tbody role="rowgroup" {
                @for (key, letter) in rows {
                    @match letter {
                        Some(letter) => (line(&letter.entry, now, false)),
                        None => tr role="row" {
                            td role="cell" data-label="Event" { (super::parts::event_link(key.namespace(), key.id().as_str())) }
                            td role="cell" data-label="Stage" colspan="2" { span .quiet { "not in the inbox" } }
                        },
                    }
                }
            }
        }
    }
}

fn filter_words(filter: &Filter) -> String {
    let mut words = match filter.stage {
        None => "in any stage, those that are done included".to_owned(),
        Some(Stage::Waiting) => "that wait".to_owned(),
        Some(stage) => format!("that are {stage}"),
    };
    if let Some(tenant) = &filter.tenant {
        words.push_str(&format!(", of the tenant {tenant}"));
    }
    if let Some(topic) = &filter.topic {
        words.push_str(&format!(", of the topic {}", visible(topic)));
    }
    words
}
