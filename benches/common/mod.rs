//! What the benches, and the programs beside them, share: the event that is measured, and how two
//! things are compared.

#![allow(dead_code, unreachable_pub, reason = "each program uses its part")]

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use http::HeaderMap;
use tower_webhook::{
    dwolla,
    event::{EventId, Fingerprint},
    signature::Secrets,
    store::{ClaimRequest, Key, Token},
};

pub const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// The size of a usual Dwolla event, in bytes.
pub const USUAL: usize = 600;

/// The `n`th id: a UUID, as Dwolla's are.
pub fn id(n: u64) -> String {
    let mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    format!(
        "{:08x}-{:04x}-4000-8000-{:012x}",
        mixed >> 32,
        mixed >> 16 & 0xffff,
        n & 0xffff_ffff_ffff
    )
}

/// An event as Dwolla sends it, made this long (580 bytes or more) by a field that nobody reads.
pub fn event(id: &str, size: usize) -> Vec<u8> {
    let start = format!(
        concat!(
            r#"{{"id":"{id}","resourceId":"6c57f372-e9a0-47d4-91f3-ab2b3aae56f0","topic":"customer_created","#,
            r#""timestamp":"2019-02-04T14:58:45.144Z","_links":{{"self":{{"href":"https://api.dwolla.com/events/{id}"}},"#,
            r#""account":{{"href":"https://api.dwolla.com/accounts/ad5f2162-404a-4c4c-994e-6ab6c3a13254"}},"#,
            r#""resource":{{"href":"https://api.dwolla.com/customers/6c57f372-e9a0-47d4-91f3-ab2b3aae56f0"}},"#,
            r#""customer":{{"href":"https://api.dwolla.com/customers/6c57f372-e9a0-47d4-91f3-ab2b3aae56f0"}}}},"#,
            r#""created":"2019-02-04T14:58:45.144Z","note":""#
        ),
        id = id
    );
    let mut body = start.into_bytes();
    body.resize(size.saturating_sub(2).max(body.len()), b'x');
    body.extend_from_slice(b"\"}");
    assert_eq!(body.len(), size, "an event of this size");
    body
}

pub fn secrets() -> Secrets {
    Secrets::new(SECRET).unwrap()
}

/// What Dwolla puts on a request with this body.
pub fn signature(body: &[u8]) -> HeaderMap {
    dwolla::scheme().sign(&secrets(), body).unwrap()
}

/// What the layer claims the `n`th event with.
pub fn claim_request(n: u64) -> ClaimRequest {
    claim_request_of(Key::new("dwolla", EventId::new(&id(n)).unwrap()))
}

pub fn claim_request_of(key: Key) -> ClaimRequest {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    ClaimRequest::new(key, Token::random(), Fingerprint::of(["customer_created"]))
        .with_lease(Duration::from_secs(60))
        .with_retention(35 * DAY)
        .with_retry_window(3 * DAY)
}

/// The result of a future that never waits, as the memory store's.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// Whether this is `cargo bench`, and not `cargo test`, which only looks whether a bench runs at
/// all.
pub fn in_earnest() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// Runs what is compared so many times.
pub type Contender<'a> = (&'static str, Box<dyn FnMut(u64) + 'a>);

/// What a contender took.
pub struct Measured {
    pub name: &'static str,
    /// Nanoseconds a call: the median of the rounds.
    pub nanoseconds: f64,
    /// Beside the first contender: the median of the rounds' ratios, each of two neighbours in
    /// time.
    pub ratio: f64,
    /// The middle half of the rounds' ratios.
    pub quartiles: (f64, f64),
}

/// Compares in turns: each round runs all contenders, beginning with another one each time, so that
/// whatever else the machine does meets all alike. Short turns and many rounds: then few of them
/// are interrupted, and the median knows of none.
pub fn compare(rounds: usize, per_turn: Duration, contenders: &mut [Contender<'_>]) -> Vec<Measured> {
    let calls: Vec<u64> = contenders
        .iter_mut()
        .map(|(_, run)| {
            let mut calls = 1;
            loop {
                let started = Instant::now();
                run(calls);
                let took = started.elapsed();
                if took * 4 >= per_turn {
                    let fit = per_turn.as_secs_f64() / took.as_secs_f64();
                    return ((calls as f64 * fit) as u64).max(1);
                }
                calls *= 2;
            }
        })
        .collect();
    let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 0..rounds {
        for turn in 0..contenders.len() {
            let which = (round + turn) % contenders.len();
            let started = Instant::now();
            (contenders[which].1)(calls[which]);
            times[which].push(started.elapsed().as_secs_f64() * 1e9 / calls[which] as f64);
        }
    }
    let first = times[0].clone();
    contenders
        .iter()
        .zip(times)
        .map(|((name, _), times)| {
            let ratios: Vec<f64> = times.iter().zip(&first).map(|(time, first)| time / first).collect();
            Measured {
                name,
                nanoseconds: quantile(&times, 0.5),
                ratio: quantile(&ratios, 0.5),
                quartiles: (quantile(&ratios, 0.25), quantile(&ratios, 0.75)),
            }
        })
        .collect()
}

/// The value that this part of the values is below.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}
