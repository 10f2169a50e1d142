//! Parts that several pages have.

use std::time::SystemTime;

use maud::{Markup, html};
use tower_webhook::delivery_log::{DeliveryLogEntry, Numbered};

use crate::{
    params::link,
    text::{ago, length, rfc3339, visible},
};

/// How a delivery ended, roughly: for colours, signs and the chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// As it should.
    Well,
    /// The request was not accepted: the client, or the configuration, is wrong.
    Refused,
    /// It was accepted, or would have been, and something on this side failed.
    Failed,
}

/// The outcomes of requests that were refused for what they are.
pub(crate) const REFUSED: [&str; 8] = [
    "signature",
    "not-an-event",
    "too-old",
    "method",
    "encoding",
    "too-large",
    "too-slow",
    "broken-body",
];

/// Those of failures on this side.
pub(crate) const FAILED: [&str; 18] = [
    "handler-failed",
    "handler-panicked",
    "provider-panicked",
    "handler-timeout",
    "still-running",
    "rejected",
    "dead",
    "conflict",
    "in-flight",
    "too-many-waiting",
    "store",
    "tenants",
    "backlog",
    "overloaded",
    "draining",
    "inner-response",
    "inner-refused",
    "crashed",
];

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Well, Self::Refused, Self::Failed];

    pub(crate) fn of(outcome: &str) -> Self {
        if DeliveryLogEntry::SUCCESSES.contains(&outcome) {
            Self::Well
        } else if REFUSED.contains(&outcome) {
            Self::Refused
        } else {
            Self::Failed
        }
    }

    /// The class in the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Well => "went well",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// A sign beside the colour.
    const fn sign(self) -> &'static str {
        match self {
            Self::Well => "✓",
            Self::Refused => "⊘",
            Self::Failed => "✕",
        }
    }
}

pub(crate) fn outcome(outcome: &str) -> Markup {
    let kind = Kind::of(outcome);
    html! {
        span class={ "outcome " (kind.class()) } {
            span .sign aria-hidden="true" { (kind.sign()) } " " (visible(outcome))
        }
    }
}

/// A time to the second, in UTC, which the head of its column or its label says.
pub(crate) fn time(time: SystemTime) -> Markup {
    let Some(text) = rfc3339(time) else {
        return html! { "out of range" };
    };
    let shown = text.replace('T', " ");
    let shown = shown.trim_end_matches('Z');
    html! { time datetime=(text) { (shown) } }
}

/// A time, and how long ago it was.
pub(crate) fn time_and_age(at: SystemTime, now: SystemTime) -> Markup {
    html! { (time(at)) " UTC " span .quiet { "(" (ago(at, now)) ")" } }
}

/// The link to an event: its id, where it has one.
pub(crate) fn event_link(namespace: &str, id: &str) -> Markup {
    html! { a href=(link("event", [("namespace", namespace), ("id", id)])) .id { (visible(id)) } }
}

/// Where a delivery came from: the provider, and what tells it from its others.
fn origin(entry: &DeliveryLogEntry) -> Markup {
    html! {
        (visible(&entry.provider))
        @if entry.namespace != entry.provider { " " span .quiet { "as " (visible(&entry.namespace)) } }
        @if let Some(tenant) = &entry.tenant { " " span .quiet { "for " (visible(tenant.as_str())) } }
    }
}

/// The heads of a list of deliveries.
pub(crate) const COLUMNS: [&str; 6] = ["Time (UTC)", "Outcome", "From", "Event", "Response", "Why"];

/// A delivery in a list. The roles stay where the style makes cards of a table.
pub(crate) fn row(numbered: &Numbered) -> Markup {
    let entry = &numbered.entry;
    let [when, how, from, which, response, why] = COLUMNS;
    let is_plain = entry.reason.is_empty() && entry.left_out == 0;
    html! {
        tr role="row" {
            td role="cell" data-label=(when) .time {
                a href=(link("delivery", [("number", numbered.number.to_string())])) { (time(entry.time)) }
            }
            td role="cell" data-label=(how) { (outcome(&entry.outcome)) }
            td role="cell" data-label=(from) .origin { (origin(entry)) }
            td role="cell" data-label=(which) .event {
                @if let Some(topic) = entry.topic.as_deref().filter(|topic| !topic.is_empty()) {
                    span .topic { (visible(topic)) } " "
                }
                @if let Some(id) = &entry.id { (event_link(&entry.namespace, id)) }
                @if entry.id.is_none() && entry.topic.is_none() { span .quiet { "none was read" } }
            }
            td role="cell" data-label=(response) .number {
                @match entry.status {
                    Some(status) => (status),
                    None => span .quiet { "by a worker" },
                }
                " " span .quiet { (length(entry.duration)) }
            }
            td role="cell" data-label=(why) .reason .none[is_plain] {
                (visible(&entry.reason))
                @if entry.left_out > 0 { " " span .quiet { "(" (entry.left_out) " more were left out before)" } }
                @if is_plain { span .quiet { "–" } }
            }
        }
    }
}

/// A table of deliveries.
pub(crate) fn deliveries(caption: &str, entries: &[Numbered], live: Option<&str>) -> Markup {
    html! {
        table role="table" .list .deliveries {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for column in COLUMNS { th role="columnheader" scope="col" { (column) } } }
            }
            tbody role="rowgroup" data-live=[live] { @for entry in entries { (row(entry)) } }
        }
    }
}

/// Names and values.
pub(crate) fn facts(pairs: Vec<(&str, Markup)>) -> Markup {
    html! {
        dl .facts { @for (name, value) in pairs { div { dt { (name) } dd { (value) } } } }
    }
}

/// The headers of a request.
pub(crate) fn headers(headers: &http::HeaderMap) -> Markup {
    if headers.is_empty() {
        return html! { p .quiet { "None are kept." } };
    }
    html! {
        dl .headers {
            @for (name, value) in headers {
                div { dt { (visible(name.as_str())) } dd { (visible(&String::from_utf8_lossy(value.as_bytes()))) } }
            }
        }
    }
}

/// Something went wrong, within a page.
pub(crate) fn problem(text: &str) -> Markup {
    html! { p .problem role="alert" { (visible(text)) } }
}
