//! Runs that only look, over a time that was chosen, and what is told of each item.

use std::sync::{Arc, Mutex};

use tower_webhook::{
    clock::Clock as _,
    store::{Counts, StoreAdmin as _},
};
use tower_webhook_reconcile::reconciler::{End, Ending, Window};

use super::support::{DAY, Fake, HOUR, Receiver, TestClock, reconciler, tallies};

#[tokio::test(start_paused = true)]
async fn a_report_names_what_is_missing_and_changes_nothing() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1", "2"]);
    reconciler(&source, &receiver, clock).run_once().await;
    source.record(&["3", "4"]);
    receiver.handled();
    source.fetched();
    let before = receiver.store.inner().count("tower-webhook-reconcile").await.unwrap();

    let looking = reconciler(&source, &receiver, clock).report_only();
    let report = looking.run_once().await;
    assert_eq!(tallies(&report), "known 2, missing 2");
    let missing = report.tally(Ending::Missing).listed().iter();
    let ids: Vec<&str> = missing.map(|item| item.event_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["3", "4"]);
    assert!(!report.is_settled());
    assert_eq!(receiver.handled(), [""; 0]);
    assert_eq!((source.fetched(), source.asked()), (vec![], vec![]));
    // Neither lease nor mark.
    assert_eq!(
        receiver.store.inner().count("tower-webhook-reconcile").await.unwrap(),
        before
    );
    assert_ne!(before, Counts::default());
    assert_eq!(receiver.store.inner().count("dwolla").await.unwrap().done, 2);
}

#[tokio::test(start_paused = true)]
async fn a_report_does_not_wait_for_a_run_nor_keep_one_waiting() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    source.record(&["1"]);
    let pages = source.hold_pages();
    let running = reconciler(&source, &receiver, clock);
    let looking = reconciler(&source, &receiver, clock).report_only();
    let (run, look) = tokio::join!(running.run_once(), async {
        let looked = tokio::spawn(async move { looking.run_once().await });
        pages.add_permits(10);
        looked.await.unwrap()
    });
    assert!(matches!(run.end(), End::Complete), "{run}");
    assert!(matches!(look.end(), End::Complete), "{look}");
    assert_eq!(look.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_run_over_a_window_leaves_out_what_is_known_to_be_outside() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let start = clock.now();
    for day in 0_u32..4 {
        source.record_at(&day.to_string(), "customer_created", Some(start + DAY * day));
    }
    source.record_at("timeless", "customer_created", None);
    tokio::time::advance(DAY * 5).await;
    let window = Window::new(start + DAY, start + DAY * 3);
    let within = reconciler(&source, &receiver, clock).over(window);
    for tally in ["handled 3", "known 3"] {
        let report = within.run_once().await;
        assert_eq!((tallies(&report).as_str(), report.window()), (tally, window));
    }
    assert_eq!(receiver.handled(), ["1", "2", "timeless"]);
    // The provider was asked for no more than that, either.
    assert_eq!(source.windows(), [window, window]);
}

#[tokio::test(start_paused = true)]
async fn each_item_is_told_as_it_ends() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let ids: Vec<String> = (0..250).map(|number| format!("{number:03}")).collect();
    source.record(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    source.break_fetch("007", "gone");
    let told = Arc::<Mutex<Vec<_>>>::default();
    let noted = Arc::clone(&told);
    let report = reconciler(&source, &receiver, clock)
        .on_item(move |item, ending| noted.lock().unwrap().push((item.event_id.clone().unwrap(), ending)))
        .run_once()
        .await;
    // More than a report lists.
    assert_eq!(report.tally(Ending::Handled).listed().len(), 100);
    let mut told = told.lock().unwrap().clone();
    told.sort();
    let expected = ids.iter().map(|id| match id.as_str() {
        "007" => (id.clone(), Ending::NotFetchable),
        _ => (id.clone(), Ending::Handled),
    });
    assert_eq!(told, expected.collect::<Vec<_>>());
    tokio::time::advance(HOUR).await;
}
