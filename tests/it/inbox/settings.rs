//! Settings of a worker that can never work.

use std::time::Duration;

use tower_webhook::{TopicRouter, dwolla::Dwolla, inbox::Worker, testing::MemoryInbox};

use crate::endpoint::Event;

type Plain = Worker<Dwolla, MemoryInbox, ()>;

#[tokio::test(start_paused = true)]
async fn a_contradiction_is_refused_and_named() {
    let refusal = |settings: fn(Plain) -> Plain| {
        let topics = TopicRouter::<Event>::new();
        let worker = Worker::new(Dwolla::reader(), MemoryInbox::new(), topics);
        settings(worker).try_start().unwrap_err().to_string()
    };
    assert!(refusal(|worker| worker.concurrency(0)).starts_with("concurrency is 0;"));
    assert!(refusal(|worker| worker.namespace("")).starts_with("the namespace is empty"));
    assert!(refusal(|worker| worker.poll_interval(Duration::ZERO)).starts_with("the poll interval is zero"));
    assert!(refusal(|worker| worker.triggered(Duration::ZERO)).starts_with("the poll interval is zero"));
    assert!(refusal(|worker| worker.store_timeout(Duration::ZERO)).starts_with("store_timeout is zero"));
    assert!(refusal(|worker| worker.handler_timeout(Duration::ZERO)).starts_with("handler_timeout is zero"));
    assert!(
        refusal(|worker| worker.lease(Duration::from_secs(2), Duration::from_millis(600)))
            .starts_with("the lease (2s) is not longer")
    );
    assert!(refusal(|worker| worker.retention(Duration::from_secs(60))).starts_with("the retention (60s)"));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "concurrency is 0")]
async fn start_panics_with_the_same_text() {
    let worker = Worker::new(Dwolla::reader(), MemoryInbox::new(), TopicRouter::<Event>::new());
    drop(worker.concurrency(0).start());
}
