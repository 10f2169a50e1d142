//! Mixed load for a while: does the server's memory stay, and do its tasks end?

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{task::LocalSet, time::sleep};

use crate::{
    client::{self, Connection, head},
    common::USUAL,
    server::{Kind, Server, Usage},
};

const SENDERS: usize = 8;
/// Between a sender's requests: some thousand requests a second, so that the machine has time for
/// other things.
const PAUSE: Duration = Duration::from_millis(1);
/// Events that all senders repeat.
const REPEATED: u64 = 100;

#[derive(Default)]
struct Counts {
    next: Cell<u64>,
    answers: RefCell<BTreeMap<(&'static str, u16), u64>>,
}

pub fn run(seconds: u64) {
    let mut server = Server::start(Kind::Guarded, 2);
    let address = server.address;
    let counts = Rc::new(Counts {
        next: Cell::new(REPEATED),
        ..Counts::default()
    });
    let started = Instant::now();
    let until = started + Duration::from_secs(seconds);
    println!(
        "{:>8} {:>12} {:>6} {:>9} {:>10}",
        "seconds", "resident KiB", "tasks", "ids", "sent"
    );
    let tell = |usage: Usage| {
        println!(
            "{:>8} {:>12} {:>6} {:>9} {:>10}",
            started.elapsed().as_secs(),
            usage.resident / 1024,
            usage.tasks,
            usage.ids,
            counts.next.get()
        );
    };
    tell(server.usage());
    LocalSet::new().block_on(&client::runtime(), async {
        let senders: Vec<_> = (0..SENDERS as u64)
            .map(|sender| tokio::task::spawn_local(mixed(address, sender, Rc::clone(&counts), until)))
            .collect();
        while Instant::now() < until {
            sleep(Duration::from_secs((seconds / 20).max(1)).min(until.saturating_duration_since(Instant::now())))
                .await;
            tell(server.usage());
        }
        for sender in senders {
            sender.await.expect("a sender");
        }
        // What was under way ends: a body has five seconds.
        sleep(Duration::from_secs(6)).await;
        tell(server.usage());
    });
    for ((sent, status), count) in &*counts.answers.borrow() {
        println!("{sent:24} {status} {count:>9}");
    }
}

async fn mixed(address: std::net::SocketAddr, sender: u64, counts: Rc<Counts>, until: Instant) {
    let mut connection = Connection::open(address).await.expect("a connection");
    let mut turn = sender;
    while Instant::now() < until {
        turn += 1;
        let n = counts.next.get();
        counts.next.set(n + 1);
        let forged = "0123456789abcdef".repeat(4);
        let (sent, status, last) = match turn % 10 {
            0..4 => exchange("accepted", &mut connection, &client::request(n, USUAL)).await,
            4 | 5 => exchange("repeated", &mut connection, &client::request(n % REPEATED, USUAL)).await,
            6 | 7 => exchange("forged", &mut connection, &client::forged(n, USUAL)).await,
            8 if n % 2 == 0 => {
                exchange(
                    "oversized, as it says",
                    &mut connection,
                    head(&forged, 300 << 10).as_bytes(),
                )
                .await
            }
            8 => {
                // Chunks to no end: the limit strikes while they arrive.
                let head = head(&forged, 0).replace("content-length: 0", "transfer-encoding: chunked");
                let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
                let request = head + &chunk.repeat(10);
                exchange("oversized, in chunks", &mut connection, request.as_bytes()).await
            }
            // Hangs up: in the middle of the body, or before the answer.
            _ => {
                let request = client::request(n, USUAL);
                let part = if n % 2 == 0 { request.len() / 2 } else { request.len() };
                let _ = connection.send(&request[..part]).await;
                ("aborted", 0, true)
            }
        };
        *counts.answers.borrow_mut().entry((sent, status)).or_default() += 1;
        if last {
            connection = Connection::open(address).await.expect("a connection");
        }
        sleep(PAUSE).await;
    }
}

/// Status 0 where the connection broke before an answer.
async fn exchange(what: &'static str, connection: &mut Connection, request: &[u8]) -> (&'static str, u16, bool) {
    // A server that refuses while the body is on its way answers, then closes: an error in sending
    // says nothing yet.
    let _ = connection.send(request).await;
    match connection.answer().await {
        Ok(answer) => (what, answer.status, answer.last),
        Err(_) => (what, 0, true),
    }
}
