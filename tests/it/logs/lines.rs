//! The one line at the end of a delivery.

#![cfg(test)] // for clippy

use super::*;

#[tokio::test(start_paused = true)]
async fn an_event_that_was_handed_in_has_its_line_and_its_span_without_a_status() {
    let capture = Capture::start();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new());
    let processor = layer.processor(TopicRouter::new().on("customer_created", succeed));
    let fetched = || Event::from_json(event("1").as_bytes()).unwrap();
    let _ = processor.process(fetched()).await;
    let span = capture.span();
    let field = |name: &str| span.get(name).map(String::as_str);
    assert_eq!((field("source"), field("id")), (Some("\"fetched\""), Some("1")));
    assert_eq!((field("attempt"), field("outcome")), (Some("1"), Some("\"handled\"")));

    let (lines, _guard) = Lines::without_spans();
    let _ = processor.process(fetched()).await;
    let lines = lines.take();
    let line = |name: &str| lines[0].get(name).map(String::as_str);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((line("source"), line("outcome")), (Some("fetched"), Some("duplicate")));
    assert_eq!((line("id"), line("status")), (Some("1"), None));
}

#[tokio::test(start_paused = true)]
async fn every_end_of_an_event_is_one_line_that_says_all_of_it() {
    let (lines, _guard) = Lines::without_spans();
    let attempt = |outcome, status, reason: &'static str| {
        let mut fields = for_event(&[("attempt", "1"), ("outcome", outcome), ("status", status)]);
        if !reason.is_empty() {
            fields.push(("reason", reason));
        }
        fields
    };

    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("1").await;
    lines.assert_one("INFO", &attempt("handled", "200", ""));
    endpoint.deliver("1").await;
    lines.assert_one("INFO", &for_event(&[("outcome", "duplicate"), ("status", "200")]));
    let suspended = event_of("1", "customer_suspended");
    endpoint.send(signed(suspended)).await;
    let unhandled = [("outcome", "unhandled"), ("status", "200"), ("id", "1")];
    lines.assert_one("INFO", &[&unhandled[..], &[("topic", "customer_suspended")]].concat());
    let mut conflicting = event("1");
    conflicting = conflicting.replace("2019-02-04", "2019-02-05");
    endpoint.send(signed(conflicting)).await;
    let reason =
        "the id is recorded for another event; expected ids that name one event each: check the provider's id field";
    let conflict = [("outcome", "conflict"), ("status", "500"), ("reason", reason)];
    lines.assert_one("ERROR", &for_event(&conflict));

    for (error, level, outcome, status) in [
        (
            HandlerError::retry as fn(&'static str) -> HandlerError,
            "ERROR",
            "handler-failed",
            "500",
        ),
        (
            |text| HandlerError::retry_after(Duration::from_secs(9), text),
            "ERROR",
            "handler-failed",
            "503",
        ),
        (HandlerError::permanent, "WARN", "rejected", "200"),
    ] {
        let handler = move |_| std::future::ready(Err(error("the ledger is down")));
        Endpoint::new(handler).deliver("1").await;
        lines.assert_one(level, &attempt(outcome, status, "the ledger is down"));
    }
    let panics = Endpoint::new(async |_| panic!("no entry \"{}\"\n in {}", 7, "the ledger"));
    panics.deliver("1").await;
    let reason = r#"the handler panicked: no entry \"7\"\n in the ledger"#;
    lines.assert_one("ERROR", &attempt("handler-panicked", "500", reason));

    for (status, level, outcome, seen, reason) in [
        (201, "INFO", "handled", "201", ""),
        (
            404,
            "WARN",
            "inner-refused",
            "404",
            "the HTTP service refused the event",
        ),
        (
            302,
            "ERROR",
            "inner-response",
            "500",
            "the HTTP service responded 302; expected 2xx, 4xx or 5xx: a provider may never retry after any other",
        ),
    ] {
        let endpoint = Endpoint::http(move |_| {
            let response = http::Response::builder().status(status);
            std::future::ready(Ok(response.body(Full::default()).unwrap()))
        });
        endpoint.deliver("1").await;
        lines.assert_one(level, &attempt(outcome, seen, reason));
    }

    let endpoint = Endpoint::new(succeed);
    endpoint.store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    endpoint.deliver("1").await;
    let reason = "the store is unavailable: told to fail before it applied the operation";
    lines.assert_one(
        "ERROR",
        &for_event(&[("outcome", "store"), ("status", "503"), ("reason", reason)]),
    );
    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    endpoint.deliver("1").await;
    let reason = "the store is unavailable: it did not respond within 2s";
    lines.assert_one(
        "ERROR",
        &for_event(&[("outcome", "store"), ("status", "503"), ("reason", reason)]),
    );
    endpoint
        .store
        .claim(&crate::fixtures::claim_request_of_another_process("1"))
        .await
        .unwrap();
    endpoint.deliver("1").await;
    let reason = "another process runs this event";
    lines.assert_one(
        "WARN",
        &for_event(&[("outcome", "in-flight"), ("status", "503"), ("reason", reason)]),
    );
}

