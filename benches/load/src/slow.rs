//! Normal traffic beside senders of a byte a second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    task::LocalSet,
    time::{sleep, timeout},
};

use crate::{
    client::{self, Connection, head},
    common::{USUAL, quantile},
    server::{Kind, Server},
};

/// Connections of normal traffic.
const NORMAL: usize = 8;

pub fn run(seconds: u64, slow: usize) {
    let mut server = Server::start(Kind::Guarded, 2);
    let address = server.address;
    let next = Rc::new(Cell::new(0));
    let ends: Rc<RefCell<BTreeMap<u16, u64>>> = Rc::default();
    println!(
        "{:24} {:>9} {:>9} {:>9} {:>9} {:>9} {:>12} {:>6}",
        "normal traffic", "req/s", "p50 µs", "p99 µs", "max µs", "cpu µs", "resident KiB", "tasks"
    );
    LocalSet::new().block_on(&client::runtime(), async {
        // Until as many ids expire as come, the store grows.
        normal(address, Duration::from_secs(25), &next).await;
        let mut phase = async |name: &str| {
            let before = server.usage();
            let (throughput, times) = normal(address, Duration::from_secs(seconds), &next).await;
            let after = server.usage();
            println!(
                "{name:24} {throughput:>9.0} {:>9.0} {:>9.0} {:>9.0} {:>9.2} {:>12} {:>6}",
                quantile(&times, 0.5),
                quantile(&times, 0.99),
                quantile(&times, 1.0),
                (after.processor - before.processor) as f64 / times.len() as f64,
                after.resident / 1024,
                after.tasks,
            );
        };
        phase("alone").await;
        let stop = Rc::new(Cell::new(false));
        let senders: Vec<_> = (0..slow)
            .map(|sender| tokio::task::spawn_local(byte_a_second(address, sender, Rc::clone(&stop), Rc::clone(&ends))))
            .collect();
        // Beyond the limits on a body (5 s) and on headers (10 s), so that the first have been cut
        // off.
        sleep(Duration::from_secs(12)).await;
        phase(&format!("beside {slow} slow")).await;
        phase("the same, later").await;
        stop.set(true);
        for sender in senders {
            sender.await.expect("a sender");
        }
        sleep(Duration::from_secs(12)).await;
        phase("alone again").await;
    });
    for (status, count) in &*ends.borrow() {
        match status {
            0 => println!("cut off without an answer (headers): {count}"),
            status => println!("answered {status}: {count}"),
        }
    }
}

/// Fresh events, one after the other on each connection. Requests a second, and each one's
/// microseconds.
async fn normal(address: SocketAddr, time: Duration, next: &Rc<Cell<u64>>) -> (f64, Vec<f64>) {
    let started = Instant::now();
    let senders: Vec<_> = (0..NORMAL)
        .map(|_| {
            let next = Rc::clone(next);
            tokio::task::spawn_local(async move {
                let mut connection = Connection::open(address).await.expect("a connection");
                let mut times = Vec::new();
                while started.elapsed() < time {
                    let n = next.get();
                    next.set(n + 1);
                    let request = client::request(n, USUAL);
                    let sent = Instant::now();
                    let answer = connection.exchange(&request).await.expect("an answer");
                    times.push(sent.elapsed().as_secs_f64() * 1e6);
                    assert_eq!(answer.status, 200);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for sender in senders {
        times.extend(sender.await.expect("a sender"));
    }
    (times.len() as f64 / started.elapsed().as_secs_f64(), times)
}

/// Every other one is slow with its headers, the rest with a body. Cut off, it begins anew.
async fn byte_a_second(
    address: SocketAddr,
    sender: usize,
    stop: Rc<Cell<bool>>,
    ends: Rc<RefCell<BTreeMap<u16, u64>>>,
) {
    let head = head(&"0123456789abcdef".repeat(4), USUAL);
    let (at_once, slowly) = if sender % 2 == 0 {
        ("", head.as_str())
    } else {
        (head.as_str(), "{\"id\":\"never the whole of it\"")
    };
    // Spread over a second.
    sleep(Duration::from_millis(sender as u64 % 1000)).await;
    while !stop.get() {
        let mut connection = Connection::open(address).await.expect("a connection");
        let mut broken = connection.send(at_once.as_bytes()).await.is_err();
        for byte in slowly.bytes() {
            if broken || stop.get() {
                break;
            }
            broken = connection.send(&[byte]).await.is_err();
            match timeout(Duration::from_secs(1), connection.answer()).await {
                Err(_) => {}
                Ok(answer) => {
                    let status = answer.map_or(0, |answer| answer.status);
                    *ends.borrow_mut().entry(status).or_default() += 1;
                    broken = true;
                }
            }
        }
    }
}
