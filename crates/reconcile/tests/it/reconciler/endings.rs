//! What becomes of each item, and that the tallies say it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use tower_webhook::{
    HandlerError, WebhookLayer,
    dwolla::Dwolla,
    event::Fingerprint,
    inbox::{Inbox as _, InboxAdmin as _},
    store::{ClaimRequest, Completion, IdempotencyStore as _, Token},
    testing::{Fault, MemoryInbox, Operation},
};
use tower_webhook_reconcile::{
    ErrorKind, Reconciler,
    reconciler::{End, Ending, Tally},
};

use super::support::{Fake, HOUR, Receiver, SECRET, TestClock, key, reconciler, tallies};

fn ids(tally: &Tally) -> Vec<&str> {
    let mut ids: Vec<_> = tally
        .listed()
        .iter()
        .map(|item| item.event_id.as_deref().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_handled_and_what_is_known_costs_a_look_up() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1", "2", "3", "4"]);
    source.record_at("5", "customer_verified", None);
    let reconciler = reconciler(&source, &receiver, clock);

    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "unwanted 1, handled 4");
    assert_eq!(ids(report.tally(Ending::Handled)), ["1", "2", "3", "4"]);
    assert_eq!(receiver.handled(), ["1", "2", "3", "4"]);
    assert_eq!(source.fetched().len(), 4);
    assert!(report.is_settled() && matches!(report.end(), End::Complete));

    assert_eq!(source.pages(), 2);
    let looked_up = receiver.store.calls(Operation::Get);
    let claimed = receiver.store.calls(Operation::Claim);
    let again = reconciler.run_once().await;
    assert_eq!(tallies(&again), "known 4, unwanted 1");
    assert!(receiver.handled().is_empty() && source.fetched().is_empty());
    assert_eq!(source.pages(), 4);
    assert_eq!(receiver.store.calls(Operation::Get) - looked_up, 4);
    assert_eq!(receiver.store.calls(Operation::Claim) - claimed, 1, "the lease alone");
    assert_eq!(
        again.to_string(),
        "fake/1: complete, 5 seen, 4 known, 1 unwanted in 0.0 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_keeps_its_item_for_the_next_run_and_ends_nothing() {
    let clock = TestClock::start();
    let works = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&works);
    let receiver = Receiver::handling(clock, move |id| {
        let fails = id == "2" && !switch.load(Ordering::Relaxed);
        async move {
            match (fails, &*id) {
                (true, _) => Err(HandlerError::retry("the bank is closed")),
                (_, "3") => Err(HandlerError::permanent("no such account")),
                _ => Ok(()),
            }
        }
    });
    let source = Fake::new(clock);
    source.record(&["1", "2", "3", "4"]);
    let reconciler = reconciler(&source, &receiver, clock);

    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "handled 2, rejected 1, failed 1");
    let failed = &report.tally(Ending::Failed).listed()[0];
    assert_eq!(failed.id, "webhook-2");
    assert_eq!(failed.topic.as_deref(), Some("customer_created"));
    assert!(
        failed
            .reason
            .as_ref()
            .unwrap()
            .contains("handler-failed: the bank is closed"),
        "{failed:?}"
    );
    assert!(!report.is_settled());

    works.store(true, Ordering::Relaxed);
    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "known 3, handled 1");
    assert_eq!(receiver.handled(), ["1", "2", "4"]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_fetched_is_told_from_one_that_may_be_later() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1", "2", "3"]);
    source.break_fetch("1", "gone");
    source.break_fetch("2", "the API is tired");
    let reconciler = reconciler(&source, &receiver, clock);

    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "handled 1, not-fetchable 1, failed 1");
    let reason = |ending| report.tally(ending).listed()[0].reason.clone().unwrap();
    assert_eq!(reason(Ending::NotFetchable), "gone");
    assert_eq!(reason(Ending::Failed), "the API is tired");
    source.mend();
    assert_eq!(tallies(&reconciler.run_once().await), "known 1, handled 2");
}

#[tokio::test(start_paused = true)]
async fn ten_failures_of_the_api_in_a_row_end_the_run() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let all: Vec<String> = (0..100).map(|id| format!("{id:03}")).collect();
    for id in &all {
        source.record(&[id]);
        source.break_fetch(id, "the API is tired");
    }
    let report = reconciler(&source, &receiver, clock).concurrency(1).run_once().await;
    let End::Failed(error) = report.end() else {
        panic!("{report}")
    };
    assert_eq!(error.to_string(), "the API is tired");
    assert_eq!(tallies(&report), "failed 10");
}

#[tokio::test(start_paused = true)]
async fn what_runs_elsewhere_waits_and_what_was_given_up_half_way_is_handed_in() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1"]);
    let elsewhere = ClaimRequest::new(key("1"), Token::random(), Fingerprint::of(["elsewhere"]));
    receiver.store.claim(&elsewhere).await.unwrap();
    let reconciler = reconciler(&source, &receiver, clock);

    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "waiting 1");
    assert!(!report.is_settled() && source.fetched().is_empty());
    // Its process has died.
    tokio::time::advance(elsewhere.lease).await;
    assert_eq!(tallies(&reconciler.run_once().await), "handled 1");
}

