//! The provider: its secrets, its delivery policy, and what it reads.

#![cfg(test)] // for clippy

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use tower_webhook::{
    dwolla::{self, Dwolla, Topic},
    provider::Provider as _,
    signature::{SecretErrorKind, Secrets},
};

use super::DELIVERED;

#[test]
fn the_provider_takes_one_secret_or_several() {
    let several = Dwolla::new(["new", "old"]).unwrap();
    for (secret, position) in [("new", 0), ("old", 1)] {
        let one = Dwolla::new(secret).unwrap();
        let headers = dwolla::scheme()
            .sign(&Secrets::new(secret).unwrap(), DELIVERED)
            .unwrap();
        assert_eq!(one.verifier().verify(&headers, DELIVERED).unwrap().secret_index(), 0);
        assert_eq!(
            several.verifier().verify(&headers, DELIVERED).unwrap().secret_index(),
            position
        );
    }
    assert!(Dwolla::new(String::from("text")).is_ok());
    assert!(Dwolla::new(vec!["new", "old"]).is_ok());
    assert!(Dwolla::new(Secrets::new("text").unwrap()).is_ok());
    assert_eq!(
        Dwolla::new(Vec::<String>::new()).unwrap_err().kind(),
        SecretErrorKind::None
    );
    assert_eq!(
        Dwolla::new("text\n").unwrap_err().kind(),
        SecretErrorKind::TrailingWhitespace
    );
}

#[test]
fn the_provider_prints_no_secret() {
    let printed = format!("{:?}", Dwolla::new(["hush-hush", "quiet"]).unwrap());
    assert!(
        printed.contains("secrets: 2") && !printed.contains("hush") && !printed.contains("quiet"),
        "{printed}"
    );
}

#[test]
fn the_provider_reads_the_topic_from_the_body_not_from_the_header() {
    let mut headers = HeaderMap::new();
    headers.insert("x-dwolla-topic", HeaderValue::from_static("transfer_completed"));
    let event = Dwolla::new("text")
        .unwrap()
        .event(&headers, &Bytes::from_static(DELIVERED))
        .unwrap();
    assert_eq!(event.topic(), &Topic::CustomerCreated);
}

#[test]
fn the_provider_tells_dwollas_terms() {
    let dwolla = Dwolla::new("text").unwrap();
    let (policy, hour) = (dwolla.policy(), Duration::from_secs(3600));
    assert_eq!(dwolla.name(), "dwolla");
    assert_eq!(policy.response_timeout(), Duration::from_secs(10));
    assert_eq!(policy.retry_window(), 72 * hour);
    assert_eq!(policy.redelivery_window(), 30 * 24 * hour);
    assert_eq!(policy.retention(), 35 * 24 * hour);
    assert_eq!(policy.body_limit(), 256 * 1024);
}
