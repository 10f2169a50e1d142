use http::HeaderMap;
use http_body_util::Full;
use tokio::time::advance;
use tower_webhook::{
    delivery_log::Captures,
    dwolla,
    signature::{Explain, ExplanationKind, Secrets},
};

use super::{all, log};
use crate::{
    endpoint::{Endpoint, TestBody, event, signed, with_body},
    fixtures::{SECOND, succeed},
};

const A_MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

/// Signed with another secret.
fn forged(body: &str) -> http::Request<TestBody> {
    let secrets = Secrets::new("another secret").unwrap();
    let headers = dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap();
    with_body(headers, Full::from(body.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_captured_while_the_switch_is_on() {
    let (given, log) = log();
    let captures = Captures::new();
    let endpoint = Endpoint::with(succeed, |builder| builder.delivery_log(given).capture(&captures));
    endpoint.send(forged(&event("a"))).await;
    assert!(captures.list().is_empty(), "it is off");

    captures.start(A_MINUTE);
    let mut request = forged(&event("b"));
    request
        .headers_mut()
        .insert("authorization", "Bearer abc".parse().unwrap());
    request.headers_mut().insert("cookie", "session=abc".parse().unwrap());
    endpoint.send(request).await;
    endpoint.deliver("c").await.assert_acknowledged();
    endpoint.send(signed("no JSON")).await;

    let entries = all(&*log).await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.captured).collect();
    let [None, Some(first), None, Some(second)] = numbers[..] else {
        panic!("{numbers:?}")
    };
    let captured = captures.get(first).unwrap();
    assert_eq!(captured.body, event("b"));
    assert_eq!(
        (captured.method.as_str(), captured.path.as_str()),
        ("POST", "/webhooks/dwolla")
    );
    assert_eq!(
        (captured.outcome, captured.reason.as_str()),
        ("signature", entries[1].reason.as_str())
    );
    assert!(!captured.headers.contains_key("authorization") && !captured.headers.contains_key("cookie"));
    assert_eq!(captures.get(second).unwrap().body, "no JSON");

    let explain = Explain::new(&dwolla::scheme(), &Secrets::new("another secret").unwrap());
    let explanation = explain.request_at(&captured.headers, &captured.body, captured.time);
    assert_eq!(explanation.kind(), ExplanationKind::NotRefused, "{explanation}");

    let said = format!("{captures:?} {captured:?}");
    let claimed = captured.headers["x-request-signature-sha-256"].to_str().unwrap();
    assert!(!said.contains(claimed) && !said.contains("6c57f372"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn what_was_captured_is_forgotten_when_the_time_is_over() {
    let captures = Captures::new();
    let endpoint = Endpoint::with(succeed, |builder| builder.capture(&captures));
    captures.start(A_MINUTE);
    endpoint.send(forged(&event("a"))).await;
    advance(SECOND * 59).await;
    assert_eq!((captures.list().len(), captures.remaining()), (1, Some(SECOND)));
    advance(SECOND).await;
    assert!(captures.list().is_empty() && !captures.is_on());
    endpoint.send(forged(&event("b"))).await;
    assert!(captures.list().is_empty());

    captures.start(A_MINUTE);
    endpoint.send(forged(&event("c"))).await;
    captures.stop();
    assert!(captures.list().is_empty() && !captures.is_on());
}

#[tokio::test(start_paused = true)]
async fn the_newest_are_kept_within_a_bound() {
    let captures = Captures::new();
    let endpoint = Endpoint::with(succeed, |builder| builder.capture(&captures).body_limit(8 << 20));
    captures.start(A_MINUTE);
    for number in 0..100 {
        endpoint.send(forged(&format!("{number}"))).await;
    }
    let kept: Vec<_> = captures.list().into_iter().map(|(_, captured)| captured.body).collect();
    let newest: Vec<_> = (68..100).rev().map(|number: u32| number.to_string()).collect();
    assert_eq!(kept, newest);
    let numbers: Vec<_> = captures.list().into_iter().map(|(number, _)| number).collect();
    assert!(numbers.windows(2).all(|two| two[0] > two[1]), "{numbers:?}");

    // Each has a little over a quarter of the bytes there are.
    let large = "x".repeat(Captures::MAX_BYTES / 4 + 1);
    for _ in 0..10 {
        endpoint.send(forged(&large)).await;
    }
    assert_eq!(captures.list().len(), 3);
    endpoint.send(forged(&"x".repeat(Captures::MAX_BYTES + 1))).await;
    assert_eq!(captures.list().len(), 3, "it is too large, and drives no other out");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_before_its_body_is_captured_without_it() {
    let captures = Captures::new();
    let endpoint = Endpoint::with(succeed, |builder| builder.capture(&captures));
    captures.start(A_MINUTE);
    endpoint.send(with_body(HeaderMap::new(), Full::from("{}"))).await;
    let (_, captured) = captures.list().pop().unwrap();
    assert_eq!((captured.outcome, captured.body.len()), ("signature", 0));
}

#[tokio::test(start_paused = true)]
async fn a_switch_may_be_on_for_as_long_as_one_can_say() {
    let captures = Captures::new();
    captures.start(std::time::Duration::MAX);
    assert!(captures.is_on());
}
