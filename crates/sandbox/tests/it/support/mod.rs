mod client;
mod handled;
mod receiver;

use std::time::{Duration, SystemTime};

#[cfg(feature = "program")]
pub(crate) use client::call_at;
pub(crate) use client::{Reply, call};
pub(crate) use handled::Handled;
pub(crate) use receiver::{Receiver, receiver_of};
use tower_webhook_reconcile::{Options, dwolla::DwollaApi};
use tower_webhook_sandbox::{Attempt, Provider, Sandbox, Settings};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// 2026-09-21T14:13:20Z
pub(crate) fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// Whose time stands still.
pub(crate) fn still() -> Settings {
    Settings::new().speed(0.0).now(start())
}

pub(crate) async fn sandbox() -> Sandbox {
    still().start().await.unwrap()
}

pub(crate) fn dwolla(sandbox: &Sandbox) -> DwollaApi {
    let base = sandbox.url(Provider::Dwolla);
    DwollaApi::with_options(&base, "any id", "any secret", Options::new()).unwrap()
}

/// A sandbox, Dwolla's API, and a subscription of the receiver.
pub(crate) async fn subscribed(receiver: &Receiver) -> (Sandbox, DwollaApi, String) {
    let sandbox = sandbox().await;
    let api = dwolla(&sandbox);
    let subscription = api.create_subscription(&receiver.url, SECRET).await.unwrap();
    (sandbox, api, subscription)
}

/// Fires an event of Dwolla and returns its id.
#[track_caller]
pub(crate) fn fire_dwolla(sandbox: &Sandbox, topic: &str) -> String {
    let event = sandbox
        .fire(Provider::Dwolla, format!(r#"{{"topic":"{topic}"}}"#))
        .unwrap();
    id_of(&event)
}

/// The id in a body that a strict parser may refuse.
#[track_caller]
pub(crate) fn id_of(event: &[u8]) -> String {
    let text = std::str::from_utf8(event).unwrap();
    let (_, rest) = text.split_once(r#""id":""#).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// When each attempt was sent, after the start, in minutes.
pub(crate) fn minutes(attempts: &[Attempt]) -> Vec<u64> {
    let after = |attempt: &Attempt| attempt.sent_at.duration_since(start()).unwrap().as_secs() / 60;
    attempts.iter().map(after).collect()
}
