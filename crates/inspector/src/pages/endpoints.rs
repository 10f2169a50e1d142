//! The endpoints: how each is configured, and how it fares.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{
    health::{Health, window},
    parts::{facts, outcome, problem, time_and_age},
    respond,
};
use crate::{
    Endpoint, FailureLimit,
    access::Session,
    inspector::Shared,
    params::link,
    text::{count, grouped, length, size, visible},
};

pub(crate) async fn page(State(shared): State<Arc<Shared>>, Extension(session): Extension<Session>) -> Response {
    let now = shared.clock.now();
    let mut sections = Vec::new();
    for endpoint in &shared.endpoints {
        sections.push(section(&shared, endpoint, now).await);
    }
    let main = html! {
        p { "What the application told this page, and what the newest deliveries say." }
        @if sections.is_empty() {
            p .nothing { "The page was told of none: " code { "InspectorBuilder::endpoint" } "." }
        }
        div .endpoints { @for section in sections { (section) } }
    };
    respond(&shared, &session, StatusCode::OK, "endpoints", "Endpoints", main)
}

async fn section(shared: &Shared, endpoint: &Endpoint, now: SystemTime) -> Markup {
    let namespace = endpoint.namespace_name();
    let rate_over = window(endpoint.failure_limit);
    let health = match &shared.log {
        Some(log) => Some(Health::read(log, namespace, rate_over, now).await),
        None => None,
    };
    let mut pairs = Vec::new();
    if namespace != endpoint.provider_name() {
        pairs.push(("Provider", html! { (visible(endpoint.provider_name())) }));
    }
    match &health {
        Some(Ok(health)) => observed(&mut pairs, endpoint, health, rate_over, now),
        Some(Err(error)) => pairs.push((
            "Deliveries",
            problem(&format!("The delivery log did not respond: {error}")),
        )),
        None => {}
    }
    configured(&mut pairs, endpoint);
    html! {
        section {
            h2 { a href=(link("deliveries", [("namespace", namespace)])) { (visible(namespace)) } }
            (facts(pairs))
        }
    }
}

fn observed(
    pairs: &mut Vec<(&str, Markup)>,
    endpoint: &Endpoint,
    health: &Health,
    rate_over: Duration,
    now: SystemTime,
) {
    let Some((last, how)) = &health.last else {
        pairs.push(("Last delivery", html! { span .quiet { "none in the log" } }));
        return;
    };
    pairs.push(("Last delivery", html! { (outcome(how)) " " (time_and_age(*last, now)) }));
    let (all, failed) = health.recent;
    let percent = failed.saturating_mul(100).checked_div(all).unwrap_or(0);
    let window = length(rate_over);
    pairs.push((
        "Failure rate",
        html! {
            @if all == 0 { "no delivery within " (window) }
            @else { (grouped(failed)) " of " (count(all, "delivery", "deliveries")) " within " (window) ": " (percent) " %" }
            @if health.left_out > 0 { "; " (grouped(health.left_out)) " unauthenticated ones are not in the log" }
        },
    ));
    let in_a_row = html! {
        @match (health.failures, health.failing_since) {
            (0, _) => "the last one got 2xx",
            (failures, Some(since)) => {
                (grouped(failures)) @if health.is_cut && health.last_success.is_none() { " or more" }
                " in a row, since " (time_and_age(since, now))
                @if health.unauthenticated > 0 {
                    "; " (grouped(health.unauthenticated)) " of them unauthenticated: a stranger's, or the provider's if \
                     it has another secret"
                }
            },
            _ => "",
        }
    };
    pairs.push(("Failures", in_a_row));
    pairs.push((
        "Before it is disabled",
        match endpoint.failure_limit {
            Some(limit) => html! { (meter(health, limit, now)) },
            None => html! { span .quiet { "the provider documents no number" } },
        },
    ));
    pairs.push(("Secrets", secrets(endpoint, health, now)));
    pairs.push((
        "Clocks",
        match health.drift {
            Some((milliseconds, of)) => drift(milliseconds, of),
            None => html! { span .quiet { "no signed time in the newest deliveries" } },
        },
    ));
}

fn meter(health: &Health, limit: FailureLimit, now: SystemTime) -> Markup {
    let used = health.used(limit, now);
    let percent = format!("{:.0} %", used * 100.0);
    let words = match limit {
        FailureLimit::InARow(most) => count(most.into(), "failure", "failures") + " in a row",
        FailureLimit::InARowWithoutSuccess(most, time) => format!(
            "{} in a row, and no success for {}",
            count(most.into(), "failure", "failures"),
            length(time)
        ),
        FailureLimit::WithoutSuccess(time) => format!("only failures for {}", length(time)),
        FailureLimit::Percent(most, time) => format!("more than {most} % failures in {}", length(time)),
    };
    html! {
        meter min="0" max="1" low="0.25" high="0.5" optimum="0" value=(format!("{used:.3}")) aria-label="Part of the limit that is used up" {
            (percent)
        }
        " " (percent) " of the limit: " (words)
    }
}

fn secrets(endpoint: &Endpoint, health: &Health, now: SystemTime) -> Markup {
    let known = health
        .secrets
        .keys()
        .next_back()
        .map_or(0, |last| last.saturating_add(1));
    let all = endpoint.secrets.unwrap_or(known).max(known);
    html! {
        @if all == 0 { span .quiet { "none matched in the newest deliveries" } }
        @else {
            ul .plain {
                @for index in 0..all {
                    li {
                        "Number " (index.saturating_add(1)) ": "
                        @match health.secrets.get(&index) {
                            Some(at) => { "matched last " (time_and_age(*at, now)) },
                            None => span .quiet { "matched none of the newest deliveries" },
                        }
                    }
                }
            }
        }
    }
}

/// The difference is to be looked at from five seconds on: networks take less, and providers accept
/// five minutes.
const DRIFTED: u64 = 5000;

fn drift(milliseconds: i64, of: usize) -> Markup {
    let difference = length(Duration::from_millis(milliseconds.unsigned_abs()));
    let direction = if milliseconds < 0 { "after" } else { "before" };
    html! {
        "signed " (difference) " " (direction) " it came"
        @if of > 1 { " (the median of " (of) ")" }
        @if milliseconds.unsigned_abs() >= DRIFTED { " " span .outcome.refused { span .sign aria-hidden="true" { "⊘" } " look at the clocks" } }
    }
}

fn configured(pairs: &mut Vec<(&str, Markup)>, endpoint: &Endpoint) {
    if let Some(policy) = &endpoint.policy {
        let retries = policy.retry_window();
        pairs.push((
            "The provider",
            html! {
                "waits " (length(policy.response_timeout())) " for a response, "
                @if retries.is_zero() { "never retries" } @else { "retries for " (length(retries)) }
                ", bodies of up to " (size(policy.body_limit() as u64))
            },
        ));
    }
    let handled = match (&endpoint.inbox, &endpoint.store) {
        (Some(_), _) => {
            html! { a href=(link("inbox", [("namespace", endpoint.namespace_name())])) { "stored first, in an inbox" } }
        }
        (None, Some(_)) => html! { "before the response" },
        (None, None) => html! { span .quiet { "the page has no store of it" } },
    };
    pairs.push(("Events are handled", handled));
}
