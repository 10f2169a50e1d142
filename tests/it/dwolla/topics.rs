//! Topics: those that are documented, and every other text.

#![cfg(test)] // for clippy

use std::collections::{BTreeMap, BTreeSet, HashSet};

use proptest::prelude::*;
use serde_json::{Value, json};
use tower_webhook::dwolla::Topic;

use super::with;

#[derive(serde::Deserialize)]
struct Row {
    topic: String,
    variant: String,
    category: String,
    scope: String,
    status: String,
    resource: Option<String>,
}

fn rows() -> Vec<Row> {
    serde_json::from_slice(include_bytes!("../../fixtures/dwolla/topics.json")).unwrap()
}

#[test]
fn the_topics_are_exactly_the_documented_ones() {
    let documented: BTreeSet<String> = rows().into_iter().map(|row| row.topic).collect();
    let known: BTreeSet<String> = Topic::all().iter().map(Topic::to_string).collect();
    assert_eq!(known, documented);
    assert_eq!(Topic::all().len(), known.len(), "each topic once");
}

#[test]
fn there_are_73_listed_topics_4_from_other_pages_and_10_of_connect() {
    let mut counts = BTreeMap::new();
    for row in rows() {
        *counts.entry(row.status).or_insert(0) += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(
        counts,
        [("connect", 10), ("current", 73), ("current-outside-main-list", 4)]
    );
}

#[test]
fn each_topic_has_its_name_category_resource_and_scope() {
    let words = |text: &str| text.replace('_', "");
    for row in rows() {
        let topic = Topic::from(row.topic.as_str());
        assert_eq!(format!("{topic:?}"), row.variant);
        let category = format!("{:?}", topic.category().unwrap()).to_lowercase();
        assert_eq!(category, words(&row.category), "{topic}");
        assert_eq!(topic.resource(), row.resource.as_deref(), "{topic}");
        assert_eq!(topic.is_customer(), row.scope == "customer", "{topic}");
        assert_eq!(row.variant.starts_with("Connect"), row.scope == "connect", "{topic}");
    }
}

#[test]
fn a_known_topic_is_the_same_however_it_is_made() {
    for known in Topic::all() {
        let text = known.as_str();
        let json = serde_json::to_string(known).unwrap();
        assert_eq!(json, format!("{text:?}"));
        let made = [
            Topic::from(text),
            Topic::from(text.to_owned()),
            text.parse().unwrap(),
            serde_json::from_str(&json).unwrap(),
            serde_json::from_value(Value::from(text)).unwrap(),
        ];
        assert!(!matches!(known, Topic::Unknown(_)), "{text}");
        assert!(made.iter().all(|topic| topic == known), "{text}");
        assert_eq!(HashSet::from(made).len(), 1, "{text}");
    }
}

#[test]
fn a_topic_that_others_invented_or_dwolla_gave_up_is_unknown_and_keeps_its_text() {
    for text in [
        "customer_transfer_returned",
        "transfer_returned",
        "account_transfer_completed",
        "customer_funding_source_created",
        "customer_micro_deposits_added",
        "transfer_reclaimed",
        "masspay_created",
        "customer_kba_verification_approved",
        "card_transfer_completed",
    ] {
        let topic = Topic::from(text);
        assert!(matches!(&topic, Topic::Unknown(unknown) if unknown.as_str() == text));
        assert_eq!((topic.as_str(), topic.category(), topic.resource()), (text, None, None));
    }
}

#[test]
fn topics_are_compared_exactly() {
    for text in [
        "",
        "Customer_created",
        "CUSTOMER_CREATED",
        " customer_created",
        "customer_created\0",
        "CustomerCreated",
    ] {
        assert!(matches!(Topic::from(text), Topic::Unknown(_)), "{text:?}");
    }
}

#[test]
fn the_accounts_and_the_customers_topic_differ() {
    assert_ne!(
        Topic::from("transfer_created"),
        Topic::from("customer_transfer_created")
    );
    assert_ne!(Topic::from("transfer_created"), Topic::from("transfer:created"));
}

#[test]
fn an_unknown_topic_is_an_event() {
    let event = with("topic", json!("customer_not_yet_known"));
    assert_eq!(event.topic().as_str(), "customer_not_yet_known");
}

proptest! {
    #[test]
    fn any_text_makes_a_topic_that_keeps_it(text in ".{0,60}") {
        let topic = Topic::from(text.as_str());
        prop_assert_eq!(topic.as_str(), &text);
        prop_assert_eq!(topic.to_string(), text.clone());
        prop_assert_eq!(&topic, &Topic::from(text));
        let json = serde_json::to_string(&topic).unwrap();
        prop_assert_eq!(serde_json::from_str::<Topic>(&json).unwrap(), topic);
    }

    #[test]
    fn a_known_topic_with_one_byte_changed_is_another(index in 0..87_usize, at in any::<prop::sample::Index>(), byte in b'!'..b'~') {
        let known = &Topic::all()[index];
        let mut text = known.as_str().to_owned().into_bytes();
        let at = at.index(text.len());
        prop_assume!(text[at] != byte);
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        prop_assert_ne!(&Topic::from(text.as_str()), known);
        let topic = Topic::from(text.as_str());
        prop_assert_eq!(topic.as_str(), text);
    }
}
