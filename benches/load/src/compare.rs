//! The receiver beside a bare route and beside the same by hand: throughput, and processor time of the server.

use std::{rc::Rc, time::Instant};

use tokio::task::LocalSet;

use crate::{
    client::{self, Connection},
    common::quantile,
    server::{Kind, Server},
};

const CONNECTIONS: usize = 16;
const KINDS: [Kind; 3] = [Kind::Bare, Kind::Receiver, Kind::ByHand];

#[derive(Clone, Copy)]
enum Case {
    Accepted,
    Duplicates,
    Forged,
}

/// One server's run.
#[derive(Clone, Copy)]
struct Run {
    /// Requests a second.
    throughput: f64,
    /// Microseconds of the server's processor time a request.
    processor: f64,
}

pub fn run(rounds: usize, only: &str) {
    println!(
        "{:36} {:>9} {:>9} {:>9} | {:>20} {:>20} | {:>20}",
        format!("medians of {rounds} rounds"),
        "bare µs",
        "layer µs",
        "hand µs",
        "layer/bare µs",
        "layer/bare req/s",
        "by hand/bare µs"
    );
    for threads in [1, 2] {
        for (size, count) in [(600, 30_000), (64 * 1024, 3_000)] {
            for (name, case) in [
                ("accepted", Case::Accepted),
                ("duplicates", Case::Duplicates),
                ("forged", Case::Forged),
            ] {
                let name = format!("{threads} worker(s), {size} bytes, {name}");
                if name.contains(only) {
                    compare(&name, threads, size, count, case, rounds);
                }
            }
        }
    }
}

fn compare(name: &str, threads: usize, size: usize, count: u64, case: Case, rounds: usize) {
    let requests: Rc<Vec<Vec<u8>>> = Rc::new(match case {
        Case::Accepted => (0..count).map(|n| client::request(n, size)).collect(),
        Case::Duplicates => vec![client::request(0, size)],
        Case::Forged => vec![client::forged(0, size)],
    });
    let warm_up: Rc<Vec<Vec<u8>>> = Rc::new(match case {
        Case::Accepted => (0..count / 10).map(|n| client::request(1_000_000 + n, size)).collect(),
        Case::Duplicates | Case::Forged => (*requests).clone(),
    });
    let mut runs: [Vec<Run>; 3] = Default::default();
    for round in 0..rounds {
        for turn in 0..KINDS.len() {
            let which = (round + turn) % KINDS.len();
            let kind = KINDS[which];
            let status = match (case, kind) {
                (Case::Forged, Kind::Receiver | Kind::ByHand) => 401,
                _ => 200,
            };
            runs[which].push(measure(kind, threads, &warm_up, &requests, count, status));
        }
    }
    let [bare, layer, hand] = &runs;
    let median = |runs: &[Run]| quantile(&runs.iter().map(|run| run.processor).collect::<Vec<_>>(), 0.5);
    let ratio = |ours: &[Run], of: fn(&Run) -> f64| {
        let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| of(ours) / of(bare)).collect();
        let at = |part| quantile(&ratios, part);
        format!("{:.3} ({:.3}-{:.3})", at(0.5), at(0.25), at(0.75))
    };
    println!(
        "{name:36} {:>9.2} {:>9.2} {:>9.2} | {:>20} {:>20} | {:>20}",
        median(bare),
        median(layer),
        median(hand),
        ratio(layer, |run| run.processor),
        ratio(layer, |run| run.throughput),
        ratio(hand, |run| run.processor),
    );
}

fn measure(
    kind: Kind,
    threads: usize,
    warm_up: &Rc<Vec<Vec<u8>>>,
    requests: &Rc<Vec<Vec<u8>>>,
    count: u64,
    status: u16,
) -> Run {
    let mut server = Server::start(kind, threads);
    let address = server.address;
    let runtime = client::runtime();
    let local = LocalSet::new();
    let connections = runtime.block_on(async {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(address).await.expect("a connection"));
        }
        connections
    });
    // The first of a duplicate is no duplicate: it comes here, as all that happens once.
    let connections = local.block_on(&runtime, send_all(connections, warm_up, count / 10, status));
    let before = server.usage();
    let started = Instant::now();
    let connections = local.block_on(&runtime, send_all(connections, requests, count, status));
    let took = started.elapsed();
    let after = server.usage();
    drop(connections);
    Run {
        throughput: count as f64 / took.as_secs_f64(),
        processor: (after.processor - before.processor) as f64 / count as f64,
    }
}

/// Each connection sends every sixteenth, one after the other.
async fn send_all(
    connections: Vec<Connection>,
    requests: &Rc<Vec<Vec<u8>>>,
    count: u64,
    status: u16,
) -> Vec<Connection> {
    let senders: Vec<_> = connections
        .into_iter()
        .enumerate()
        .map(|(first, mut connection)| {
            let requests = Rc::clone(requests);
            tokio::task::spawn_local(async move {
                for n in (first..count as usize).step_by(CONNECTIONS) {
                    let answer = connection
                        .exchange(&requests[n % requests.len()])
                        .await
                        .expect("an answer");
                    assert_eq!(answer.status, status);
                }
                connection
            })
        })
        .collect();
    let mut connections = Vec::new();
    for sender in senders {
        connections.push(sender.await.expect("a sender"));
    }
    connections
}
