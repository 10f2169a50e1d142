//! All deliveries, by filter.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::{Markup, html};
use tower_webhook::delivery_log::{DeliveryLogEntry, DeliveryLogFilter};

use super::{
    chart::{Chart, Range},
    parts::{self, FAILED, REFUSED},
    respond,
};
use crate::{
    access::Session,
    inspector::Shared,
    params::{Params, link},
};

/// How many are on a page.
pub(crate) const PAGE: usize = 50;

/// The fields of the form, besides the page.
const FIELDS: [&str; 9] = [
    "provider",
    "namespace",
    "tenant",
    "topic",
    "outcome",
    "id",
    "last",
    "since",
    "until",
];

/// Times from now on backwards that are a word in the form.
const LAST: [(&str, &str); 5] = [
    ("15m", "15 minutes"),
    ("1h", "hour"),
    ("6h", "6 hours"),
    ("1d", "day"),
    ("7d", "7 days"),
];

/// The value of the outcome that stands for all failures.
const FAILURES: &str = "failures";

/// The filter that the request asks for.
pub(crate) struct DeliveriesQuery {
    pub(crate) filter: DeliveryLogFilter,
    /// The part of the request that was not understood.
    pub(crate) problem: Option<String>,
}

impl DeliveriesQuery {
    pub(crate) fn read(params: &Params, now: SystemTime) -> Self {
        let mut filter = DeliveryLogFilter::new();
        let text = |name: &str| {
            let value = params.get(name).map(str::trim)?;
            (!value.is_empty()).then(|| value.to_owned())
        };
        filter.provider = text("provider");
        filter.namespace = text("namespace");
        filter.tenant = text("tenant");
        filter.topic = text("topic");
        filter.id = text("id");
        match params.get("outcome") {
            Some(FAILURES) => filter.is_failure = true,
            outcome => filter.outcome = outcome.map(str::to_owned),
        }
        filter.since = params.time("since");
        filter.until = params.time("until");
        if let Some(last) = params.duration("last") {
            filter.since = now.checked_sub(last);
        }
        let problem = ["since", "until"].into_iter().find_map(|name| {
            let value = params.get(name).filter(|_| params.time(name).is_none())?;
            Some(format!(
                "{name} is {value:?}; expected a time in UTC, as 2026-01-31T12:00"
            ))
        });
        Self { filter, problem }
    }

    /// The time that the chart shows: the filter's, or the last hour.
    fn range(&self, now: SystemTime) -> Range {
        let hour = Duration::from_secs(3600);
        let until = self.filter.until.unwrap_or(now);
        let since = self.filter.since.or_else(|| until.checked_sub(hour)).unwrap_or(until);
        let mut range = Range::new(since, until);
        range.is_asked = self.filter.since.or(self.filter.until).is_some();
        range
    }
}

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let heading = "Deliveries";
    let now = shared.clock.now();
    let Some(log) = &shared.log else {
        let main = html! {
            p { "The page has no delivery log. Give the layer one, and the page the same: "
                code { "WebhookLayerBuilder::delivery_log" } ", " code { "InspectorBuilder::log" } "." }
        };
        return respond(&shared, &session, StatusCode::OK, "deliveries", heading, main);
    };
    let asked = DeliveriesQuery::read(&params, now);
    let before = params.number("before");
    let range = asked.range(now);
    // One more than is shown says whether there is another page.
    let found = log.list(&asked.filter, before, PAGE + 1).await;
    let in_range = asked.filter.clone().since(range.since).until(range.until);
    let per_minute = log.per_minute(&in_range).await;
    let newest = log.list(&DeliveryLogFilter::new(), None, 1).await;

    let given = params.only(&FIELDS);
    let is_filtered = !given.is_empty();
    let main = match (found, per_minute) {
        (Ok(mut found), Ok(per_minute)) => {
            let has_more = found.len() > PAGE;
            found.truncate(PAGE);
            let after = newest
                .ok()
                .and_then(|newest| newest.first().map(|newest| newest.number));
            let live = before.is_none().then(|| {
                let mut pairs = given.clone();
                pairs.extend(after.map(|after| ("after".to_owned(), after.to_string())));
                link("live", pairs)
            });
            let older = has_more.then(|| found.last()).flatten().map(|last| {
                let mut pairs = given.clone();
                pairs.push(("before".to_owned(), last.number.to_string()));
                link("deliveries", pairs)
            });
            html! {
                (form(&shared, &params, is_filtered))
                @if let Some(problem) = &asked.problem { (parts::problem(problem)) }
                (Chart::new(&range, &per_minute).markup())
                div .live-status #live-status role="status" data-one="1 new delivery is at the top." data-more="new deliveries are at the top." {}
                @if found.is_empty() {
                    p .nothing {
                        @if is_filtered { "No delivery is like this. " a href="deliveries" { "Show all deliveries" } }
                        @else { "No delivery has come yet." }
                    }
                }
                (parts::deliveries(caption(before.is_some(), is_filtered), &found, live.as_deref()))
                nav aria-label="Pages" .pages {
                    @if before.is_some() { a href=(link("deliveries", given.clone())) { "Newest" } }
                    @if let Some(older) = older { a href=(older) rel="next" { "Older deliveries" } }
                }
            }
        }
        (Err(error), _) | (_, Err(error)) => html! {
            (form(&shared, &params, is_filtered))
            (parts::problem(&format!("The delivery log did not respond: {error}")))
        },
    };
    respond(&shared, &session, StatusCode::OK, "deliveries", heading, main)
}

