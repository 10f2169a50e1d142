//! The report of a comparison.

use serde_json::{Map, Value, json};
use tower_webhook_reconcile::reconciler::{Ending, Listed, Report, Window};

use super::compare::Told;
use crate::{
    output::{Output, plain},
    time,
};

/// How many rows of a table a person reads. JSON has all of them.
const ROWS: usize = 100;

pub(super) fn print(window: Window, looked: &Told, remedied: Option<&Told>, output: Output) {
    let value = json!({
        "source": looked.report.source(),
        "since": time::write(window.from),
        "until": time::write(window.until),
        "seen": looked.report.seen(),
        "known": looked.report.count(Ending::Known),
        "endings": endings(&looked.report),
        "missing": items(&looked.missing),
        "remedy": remedied.map(|told| json!({
            "endings": endings(&told.report),
            "left": items(&told.missing),
        })),
    });
    output.print(|| text(window, looked, remedied), &value);
}

fn endings(report: &Report) -> Map<String, Value> {
    let counts = Ending::ALL.into_iter().map(|ending| (ending, report.count(ending)));
    let found = counts.filter(|(_, count)| *count > 0);
    found
        .map(|(ending, count)| (ending.to_string(), count.into()))
        .collect()
}

fn items(items: &[(Listed, Ending)]) -> Vec<Value> {
    let shown = items.iter().map(|(item, ending)| {
        json!({
            "id": item.id,
            "event_id": item.event_id,
            "topic": item.topic,
            "ending": ending.as_str(),
            "reason": item.reason,
        })
    });
    shown.collect()
}

/// `, 2 known, 1 missing`
fn counts(report: &Report) -> String {
    let found = endings(report);
    found
        .iter()
        .map(|(ending, count)| format!(", {count} {ending}"))
        .collect()
}

fn text(window: Window, looked: &Told, remedied: Option<&Told>) -> String {
    let report = &looked.report;
    let mut text = format!(
        "{}, {} to {}: {} seen{}",
        plain(report.source()),
        time::write(window.from),
        time::write(window.until),
        report.seen(),
        counts(report)
    );
    if let Some(told) = remedied {
        text.push_str(&format!("\nthen: {} seen{}", told.report.seen(), counts(&told.report)));
    }
    let last = remedied.unwrap_or(looked);
    if last.missing.is_empty() {
        return text;
    }
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(["id", "event", "topic", "ending", "reason"]);
    for (item, ending) in last.missing.iter().take(ROWS) {
        let or_none = |text: &Option<String>| plain(text.as_deref().unwrap_or("-"));
        table.add_row([
            plain(&item.id),
            or_none(&item.event_id),
            or_none(&item.topic),
            ending.to_string(),
            or_none(&item.reason),
        ]);
    }
    text = format!("{text}\n{table}");
    if last.missing.len() > ROWS {
        text.push_str(&format!("\nand {} more: --json names all", last.missing.len() - ROWS));
    }
    text
}
