//! Never two runs at once over one store.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::sleep};
use tower_webhook::{
    TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::EventId,
    store::{IdempotencyStore as _, Key, State},
    testing::{Fault, Operation},
};
use tower_webhook_reconcile::{Reconciler, reconciler::End};

use super::support::{Fake, HOUR, Receiver, SECRET, TestClock, key, reconciler, tallies};

const SECOND: Duration = Duration::from_secs(1);

fn lease_key() -> Key {
    Key::new("tower-webhook-reconcile", EventId::new("dwolla/fake/1").unwrap())
}

/// Handlers that wait for a permit.
fn held(clock: TestClock) -> (Receiver, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&permits);
    let receiver = Receiver::handling(clock, move |_| {
        let waits = Arc::clone(&waits);
        async move {
            waits.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    (receiver, permits)
}

#[tokio::test(start_paused = true)]
async fn of_two_runs_over_one_store_the_second_ends_at_once_however_long_the_first_takes() {
    let clock = TestClock::start();
    let (receiver, permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1"]);
    let (one, two) = (
        reconciler(&source, &receiver, clock),
        reconciler(&source, &receiver, clock),
    );
    let first = tokio::spawn(async move { one.run_once().await });
    // The lease has 60 s, and is renewed.
    for _ in 0..4 {
        sleep(SECOND * 50).await;
        let report = two.run_once().await;
        let End::Busy(remaining) = report.end() else {
            panic!("{report}")
        };
        assert!(*remaining > SECOND * 39, "{remaining:?}");
        assert_eq!(report.seen(), 0);
    }
    assert_eq!(source.windows().len(), 1);
    permits.add_permits(1);
    assert_eq!(tallies(&first.await.unwrap()), "handled 1");
    // Released: nobody waits for its end.
    assert_eq!(tallies(&two.run_once().await), "known 1");
}

#[tokio::test(start_paused = true)]
async fn another_namespace_over_the_same_store_has_a_lease_of_its_own() {
    let clock = TestClock::start();
    let (receiver, permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1"]);
    let one = reconciler(&source, &receiver, clock);
    let tenant = WebhookLayer::builder(Dwolla::new(SECRET).unwrap(), receiver.store.clone())
        .namespace("tenant")
        .build()
        .unwrap();
    let topics = TopicRouter::new().on("customer_created", |_: dwolla::Event| async {});
    let other = Reconciler::new(source.clone(), tenant.processor(topics)).clock(clock);
    let first = tokio::spawn(async move { one.run_once().await });
    sleep(SECOND).await;
    assert_eq!(tallies(&other.run_once().await), "handled 1");
    permits.add_permits(1);
    first.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_process_that_died_is_waited_for_until_its_lease_ends() {
    let clock = TestClock::start();
    let (receiver, _permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1"]);
    let one = reconciler(&source, &receiver, clock);
    let two = reconciler(&source, &receiver, clock);
    // Dropped with its runtime, nothing releases it: here, the store does not take the release.
    receiver.store.fail(Operation::Release, Fault::BeforeApplying, 1);
    let first = tokio::spawn(async move { one.run_once().await });
    sleep(SECOND).await;
    first.abort();
    sleep(SECOND).await;
    assert!(matches!(two.run_once().await.end(), End::Busy(_)));
    sleep(SECOND * 60).await;
    assert!(matches!(two.run_once().await.end(), End::Complete));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_releases_its_lease() {
    let clock = TestClock::start();
    let (receiver, _permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1"]);
    let one = reconciler(&source, &receiver, clock);
    let first = tokio::spawn(async move { one.run_once().await });
    sleep(SECOND).await;
    first.abort();
    sleep(SECOND).await;
    let record = receiver.store.get(&lease_key()).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Free { .. }), "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_told_to_stop_keeps_its_lease_until_what_it_has_begun_is_finished() {
    let clock = TestClock::start();
    let (receiver, permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1"]);
    let (one, two) = (
        reconciler(&source, &receiver, clock),
        reconciler(&source, &receiver, clock),
    );
    let first = tokio::spawn(one.every(HOUR).run(sleep(SECOND)));
    // The lease has 60 s.
    sleep(SECOND * 100).await;
    assert!(matches!(two.run_once().await.end(), End::Busy(_)));
    permits.add_permits(1);
    first.await.unwrap();
    assert_eq!(tallies(&two.run_once().await), "known 1");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_loses_its_lease_finishes_what_it_has_begun_and_takes_up_nothing_more() {
    let clock = TestClock::start();
    let (receiver, permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1", "2", "3", "4", "5", "6"]);
    let (one, two) = (
        reconciler(&source, &receiver, clock),
        reconciler(&source, &receiver, clock),
    );
    let first = tokio::spawn(async move { one.concurrency(2).run_once().await });
    sleep(SECOND).await;
    // The operator takes it for a leftover.
    receiver.store.forget(&lease_key()).await.unwrap();
    let second = tokio::spawn(async move { two.concurrency(6).run_once().await });
    sleep(SECOND * 30).await;
    permits.add_permits(100);
    let report = first.await.unwrap();
    assert!(matches!(report.end(), End::LeaseLost), "{report}");
    assert_eq!(report.covered_until(), None);
    assert_eq!(report.seen(), 2);
    let second = second.await.unwrap();
    assert!(matches!(second.end(), End::Complete), "{second}");
    // Both were at work, and each event was handled once.
    assert_eq!(receiver.handled(), ["1", "2", "3", "4", "5", "6"]);
    for id in ["1", "2", "3", "4", "5", "6"] {
        let record = receiver.store.get(&key(id)).await.unwrap().unwrap();
        assert!(matches!(record.state, State::Done { .. }), "{record:?}");
    }
    // The lease of the second was its own to release.
    let record = receiver.store.get(&lease_key()).await.unwrap().unwrap();
    assert!(matches!(record.state, State::Free { .. }), "{record:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_no_renewal_loses_the_lease_when_it_would_end_and_not_before() {
    let clock = TestClock::start();
    let (receiver, permits) = held(clock);
    let source = Fake::new(clock);
    source.record(&["1", "2"]);
    let one = reconciler(&source, &receiver, clock).concurrency(1);
    // One failure of a renewal is nothing.
    receiver.store.fail(Operation::Renew, Fault::BeforeApplying, 1);
    permits.add_permits(1);
    let first = tokio::spawn(async move { (one.run_once().await, one) });
    sleep(SECOND * 45).await;
    permits.add_permits(1);
    let (report, one) = first.await.unwrap();
    assert_eq!(tallies(&report), "handled 2");

    source.record(&["3", "4"]);
    receiver.store.fail(Operation::Renew, Fault::BeforeApplying, 1000);
    let second = tokio::spawn(async move { one.run_once().await });
    sleep(SECOND * 100).await;
    permits.add_permits(10);
    let report = second.await.unwrap();
    assert!(matches!(report.end(), End::LeaseLost), "{report}");
    assert_eq!(tallies(&report), "known 2, handled 1");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_grants_no_lease_is_an_error_of_the_run() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let reconciler = reconciler(&source, &receiver, clock);
    receiver.store.fail(Operation::Claim, Fault::BeforeApplying, 1);
    let report = reconciler.run_once().await;
    let End::Failed(error) = report.end() else {
        panic!("{report}")
    };
    assert!(
        error.to_string().starts_with("the store did not grant the lease: "),
        "{error}"
    );
    assert!(source.windows().is_empty());

    // The response was lost: the claim that may have been made is released by its token.
    receiver.store.fail(Operation::Claim, Fault::AfterApplying, 1);
    assert!(matches!(reconciler.run_once().await.end(), End::Failed(_)));
    sleep(SECOND).await;
    assert!(matches!(reconciler.run_once().await.end(), End::Complete));
    tokio::time::advance(HOUR).await;
}
