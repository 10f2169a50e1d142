//! A month of webhooks, of which one in a thousand is missing: requests made, time and memory of a
//! run that hands them in, and of one that finds nothing.
//!
//! ```sh
//! cargo bench -p tower-webhook-reconcile --bench month -- 100000
//! ```
//!
//! Dwolla's side is the sandbox in a process of its own. Memory is Linux's: the peak of what the
//! process has resident (`VmHWM`), which is reset before each run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a figure that cannot be taken ends the program"
)]

use std::{
    future::Future,
    io::{BufRead as _, BufReader},
    pin::Pin,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::StreamExt as _;
use tower_webhook::{
    TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::{EventId, Fingerprint},
    store::{ClaimRequest, Completion, IdempotencyStore as _, Key, Token},
};
use tower_webhook_reconcile::{Options, Reconciler, Timer, TokioTimer, dwolla::DwollaApi, reconciler::Ending};
use tower_webhook_sandbox::{Provider, Settings};
use tower_webhook_sqlx::SqliteStore;

const SECRET: &str = "for-this-machine-only";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// One in so many is missing: it fell into a pause.
const MISSING: usize = 1000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["provider", webhooks] => provider(webhooks.parse().unwrap()).await,
        [webhooks] => receiver(webhooks.parse().unwrap()).await,
        _ => receiver(100_000).await,
    }
}

/// Dwolla's side: it delivers so many webhooks within 30 days, to somebody who takes them all.
async fn provider(webhooks: usize) {
    let app = axum::Router::new().fallback(|| async {});
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let start = SystemTime::now() - DAY * 30 + DAY / 24;
    let sandbox = Settings::new().speed(0.0).now(start).start().await.unwrap();
    let base = sandbox.url(Provider::Dwolla);
    let api = DwollaApi::new(&base, "id", "secret").unwrap();
    let subscription = api.create_subscription(&url, SECRET).await.unwrap();
    let step = (DAY * 30 - DAY / 12) / u32::try_from(webhooks.div_ceil(MISSING)).unwrap();
    println!("{base} {subscription}");
    for number in 0..webhooks {
        let is_missing = number % MISSING == 0;
        if is_missing {
            sandbox.advance(step).await;
            api.pause(&subscription).await.unwrap();
        }
        let event = sandbox
            .fire(Provider::Dwolla, r#"{"topic":"customer_created"}"#)
            .unwrap();
        if is_missing {
            sandbox.idle().await;
            api.unpause(&subscription).await.unwrap();
        }
        let event = dwolla::Event::from_json(&event).unwrap();
        println!("{} {}", event.id(), if is_missing { "missing" } else { "delivered" });
    }
    sandbox.idle().await;
    println!("ready");
    // Until the other side has ended.
    let _ = std::io::stdin().lines().count();
}

/// Counts the attempts of all calls.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicUsize>);

impl Timer for Counting {
    fn now(&self) -> SystemTime {
        TokioTimer.now()
    }

    fn sleep(&self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        TokioTimer.sleep(wait)
    }

    fn timeout(&self, limit: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        TokioTimer.timeout(limit)
    }
}

async fn receiver(webhooks: usize) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["provider", &webhooks.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let file = std::env::temp_dir().join(format!("tower-webhook-month-{}.db", std::process::id()));
    let store = SqliteStore::open(&file).await.unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let (base, subscription) = first.split_once(' ').unwrap();
    // What was delivered is known.
    let delivered = lines.take_while(|line| line != "ready").filter_map(|line| {
        let id = line.strip_suffix(" delivered")?;
        Some(EventId::new(id).unwrap())
    });
    let known = futures_util::stream::iter(delivered).map(|id| {
        let key = Key::new("dwolla", id);
        let request = ClaimRequest::new(key, Token::random(), Fingerprint::of(["known"]));
        let store = &store;
        async move { store.complete(&request, Completion::Handled).await.unwrap() }
    });
    known.buffer_unordered(64).count().await;

    let topics = TopicRouter::new().on("customer_created", |_: dwolla::Event| async {});
    let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store.clone());
    let requests = Counting::default();
    let api = DwollaApi::with_options(base, "id", "secret", Options::new().timer(requests.clone())).unwrap();
    println!("| run of {webhooks} | known | handled | requests | time | own CPU | resident before | peak |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for name in ["first", "again"] {
        let reconciler = Reconciler::new(api.webhooks(subscription), layer.processor(topics.clone()));
        let before = resident("VmRSS");
        // What the kernel documents: from now on, the peak is the peak since now.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        let (asked, started, worked) = (requests.0.load(Ordering::Relaxed), Instant::now(), cpu());
        let report = reconciler.run_once().await;
        assert!(report.is_settled(), "{report}");
        assert_eq!(report.seen(), u64::try_from(webhooks).unwrap());
        println!(
            "| {name} | {} | {} | {} | {:.1} s | {:.1} s | {before:.1} MiB | {:.1} MiB |",
            report.count(Ending::Known),
            report.count(Ending::Handled),
            requests.0.load(Ordering::Relaxed) - asked,
            started.elapsed().as_secs_f64(),
            cpu() - worked,
            resident("VmHWM"),
        );
    }
    drop(child.stdin.take());
    child.wait().unwrap();
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(end));
    }
}

/// The seconds that this process has computed: fields 14 and 15 of `/proc/self/stat`, in
/// hundredths.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

/// A line of `/proc/self/status`, in MiB.
fn resident(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kibibytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kibibytes / 1024.0
}
