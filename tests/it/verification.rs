//! What counts as authentic, and what a forged request is told.

use http::{HeaderMap, HeaderValue};
use http_body_util::Full;
use tower_webhook::RefusalKind;

use crate::{
    endpoint::{Endpoint, event, signature, with_body},
    fixtures::succeed,
    wire::Via,
};

const NAME: &str = "x-request-signature-sha-256";

const OLD_NAME: &str = "x-request-signature";

pub(crate) async fn every_signature_failure_gets_the_same_401_and_touches_neither_parser_nor_store(via: Via) {
    let endpoint = Endpoint::new(succeed).over(via).await;
    let body = event("1");
    let request = |change: fn(&mut HeaderMap)| {
        let mut headers = signature(body.as_bytes());
        change(&mut headers);
        with_body(headers, Full::from(body.clone()))
    };
    type Change = fn(&mut HeaderMap);
    let failures: [(&str, Change); 5] = [
        ("missing", |headers| headers.clear()),
        ("malformed", |headers| {
            drop(headers.insert(NAME, HeaderValue::from_static("abc")))
        }),
        ("doubled", |headers| {
            assert!(headers.append(NAME, HeaderValue::from_static("another")))
        }),
        ("wrong", |headers| {
            drop(headers.insert(NAME, HeaderValue::from_str(&"0".repeat(64)).unwrap()))
        }),
        ("empty", |headers| {
            drop(headers.insert(NAME, HeaderValue::from_static("")))
        }),
    ];
    let mut answers = Vec::new();
    for (name, change) in failures {
        let mut answer = endpoint.send(request(change)).await;
        answer.headers.remove("date"); // the server's
        answer.assert_refused(401, RefusalKind::Signature);
        answers.push((name, answer.headers, answer.body));
    }
    for (name, headers, body) in &answers {
        assert_eq!((headers, body), (&answers[0].1, &answers[0].2), "{name}");
    }
    endpoint.assert_untouched();
}

pub(crate) async fn doubled_headers_are_refused_whichever_of_them_is_right_unless_they_are_equal(via: Via) {
    let body = event("1");
    let right = signature(body.as_bytes())[NAME].clone();
    let wrong = HeaderValue::from_str(&"0".repeat(64)).unwrap();
    let with = |first: &HeaderValue, second: &HeaderValue| {
        let mut headers = HeaderMap::new();
        headers.append(NAME, first.clone());
        headers.append(NAME, second.clone());
        with_body(headers, Full::from(body.clone()))
    };
    for (first, second) in [(&right, &wrong), (&wrong, &right), (&wrong, &wrong)] {
        let endpoint = Endpoint::new(succeed).over(via).await;
        endpoint
            .send(with(first, second))
            .await
            .assert_refused(401, RefusalKind::Signature);
        endpoint.assert_untouched();
    }
    // As a gateway doubles headers.
    let endpoint = Endpoint::new(succeed).over(via).await;
    endpoint.send(with(&right, &right)).await.assert_acknowledged();
}

pub(crate) async fn the_older_header_counts_only_where_the_newer_is_absent(via: Via) {
    let body = event("1");
    let right = signature(body.as_bytes())[NAME].clone();
    let wrong = HeaderValue::from_str(&"0".repeat(64)).unwrap();
    for (newer, older, status) in [
        (None, Some(&right), 200),
        (None, Some(&wrong), 401),
        (Some(&right), Some(&wrong), 200),
        (Some(&wrong), Some(&right), 401),
        (Some(&HeaderValue::from_static("")), Some(&right), 401),
    ] {
        let mut headers = HeaderMap::new();
        newer.map(|value| headers.insert(NAME, value.clone()));
        older.map(|value| headers.insert(OLD_NAME, value.clone()));
        let answer = Endpoint::new(succeed)
            .over(via)
            .await
            .send(with_body(headers, Full::from(body.clone())))
            .await;
        assert_eq!(answer.status.as_u16(), status);
    }
}
