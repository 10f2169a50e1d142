//! Verifying a signature, beside the bare HMAC that it cannot do without.
//!
//! ```sh
//! cargo bench --bench verify
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure should end"
)]

mod common;

use std::{hint::black_box, time::SystemTime};

use criterion::{BenchmarkId, Criterion, Throughput};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use tower_webhook::{dwolla, signature::Verifier, verify};

const SIZES: [usize; 5] = [64, 600, 4 * 1024, 64 * 1024, 1024 * 1024];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("verify");
    let secrets = common::secrets();
    let scheme = dwolla::scheme();
    let verifier = Verifier::new(&scheme, &secrets).unwrap();
    let keyed = Hmac::<Sha256>::new_from_slice(common::SECRET.as_bytes()).unwrap();
    for size in SIZES {
        let body = vec![b'x'; size];
        let headers = common::signature(&body);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::new("bare_hmac", size), |bencher| {
            bencher.iter(|| {
                let mut mac = keyed.clone();
                mac.update(black_box(&body));
                mac.finalize()
            })
        });
        group.bench_function(BenchmarkId::new("one_shot", size), |bencher| {
            bencher.iter(|| verifier.verify(black_box(&headers), black_box(&body)).unwrap())
        });
        group.bench_function(BenchmarkId::new("in_four_pieces", size), |bencher| {
            bencher.iter(|| {
                let mut verification = verifier.begin(black_box(&headers)).unwrap();
                for piece in black_box(&body).chunks(size / 4) {
                    verification.update(piece);
                }
                verification.finish(SystemTime::UNIX_EPOCH).unwrap()
            })
        });
        // Keying, too, for a single request.
        group.bench_function(BenchmarkId::new("function", size), |bencher| {
            bencher.iter(|| verify(&scheme, &secrets, black_box(&headers), black_box(&body)).unwrap())
        });
    }
    group.finish();
    criterion.final_summary();
}
