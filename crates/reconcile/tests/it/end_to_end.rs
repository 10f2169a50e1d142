//! A receiver, Dwolla's side in the sandbox, and the reconciler between them: down for a stretch,
//! paused for another, with deliveries lost and doubled, and with all that chaos knows.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{Row as _, SqlitePool, sqlite::SqliteConnectOptions};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tower_webhook::{
    Delivery, HandlerError, Processor, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
};
use tower_webhook_reconcile::{
    Options, Reconciler,
    dwolla::DwollaApi,
    reconciler::{End, Ending, Report},
};
use tower_webhook_sandbox::{Chaos, Provider, Sandbox, Settings};
use tower_webhook_sqlx::SqliteStore;

const SECRET: &str = "for-this-machine-only";
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone)]
struct Books {
    pool: SqlitePool,
    store: SqliteStore,
}

/// Effect and record in one transaction. There is no constraint: a second run would be counted.
async fn book(books: Books, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
    let mut transaction = books.pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO effects (event, source) VALUES (?1, ?2)")
        .bind(delivery.event().id().as_str())
        .bind(delivery.source().as_str())
        .execute(&mut *transaction)
        .await?;
    books.store.complete_in(delivery.claim(), &mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

/// A process that receives, over a file that outlives it.
struct Receiver {
    address: SocketAddr,
    pool: SqlitePool,
    processor: Processor<dwolla::Event>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Receiver {
    async fn start(file: &Path, address: SocketAddr) -> Self {
        let store = SqliteStore::open(file).await.unwrap();
        let options = SqliteConnectOptions::new()
            .filename(file)
            .busy_timeout(Duration::from_secs(60));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        sqlx::query("CREATE TABLE IF NOT EXISTS effects (event TEXT, source TEXT)")
            .execute(&pool)
            .await
            .unwrap();
        let books = Books {
            pool: pool.clone(),
            store: store.clone(),
        };
        let topics = TopicRouter::with_state(books).on("customer_created", book);
        let layer = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), store);
        let processor = layer.processor(topics.clone());
        let app = axum::Router::new().route_service("/webhooks/dwolla", layer.topics(topics));
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            axum::serve(listener, app)
                .with_graceful_shutdown(stopped)
                .await
                .unwrap();
        });
        Self {
            address,
            pool,
            processor,
            stop,
            serving,
        }
    }

    fn url(&self) -> String {
        format!("http://{}/webhooks/dwolla", self.address)
    }

    /// The process ends; nobody listens at its address any more.
    async fn stop(self) -> SocketAddr {
        drop(self.stop);
        self.serving.await.unwrap();
        self.pool.close().await;
        self.address
    }
}

/// The file, and what SQLite keeps beside it, are removed in the end.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        for end in ["db", "db-wal", "db-shm"] {
            let _ = std::fs::remove_file(self.0.with_extension(end));
        }
    }
}

