//! A verb for many events.

use std::future::Future;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tower_webhook::{
    inbox::{Filter, InboxAdmin as _},
    store::{Key, StoreAdmin as _, StoreError},
};

use crate::{
    failure::Failure,
    output::{Output, is_watched, note, plain},
    store::{Opened, failed},
};

/// How many are read, or removed, at a time.
const BATCH: usize = 1000;

fn progress(word: &'static str, total: Option<u64>) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{pos}/{len} {bar:30} {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {pos} {msg}"),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(word)
}

/// Does it to each of these, or of what the filter lets through; says how often it did, and why it
/// did not.
pub(super) async fn each<F>(
    opened: &Opened,
    keys: Option<Vec<Key>>,
    filter: &Filter,
    word: &'static str,
    output: Output,
    verb: impl Fn(Key) -> F,
) -> Result<bool, Failure>
where
    F: Future<Output = Result<Result<(), &'static str>, StoreError>>,
{
    let by_id = keys.is_some();
    let keys = match keys {
        Some(keys) => keys,
        None => selected(opened, filter).await?,
    };
    let bar = progress(word, Some(keys.len() as u64));
    let (mut done, mut left) = (0_u64, Vec::new());
    for key in keys {
        match verb(key.clone()).await.map_err(failed)? {
            Ok(()) => done += 1,
            Err(why) => left.push((key, why)),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if by_id && output == Output::Text {
        for (key, why) in &left {
            note(&format!("{}: {why}", plain(&key.to_string())));
        }
    }
    let left: Vec<_> = left
        .iter()
        .map(|(key, why)| json!({ "id": key.id().as_str(), "why": why }))
        .collect();
    output.print(|| format!("{done} {word}"), &json!({ word: done, "left": left }));
    Ok(done > 0 && (!by_id || left.is_empty()))
}

/// All at once, before anything is changed: a page that changes while it is walked skips some.
async fn selected(opened: &Opened, filter: &Filter) -> Result<Vec<Key>, Failure> {
    let inbox = opened.inbox("a selection")?;
    let (mut keys, mut after) = (Vec::new(), None);
    let bar = progress("selected", None);
    loop {
        let page = inbox.list(filter, after.as_ref(), BATCH).await.map_err(failed)?;
        bar.inc(page.entries.len() as u64);
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        after = page.next;
        if after.is_none() {
            bar.finish_and_clear();
            return Ok(keys);
        }
    }
}

/// Removes what is past its retention, batch by batch.
pub(super) async fn purge(opened: &Opened, output: Output) -> Result<bool, Failure> {
    let bar = progress("purged", None);
    let mut purged = 0;
    loop {
        let batch = opened.store().purge(BATCH).await.map_err(failed)?;
        purged += batch;
        bar.set_position(purged);
        if batch == 0 {
            break;
        }
    }
    bar.finish_and_clear();
    output.print(|| format!("{purged} purged"), &json!({ "purged": purged }));
    Ok(true)
}
