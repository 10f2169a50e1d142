//! At an interval, at once, and until a shutdown.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, oneshot},
    time::{Instant, sleep},
};
use tower_webhook::{
    event::{EventId, Fingerprint},
    store::{ClaimRequest, IdempotencyStore as _, Key, Token},
};
use tower_webhook_reconcile::reconciler::{Every, Report};

use super::support::{Fake, HOUR, Receiver, TestClock, reconciler, tallies};

const MINUTE: Duration = Duration::from_secs(60);

type Reports = Arc<Mutex<Vec<(Duration, Report)>>>;

/// Notes when each run ended, and its report.
fn noting(every: Every<Fake>) -> (Every<Fake>, Reports) {
    let reports = Reports::default();
    let (noted, start) = (Arc::clone(&reports), Instant::now());
    let every = every.on_report(move |report| noted.lock().unwrap().push((start.elapsed(), report.clone())));
    (every, reports)
}

fn times(reports: &Reports) -> Vec<Duration> {
    reports.lock().unwrap().iter().map(|(time, _)| *time).collect()
}

#[tokio::test(start_paused = true)]
async fn it_runs_now_at_every_interval_and_when_it_is_triggered_until_a_shutdown() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let (every, reports) = noting(reconciler(&source, &receiver, clock).every(HOUR));
    let trigger = every.trigger();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(every.run(async { drop(stopped.await) }));

    sleep(HOUR * 2 + MINUTE).await;
    trigger.run_now();
    sleep(MINUTE).await;
    sleep(HOUR).await;
    stop.send(()).unwrap();
    running.await.unwrap();
    let expected = [Duration::ZERO, HOUR, HOUR * 2, HOUR * 2 + MINUTE, HOUR * 3 + MINUTE];
    assert_eq!(times(&reports), expected);
}

#[tokio::test(start_paused = true)]
async fn triggers_during_a_run_lead_to_one_run_after_it() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let permits = source.hold_pages();
    let (every, reports) = noting(reconciler(&source, &receiver, clock).every(HOUR));
    let trigger = every.trigger();
    let running = tokio::spawn(every.run(std::future::pending()));
    sleep(MINUTE / 2).await;
    for _ in 0..5 {
        trigger.run_now();
    }
    // What is recorded after the trigger is in the run that follows.
    permits.add_permits(1);
    sleep(MINUTE / 60).await;
    source.record(&["1"]);
    assert_eq!(times(&reports), [MINUTE / 2]);
    permits.add_permits(100);
    sleep(MINUTE).await;
    assert_eq!(times(&reports).len(), 2);
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_takes_up_nothing_more_and_finishes_what_has_begun() {
    let clock = TestClock::start();
    let permits = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&permits);
    let receiver = Receiver::handling(clock, move |_| {
        let waits = Arc::clone(&waits);
        async move {
            waits.acquire().await.unwrap().forget();
            Ok(())
        }
    });
    let source = Fake::new(clock);
    source.record(&["1", "2", "3", "4", "5"]);
    let (every, reports) = noting(reconciler(&source, &receiver, clock).concurrency(2).every(HOUR));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(every.run(async { drop(stopped.await) }));
    sleep(MINUTE).await;
    stop.send(()).unwrap();
    sleep(MINUTE).await;
    assert!(!running.is_finished());
    permits.add_permits(2);
    running.await.unwrap();
    let (_, report) = reports.lock().unwrap().pop().unwrap();
    assert_eq!(report.end().as_str(), "stopped");
    assert_eq!(tallies(&report), "handled 2");
    assert_eq!(receiver.handled(), ["1", "2"]);
    assert_eq!(report.covered_until(), None);
    // The next process begins at once.
    let next = reconciler(&source, &receiver, clock);
    permits.add_permits(3);
    assert_eq!(tallies(&next.run_once().await), "known 2, handled 3");
}

#[tokio::test(start_paused = true)]
async fn a_new_process_that_finds_the_lease_held_tries_again_when_it_would_end() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let key = Key::new("tower-webhook-reconcile", EventId::new("dwolla/fake/1").unwrap());
    let dead = ClaimRequest::new(key, Token::random(), Fingerprint::of(["lease"])).with_lease(MINUTE);
    receiver.store.claim(&dead).await.unwrap();
    let (every, reports) = noting(reconciler(&source, &receiver, clock).every(HOUR));
    let running = tokio::spawn(every.run(std::future::pending()));
    sleep(MINUTE * 2).await;
    let ends: Vec<_> = reports
        .lock()
        .unwrap()
        .iter()
        .map(|(_, report)| report.end().as_str())
        .collect();
    assert_eq!(ends, ["busy", "complete"]);
    assert_eq!(times(&reports), [Duration::ZERO, MINUTE]);
    running.abort();
}
