//! How a log is read: the same for each.

use std::time::{Duration, SystemTime};

use tower_webhook::{
    delivery_log::{DeliveryLog as _, DeliveryLogEntry, DeliveryLogFilter, DeliveryLogReader, MemoryLog},
    event::{Source, Tenant},
};

use super::all;

/// When the first minute of the entries below begins.
fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// So many entries, a second apart, of each kind in turn.
pub(crate) fn entries(count: u64) -> Vec<DeliveryLogEntry> {
    (0..count)
        .map(|number| {
            let provider = if number % 2 == 0 { "dwolla" } else { "stripe" };
            let outcome = ["handled", "signature", "handler-failed"][usize::try_from(number % 3).unwrap()];
            let time = start() + Duration::from_secs(number);
            let mut entry =
                DeliveryLogEntry::new(time, provider, format!("{provider}-live"), Source::Delivered, outcome);
            if outcome != "signature" {
                entry.id = Some(format!("event-{number}"));
                entry.topic = Some(format!("topic-{}", number % 5));
                entry.attempt = Some(1);
                entry.secret_index = Some(1);
            }
            if number % 4 == 0 {
                entry.tenant = Some(Tenant::new("acme").unwrap());
            }
            if outcome != "handled" {
                entry.reason = format!("it is \"{number}\" \u{1F600}");
                entry.left_out = 3;
            }
            entry.status = (number % 7 != 0).then_some(200);
            entry.duration = Duration::from_micros(1500 + number);
            entry.size = Some(600);
            entry.signed_at = (number % 2 == 1).then(|| time - Duration::from_secs(2));
            entry
        })
        .collect()
}

/// What a log returns that was given `entries(count)` and nothing else.
pub(crate) async fn reads_what_was_recorded(log: &impl DeliveryLogReader, count: u64) {
    let given = entries(count);
    let mut read = all(log).await;
    assert_eq!(read, given, "all, as they were");

    read.reverse();
    let mut pages = Vec::new();
    let mut before = None;
    loop {
        let page = log.list(&DeliveryLogFilter::new(), before, 7).await.unwrap();
        assert!(page.windows(2).all(|two| two[0].number > two[1].number));
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        pages.extend(page.into_iter().map(|numbered| numbered.entry));
    }
    assert_eq!(pages, read, "page by page");
    assert!(log.list(&DeliveryLogFilter::new(), None, 0).await.unwrap().is_empty());

    let at = |second| start() + Duration::from_secs(second);
    for filter in [
        DeliveryLogFilter::new().provider("stripe"),
        DeliveryLogFilter::new().namespace("dwolla-live"),
        DeliveryLogFilter::new().tenant("acme"),
        DeliveryLogFilter::new().topic("topic-3"),
        DeliveryLogFilter::new().id("event-5"),
        DeliveryLogFilter::new().outcome("signature"),
        DeliveryLogFilter::new().failed(),
        DeliveryLogFilter::new().since(at(10)),
        DeliveryLogFilter::new().until(at(10)),
        DeliveryLogFilter::new()
            .since(at(10))
            .until(at(20))
            .provider("dwolla")
            .failed(),
        DeliveryLogFilter::new().tenant("acme").outcome("handled"),
        DeliveryLogFilter::new().id("' OR 1 = 1 --"),
        DeliveryLogFilter::new().provider("nobody"),
    ] {
        let expected: Vec<_> = read.iter().filter(|entry| filter.matches(entry)).collect();
        let found = log.list(&filter, None, 1000).await.unwrap();
        let found: Vec<_> = found.iter().map(|numbered| &numbered.entry).collect();
        assert_eq!(found, expected, "{filter:?}");

        let counts = log.per_minute(&filter).await.unwrap();
        let counted: u64 = counts.iter().map(|minute| minute.count).sum();
        assert_eq!(counted, expected.len() as u64, "{filter:?}: {counts:?}");
        for minute in counts {
            let within = expected.iter().filter(|entry| {
                entry.outcome == minute.outcome
                    && entry.time >= minute.minute
                    && entry.time < minute.minute + Duration::from_secs(60)
            });
            assert_eq!(within.count() as u64, minute.count, "{filter:?}");
        }
    }

    let minutes = log
        .per_minute(&DeliveryLogFilter::new().outcome("handled"))
        .await
        .unwrap();
    let minutes: Vec<_> = minutes.iter().map(|minute| (minute.minute, minute.count)).collect();
    let whole = count / 60;
    let expected: Vec<_> = (0..whole).map(|minute| (at(minute * 60), 20)).collect();
    assert_eq!(minutes[..expected.len()], expected[..], "the oldest first");
}

#[tokio::test]
async fn a_memory_log_is_read_as_it_was_written() {
    let log = MemoryLog::new(1000);
    for entry in entries(720) {
        log.record(entry);
    }
    reads_what_was_recorded(&log, 720).await;
}

#[tokio::test]
async fn a_memory_log_keeps_the_newest() {
    let log = MemoryLog::new(300);
    let mut given = entries(1000);
    for entry in given.clone() {
        log.record(entry);
    }
    assert_eq!(all(&log).await, given.split_off(700));
    let newest = log.list(&DeliveryLogFilter::new(), None, 1).await.unwrap();
    assert_eq!(newest[0].number, 999, "a number stays an entry's own");
    assert!(
        log.list(&DeliveryLogFilter::new(), Some(700), 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        log.list(&DeliveryLogFilter::new(), Some(701), 10).await.unwrap().len(),
        1
    );

    let one = MemoryLog::new(0);
    for entry in entries(3) {
        one.record(entry);
    }
    assert_eq!(all(&one).await, entries(3).split_off(2));
}
