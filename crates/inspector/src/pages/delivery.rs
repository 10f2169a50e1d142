//! One delivery.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::{Markup, html};
use tower_webhook::delivery_log::{DeliveryLogEntry, DeliveryLogFilter};

use super::{
    not_found,
    parts::{Kind, event_link, facts, outcome, problem, time_and_age},
    respond,
};
use crate::{
    access::Session,
    inspector::Shared,
    params::{Params, link},
    text::{length, size, visible},
};

pub(crate) async fn page(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let (Some(log), Some(number)) = (&shared.log, params.number("number")) else {
        return not_found(&shared, &session, "No delivery is named.");
    };
    let everything = DeliveryLogFilter::new();
    let main = match log.list(&everything, number.checked_add(1), 1).await {
        Ok(found) => match found.first().filter(|found| found.number == number) {
            Some(found) => details(&shared, &found.entry),
            None => return not_found(&shared, &session, "The log has this delivery no more."),
        },
        Err(error) => problem(&format!("The delivery log did not respond: {error}")),
    };
    respond(&shared, &session, StatusCode::OK, "deliveries", "A delivery", main)
}

fn details(shared: &Shared, entry: &DeliveryLogEntry) -> Markup {
    let now = shared.clock.now();
    let mut pairs = vec![
        ("Ended", time_and_age(entry.time, now)),
        ("Outcome", outcome(&entry.outcome)),
    ];
    if !entry.reason.is_empty() {
        pairs.push(("Why", html! { (visible(&entry.reason)) }));
    }
    pairs.push(("Provider", html! { (visible(&entry.provider)) }));
    if entry.namespace != entry.provider {
        pairs.push(("Namespace", html! { (visible(&entry.namespace)) }));
    }
    if let Some(tenant) = &entry.tenant {
        pairs.push(("Tenant", html! { (visible(tenant.as_str())) }));
    }
    if let Some(topic) = &entry.topic {
        pairs.push(("Topic", html! { (visible(topic)) }));
    }
    if let Some(id) = &entry.id {
        pairs.push(("Event", event_link(&entry.namespace, id)));
    }
    pairs.push((
        "Came",
        html! {
            @match entry.source.as_str() {
                "delivered" => "as a request of the provider's",
                "fetched" => "from the provider's API, by the application",
                _ => "from the inbox, by a worker",
            }
        },
    ));
    if let Some(attempt) = entry.attempt {
        pairs.push(("Attempt", html! { (attempt) }));
    }
    if let Some(status) = entry.status {
        pairs.push(("Response", html! { (status) }));
    }
    pairs.push(("Took", html! { (length(entry.duration)) }));
    if let Some(bytes) = entry.size {
        pairs.push(("Body", html! { (size(bytes)) }));
    }
    if let Some(index) = entry.secret_index {
        pairs.push(("Secret", html! { "number " (index.saturating_add(1)) " matched" }));
    }
    if let Some(signed_at) = entry.signed_at {
        pairs.push(("Signed", time_and_age(signed_at, entry.time)));
    }
    if entry.left_out > 0 {
        pairs.push((
            "Left out",
            html! { (entry.left_out) " unauthenticated requests before this one are not in the log" },
        ));
    }
    html! {
        (facts(pairs))
        (request(shared, entry))
        p {
            a href=(link("deliveries", [("provider", &*entry.provider), ("outcome", &*entry.outcome)])) {
                "Others of " (visible(&entry.provider)) " that ended so"
            }
        }
    }
}

/// The way to the request as a whole, where it was refused.
fn request(shared: &Shared, entry: &DeliveryLogEntry) -> Markup {
    if Kind::of(&entry.outcome) == Kind::Well || entry.status.is_none() {
        return html! {};
    }
    let Some(captures) = &shared.captures else {
        return html! {};
    };
    let kept = entry.captured.filter(|number| captures.get(*number).is_some());
    html! {
        h2 { "The request" }
        @match (kept, entry.captured) {
            (Some(number), _) => p {
                a href=(link("request", [("number", number.to_string())])) {
                    @if entry.outcome == "signature" { "Why its signature was refused, its headers and its body" }
                    @else { "Its headers and its body" }
                }
            },
            (None, Some(_)) => p { "It was captured, and is forgotten since." },
            (None, None) => p {
                "It was not captured. "
                a href="refused" { "Capture refused requests" }
                ", and have the provider send it again: then its headers, its body and an explanation are here."
            },
        }
    }
}
