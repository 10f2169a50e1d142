//! Counts or lists stored deliveries.

use serde_json::{Value, json};
use tower_webhook::{
    inbox::{Entry, Filter, Inbox as _, InboxAdmin as _},
    store::{Counts, StoreAdmin as _},
};

use super::show;
use crate::{
    failure::Failure,
    output::{Output, cell, note, plain},
    store::{Opened, failed},
    time,
};

/// How many events are in which state; whether there are any.
pub(super) async fn count(opened: &Opened, namespace: &str, output: Output) -> Result<bool, Failure> {
    let counts = opened.store().count(namespace).await.map_err(failed)?;
    let mut text = format!(
        "claimed {}\nfree {}\ndone {}\ndead {}",
        counts.claimed, counts.free, counts.done, counts.dead
    );
    let mut value = json!({
        "claimed": counts.claimed, "free": counts.free, "done": counts.done, "dead": counts.dead,
    });
    if let Ok(inbox) = opened.inbox("count") {
        let backlog = inbox.backlog(namespace, u64::MAX).await.map_err(failed)?;
        let oldest = backlog.oldest_due.map(|age| age.as_secs());
        text.push_str(&format!(
            "\nin the inbox: due {}, scheduled {}, running {}, dead {}",
            backlog.due, backlog.scheduled, backlog.running, backlog.dead
        ));
        if let Some(seconds) = oldest {
            text.push_str(&format!("; the oldest has been due for {seconds} s"));
        }
        let inbox = json!({
            "due": backlog.due, "scheduled": backlog.scheduled, "running": backlog.running, "dead": backlog.dead,
            "oldest_due_s": oldest,
        });
        if let Value::Object(value) = &mut value {
            value.insert("inbox".to_owned(), inbox);
        }
    }
    let is_known = counts != Counts::default();
    if !is_known {
        note(&format!(
            "the store has no event of the namespace {namespace}; expected the provider's name, or what the layer's \
             builder has"
        ));
    }
    if is_known || output == Output::Json {
        output.print(|| text, &value);
    }
    Ok(is_known)
}

/// Stored deliveries; whether there are any.
pub(super) async fn list(opened: &Opened, filter: &Filter, limit: usize, output: Output) -> Result<bool, Failure> {
    let inbox = opened.inbox("list")?;
    let limit = if limit == 0 { usize::MAX } else { limit };
    let (mut after, mut entries): (_, Vec<Entry>) = (None, Vec::new());
    loop {
        let size = 500.min(limit - entries.len());
        let page = inbox.list(filter, after.as_ref(), size).await.map_err(failed)?;
        entries.extend(page.entries);
        after = page.next;
        if after.is_none() || entries.len() >= limit {
            break;
        }
    }
    let is_cut = after.is_some();
    let values: Vec<Value> = entries.iter().map(show::entry).collect();
    let text = || {
        let mut table = comfy_table::Table::new();
        table.load_preset(comfy_table::presets::NOTHING);
        table.set_header(["received", "stage", "attempts", "topic", "id"]);
        for entry in &entries {
            table.add_row([
                time::write(entry.received_at),
                entry.stage.to_string(),
                entry.attempts.to_string(),
                cell(&entry.topic),
                plain(entry.key.id().as_str()),
            ]);
        }
        let more = if is_cut {
            "\nthere are more: --limit 0 lists all"
        } else {
            ""
        };
        format!("{}{more}", table.trim_fmt())
    };
    if entries.is_empty() {
        note("nothing is listed: only deliveries that lie in an inbox are; `events count` counts the others, too");
    }
    output.print(text, &json!({ "events": values, "more": is_cut }));
    Ok(!entries.is_empty())
}
