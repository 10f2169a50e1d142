//! The span of a delivery.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test(start_paused = true)]
async fn a_delivery_has_one_span_with_all_that_is_known_of_it() {
    let capture = Capture::start();
    Endpoint::new(succeed).deliver("1").await.assert_acknowledged();
    let span = capture.span();
    let field = |name: &str| span.get(name).map(String::as_str);
    assert_eq!(field("name"), Some("webhook"));
    assert_eq!(field("provider"), Some("\"dwolla\""));
    assert_eq!(field("namespace"), Some("\"dwolla\""));
    assert_eq!(field("source"), Some("\"delivered\""));
    assert_eq!((field("topic"), field("id")), (Some("customer_created"), Some("1")));
    assert_eq!((field("attempt"), field("outcome")), (Some("1"), Some("\"handled\"")));
    assert_eq!(
        capture
            .text()
            .matches("INFO in Some(\"webhook\"): message=handled")
            .count(),
        1,
        "{}",
        capture.text()
    );
}

#[tokio::test(start_paused = true)]
async fn the_span_follows_the_handler_into_its_task() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(async |_| {
        tokio::task::yield_now().await;
        tracing::info!("from the handler");
        Ok(())
    });
    endpoint.deliver("1").await.assert_acknowledged();
    assert!(
        capture
            .text()
            .contains("INFO in Some(\"webhook\"): message=from the handler"),
        "{}",
        capture.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_an_error_with_its_reason_and_a_forgery_a_warning_with_its() {
    let capture = Capture::start();
    Endpoint::new(async |_| Err(HandlerError::retry("the ledger is down")))
        .deliver("1")
        .await;
    let span = capture.span();
    assert_eq!(span["reason"], "\"the ledger is down\"");
    assert!(
        capture
            .text()
            .contains("ERROR in Some(\"webhook\"): message=handler-failed"),
        "{}",
        capture.text()
    );

    let capture = Capture::start();
    Endpoint::new(succeed)
        .send(with_body(signature(b"{}"), Full::from(event("1"))))
        .await;
    let span = capture.span();
    assert!(span["reason"].contains("the tag does not match the secret"), "{span:?}");
    assert!(!span.contains_key("id"), "nothing of an unauthenticated body is logged");
    assert!(
        capture.text().contains("WARN in Some(\"webhook\"): message=signature"),
        "{}",
        capture.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_has_a_span_of_its_own() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("1").await;
    endpoint.deliver("1").await;
    let captured = capture.0.lock().unwrap();
    let outcomes: Vec<_> = captured.spans.iter().map(|span| span["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["\"handled\"", "\"duplicate\""]);
}

#[tokio::test(start_paused = true)]
async fn of_many_copies_one_is_logged_as_handled() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(async |_| {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        Ok(())
    });
    let copies: Vec<_> = (0..5).map(|_| endpoint.spawn("1")).collect();
    for copy in copies {
        copy.await.unwrap().assert_acknowledged();
    }
    let text = capture.text();
    assert_eq!(
        (
            text.matches("message=handled").count(),
            text.matches("message=duplicate").count()
        ),
        (1, 4),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn ids_are_escaped_and_whole_and_topics_are_cut_at_80_characters() {
    let capture = Capture::start();
    let endpoint = Endpoint::new(succeed);
    let long = "ж".repeat(100);
    endpoint
        .send(signed(event_of(&long, &format!("\u{202e}{long}"))))
        .await
        .assert_acknowledged();
    let span = capture.span();
    assert_eq!(span["id"], long);
    assert_eq!(span["topic"], format!("\\u{{202e}}{}…", "ж".repeat(79)));
}