#[tokio::test(start_paused = true)]
async fn with_an_inbox_for_a_door_what_is_missing_is_stored() {
    let clock = TestClock::start();
    let (source, inbox) = (Fake::new(clock), MemoryInbox::with_clock(clock));
    source.record(&["1", "2"]);
    source.record_at("3", "customer_verified", None);
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), inbox.clone());
    let receiver = Receiver::new(clock);
    let door = layer.inbox().only(&receiver.topics).processor();
    let reconciler = Reconciler::new(source.clone(), door).clock(clock);

    assert_eq!(tallies(&reconciler.run_once().await), "unwanted 1, stored 2");
    assert_eq!(inbox.backlog("dwolla", 10).await.unwrap().due, 2);
    let letter = inbox.letter(&key("1")).await.unwrap().unwrap();
    assert_eq!(letter.delivery.body, super::support::json("1"));
    assert_eq!(tallies(&reconciler.run_once().await), "known 2, unwanted 1");
    // An operator decides about it.
    inbox.bury(&key("1"), "by hand").await.unwrap();
    assert_eq!(tallies(&reconciler.run_once().await), "known 2, unwanted 1");
    // What lies in the inbox, dead or not, is not fetched again.
    assert_eq!(source.fetched().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn asked_to_redeliver_nothing_is_handed_in_and_the_next_run_looks_again() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1", "2"]);
    let done = ClaimRequest::new(key("1"), Token::random(), Fingerprint::of(["1"]));
    receiver.store.complete(&done, Completion::Handled).await.unwrap();
    let reconciler = reconciler(&source, &receiver, clock).redeliver();

    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "known 1, asked 1");
    assert_eq!(source.asked(), ["webhook-2"]);
    assert!(source.fetched().is_empty() && receiver.handled().is_empty());
    // Nothing came of it: it is asked for again.
    tokio::time::advance(HOUR * 200).await;
    assert_eq!(tallies(&reconciler.run_once().await), "known 1, asked 1");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_respond_ends_the_run() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let all: Vec<String> = (0..50).map(|id| format!("{id:03}")).collect();
    for id in &all {
        source.record(&[id]);
    }
    let reconciler = reconciler(&source, &receiver, clock).concurrency(2);
    receiver.store.fail(Operation::Get, Fault::BeforeApplying, 100);
    let report = reconciler.run_once().await;
    let End::Failed(error) = report.end() else {
        panic!("{report}")
    };
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().starts_with("the store did not respond: "), "{error}");
    assert!(
        report.seen() <= 4 && report.seen() == report.count(Ending::Failed),
        "{report}"
    );

    receiver.store.heal();
    assert_eq!(tallies(&reconciler.run_once().await), "handled 50");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_drains_ends_the_run() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1", "2", "3", "4", "5"]);
    drop(receiver.drain.drain(HOUR).await);
    let report = reconciler(&source, &receiver, clock).concurrency(1).run_once().await;
    let End::Failed(error) = report.end() else {
        panic!("{report}")
    };
    assert_eq!(error.to_string(), "the layer is draining, so nothing can be handed in");
    assert_eq!(tallies(&report), "failed 1");
}

#[tokio::test(start_paused = true)]
async fn a_report_lists_a_hundred_items_of_each_kind_and_counts_the_rest() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let all: Vec<String> = (0..250).map(|id| format!("{id:03}")).collect();
    for id in &all {
        source.record(&[id]);
    }
    let report = reconciler(&source, &receiver, clock).run_once().await;
    assert_eq!(tallies(&report), "handled 250");
    assert_eq!(report.tally(Ending::Handled).listed().len(), 100);
}

#[tokio::test(start_paused = true)]
async fn several_items_are_handed_in_at_the_same_time_and_no_more() {
    let clock = TestClock::start();
    let (running, most) = (Arc::new(Mutex::new(0_usize)), Arc::new(Mutex::new(0_usize)));
    let (now, peak) = (Arc::clone(&running), Arc::clone(&most));
    let receiver = Receiver::handling(clock, move |_| {
        let (now, peak) = (Arc::clone(&now), Arc::clone(&peak));
        async move {
            let at_once = {
                let mut now = now.lock().unwrap();
                *now += 1;
                *now
            };
            {
                let mut peak = peak.lock().unwrap();
                *peak = (*peak).max(at_once);
            }
            tokio::time::sleep(HOUR / 60).await;
            *now.lock().unwrap() -= 1;
            Ok(())
        }
    });
    let source = Fake::new(clock);
    for id in 0..20 {
        source.record(&[&format!("{id:02}")]);
    }
    let report = reconciler(&source, &receiver, clock).concurrency(5).run_once().await;
    assert_eq!(tallies(&report), "handled 20");
    assert_eq!(*most.lock().unwrap(), 5);
}
