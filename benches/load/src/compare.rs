//! The receiver beside a bare route and beside the same by hand: throughput, and processor time of
//! the server.

use std::{net::SocketAddr, rc::Rc, time::Instant};

use tokio::task::LocalSet;

use crate::{
    client::{self, Connection},
    common::quantile,
    server::{Kind, Server},
};

const CONNECTIONS: usize = 16;
/// Rounds that do not count.
const WARM_UP: u64 = 10;
const KINDS: [Kind; 3] = [Kind::Bare, Kind::Receiver, Kind::ByHand];

#[derive(Clone, Copy)]
enum Case {
    Accepted,
    Duplicates,
    Forged,
}

/// One server's turn in a round.
#[derive(Clone, Copy)]
struct Turn {
    /// Requests a second.
    throughput: f64,
    /// Microseconds of the server's processor time a request.
    processor: f64,
}

pub fn run(rounds: u64, only: &str) {
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
        // So many in a turn: some ten milliseconds, so that most turns run through without a word
        // from the scheduler.
        for (size, count) in [(600, 500), (64 * 1024, 50)] {
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

fn compare(name: &str, threads: usize, size: usize, count: u64, case: Case, rounds: u64) {
    let runtime = client::runtime();
    let local = LocalSet::new();
    let mut servers = KINDS.map(|kind| Server::start(kind, threads));
    let mut connections = servers
        .each_ref()
        .map(|server| Some(runtime.block_on(connect(server.address))));
    let mut turns: [Vec<Turn>; 3] = Default::default();
    for round in 0..WARM_UP + rounds {
        let requests: Rc<Vec<Vec<u8>>> = Rc::new(match case {
            Case::Accepted => (round * count..(round + 1) * count)
                .map(|n| client::request(n, size))
                .collect(),
            Case::Duplicates => vec![client::request(0, size)],
            Case::Forged => vec![client::forged(0, size)],
        });
        for turn in 0..KINDS.len() {
            let which = (round as usize + turn) % KINDS.len();
            let status = match (case, KINDS[which]) {
                (Case::Forged, Kind::Receiver | Kind::ByHand) => 401,
                _ => 200,
            };
            let open = connections[which].take().expect("open connections");
            let before = servers[which].usage();
            let started = Instant::now();
            // The client never sleeps between responses: to be woken costs the server a system
            // call's worth of time.
            let spinner = local.spawn_local(async {
                loop {
                    tokio::task::yield_now().await;
                }
            });
            let open = local.block_on(&runtime, send_all(open, &requests, count, status));
            spinner.abort();
            let took = started.elapsed();
            let after = servers[which].usage();
            connections[which] = Some(open);
            if round >= WARM_UP {
                turns[which].push(Turn {
                    throughput: count as f64 / took.as_secs_f64(),
                    processor: (after.processor - before.processor) as f64 / count as f64,
                });
            }
        }
    }
    // Its tasks go before the runtime that they are registered with.
    drop(connections);
    let [bare, layer, hand] = &turns;
    let median = |turns: &[Turn]| quantile(&turns.iter().map(|turn| turn.processor).collect::<Vec<_>>(), 0.5);
    let ratio = |ours: &[Turn], of: fn(&Turn) -> f64| {
        let ratios: Vec<f64> = ours.iter().zip(bare).map(|(ours, bare)| of(ours) / of(bare)).collect();
        let at = |part| quantile(&ratios, part);
        format!("{:.3} ({:.3}-{:.3})", at(0.5), at(0.25), at(0.75))
    };
    println!(
        "{name:36} {:>9.2} {:>9.2} {:>9.2} | {:>20} {:>20} | {:>20}",
        median(bare),
        median(layer),
        median(hand),
        ratio(layer, |turn| turn.processor),
        ratio(layer, |turn| turn.throughput),
        ratio(hand, |turn| turn.processor),
    );
}

async fn connect(address: SocketAddr) -> Vec<Connection> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(address).await.expect("a connection"));
    }
    connections
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
