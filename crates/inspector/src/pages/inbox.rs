//! The inbox: how much waits, and each stored delivery.

use std::{sync::Arc, time::SystemTime};

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::{Markup, html};
use tower_webhook::{
    event::{EventId, Tenant},
    inbox::{AnyInbox, Cursor, Entry, Filter, Inbox as _, InboxAdmin as _},
    store::Stage,
};

use super::{
    not_found,
    parts::{event_link, problem, time},
    respond,
};
use crate::{
    access::Session,
    inspector::Shared,
    params::{Params, link},
    text::{ago, count, grouped, length, rfc3339, visible},
};

/// How many are on a page.
const PAGE: usize = 50;

/// Counting ends here: a million rows take a while.
const COUNTED: u64 = 100_000;

const FIELDS: [&str; 6] = ["namespace", "stage", "tenant", "topic", "since", "before"];

const STAGES: [(Stage, &str); 4] = [
    (Stage::Waiting, "Waiting"),
    (Stage::Running, "Running"),
    (Stage::Dead, "Dead"),
    (Stage::Done, "Done"),
];

pub(crate) fn stage_named(name: &str) -> Option<Stage> {
    STAGES
        .into_iter()
        .map(|(stage, _)| stage)
        .find(|stage| stage.as_str() == name)
}

/// Which of the stored deliveries a request means.
///
/// # Errors
/// What cannot be read. Leaving it out would mean more than was asked for, and all of it might be
/// replayed.
pub(crate) fn filter(params: &Params, namespace: &str) -> Result<Filter, String> {
    let mut filter = Filter::new(namespace);
    if let Some(name) = params.get("stage") {
        filter.stage = Some(stage_named(name).ok_or("There is no such stage.")?);
    }
    if let Some(name) = params.get("tenant") {
        filter.tenant = Some(Tenant::new(name).map_err(|error| format!("No tenant has this name: {error}."))?);
    }
    filter.topic = params.get("topic").map(str::to_owned);
    let time = |name| match params.get(name) {
        Some(_) => params
            .time(name)
            .map(Some)
            .ok_or("A time is none; expected one in RFC 3339."),
        None => Ok(None),
    };
    filter.since = time("since")?;
    filter.before = time("before")?;
    Ok(filter)
}

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let inboxes: Vec<(&str, &AnyInbox)> = shared
        .endpoints
        .iter()
        .filter_map(|endpoint| Some((endpoint.namespace_name(), endpoint.inbox.as_ref()?)))
        .collect();
    let chosen = match params.get("namespace") {
        Some(name) => inboxes.iter().find(|(namespace, _)| *namespace == name),
        None => inboxes.first(),
    };
    let Some((namespace, inbox)) = chosen.copied() else {
        return not_found(&shared, &session, "There is no such inbox.");
    };
    let main = html! {
        (backlogs(&inboxes, namespace).await)
        (stored(&shared, namespace, inbox, &params).await)
    };
    respond(&shared, &session, StatusCode::OK, "inbox", "Inbox", main)
}

/// How much waits, for each namespace.
async fn backlogs(inboxes: &[(&str, &AnyInbox)], chosen: &str) -> Markup {
    let counted = inboxes
        .iter()
        .map(|(namespace, inbox)| inbox.backlog(namespace, COUNTED));
    let counted = futures_util::future::join_all(counted).await;
    let cell = |namespace: &str, stage: &str, number: u64| {
        let text = if number >= COUNTED {
            format!("{}+", grouped(COUNTED))
        } else {
            grouped(number)
        };
        html! {
            @if number == 0 { span .quiet { (text) } }
            @else { a href=(link("inbox", [("namespace", namespace), ("stage", stage)])) { (text) } }
        }
    };
    html! {
        table role="table" .list .backlog {
            caption { "How much is unfinished" }
            thead role="rowgroup" {
                tr role="row" {
                    @for column in ["Namespace", "Due", "Waits for its next attempt", "Running", "Dead", "Oldest due for"] {
                        th role="columnheader" scope="col" { (column) }
                    }
                }
            }
            tbody role="rowgroup" {
                @for ((namespace, _), backlog) in inboxes.iter().zip(counted) {
                    tr role="row" {
                        th role="rowheader" scope="row" data-label="Namespace" {
                            a href=(link("inbox", [("namespace", namespace)])) aria-current=[(*namespace == chosen).then_some("true")] {
                                (visible(namespace))
                            }
                        }
                        @match backlog {
                            Ok(backlog) => {
                                td role="cell" data-label="Due" { (cell(namespace, "waiting", backlog.due)) }
                                td role="cell" data-label="Waits for its next attempt" { (cell(namespace, "waiting", backlog.scheduled)) }
                                td role="cell" data-label="Running" { (cell(namespace, "running", backlog.running)) }
                                td role="cell" data-label="Dead" { (cell(namespace, "dead", backlog.dead)) }
                                td role="cell" data-label="Oldest due for" {
                                    @match backlog.oldest_due { Some(age) => (length(age)), None => span .quiet { "–" } }
                                }
                            }
                            Err(error) => td role="cell" colspan="5" { (problem(&format!("The inbox did not respond: {error}"))) },
                        }
                    }
                }
            }
        }
    }
}

