//! Two receivers behind a balancer and two workers, over one Postgres, replaced one after the other
//! under load: no delivery is refused or cut off, none is lost, and each is handled once.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use http::HeaderValue;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tower::ServiceBuilder;
use tower_webhook::{WebhookLayer, dwolla::Dwolla, inbox::Inbox};
use tower_webhook_sqlx::PostgresStore;

use super::{
    balancer::{Balancer, READINESS},
    judgement::{Said, judge_inbox},
    postgres,
    process::{Process, say},
    provider::Provider,
    random::Random,
    receiver::{Announcing, PROCESS, topics},
    shared::{Book, Shared},
};

/// Longer than anything takes that is at work.
const DRAIN: Duration = Duration::from_secs(30);

/// Receives or works until SIGTERM; then ends in the order of the page `inbox::deployment`.
pub(super) async fn serve<S: Shared + Inbox, B: Book>(store: S, book: B, task: &Value) {
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let dwolla = Dwolla::new(task["secret"].as_str().unwrap()).unwrap();
    let layer = WebhookLayer::builder(dwolla, Announcing(store))
        .store_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    if task["works"].as_bool().unwrap() {
        let worker = layer.worker(topics(book, task)).concurrency(8).start();
        say("working");
        terminate.recv().await;
        let report = worker.drain(DRAIN).await;
        assert!(report.remaining().is_empty(), "{report}");
        return;
    }
    // How often it was said that this receiver is not ready. The second time nothing comes any
    // more; elsewhere a pause has to be long enough for that.
    let (is_ending, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (ending, told) = (Arc::clone(&is_ending), Arc::clone(&refused));
    let readiness = move || {
        let is_ending = ending.load(Ordering::SeqCst) > 0;
        if is_ending && ending.fetch_add(1, Ordering::SeqCst) == 2 {
            told.notify_one();
        }
        std::future::ready(if is_ending {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::OK
        })
    };
    let process = HeaderValue::from(task["process"].as_u64().unwrap());
    let inbox = ServiceBuilder::new()
        .map_response(move |mut response: http::Response<_>| {
            response.headers_mut().insert(PROCESS, process.clone());
            response
        })
        .service(layer.inbox());
    let app = Router::new().route(READINESS, get(readiness)).fallback_service(inbox);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    say(&format!("listening {}", listener.local_addr().unwrap()));
    let no_more_come = async move {
        terminate.recv().await;
        is_ending.store(1, Ordering::SeqCst);
        refused.notified().await;
    };
    axum::serve(listener, app)
        .with_graceful_shutdown(no_more_come)
        .await
        .unwrap();
    let report = layer.drain_handle().drain(DRAIN).await;
    assert!(report.remaining().is_empty(), "{report}");
}

/// What runs, one process for each place, and what all of them have said.
struct Fleet {
    task: Value,
    started: u64,
    balancer: Balancer,
    said: Said,
}

impl Fleet {
    fn start(&mut self, works: bool) -> (u64, Process) {
        self.started += 1;
        self.task["process"] = self.started.into();
        self.task["works"] = works.into();
        let process = Process::start(&self.task);
        let line = process.line();
        if let Some(address) = line.strip_prefix("listening ") {
            self.balancer.add(address.parse().unwrap());
        }
        self.said.push((self.started, line));
        (self.started, process)
    }

    /// SIGTERM, and its end.
    fn end(&mut self, (number, process): (u64, Process)) {
        let lines = process.terminate();
        self.said.extend(lines.into_iter().map(|line| (number, line)));
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn deployed_under_load(place: &str, direct: &str, secret: &str) {
    const DEPLOYMENTS: usize = 2;
    /// Acknowledged between two replacements.
    const BETWEEN: u64 = 60;
    let provider = Provider::new(secret, Random::new(1));
    let (balancer, address) = Balancer::start().await;
    provider.send_to(address);
    let mut fleet = Fleet {
        task: json!({
            "role": "deployed", "store": "postgres", "place": place, "in_transaction": true, "secret": secret, "seed": 1
        }),
        started: 0,
        balancer: balancer.clone(),
        said: Vec::new(),
    };
    let mut running = Vec::new();
    for works in [false, false, true, true] {
        running.push((works, fleet.start(works)));
    }
    until(|| balancer.receivers() == 2).await;
    let mut deliveries = provider.start();
    for _ in 0..DEPLOYMENTS * running.len() {
        let reached = provider.acknowledgements() + BETWEEN;
        until(|| provider.acknowledgements() >= reached).await;
        // Out with the old, in with the new: the others do its work meanwhile.
        let (works, old) = running.remove(0);
        (fleet, running) = tokio::task::spawn_blocking(move || {
            fleet.end(old);
            running.push((works, fleet.start(works)));
            (fleet, running)
        })
        .await
        .unwrap();
        until(|| balancer.receivers() == 2).await;
    }
    provider.stop();
    while let Some(delivery) = deliveries.join_next().await {
        delivery.unwrap();
    }
    let store = <PostgresStore as Shared>::open(direct).await;
    while store.backlog("dwolla", 1_000_000).await.unwrap().unfinished() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut fleet = tokio::task::spawn_blocking(move || {
        for (_, process) in running {
            fleet.end(process);
        }
        fleet
    })
    .await
    .unwrap();
    fleet.said.sort_by_key(|(process, _)| *process);
    let judgement = judge_inbox(
        &provider,
        &fleet.said,
        &postgres::booked(direct).await,
        &HashSet::new(),
        true,
    );
    eprintln!("{DEPLOYMENTS} deployments of four processes: {judgement}");
    // Each ran once, and its run was never cut off.
    assert_eq!(judgement.cut_off(), 0, "{judgement}");
    assert_eq!(provider.unanswered(), 0, "deliveries were cut off");
    assert_eq!(provider.refused(), 0, "deliveries were refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receivers_and_workers_that_are_replaced_under_load_refuse_lose_and_double_nothing() {
    let Some(place) = postgres::new_database("deployed").await else {
        return;
    };
    postgres::create_effects(&place).await;
    deployed_under_load(&place, &place, "the secret of a deployment").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_they_do_behind_pgbouncer() {
    let Some(direct) = postgres::new_database("deployed_behind_pgbouncer").await else {
        return;
    };
    let server = crate::postgres::server::Server::shared().unwrap();
    let Some(pgbouncer) = crate::postgres::pgbouncer::PgBouncer::before(server.port(), 8) else {
        return;
    };
    postgres::create_effects(&direct).await;
    let url = pgbouncer.url("deployed_behind_pgbouncer");
    deployed_under_load(&url, &direct, "the secret behind a pooler").await;
}
