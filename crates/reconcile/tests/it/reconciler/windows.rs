//! Which time a run asks for.

use std::time::Duration;

use tower_webhook::{HandlerError, clock::Clock as _};
use tower_webhook_reconcile::reconciler::End;

use super::support::{DAY, Fake, HOUR, Receiver, TestClock, reconciler, tallies};

#[tokio::test(start_paused = true)]
async fn the_first_run_looks_back_as_far_as_the_provider_and_later_ones_overlap() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let reconciler = reconciler(&source, &receiver, clock);
    let first = clock.now();
    assert_eq!(reconciler.run_once().await.covered_until(), Some(first));
    tokio::time::advance(HOUR).await;
    reconciler.run_once().await;
    let windows = source.windows();
    assert_eq!((windows[0].from, windows[0].until), (first - DAY * 30, first));
    assert_eq!((windows[1].from, windows[1].until), (first - DAY * 4, first + HOUR));
    assert_eq!(windows[1].length(), DAY * 4 + HOUR);
}

#[tokio::test(start_paused = true)]
async fn look_back_and_overlap_are_settings_and_a_restart_can_go_on() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let first = clock.now();
    let shorter = reconciler(&source, &receiver, clock).look_back(HOUR).overlap(HOUR * 2);
    shorter.run_once().await;
    shorter.run_once().await;
    let resumed = reconciler(&source, &receiver, clock).covered_until(first - HOUR);
    resumed.run_once().await;
    let from: Vec<_> = source.windows().iter().map(|window| window.from).collect();
    // A window never begins earlier than the one before.
    assert_eq!(from, [first - HOUR, first - HOUR, first - HOUR - DAY * 4]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_ends_the_run_and_keeps_its_window() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    for id in 0..9 {
        source.record(&[&format!("{id}")]);
    }
    source.break_page(1);
    let first = clock.now();
    let reconciler = reconciler(&source, &receiver, clock).look_back(HOUR);
    let report = reconciler.run_once().await;
    let End::Failed(error) = report.end() else {
        panic!("{report}")
    };
    assert_eq!(error.to_string(), "the page is torn");
    assert_eq!(tallies(&report), "handled 3");
    assert_eq!(report.covered_until(), None);

    // Later than the first run looked back: nothing of its window is left out.
    tokio::time::advance(DAY * 20).await;
    source.mend();
    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "known 3, handled 6");
    assert_eq!(report.window().from, first - HOUR);
    reconciler.run_once().await;
    assert_eq!(source.windows()[2].from, first + DAY * 16);
}

#[tokio::test(start_paused = true)]
async fn a_window_moves_on_up_to_what_has_failed() {
    let clock = TestClock::start();
    let receiver = Receiver::handling(clock, |id| async move {
        if id == "2" {
            Err(HandlerError::retry("still closed"))
        } else {
            Ok(())
        }
    });
    let source = Fake::new(clock);
    source.record(&["1"]);
    tokio::time::advance(DAY * 10).await;
    source.record(&["2"]);
    let failed_at = clock.now();
    tokio::time::advance(DAY * 10).await;
    source.record(&["3"]);
    let reconciler = reconciler(&source, &receiver, clock);
    let report = reconciler.run_once().await;
    assert_eq!(report.covered_until(), Some(failed_at));
    tokio::time::advance(DAY * 10).await;
    let report = reconciler.run_once().await;
    assert_eq!(tallies(&report), "known 1, failed 1");
    assert_eq!(report.window().from, failed_at - DAY * 4);
}

#[tokio::test(start_paused = true)]
async fn an_item_without_a_time_that_failed_keeps_the_window_where_it_is() {
    let clock = TestClock::start();
    let receiver = Receiver::handling(clock, |_| async { Err(HandlerError::retry("closed")) });
    let source = Fake::new(clock);
    source.record_at("1", "customer_created", None);
    let first = clock.now();
    let reconciler = reconciler(&source, &receiver, clock);
    for _ in 0..3 {
        let report = reconciler.run_once().await;
        assert_eq!(report.covered_until(), None);
        assert_eq!(report.window().from, first - DAY * 30);
        tokio::time::advance(DAY).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_could_not_begin_moves_nothing() {
    let clock = TestClock::start();
    let (source, receiver) = (Fake::new(clock), Receiver::new(clock));
    let holding = source.hold_pages();
    let other = reconciler(&source, &receiver, clock);
    let mine = reconciler(&source, &receiver, clock).look_back(HOUR);
    let first = clock.now();
    let running = tokio::spawn(async move { other.run_once().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let report = mine.run_once().await;
    assert!(matches!(report.end(), End::Busy(_)), "{report}");
    assert_eq!(report.covered_until(), None);
    holding.add_permits(100);
    running.await.unwrap();
    tokio::time::advance(DAY).await;
    assert_eq!(
        mine.run_once().await.window().from,
        first + Duration::from_secs(1) - HOUR
    );
}
