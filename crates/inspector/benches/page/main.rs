//! The list of deliveries in headless Chromium, over a log in memory, in SQLite and in Postgres.
//!
//! ```sh
//! cargo bench -p tower-webhook-inspector --bench page -- 100000
//! ```
//!
//! The page is served by a process of its own, whose memory is `VmRSS`; the tab's is `Pss`. It
//! needs chromium, chromedriver and Postgres, and starts them; a second word picks `memory`,
//! `sqlite` or `postgres`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a figure that cannot be taken ends the program"
)]

#[path = "../../tests/it/browser/driver.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod driver;
mod fill;
mod serve;
#[path = "../../../../tests/it/postgres/server.rs"]
#[expect(dead_code, reason = "the root crate's tests need more of it")]
mod server;
#[path = "../../../../tests/it/postgres/child_process.rs"]
mod child_process;

use self::{driver::Browser, fill::RARE, serve::Served, server::Server};

/// So many times each page is loaded; the figures are medians.
const TIMES: usize = 9;

fn main() {
    // Cargo adds a word of its own.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match words[..] {
        [serve::WORD, url, entries] => runtime.block_on(serve::serve(url, entries.parse().unwrap())),
        [] => runtime.block_on(measure(100_000, "")),
        [entries] => runtime.block_on(measure(entries.parse().unwrap(), "")),
        [entries, store, ..] => runtime.block_on(measure(entries.parse().unwrap(), store)),
    }
}

async fn measure(entries: u64, picked: &str) {
    let is_picked = |store: &str| picked.is_empty() || picked == store;
    println!("| log | page | first byte, ms | whole response | first paint | bytes | deliveries shown | tab, MiB |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    if is_picked("memory") {
        pages("memory", "memory:", entries).await;
    }
    if is_picked("sqlite") {
        let folder = std::env::temp_dir().join(format!("inspector-page-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let url = format!("sqlite:{}", folder.join("deliveries.db").display());
        fill::database(&url, entries).await;
        pages("SQLite", &url, entries).await;
        drop(std::fs::remove_dir_all(&folder));
    }
    if is_picked("postgres")
        && let Some(server) = Server::start()
    {
        drop(server.connection().await);
        fill::database(&server.url(), entries).await;
        pages("Postgres", &server.url(), entries).await;
    }
}

/// A page, and what it is called.
fn each(entries: u64) -> [(&'static str, String); 7] {
    [
        ("newest", "deliveries".to_owned()),
        (
            "oldest, by \"Older deliveries\"",
            format!("deliveries?before={}", entries / 100),
        ),
        ("one in a thousand", format!("deliveries?outcome={RARE}")),
        (
            "the same, of the last week",
            format!("deliveries?outcome={RARE}&last=7d"),
        ),
        ("all of the last week", "deliveries?last=7d".to_owned()),
        ("none", "deliveries?topic=of-nothing".to_owned()),
        ("one event's", format!("deliveries?id={}", fill::id(entries / 2))),
    ]
}

async fn pages(log: &str, url: &str, entries: u64) {
    let Some(browser) = Browser::start().await else { return };
    let served = Served::start(url, entries).await;
    let (empty, filled) = (served.before, served.memory());
    // What the first request alone costs, on either side.
    browser.go(&format!("{}/endpoints", served.url)).await;
    for (name, path) in each(entries) {
        let mut seen = Vec::new();
        for _ in 0..TIMES {
            browser.go(&format!("{}/{path}", served.url)).await;
            browser
                .until("performance.getEntriesByName('first-contentful-paint').length")
                .await;
            seen.push(browser.script(TIMINGS).await);
        }
        let median = |index: usize| {
            let mut all: Vec<f64> = seen.iter().map(|seen| seen[index].as_f64().unwrap()).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        println!(
            "| {log} | {name} | {:.1} | {:.1} | {:.0} | {:.0} | {:.0} | {:.1} |",
            median(0),
            median(1),
            median(2),
            median(3),
            median(4),
            mebibytes(browser.memory().await),
        );
    }
    println!(
        "{log}: the server has {:.1} MiB before the log is opened, {:.1} with {entries} deliveries, {:.1} after the \
         pages, and at most {:.1}",
        mebibytes(empty),
        mebibytes(filled),
        mebibytes(served.memory()),
        mebibytes(served.most()),
    );
    browser.end().await;
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

/// From the request to the first byte, and to the last; from the navigation to the first paint.
const TIMINGS: &str = "const [page] = performance.getEntriesByType('navigation'); \
     return [page.responseStart - page.requestStart, page.responseEnd - page.requestStart, \
     performance.getEntriesByName('first-contentful-paint')[0].startTime, page.encodedBodySize, \
     document.querySelectorAll('.list tbody tr').length]";