fn caption(is_older: bool, is_filtered: bool) -> &'static str {
    match (is_older, is_filtered) {
        (false, false) => "The newest deliveries, the newest first",
        (false, true) => "The newest deliveries of this filter, the newest first",
        (true, _) => "Older deliveries, the newest first",
    }
}

fn form(shared: &Shared, params: &Params, is_filtered: bool) -> Markup {
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    let mut providers: Vec<&str> = shared
        .endpoints
        .iter()
        .map(|endpoint| endpoint.provider_name())
        .collect();
    providers.sort_unstable();
    providers.dedup();
    let mut namespaces: Vec<&str> = shared
        .endpoints
        .iter()
        .map(|endpoint| endpoint.namespace_name())
        .collect();
    namespaces.sort_unstable();
    let outcome = text("outcome");
    let known = |name: &str| {
        DeliveryLogEntry::SUCCESSES.contains(&name)
            || REFUSED.contains(&name)
            || FAILED.contains(&name)
            || name == FAILURES
    };
    html! {
        form method="get" action="deliveries" .filter role="search" aria-label="Filter deliveries" {
            div .fields {
                div {
                    label for="outcome" { "Outcome" }
                    select #outcome name="outcome" {
                        option value="" { "Any" }
                        option value=(FAILURES) selected[outcome == FAILURES] { "Any that did not go well" }
                        optgroup label="Refused" { @for name in REFUSED { (choice(name, &outcome)) } }
                        optgroup label="Failed" { @for name in FAILED { (choice(name, &outcome)) } }
                        optgroup label="Went well" { @for name in DeliveryLogEntry::SUCCESSES { (choice(name, &outcome)) } }
                        @if !outcome.is_empty() && !known(&outcome) { (choice(&outcome, &outcome)) }
                    }
                }
                (field("provider", "Provider", &text("provider"), &providers))
                (field("topic", "Topic", &text("topic"), &[]))
                (field("id", "Event's id", &text("id"), &[]))
                div {
                    label for="last" { "In the last" }
                    select #last name="last" {
                        option value="" { "Any time" }
                        @for (value, words) in LAST { option value=(value) selected[text("last") == value] { (words) } }
                    }
                }
            }
            details open[["tenant", "namespace", "since", "until"].iter().any(|name| params.get(name).is_some())] {
                summary { "More filters" }
                div .fields {
                    (field("tenant", "Tenant", &text("tenant"), &[]))
                    (field("namespace", "Namespace", &text("namespace"), &namespaces))
                    (moment("since", "From (UTC)", params))
                    (moment("until", "Until (UTC)", params))
                }
            }
            div .buttons {
                button type="submit" .primary { "Filter" }
                @if is_filtered { a href="deliveries" { "Show all" } }
            }
        }
    }
}

fn choice(name: &str, chosen: &str) -> Markup {
    html! { option value=(name) selected[name == chosen] { (name) } }
}

fn field(name: &str, label: &str, value: &str, known: &[&str]) -> Markup {
    let list = format!("{name}-list");
    let has_list = !known.is_empty();
    html! {
        div {
            label for=(name) { (label) }
            input #(name) name=(name) value=(value) type="text" autocomplete="off" autocapitalize="none"
                spellcheck="false" list=[has_list.then_some(&list)];
            @if has_list { datalist #(list) { @for value in known { option value=(value) {} } } }
        }
    }
}

fn moment(name: &str, label: &str, params: &Params) -> Markup {
    let time = params.time(name).and_then(crate::text::rfc3339);
    let value = time
        .as_deref()
        .map(|time| time.trim_end_matches('Z'))
        .unwrap_or_default();
    html! {
        div {
            label for=(name) { (label) }
            input #(name) name=(name) type="datetime-local" step="1" value=(value);
        }
    }
}