/// An entry's stage, in words.
pub(crate) fn stage(entry: &Entry, now: SystemTime) -> Markup {
    let (class, sign) = match entry.stage {
        Stage::Done => ("finished", "✓"),
        Stage::Dead => ("failed", "✕"),
        Stage::Running => ("waiting", "▶"),
        _ if entry.attempts > 0 => ("refused", "↻"),
        _ => ("waiting", "…"),
    };
    let words = match entry.stage {
        Stage::Done => "done".to_owned(),
        Stage::Dead => format!("dead after {}", count(entry.attempts.into(), "attempt", "attempts")),
        Stage::Running => "running".to_owned(),
        _ => {
            let due = match entry.due_at {
                Some(due_at) if due_at > now => format!("due {}", ago(due_at, now)),
                _ => "due now".to_owned(),
            };
            match entry.attempts {
                0 => format!("waiting, {due}"),
                failed => format!("failed {}, {due}", count(failed.into(), "time", "times")),
            }
        }
    };
    html! { span class={ "outcome " (class) } { span .sign aria-hidden="true" { (sign) } " " (words) } }
}

/// One of an inbox's deliveries, in a list.
pub(crate) fn line(entry: &Entry, now: SystemTime, select: bool) -> Markup {
    let id = entry.key.id().as_str();
    html! {
        tr role="row" {
            @if select {
                td role="cell" data-label="Select" .select {
                    input type="checkbox" name="id" value=(id) aria-label={ "Select " (visible(id)) };
                }
            }
            td role="cell" data-label="Event" {
                @if !entry.topic.is_empty() { span .topic { (visible(&entry.topic)) } " " }
                (event_link(entry.key.namespace(), id))
            }
            td role="cell" data-label="Stage" { (stage(entry, now)) }
            td role="cell" data-label="Stored (UTC)" .time { (time(entry.received_at)) " " span .quiet { (ago(entry.received_at, now)) } }
        }
    }
}

async fn stored(shared: &Shared, namespace: &str, inbox: &AnyInbox, params: &Params) -> Markup {
    let now = shared.clock.now();
    let filter = match filter(params, namespace) {
        Ok(filter) => filter,
        Err(why) => return problem(&why),
    };
    let found = match inbox.list(&filter, cursor(params).as_ref(), PAGE).await {
        Ok(found) => found,
        Err(error) => return problem(&format!("The inbox did not respond: {error}")),
    };
    let given = params.only(&FIELDS);
    let with = |more: &[(&str, &str)]| {
        let mut pairs = vec![("namespace".to_owned(), namespace.to_owned())];
        pairs.extend(given.iter().filter(|(name, _)| name != "namespace").cloned());
        pairs.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        pairs
    };
    let next = found.next.as_ref().map(|next| {
        let at = rfc3339_exactly(next.received_at);
        link("inbox", with(&[("after", &at), ("after-id", next.id.as_str())]))
    });
    let stage_name = params.get("stage").unwrap_or_default();
    html! {
        h2 { "Stored deliveries of " (visible(namespace)) }
        form method="get" action="inbox" .filter role="search" aria-label="Filter stored deliveries" {
            input type="hidden" name="namespace" value=(namespace);
            div .fields {
                div {
                    label for="stage" { "Stage" }
                    select #stage name="stage" {
                        option value="" { "Any" }
                        @for (stage, words) in STAGES {
                            option value=(stage.as_str()) selected[stage_name == stage.as_str()] { (words) }
                        }
                    }
                }
                div {
                    label for="topic" { "Topic" }
                    input #topic name="topic" type="text" value=(params.get("topic").unwrap_or_default())
                        autocomplete="off" autocapitalize="none" spellcheck="false";
                }
                div {
                    label for="tenant" { "Tenant" }
                    input #tenant name="tenant" type="text" value=(params.get("tenant").unwrap_or_default())
                        autocomplete="off" autocapitalize="none" spellcheck="false";
                }
            }
            div .buttons { button type="submit" .primary { "Filter" } }
        }
        @if found.entries.is_empty() {
            p .nothing { "None." }
        } @else {
            form method="get" action="confirm" {
                input type="hidden" name="namespace" value=(namespace);
                table role="table" .list {
                    caption { "The oldest first" }
                    thead role="rowgroup" {
                        tr role="row" {
                            @for column in ["Select", "Event", "Stage", "Stored (UTC)"] {
                                th role="columnheader" scope="col" { (column) }
                            }
                        }
                    }
                    tbody role="rowgroup" { @for entry in &found.entries { (line(entry, now, true)) } }
                }
                fieldset .buttons {
                    legend { "With those that are selected" }
                    @for (verb, words) in [("replay", "Replay…"), ("bury", "Bury…"), ("forget", "Forget…")] {
                        button type="submit" name="verb" value=(verb) { (words) }
                    }
                }
            }
            p {
                a .button href=(link("confirm", with(&[("verb", "replay-all")]))) {
                    "Replay all " @if stage_name.is_empty() { "in any stage" } @else { "that are " (visible(stage_name)) } "…"
                }
            }
        }
        nav aria-label="Pages" .pages {
            @if params.get("after").is_some() { a href=(link("inbox", with(&[]))) { "First page" } }
            @if let Some(next) = next { a href=(next) rel="next" { "Next page" } }
        }
    }
}

/// To the nanosecond: the next page begins exactly there.
fn rfc3339_exactly(time: SystemTime) -> String {
    match rfc3339(time) {
        Some(_) => humantime::format_rfc3339_nanos(time).to_string(),
        None => String::new(),
    }
}

fn cursor(params: &Params) -> Option<Cursor> {
    let id = EventId::new(params.get("after-id")?).ok()?;
    Some(Cursor::new(params.time("after")?, id))
}
