//! What an operator reads of a run: one line of the log, and the metrics.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use tower_webhook::HandlerError;

use super::support::{Fake, Receiver, TestClock, reconciler};

/// What was logged, as text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The reconciler's lines since this was asked last.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let ours = text.lines().filter(|line| line.contains("tower_webhook_reconcile"));
        ours.map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_one_line_and_a_warning_if_something_is_missing_still() {
    let lines = Lines::default();
    let written = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_ansi(false)
        .with_writer(move || written.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let clock = TestClock::start();
    let receiver = Receiver::handling(clock, |id| async move {
        if id == "2" {
            return Err(HandlerError::retry("the bank is\nclosed"));
        }
        Ok(())
    });
    let source = Fake::new(clock);
    source.record(&["1"]);
    let reconciler = reconciler(&source, &receiver, clock);
    reconciler.run_once().await;
    let well = lines.take();
    assert_eq!(well.len(), 1, "{well:#?}");
    for part in [
        "INFO",
        "fake/1: complete, 1 seen, 1 handled in 0.0 s",
        "seen=1",
        "handled=1",
        "known=0",
    ] {
        assert!(well[0].contains(part), "{part}: {}", well[0]);
    }
    assert!(!well[0].contains("missing="), "{}", well[0]);

    source.record(&["2"]);
    reconciler.run_once().await;
    let ill = lines.take();
    assert_eq!(ill.len(), 1, "{ill:#?}");
    let expected = [
        "WARN",
        "failed=1",
        "known=1",
        "2: handler-failed: the bank is",
        r"the bank is\\nclosed",
    ];
    for part in expected {
        assert!(ill[0].contains(part), "{part}: {}", ill[0]);
    }
    source.break_page(0);
    reconciler.run_once().await;
    let torn = lines.take();
    assert!(
        torn[0].contains("WARN") && torn[0].contains("failed: the page is torn"),
        "{torn:#?}"
    );
}

#[cfg(feature = "metrics")]
mod metrics {
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    use metrics::{
        Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString,
        Unit,
    };
    use tower_webhook::clock::Clock as _;

    use super::super::support::{Fake, HOUR, Receiver, TestClock, reconciler};

    /// The sum of what was recorded, by name and labels.
    #[derive(Clone, Default)]
    struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

    struct Handle(Sums, String);

    impl Handle {
        fn change(&self, change: impl FnOnce(f64) -> f64) {
            let mut sums = self.0.0.lock().unwrap();
            let sum = sums.entry(self.1.clone()).or_default();
            *sum = change(*sum);
        }
    }

    impl CounterFn for Handle {
        fn increment(&self, value: u64) {
            self.change(|sum| sum + value as f64);
        }

        fn absolute(&self, value: u64) {
            self.change(|_| value as f64);
        }
    }

    impl GaugeFn for Handle {
        fn increment(&self, value: f64) {
            self.change(|sum| sum + value);
        }

        fn decrement(&self, value: f64) {
            self.change(|sum| sum - value);
        }

        fn set(&self, value: f64) {
            self.change(|_| value);
        }
    }

    impl HistogramFn for Handle {
        fn record(&self, _: f64) {
            self.change(|sum| sum + 1.0);
        }
    }

    impl Sums {
        fn handle(&self, key: &Key) -> Arc<Handle> {
            let labels: Vec<String> = key
                .labels()
                .map(|label| format!("{}={}", label.key(), label.value()))
                .collect();
            Arc::new(Handle(self.clone(), format!("{} {}", key.name(), labels.join(","))))
        }
    }

    impl Recorder for Sums {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            Counter::from_arc(self.handle(key))
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::from_arc(self.handle(key))
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::from_arc(self.handle(key))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn runs_and_items_are_counted_by_how_they_ended() {
        let sums = Sums::default();
        let _guard = metrics::set_default_local_recorder(&sums);
        let clock = TestClock::start();
        let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
        source.record(&["1", "2"]);
        source.break_fetch("2", "gone");
        let reconciler = reconciler(&source, &receiver, clock);
        reconciler.run_once().await;
        tokio::time::advance(HOUR).await;
        reconciler.run_once().await;
        let last = clock.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        source.break_page(0);
        reconciler.run_once().await;
        let expected = [
            ("webhook_reconcile_complete_timestamp_seconds source=fake/1", last),
            ("webhook_reconcile_items_total source=fake/1,ending=handled", 1.0),
            ("webhook_reconcile_items_total source=fake/1,ending=known", 1.0),
            ("webhook_reconcile_items_total source=fake/1,ending=not-fetchable", 2.0),
            ("webhook_reconcile_run_seconds source=fake/1", 3.0),
            ("webhook_reconcile_runs_total source=fake/1,end=complete", 2.0),
            ("webhook_reconcile_runs_total source=fake/1,end=failed", 1.0),
        ];
        // The root counts, too, where its feature is on.
        let mut sums: Vec<(String, f64)> = sums.0.lock().unwrap().clone().into_iter().collect();
        sums.retain(|(name, _)| name.starts_with("webhook_reconcile_"));
        let expected: Vec<(String, f64)> = expected.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect();
        assert_eq!(sums, expected);
    }
}