/// Fires so many events, waits until all that is due was sent, and returns their ids.
async fn fire(sandbox: &Sandbox, events: usize) -> Vec<String> {
    let fired = (0..events).map(|_| {
        let event = sandbox
            .fire(Provider::Dwolla, r#"{"topic":"customer_created"}"#)
            .unwrap();
        // Half an emoji is no text for serde_json.
        dwolla::Event::from_json(&event).unwrap().id().to_string()
    });
    let ids: Vec<String> = fired.collect();
    // The second of two copies comes within three seconds.
    sandbox.advance(Duration::from_secs(5)).await;
    ids
}

/// What one stretch of reconciling handled.
fn handled(report: &Report) -> usize {
    assert!(matches!(report.end(), End::Complete), "{report}");
    assert_eq!(
        report.count(Ending::Failed) + report.count(Ending::NotFetchable),
        0,
        "{report}"
    );
    usize::try_from(report.count(Ending::Handled)).unwrap()
}

/// What became of a thousand events.
struct Story {
    /// How many attempts had succeeded before anything was reconciled.
    delivered_first: usize,
    after_downtime: Report,
    after_pause: Report,
    last: Report,
}

/// 300 events, 250 while the receiver is down, 250 while its subscription is paused, and 200 more,
/// reconciled at the receiver's start, after the pause and in the end. Each is handled exactly
/// once, and the reports say how many came through the reconciler.
async fn story(name: &str, chaos: Chaos) -> Story {
    let seed = chaos.seed();
    println!("CHAOS_SEED={seed}");
    let file = format!("tower-webhook-{name}-{}.db", std::process::id());
    let file = File(std::env::temp_dir().join(file));
    let sandbox = Settings::new().speed(0.0).chaos(chaos).start().await.unwrap();
    let api = DwollaApi::with_options(&sandbox.url(Provider::Dwolla), "id", "secret", Options::new()).unwrap();

    let receiver = Receiver::start(&file.0, SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let subscription = api.create_subscription(&receiver.url(), SECRET).await.unwrap();
    let mut ids = fire(&sandbox, 300).await;
    let delivered_first = sandbox.attempts().iter().filter(|attempt| attempt.is_success()).count();

    // The receiver is down.
    let address = receiver.stop().await;
    ids.extend(fire(&sandbox, 250).await);
    let receiver = Receiver::start(&file.0, address).await;

    // Its next process reconciles at its start, and when it is triggered.
    let reconciler = Reconciler::new(api.webhooks(&subscription), receiver.processor.clone());
    let (tx, mut reports) = mpsc::unbounded_channel();
    let every = reconciler
        .every(HOUR)
        .on_report(move |report| tx.send(report.clone()).unwrap());
    let trigger = every.trigger();
    let (stop, stopped) = oneshot::channel::<()>();
    let reconciling = tokio::spawn(every.run(async { drop(stopped.await) }));
    let after_downtime = reports.recv().await.unwrap();

    // The subscription is paused.
    api.pause(&subscription).await.unwrap();
    ids.extend(fire(&sandbox, 250).await);
    api.unpause(&subscription).await.unwrap();
    trigger.run_now();
    let after_pause = reports.recv().await.unwrap();

    ids.extend(fire(&sandbox, 200).await);
    // What Dwolla still retries of the downtime arrives late, as duplicates.
    sandbox.advance(HOUR * 75).await;
    trigger.run_now();
    let last = reports.recv().await.unwrap();
    stop.send(()).unwrap();
    reconciling.await.unwrap();

    let reconciler = Reconciler::new(api.webhooks(&subscription), receiver.processor.clone());
    let settled = reconciler.run_once().await;
    assert_eq!(
        (settled.seen(), settled.count(Ending::Known)),
        (1000, 1000),
        "{settled}, CHAOS_SEED={seed}"
    );

    let mut effects: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let rows = sqlx::query("SELECT event, source FROM effects")
        .fetch_all(&receiver.pool)
        .await
        .unwrap();
    for row in rows {
        effects.entry(row.get("event")).or_default().push(row.get("source"));
    }
    ids.sort();
    let handled_ids: Vec<&String> = effects.keys().collect();
    assert_eq!(handled_ids, ids.iter().collect::<Vec<_>>(), "CHAOS_SEED={seed}");
    let twice: Vec<_> = effects.iter().filter(|(_, sources)| sources.len() != 1).collect();
    assert!(twice.is_empty(), "{twice:?}, CHAOS_SEED={seed}");
    let came = |how: &str| {
        effects
            .values()
            .filter(|sources| sources.iter().any(|source| source == how))
            .count()
    };
    let reported: usize = [&after_downtime, &after_pause, &last].into_iter().map(handled).sum();
    assert_eq!(
        (came("fetched"), came("delivered")),
        (reported, 1000 - reported),
        "CHAOS_SEED={seed}"
    );
    for report in [&after_downtime, &after_pause, &last, &settled] {
        println!("{report}");
    }
    receiver.stop().await;
    Story {
        delivered_first,
        after_downtime,
        after_pause,
        last,
    }
}

/// That of `CHAOS_SEED`, or this process's.
fn seed() -> u64 {
    let chosen = std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    chosen.unwrap_or_else(|| std::process::id().into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_handled_exactly_once_and_the_reports_say_which_came_how() {
    let Story {
        delivered_first,
        after_downtime,
        after_pause,
        last,
    } = story("end-to-end", Chaos::none(seed()).drop(0.1).duplicate(0.1)).await;
    assert!(delivered_first > 200, "{delivered_first}");
    assert!(handled(&after_downtime) >= 250, "{after_downtime}");
    assert_eq!(after_downtime.seen(), 550, "{after_downtime}");
    assert_eq!(handled(&after_pause), 250, "{after_pause}");
    let lost = handled(&last);
    assert!(lost > 0 && lost < 60, "{last}");
}

/// Deliveries that are delayed, overtaken, cut off, repeated a day later or odd come after the
/// reconciler was there, or while it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_handled_exactly_once_in_any_chaos() {
    let Story {
        after_downtime,
        after_pause,
        last,
        ..
    } = story("end-to-end-chaos", Chaos::with_seed(seed())).await;
    // Delays are longer than the downtime, so the reconciler finds more than was lost.
    assert!(handled(&after_downtime) >= 250, "{after_downtime}");
    assert!(handled(&after_pause) >= 250, "{after_pause}");
    assert!(handled(&last) > 0, "{last}");
}
