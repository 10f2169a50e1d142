//! What the log says of requests that are refused, and of those that are not.

#![cfg(test)] // for clippy

use super::{verifier_endpoint::VerifierEndpoint, *};
use crate::logs::Capture;

const BODY: &[u8] = br#"{"id":"1"}"#;

#[tokio::test]
async fn no_line_of_the_log_has_a_tag_or_a_secret() {
    for provider in providers() {
        let capture = Capture::start();
        let endpoint = VerifierEndpoint::of(provider);
        let right = provider.headers(&provider.now(BODY)).unwrap();
        let time = NOW.to_string();
        let tag = provider.tag(b"msg_1", time.as_bytes(), BODY);
        let with_tag = |tag: &str| {
            let value = provider.value(time.as_bytes(), tag.as_bytes());
            let mut headers = right.clone();
            headers.insert(provider.header, HeaderValue::from_bytes(&value).unwrap());
            headers
        };
        let stale = provider.headers(&provider.claims(b"msg_1", b"1", BODY)).unwrap();
        let mut twice = right.clone();
        twice.append(provider.header, HeaderValue::from_static("another"));
        let requests = [
            right.clone(),
            with_tag(&provider.write(&[7; 32])),
            with_tag(&tag[1..]),
            with_tag(&tag.to_uppercase()),
            with_tag(&format!("{tag}{tag}")),
            with_tag(&tag[..40]),
            with_tag(""),
            stale,
            twice,
            HeaderMap::new(),
        ];
        for headers in requests {
            endpoint.send(&headers, BODY).await;
            endpoint.assert_tells_no_tag("the log", &capture.text(), &headers, BODY);
        }
        let text = capture.text();
        assert!(text.matches("signature").count() >= 8, "{}: {text}", provider.name);
        assert!(!text.contains(&provider.write(&[7; 32])), "{}: {text}", provider.name);
    }
}
