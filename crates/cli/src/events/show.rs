//! One event.

use std::time::SystemTime;

use serde_json::{Value, json};
use tower_webhook::{
    inbox::{Entry, InboxAdmin as _, Letter},
    store::{IdempotencyStore as _, Key, Record, State},
};

use crate::{
    failure::Failure,
    listen::pretty,
    output::{Output, plain, plain_lines},
    store::{Opened, failed},
    time::write,
};

/// An entry of a list.
pub(super) fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.key.id().as_str(),
        "namespace": entry.key.namespace(),
        "topic": entry.topic,
        "stage": entry.stage.as_str(),
        "attempts": entry.attempts,
        "crashes": entry.crashes,
        "received_at": write(entry.received_at),
        "due_at": entry.due_at.map(write),
    })
}

/// Whether there is one.
pub(super) async fn show(opened: &Opened, key: &Key, full: bool, output: Output) -> Result<bool, Failure> {
    let record = opened.store().get(key).await.map_err(failed)?;
    let letter = match opened.inbox("show") {
        Ok(inbox) => inbox.letter(key).await.map_err(failed)?,
        Err(_) => None,
    };
    if record.is_none() && letter.is_none() {
        output.print(
            || format!("{}: there is no such event", plain(&key.to_string())),
            &json!({ "event": null }),
        );
        return Ok(false);
    }
    let mut value = json!({
        "id": key.id().as_str(),
        "namespace": key.namespace(),
        "state": record.as_ref().map(state),
        "expires": record.as_ref().map(|record| expiry(record.expires)),
    });
    let mut text = vec![plain(&key.to_string())];
    if let Some(record) = &record {
        text.push(format!("state: {}", state_text(record)));
    }
    if let Some(letter) = &letter {
        text.extend(lines(letter, full));
        if let Value::Object(value) = &mut value {
            value.insert("delivery".to_owned(), delivery(letter, full));
        }
    }
    output.print(|| text.join("\n"), &json!({ "event": value }));
    Ok(true)
}

/// A record that never expires has the largest time there is, which no calendar writes.
fn expiry(time: SystemTime) -> Option<String> {
    let years = time.duration_since(SystemTime::now()).ok()?.as_secs() / (365 * 24 * 3600);
    (years < 1000).then(|| write(time))
}

fn state(record: &Record) -> Value {
    match &record.state {
        State::Claimed {
            attempts, lease_until, ..
        } => json!({ "is": "claimed", "attempts": attempts, "lease_until": write(*lease_until) }),
        State::Free { attempts, .. } => json!({ "is": "free", "attempts": attempts }),
        State::Done { completion, at } => {
            json!({ "is": "done", "how": format!("{completion:?}").to_lowercase(), "at": write(*at) })
        }
        State::Dead { attempts, at, .. } => json!({ "is": "dead", "attempts": attempts, "at": write(*at) }),
        _ => json!({ "is": "unknown" }),
    }
}

fn state_text(record: &Record) -> String {
    let state = state(record);
    let Value::Object(fields) = &state else {
        return String::new();
    };
    let is = fields.get("is").and_then(Value::as_str).unwrap_or_default();
    let rest = fields.iter().filter(|(name, _)| *name != "is");
    let rest = rest.map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        format!(", {} {value}", name.replace('_', " "))
    });
    format!("{is}{}", rest.collect::<String>())
}

fn lines(letter: &Letter, full: bool) -> Vec<String> {
    let entry = &letter.entry;
    let mut lines = vec![
        format!("topic: {}", plain(&entry.topic)),
        format!("stage: {}, {} attempts", entry.stage, entry.attempts),
        format!("received: {}", write(entry.received_at)),
    ];
    if let Some(due) = entry.due_at {
        lines.push(format!("due: {}", write(due)));
    }
    for past in &letter.history {
        let attempt = &past.attempt;
        let said = format!("{}: {} ({})", attempt.outcome, attempt.error, attempt.worker);
        lines.push(format!(
            "attempt {} ended {}: {}",
            attempt.number,
            write(past.ended_at),
            plain(&said)
        ));
    }
    lines.push(format!("body: {} bytes", letter.delivery.body.len()));
    if full {
        lines.push(String::new());
        lines.push(plain_lines(&String::from_utf8_lossy(&letter.delivery.headers_text())));
        lines.push(plain_lines(&pretty(&letter.delivery.body)));
    }
    lines
}

fn delivery(letter: &Letter, full: bool) -> Value {
    let attempts = letter.history.iter().map(|past| {
        let attempt = &past.attempt;
        json!({
            "number": attempt.number, "ended_at": write(past.ended_at), "outcome": attempt.outcome,
            "error": attempt.error, "worker": attempt.worker,
        })
    });
    let mut value = json!({
        "entry": entry(&letter.entry),
        "attempts": attempts.collect::<Vec<_>>(),
        "bytes": letter.delivery.body.len(),
    });
    if let (true, Value::Object(value)) = (full, &mut value) {
        let headers = letter.delivery.headers.iter();
        let headers = headers.map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]));
        value.insert("headers".to_owned(), headers.collect());
        value.insert("body".to_owned(), json!(String::from_utf8_lossy(&letter.delivery.body)));
    }
    value
}
