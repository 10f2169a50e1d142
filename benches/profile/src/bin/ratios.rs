//! Ratios, measured in turns:
//!
//! ```sh
//! cargo run --release --bin ratios
//! ```
//!
//! Verifying beside the bare HMAC, and the whole of an accepted delivery beside the sum of what it
//! cannot do without.

use std::{
    cell::Cell,
    convert::Infallible,
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use profile::{
    common::{self, Contender, USUAL, claim_request, compare, event, id, quantile, ready},
    forged, request, runtime, send, service,
};
use sha2::Sha256;
use tower::service_fn;
use tower_webhook::{
    MemoryStore, dwolla,
    event::EventId,
    signature::Verifier,
    store::{Completion, IdempotencyStore as _, Key},
};

fn main() {
    let rounds = env::args()
        .nth(1)
        .map_or(1001, |rounds| rounds.parse().expect("a number of rounds"));
    verify(rounds);
    delivery(rounds);
}

fn verify(rounds: usize) {
    println!(
        "{:>8} {:>12} {:>12} {:>8}  middle half",
        "bytes", "bare HMAC ns", "verify ns", "ratio"
    );
    let keyed = Hmac::<Sha256>::new_from_slice(common::SECRET.as_bytes()).expect("a key");
    let verifier = Verifier::new(&dwolla::scheme(), &common::secrets()).expect("a secret");
    for size in [64, 600, 4 << 10, 64 << 10, 1 << 20] {
        let body = vec![b'x'; size];
        let headers = common::signature(&body);
        let mut contenders: Vec<Contender<'_>> = vec![
            (
                "bare",
                Box::new(|times| {
                    for _ in 0..times {
                        let mut mac = keyed.clone();
                        mac.update(black_box(&body));
                        black_box(mac.finalize());
                    }
                }),
            ),
            (
                "verify",
                Box::new(|times| {
                    for _ in 0..times {
                        let verified = verifier.verify(black_box(&headers), black_box(&body));
                        let _ = black_box(verified).expect("authentic");
                    }
                }),
            ),
        ];
        let measured = compare(rounds, Duration::from_micros(250), &mut contenders);
        if let [bare, verify] = &*measured {
            println!(
                "{size:>8} {:>12.0} {:>12.0} {:>8.3}  {:.3} to {:.3}",
                bare.nanoseconds, verify.nanoseconds, verify.ratio, verify.quartiles.0, verify.quartiles.1
            );
        }
    }
}

/// Times what follows preparations that do not count.
fn delivery(rounds: usize) {
    // Short, so that most rounds run through without a word from the scheduler.
    const BATCH: u64 = 32;
    let runtime = runtime();
    let store = MemoryStore::new();
    let service = service(store.clone(), None);
    let bare = service_fn(async |request: Request<Full<Bytes>>| {
        black_box(request.into_body().collect().await.map(|body| body.to_bytes())).expect("a body");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let body = event(&id(0), USUAL);
    let keyed = Hmac::<Sha256>::new_from_slice(common::SECRET.as_bytes()).expect("a key");
    let next = Cell::new(1);
    let ids = || {
        let from = next.get();
        next.set(from + BATCH);
        from..from + BATCH
    };
    let forget = |ids: std::ops::Range<u64>| {
        for n in ids {
            let key = Key::new("dwolla", EventId::new(&id(n)).expect("an id"));
            let _ = ready(store.forget(&key)).expect("an answer");
        }
    };
    let timed = |run: &mut dyn FnMut()| {
        let started = Instant::now();
        run();
        started.elapsed().as_secs_f64() * 1e9 / BATCH as f64
    };
    let accepted = || {
        let ids = ids();
        let mut requests: Vec<_> = ids.clone().map(|n| request(n, USUAL)).collect();
        let took = timed(&mut || send(&runtime, &service, std::mem::take(&mut requests), 200));
        forget(ids);
        took
    };
    let duplicate = || {
        let mut requests: Vec<_> = (0..BATCH).map(|_| request(0, USUAL)).collect();
        timed(&mut || send(&runtime, &service, std::mem::take(&mut requests), 200))
    };
    let refused = || {
        let mut requests: Vec<_> = (0..BATCH).map(|_| forged(0, USUAL)).collect();
        timed(&mut || send(&runtime, &service, std::mem::take(&mut requests), 401))
    };
    let read = || {
        let mut requests: Vec<_> = (0..BATCH).map(|_| request(0, USUAL)).collect();
        timed(&mut || send(&runtime, &bare, std::mem::take(&mut requests), 200))
    };
    let hmac = || {
        timed(&mut || {
            for _ in 0..BATCH {
                let mut mac = keyed.clone();
                mac.update(black_box(&body));
                black_box(mac.finalize());
            }
        })
    };
    let envelope = || {
        timed(&mut || {
            for _ in 0..BATCH {
                black_box(dwolla::Event::from_json(black_box(&body))).expect("an event");
            }
        })
    };
    let store_times = || {
        let ids = ids();
        let claim_requests: Vec<_> = ids.clone().map(claim_request).collect();
        let claim = timed(&mut || {
            for claim_request in &claim_requests {
                black_box(ready(store.claim(claim_request))).expect("a claim");
            }
        });
        let complete = timed(&mut || {
            for claim_request in &claim_requests {
                black_box(ready(store.complete(claim_request, Completion::Handled))).expect("done");
            }
        });
        forget(ids);
        [claim, complete]
    };
    // What no spawned task can do without.
    let task = || {
        timed(&mut || {
            runtime.block_on(async {
                for _ in 0..BATCH {
                    tokio::spawn(async {}).await.expect("an end");
                }
            })
        })
    };
    send(&runtime, &service, vec![request(0, USUAL)], 200);
    let names = [
        "accepted",
        "duplicate",
        "forged",
        "bare",
        "HMAC",
        "envelope",
        "claim",
        "complete",
        "empty task",
    ];
    let mut times: [Vec<f64>; 9] = Default::default();
    let mut ratios = Vec::new();
    for round in 0..rounds + 3 {
        let [claim, complete] = store_times();
        let now = [
            accepted(),
            duplicate(),
            refused(),
            read(),
            hmac(),
            envelope(),
            claim,
            complete,
            task(),
        ];
        if round < 3 {
            continue; // caches and tables are warm from here on
        }
        let [accepted, _, _, read, parts @ .., _] = now;
        ratios.push((accepted - read) / parts.iter().sum::<f64>());
        for (times, now) in times.iter_mut().zip(now) {
            times.push(now);
        }
    }
    println!("\nwithout HTTP, one at a time, {USUAL} bytes; ns, medians of {rounds} rounds");
    for (name, times) in names.iter().zip(&times) {
        println!("{name:>12} {:>8.0}", quantile(times, 0.5));
    }
    println!(
        "what the layer adds (accepted - bare) beside HMAC + envelope + claim + complete: {:.2} (middle half {:.2} to {:.2})",
        quantile(&ratios, 0.5),
        quantile(&ratios, 0.25),
        quantile(&ratios, 0.75)
    );
}
