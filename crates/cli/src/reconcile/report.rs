//! The report of a comparison.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tower_webhook::event::Tenant;
use tower_webhook_reconcile::reconciler::{Ending, Listed, Report};

use super::compare::Compared;
use crate::{
    output::{Output, cell, plain},
    time,
};

/// The ending of items that the provider recorded as delivered and the store does not know.
const UNSTORED: &str = "delivered-not-stored";

/// How many rows of a table a person reads. JSON has all of them.
const ROWS: usize = 100;

pub(super) fn print(compared: &Compared<'_>, output: Output) {
    let (window, report) = (compared.window, &compared.looked.report);
    let value = json!({
        "source": report.source(),
        "tenant": report.tenant().map(Tenant::as_str),
        "topics": compared.topics,
        "since": time::write(window.from),
        "until": time::write(window.until),
        "seen": report.seen(),
        "known": report.count(Ending::Known),
        "endings": found(compared),
        "missing": items(&compared.missing()),
        "delivered_not_stored": items(&compared.unstored()),
        "remedy": compared.remedied.as_ref().map(|told| json!({
            "endings": endings(&told.report),
            "left": items(&compared.left()),
        })),
    });
    output.print(|| text(compared), &value);
}

fn endings(report: &Report) -> Map<String, Value> {
    let counts = Ending::ALL.into_iter().map(|ending| (ending, report.count(ending)));
    let found = counts.filter(|(_, count)| *count > 0);
    found
        .map(|(ending, count)| (ending.to_string(), count.into()))
        .collect()
}

/// The endings, with what is missing apart from what was delivered and is not stored.
fn found(compared: &Compared<'_>) -> Map<String, Value> {
    let mut endings = endings(&compared.looked.report);
    let missing = Ending::Missing.as_str();
    endings.remove(missing);
    for (name, items) in [(missing, compared.missing()), (UNSTORED, compared.unstored())] {
        if !items.is_empty() {
            endings.insert(name.to_owned(), items.len().into());
        }
    }
    endings
}

fn items(items: &[&(Listed, Ending)]) -> Vec<Value> {
    let shown = items.iter().map(|(item, ending)| {
        json!({
            "id": item.id,
            "event_id": item.event_id,
            "topic": item.topic,
            "delivered": item.is_delivered,
            "ending": ending.as_str(),
            "reason": item.reason,
        })
    });
    shown.collect()
}

/// `, 2 known, 1 missing`
fn counts(endings: &Map<String, Value>) -> String {
    let counts = endings.iter().map(|(ending, count)| format!(", {count} {ending}"));
    counts.collect()
}

fn text(compared: &Compared<'_>) -> String {
    let (window, report) = (compared.window, &compared.looked.report);
    let mut text = format!(
        "{}{}, {} to {}: {} seen{}",
        plain(report.source()),
        report
            .tenant()
            .map(|tenant| format!(" of {tenant}"))
            .unwrap_or_default(),
        time::write(window.from),
        time::write(window.until),
        report.seen(),
        counts(&found(compared))
    );
    if let Some(told) = &compared.remedied {
        let endings = endings(&told.report);
        text.push_str(&format!("\nthen: {} seen{}", told.report.seen(), counts(&endings)));
    }
    text.push_str(&missing(&compared.left()));
    text.push_str(&unstored(&compared.unstored()));
    text
}

fn missing(left: &[&(Listed, Ending)]) -> String {
    if left.is_empty() {
        return String::new();
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["id", "event", "topic", "ending", "reason"]);
    for (item, ending) in left.iter().take(ROWS) {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let delivered = if item.is_delivered { ", though delivered" } else { "" };
        table.add_row([
            cell(&item.id),
            cell(&or_none(&item.event_id)),
            cell(&or_none(&item.topic)),
            format!("{ending}{delivered}"),
            plain(&or_none(&item.reason)),
        ]);
    }
    let mut text = format!("\n{}", table.trim_fmt());
    if left.len() > ROWS {
        text.push_str(&format!("\nand {} more: --json names all", left.len() - ROWS));
    }
    text
}

/// How many of each topic: a person knows which are handled.
fn unstored(items: &[&(Listed, Ending)]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let mut topics = BTreeMap::<_, usize>::new();
    for (item, _) in items {
        *topics.entry(item.topic.as_deref().unwrap_or("-")).or_default() += 1;
    }
    let topics: Vec<_> = topics
        .iter()
        .map(|(topic, count)| format!("\n  {count} {}", plain(topic)))
        .collect();
    format!(
        "\n{UNSTORED}: nobody handles the topic, the record has expired, or it was lost behind a 2xx; --topic says \
         which should be there{}",
        topics.concat()
    )
}
