//! What is counted, as a Prometheus exporter shows it.

use std::time::Duration;

use http_body_util::Full;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio::time::sleep;
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::Dwolla,
    testing::{Fault, Operation},
};

use crate::endpoint::{Endpoint, Event, SECRET, event, event_of, signature, signed, with_body};

/// What this thread records. Each test has its own thread, and a runtime on it.
struct Recorded(PrometheusHandle);

impl Recorded {
    fn start() -> (Self, metrics::LocalRecorderGuard<'static>) {
        // Leaked: the guard needs it for as long as the test runs.
        let recorder: &'static PrometheusRecorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        (Self(recorder.handle()), metrics::set_default_local_recorder(recorder))
    }

    /// The value of a metric with these labels, in the exporter's order.
    #[track_caller]
    fn assert(&self, metric: &str, expected: &str) {
        let text = self.0.render();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
        assert_eq!(found, Some(expected), "{metric} in\n{text}");
    }

    fn text(&self) -> String {
        self.0.render()
    }
}

async fn succeed(_: Delivery<Event>) -> Result<(), HandlerError> {
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_counted_by_outcome_and_reason() {
    let (recorded, _guard) = Recorded::start();
    let endpoint = Endpoint::new(succeed);
    for _ in 0..3 {
        endpoint.deliver("1").await.assert_acknowledged();
    }
    endpoint
        .send(signed(event_of("2", "customer_suspended")))
        .await
        .assert_acknowledged();
    endpoint
        .send(with_body(http::HeaderMap::new(), Full::from(event("3"))))
        .await;
    endpoint.send(with_body(signature(b"{}"), Full::from(event("3")))).await;
    endpoint.send(signed("{}")).await;
    let deliveries =
        |labels: &str| format!("webhook_deliveries_total{{provider=\"dwolla\",{labels},source=\"delivered\"}}");
    let handled = r#"topic="customer_created",outcome="handled",reason="""#;
    recorded.assert(&deliveries(handled), "1");
    recorded.assert(
        &deliveries(r#"topic="customer_created",outcome="duplicate",reason="""#),
        "2",
    );
    recorded.assert(&deliveries(r#"topic="other",outcome="unhandled",reason="""#), "1");
    recorded.assert(&deliveries(r#"topic="",outcome="signature",reason="missing""#), "1");
    recorded.assert(&deliveries(r#"topic="",outcome="signature",reason="mismatch""#), "1");
    recorded.assert(&deliveries(r#"topic="",outcome="not-an-event",reason="""#), "1");
    recorded.assert(r#"webhook_verified_total{provider="dwolla",secret="0"}"#, "5");
}

#[tokio::test(start_paused = true)]
async fn events_that_were_handed_in_are_counted_apart() {
    let (recorded, _guard) = Recorded::start();
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new());
    let processor = layer.processor(TopicRouter::new().on("customer_created", succeed));
    for _ in 0..3 {
        let fetched = Event::from_json(event("1").as_bytes()).unwrap();
        let _ = processor.process(fetched).await;
    }
    let deliveries = |outcome: &str| {
        format!(
            "webhook_deliveries_total{{provider=\"dwolla\",topic=\"customer_created\",outcome=\"{outcome}\",reason=\"\",source=\"fetched\"}}"
        )
    };
    recorded.assert(&deliveries("handled"), "1");
    recorded.assert(&deliveries("duplicate"), "2");
    recorded.assert(r#"webhook_requests_in_flight{provider="dwolla"}"#, "0");
}

#[tokio::test(start_paused = true)]
async fn labels_are_bounded_whatever_comes() {
    let (recorded, _guard) = Recorded::start();
    let endpoint = Endpoint::new(succeed);
    endpoint.deliver("0").await.assert_acknowledged();
    let before = recorded.text().lines().count();
    for n in 0..200 {
        endpoint
            .send(signed(event_of(&n.to_string(), &format!("topic_{n}"))))
            .await
            .assert_acknowledged();
        endpoint.deliver(&format!("id {n}")).await.assert_acknowledged();
    }
    let text = recorded.text();
    assert!(text.lines().count() < before + 20, "{text}");
    for private in ["topic_1", "id 1"] {
        assert!(!text.contains(private), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_stores_and_ages_are_timed() {
    let (recorded, _guard) = Recorded::start();
    let endpoint = Endpoint::new(async |_| {
        sleep(Duration::from_secs(3)).await;
        Ok(())
    });
    // The event is from 144 ms after the start.
    tokio::time::advance(Duration::from_millis(10_144)).await;
    endpoint.deliver("1").await.assert_acknowledged();
    recorded.assert(
        r#"webhook_handler_seconds_sum{provider="dwolla",topic="customer_created",outcome="handled"}"#,
        "3",
    );
    recorded.assert(
        r#"webhook_event_age_seconds_sum{provider="dwolla",topic="customer_created"}"#,
        "10",
    );
    recorded.assert(
        r#"webhook_store_seconds_count{provider="dwolla",operation="claim",result="ok"}"#,
        "1",
    );
    recorded.assert(
        r#"webhook_store_seconds_count{provider="dwolla",operation="complete",result="ok"}"#,
        "1",
    );

    endpoint.store.fail(Operation::Claim, Fault::HangBeforeApplying, 1);
    endpoint.deliver("2").await;
    recorded.assert(
        r#"webhook_store_seconds_sum{provider="dwolla",operation="claim",result="error"}"#,
        "2",
    );
    recorded.assert(
        r#"webhook_deliveries_total{provider="dwolla",topic="customer_created",outcome="store",reason="unavailable",source="delivered"}"#,
        "1",
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_flight_is_counted_up_and_down() {
    let (recorded, _guard) = Recorded::start();
    let endpoint = Endpoint::new(async |_| {
        sleep(Duration::from_secs(20)).await;
        Ok(())
    });
    let (one, two) = (endpoint.spawn("1"), endpoint.spawn("2"));
    sleep(Duration::from_secs(1)).await;
    recorded.assert(r#"webhook_requests_in_flight{provider="dwolla"}"#, "2");
    recorded.assert(r#"webhook_handlers_running{provider="dwolla"}"#, "2");
    one.abort(); // hangs up
    let _ = (one.await, two.await);
    recorded.assert(r#"webhook_requests_in_flight{provider="dwolla"}"#, "0");
    recorded.assert(r#"webhook_handlers_running{provider="dwolla"}"#, "2");
    recorded.assert(r#"webhook_late_responses_total{provider="dwolla"}"#, "1");
    sleep(Duration::from_secs(20)).await;
    recorded.assert(r#"webhook_handlers_running{provider="dwolla"}"#, "0");
}

#[tokio::test(start_paused = true)]
async fn every_metric_is_described() {
    let (recorded, _guard) = Recorded::start();
    let endpoint = Endpoint::new(async |_| {
        sleep(Duration::from_secs(20)).await;
        Ok(())
    });
    tokio::time::advance(Duration::from_secs(1)).await;
    endpoint.deliver("1").await;
    sleep(Duration::from_secs(20)).await;
    let text = recorded.text();
    let lines = |prefix: &str| -> Vec<&str> {
        let mut names: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(prefix)?.split_once(' '))
            .map(|(name, _)| name)
            .collect();
        names.sort_unstable();
        names
    };
    assert_eq!(lines("# TYPE ").len(), 8, "{text}");
    assert_eq!(lines("# HELP "), lines("# TYPE "), "{text}");
    assert!(
        text.contains("# HELP webhook_deliveries_total Deliveries by how they ended."),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_inbox_counts_deposits_its_backlog_and_what_its_worker_does() {
    use crate::inbox::inbox_endpoint::InboxEndpoint;
    use tower_webhook::inbox::Retries;

    let (recorded, _guard) = Recorded::start();
    let endpoint = InboxEndpoint::new();
    endpoint.store("1").await;
    endpoint.store("1").await;
    endpoint.store("poor").await;
    // Counted every ten seconds.
    sleep(Duration::from_secs(11)).await;
    recorded.assert(r#"webhook_deposits_total{provider="dwolla",outcome="stored"}"#, "2");
    recorded.assert(r#"webhook_deposits_total{provider="dwolla",outcome="duplicate"}"#, "1");
    let due = r#"webhook_backlog{provider="dwolla",namespace="dwolla",stage="due"}"#;
    recorded.assert(due, "2");
    let oldest = r#"webhook_oldest_due_seconds{provider="dwolla",namespace="dwolla"}"#;
    recorded.assert(oldest, "10");

    let worker = endpoint
        .worker(|delivery: Delivery<Event>| {
            let fails = delivery.event().id().as_str() == "poor";
            async move {
                if fails {
                    return Err(HandlerError::retry("on purpose"));
                }
                Ok(())
            }
        })
        .retries(
            Retries::new([Duration::from_secs(1)])
                .max_attempts(2)
                .allow_shorter_than_provider(),
        )
        .start();
    endpoint.all_ended().await;
    sleep(Duration::from_secs(11)).await;
    recorded.assert(due, "0");
    recorded.assert(oldest, "0");
    recorded.assert(
        r#"webhook_backlog{provider="dwolla",namespace="dwolla",stage="dead"}"#,
        "1",
    );
    let attempts = |outcome: &str| {
        format!(r#"webhook_attempts_total{{provider="dwolla",topic="customer_created",outcome="{outcome}"}}"#)
    };
    recorded.assert(&attempts("handled"), "1");
    recorded.assert(&attempts("handler-failed"), "1");
    recorded.assert(&attempts("dead"), "1");
    recorded.assert(r#"webhook_buried_total{provider="dwolla",reason="attempts"}"#, "1");
    recorded.assert(
        r#"webhook_wait_seconds_count{provider="dwolla",topic="customer_created"}"#,
        "2",
    );
    drop(worker.drain(Duration::from_secs(1)).await);
}