#[tokio::test(start_paused = true)]
async fn the_line_has_the_status_that_the_provider_got_and_the_time_from_arrival_to_the_end() {
    let (lines, _guard) = Lines::without_spans();
    let slow = Endpoint::with(
        async |_| {
            tokio::time::sleep(Duration::from_millis(10_500)).await;
            Ok(())
        },
        |builder| builder.max_waiting(1),
    );
    let first = slow.spawn("1");
    tokio::task::yield_now().await;
    let second = slow.spawn("1");
    tokio::task::yield_now().await;
    // Too many wait.
    slow.deliver("1").await;
    let reason = "too many deliveries wait for this event";
    lines.assert_one(
        "WARN",
        &for_event(&[("outcome", "too-many-waiting"), ("status", "503"), ("reason", reason)]),
    );
    // Both are answered at their deadline, while it runs.
    first.await.unwrap();
    second.await.unwrap();
    let mut late = lines.take();
    assert_eq!(late.len(), 2, "{late:#?}");
    for line in &mut late {
        let field = |name: &str| line.get(name).map(String::as_str);
        assert_eq!((field("level"), field("id")), (Some("WARN"), Some("1")), "{line:#?}");
        assert_eq!(
            (field("outcome"), field("status")),
            (Some("still-running"), Some("503"))
        );
        assert_eq!(
            field("reason"),
            Some("the response was due before the handler had finished")
        );
        assert_eq!(field("duration_ms"), Some("8000.0"));
    }
    // The run's own line says what it was answered, long ago.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let lines_of_run = lines.take();
    let [line] = &lines_of_run[..] else {
        panic!("{lines_of_run:#?}")
    };
    let field = |name: &str| line.get(name).map(String::as_str);
    assert_eq!((field("outcome"), field("status")), (Some("handled"), Some("503")));
    assert_eq!(field("duration_ms"), Some("10500.0"));

    // Who waits for a run gets its end.
    let waited = Endpoint::new(async |_| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    });
    let (first, second) = (waited.spawn("1"), waited.spawn("1"));
    let _ = (first.await, second.await);
    let reasons: Vec<_> = lines
        .take()
        .into_iter()
        .map(|mut line| (line.remove("outcome"), line.remove("reason"), line.remove("status")))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        reasons,
        [
            (text("handled"), None, text("200")),
            (
                text("duplicate"),
                text("handled by the delivery it waited for"),
                text("200")
            ),
        ]
    );

    // A provider that has hung up got none.
    let hung_up = waited.spawn("2");
    tokio::time::sleep(Duration::from_millis(500)).await;
    hung_up.abort();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let fields = [
        ("outcome", "handled"),
        ("attempt", "1"),
        ("id", "2"),
        ("topic", "customer_created"),
    ];
    lines.assert_one("INFO", &fields);

    // A handler that was cancelled, by its cap and by a drain.
    for (cap, outcome, reason) in [
        (
            Some(2),
            "handler-timeout",
            "the handler was cancelled after its cap of 2s",
        ),
        (None, "draining", "the handler was cancelled by a drain"),
    ] {
        let endless = Endpoint::with(
            async |_| std::future::pending().await,
            |builder| match cap {
                Some(seconds) => builder.handler_timeout(Duration::from_secs(seconds)),
                None => builder,
            },
        );
        let call = endless.spawn("1");
        tokio::task::yield_now().await;
        if cap.is_none() {
            drop(endless.handle.drain(Duration::from_secs(1)).await);
        }
        call.await.unwrap();
        let level = if cap.is_some() { "ERROR" } else { "WARN" };
        let fields = [
            ("attempt", "1"),
            ("outcome", outcome),
            ("status", "503"),
            ("reason", reason),
        ];
        lines.assert_one(level, &for_event(&fields));
    }
}
