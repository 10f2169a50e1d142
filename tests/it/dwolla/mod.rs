//! Dwolla: its topics, its bodies in every form, its signatures, and hostile ones.

#![cfg(test)] // for clippy

mod topics;
mod fields;
mod fingerprints;
mod no_events;
mod signature;
mod provider;
mod any_bytes;

use serde_json::Value;
use tower_webhook::{dwolla::Event, event::EventError};

const DOCUMENTED: &[u8] = include_bytes!("../../fixtures/dwolla/documented.json");
const DELIVERED: &[u8] = include_bytes!("../../fixtures/dwolla/delivered.json");
const DELIVERED_TYPED_LINKS: &[u8] = include_bytes!("../../fixtures/dwolla/delivered_typed_links.json");
const EVENTS_API: &[u8] = include_bytes!("../../fixtures/dwolla/events_api.json");
const WIRE_2015: &[u8] = include_bytes!("../../fixtures/dwolla/wire_2015.json");
const GUIDE_2015: &[u8] = include_bytes!("../../fixtures/dwolla/guide_2015.json");
const CONNECT: &[u8] = include_bytes!("../../fixtures/dwolla/connect.json");

/// The same event in every form that Dwolla has sent, documented or listed.
const FORMS: [&[u8]; 6] = [
    DOCUMENTED,
    DELIVERED,
    DELIVERED_TYPED_LINKS,
    EVENTS_API,
    WIRE_2015,
    GUIDE_2015,
];

#[track_caller]
fn event(body: impl AsRef<[u8]>) -> Event {
    Event::from_json(body.as_ref()).unwrap()
}

#[track_caller]
fn refusal(body: impl AsRef<[u8]>) -> EventError {
    Event::from_json(body.as_ref()).unwrap_err()
}

/// The documented event with one field set.
#[track_caller]
fn with(field: &str, value: Value) -> Event {
    let mut body: Value = serde_json::from_slice(DOCUMENTED).unwrap();
    body[field] = value;
    event(body.to_string())
}

/// The documented event with these fields left out.
fn without(fields: &[&str]) -> String {
    let mut body: Value = serde_json::from_slice(DOCUMENTED).unwrap();
    body.as_object_mut()
        .unwrap()
        .retain(|name, _| !fields.contains(&name.as_str()));
    body.to_string()
}
