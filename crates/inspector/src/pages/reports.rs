//! The reconciler's reports.

use std::sync::Arc;

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use maud::{Markup, html};

use super::{
    not_found,
    parts::{facts, time},
    respond,
};
use crate::{
    RunReport,
    access::Session,
    inspector::Shared,
    params::{Params, link},
    text::{grouped, length, visible},
};

pub(crate) async fn page(State(shared): State<Arc<Shared>>, Extension(session): Extension<Session>) -> Response {
    let reports = shared
        .reports
        .as_ref()
        .map(|reports| reports.list())
        .unwrap_or_default();
    let main = html! {
        p { "What providers recorded, and what was missing here: each run of the reconciler in this process." }
        @if reports.is_empty() {
            p .nothing { "No run has ended yet." }
        } @else {
            table role="table" .list .runs {
                caption { "The newest first" }
                thead role="rowgroup" {
                    tr role="row" {
                        @for column in ["Until (UTC)", "Source", "Ended", "Items", "Took"] { th role="columnheader" scope="col" { (column) } }
                    }
                }
                tbody role="rowgroup" {
                    @for (number, report) in &reports {
                        tr role="row" {
                            td role="cell" data-label="Until (UTC)" .time {
                                a href=(link("report", [("number", number.to_string())])) { (time(report.until)) }
                            }
                            td role="cell" data-label="Source" { (visible(&report.source)) }
                            td role="cell" data-label="Ended" { (ended(report)) }
                            td role="cell" data-label="Items" { (tallies(report)) }
                            td role="cell" data-label="Took" .number { (length(report.took)) }
                        }
                    }
                }
            }
        }
    };
    respond(&shared, &session, StatusCode::OK, "reports", "Reconciler", main)
}

fn ended(report: &RunReport) -> Markup {
    let (class, sign) = if report.is_settled {
        ("well", "✓")
    } else {
        ("refused", "↻")
    };
    html! {
        span class={ "outcome " (class) } { span .sign aria-hidden="true" { (sign) } " " (visible(&report.end)) }
        @if !report.is_settled { " " span .quiet { "(the next run looks again)" } }
    }
}

fn tallies(report: &RunReport) -> Markup {
    let words: Vec<_> = report
        .tallies
        .iter()
        .map(|tally| format!("{} {}", grouped(tally.count), visible(&tally.name)))
        .collect();
    html! { @if words.is_empty() { span .quiet { "none were seen" } } @else { (words.join(", ")) } }
}

pub(crate) async fn report(
    State(shared): State<Arc<Shared>>,
    Extension(session): Extension<Session>,
    params: Params,
) -> Response {
    let found = shared.reports.as_ref().zip(params.number("number"));
    let Some(report) = found.and_then(|(reports, number)| reports.get(number)) else {
        return not_found(&shared, &session, "This report is not kept any more.");
    };
    let main = html! {
        (facts(vec![
            ("Source", html! { (visible(&report.source)) }),
            ("Asked for", html! { (time(report.from)) " to " (time(report.until)) " UTC" }),
            ("Ended", ended(&report)),
            ("Took", html! { (length(report.took)) }),
            ("Items", tallies(&report)),
        ]))
        @for tally in &report.tallies {
            @if !tally.items.is_empty() {
                h2 { (visible(&tally.name)) ": " (grouped(tally.count)) }
                ul .items { @for item in &tally.items { li { (visible(item)) } } }
                @if tally.count > tally.items.len() as u64 {
                    p .quiet { "And " (grouped(tally.count.saturating_sub(tally.items.len() as u64))) " more." }
                }
            }
        }
    };
    respond(
        &shared,
        &session,
        StatusCode::OK,
        "reports",
        "A run of the reconciler",
        main,
    )
}
