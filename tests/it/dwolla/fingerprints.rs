//! What makes two deliveries one event.

#![cfg(test)] // for clippy

use std::collections::HashSet;

use serde_json::json;
use tower_webhook::event::{Event as _, Fingerprint};

use super::{DOCUMENTED, FORMS, event, with, without};

#[track_caller]
fn fingerprint(body: impl AsRef<[u8]>) -> Fingerprint {
    event(body).fingerprint().unwrap()
}

#[test]
fn every_form_of_an_event_has_one_fingerprint() {
    let forms: HashSet<_> = FORMS.map(fingerprint).into_iter().collect();
    assert_eq!(forms.len(), 1);
    // no `resourceId`: the link names the resource
    assert_eq!(fingerprint(without(&["resourceId"])), fingerprint(DOCUMENTED));
    assert_eq!(fingerprint(without(&["_links"])), fingerprint(DOCUMENTED));
}

#[test]
fn another_topic_resource_or_time_is_another_fingerprint() {
    let changed = [
        with("topic", json!("customer_verified")),
        with("topic", json!("not_yet_known")),
        with("resourceId", json!("7c57f372-e9a0-47d4-91f3-ab2b3aae56f0")),
        with("created", json!("2019-02-04T14:58:45.145Z")),
        with("created", json!("an odd time")),
        with("created", json!("another odd time")),
    ];
    let mut all: HashSet<_> = changed.iter().map(|event| event.fingerprint().unwrap()).collect();
    all.insert(fingerprint(DOCUMENTED));
    assert_eq!(all.len(), changed.len() + 1);
}

#[test]
fn the_fingerprint_leaves_out_what_a_resent_body_may_change() {
    let same = [
        with("id", json!("another id")),
        with("timestamp", json!("2020-01-01T00:00:00.000Z")),
        with("correlationId", json!("order-5")),
        with("new", json!({"field": [1]})),
        with("resourceId", json!("6C57F372-E9A0-47D4-91F3-AB2B3AAE56F0")),
    ];
    for event in same {
        assert_eq!(event.fingerprint().unwrap(), fingerprint(DOCUMENTED), "{event:?}");
    }
}

#[test]
fn a_time_written_in_another_way_is_the_same_event() {
    let at = |time: &str| fingerprint(format!(r#"{{"id":"1","topic":"customer_created","created":"{time}"}}"#));
    for twin in [
        "2019-02-04T14:58:45.144+00:00",
        "2019-02-04T14:58:45.1440Z",
        "2019-02-04 14:58:45.144 UTC",
    ] {
        assert_eq!(at(twin), at("2019-02-04T14:58:45.144Z"), "{twin}");
    }
    assert_ne!(at("2019-02-04T14:58:45.145Z"), at("2019-02-04T14:58:45.144Z"));
    assert_ne!(at("yesterday"), at("the day before"));
}

#[test]
fn a_stored_fingerprint_stays_what_it_was() {
    // Stores keep it for weeks: a change here makes every known event a conflict after an upgrade.
    assert_eq!(
        format!("{:?}", fingerprint(DOCUMENTED)),
        "Fingerprint(79144f384be0600cdd6a867a1f2ad078)"
    );
}
