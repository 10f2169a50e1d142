//! Allocations of a delivery, as a whole and of its parts:
//!
//! ```sh
//! cargo run --release --bin allocations
//! ```

use std::{hint::black_box, time::SystemTime};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use profile::{
    common::{self, USUAL, ready},
    counting, forged, request, runtime, send, service,
};
use tower_webhook::{
    MemoryStore,
    dwolla::Dwolla,
    event::Event as _,
    provider::Provider as _,
    store::{Completion, IdempotencyStore as _},
};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const TIMES: u64 = 10_000;

fn main() {
    let runtime = runtime();
    let store = MemoryStore::new();
    let service = service(store.clone(), None);
    send(&runtime, &service, (0..100).map(|n| request(n, USUAL)).collect(), 200);

    println!("{:24} {:>11} {:>8}", "", "allocations", "bytes");
    let whole = |name, status, make: &dyn Fn(u64) -> Request<Full<Bytes>>| {
        let requests: Vec<_> = (0..TIMES).map(make).collect();
        counted(name, || send(&runtime, &service, requests, status));
    };
    whole("accepted", 200, &|n| request(1000 + n, USUAL));
    whole("duplicate", 200, &|_| request(1, USUAL));
    whole("forged", 401, &|_| forged(1, USUAL));

    let provider = Dwolla::new(common::SECRET).expect("a secret");
    let body = Bytes::from(common::event(&common::id(0), USUAL));
    let headers = common::signature(&body);
    counted("  verify", || {
        for _ in 0..TIMES {
            let verified = provider.verifier().verify_at(&headers, &body, SystemTime::UNIX_EPOCH);
            let _ = black_box(verified).expect("authentic");
        }
    });
    counted("  envelope", || {
        for _ in 0..TIMES {
            black_box(provider.event(&headers, &body)).expect("an event");
        }
    });
    let event = provider.event(&headers, &body).expect("an event");
    counted("  fingerprint", || {
        for _ in 0..TIMES {
            black_box(event.fingerprint());
        }
    });
    let claim_requests: Vec<_> = (20_000..20_000 + TIMES).map(common::claim_request).collect();
    counted("  claim", || {
        for claim_request in &claim_requests {
            black_box(ready(store.claim(claim_request))).expect("a claim");
        }
    });
    counted("  complete", || {
        for claim_request in &claim_requests {
            black_box(ready(store.complete(claim_request, Completion::Handled))).expect("done");
        }
    });
    counted("  empty task", || {
        runtime.block_on(async {
            for _ in 0..TIMES {
                tokio::spawn(async {}).await.expect("an end");
            }
        })
    });
}

fn counted(name: &str, run: impl FnOnce()) {
    let before = counting::so_far();
    run();
    let after = counting::so_far();
    let each = |before, after| (after - before) as f64 / TIMES as f64;
    println!(
        "{name:24} {:>11.2} {:>8.0}",
        each(before.0, after.0),
        each(before.1, after.1)
    );
}
