//! What a million ids take, and how long the longest claim pauses:
//!
//! ```sh
//! cargo run --release --bin memory
//! ```

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use profile::{
    common::{claim_request, quantile, ready},
    counting,
};
use tower_webhook::{
    MemoryStore,
    clock::Clock,
    store::{Claimed, Completion, IdempotencyStore as _},
};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const IDS: u64 = 1_000_000;
const DAY: u64 = 24 * 3600;

/// Seconds after the epoch, set by hand.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<AtomicU64>);

impl Clock for Hand {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Relaxed))
    }
}

fn main() {
    let hand = Hand::default();
    let store = MemoryStore::builder()
        .capacity(IDS as usize)
        .clock(hand.clone())
        .build();
    let (live, resident) = (counting::live(), resident());

    let mut claims = Claims::with_capacity(IDS);
    for n in 0..IDS {
        claims.claim(&store, n, true);
    }
    let bytes = (counting::live() - live - claims.bytes()) as f64 / IDS as f64;
    let resident = (self::resident() - resident - claims.bytes()) as f64 / IDS as f64;
    println!("{IDS} ids: {bytes:.1} bytes each (resident memory: {resident:.1})");
    claims.report("the first million, tables growing");

    // Full, and every provider may still retry: refused.
    let mut claims = Claims::with_capacity(100_000);
    for n in 0..100_000 {
        claims.refused(&store, IDS + n);
    }
    claims.report("100 thousand refused by a full store");

    // Full, and the providers have given up: the oldest are forgotten early.
    hand.0.fetch_add(4 * DAY, Relaxed);
    let mut claims = Claims::with_capacity(IDS / 2);
    for n in 0..IDS / 2 {
        claims.claim(&store, 2 * IDS + n, true);
    }
    claims.report("half a million, each for an older one");

    // All expired: swept while new ones come.
    hand.0.fetch_add(36 * DAY, Relaxed);
    let mut claims = Claims::with_capacity(IDS);
    for n in 0..IDS {
        claims.claim(&store, 4 * IDS + n, true);
    }
    claims.report("a million after all had expired");

    // Duplicates.
    let mut claims = Claims::with_capacity(IDS);
    for n in 0..IDS {
        claims.claim(&store, 4 * IDS + n, false);
    }
    claims.report("a million duplicates");
}

/// The times of claims: by the clock on the wall, and by the processor's, which stands still while
/// others use it.
struct Claims {
    wall: Vec<f64>,
    processor: Vec<f64>,
}

impl Claims {
    fn with_capacity(count: u64) -> Self {
        Self {
            wall: Vec::with_capacity(count as usize),
            processor: Vec::with_capacity(count as usize),
        }
    }

    fn bytes(&self) -> i64 {
        (self.wall.capacity() + self.processor.capacity()) as i64 * 8
    }

    fn claim(&mut self, store: &MemoryStore, n: u64, fresh: bool) {
        let claim_request = claim_request(n);
        let answer = self.timed(|| ready(store.claim(&claim_request)).expect("an answer"));
        if fresh {
            assert!(matches!(answer, Claimed::Acquired { .. }), "{n}: {answer:?}");
            let _ = ready(store.complete(&claim_request, Completion::Handled)).expect("an answer");
        } else {
            assert_eq!(answer, Claimed::Done(Completion::Handled), "{n}");
        }
    }

    fn refused(&mut self, store: &MemoryStore, n: u64) {
        let claim_request = claim_request(n);
        self.timed(|| ready(store.claim(&claim_request)).expect_err("no room"));
    }

    fn timed<A>(&mut self, operation: impl FnOnce() -> A) -> A {
        let processor = processor_time();
        let wall = Instant::now();
        let answer = operation();
        self.wall.push(wall.elapsed().as_nanos() as f64 / 1e3);
        self.processor
            .push((processor_time() - processor).as_nanos() as f64 / 1e3);
        answer
    }

    fn report(&self, name: &str) {
        for (clock, times) in [("wall", &self.wall), ("processor", &self.processor)] {
            println!(
                "{name:40} {clock:9} µs: median {:.2}, 99.9 % {:.1}, longest {:.1}",
                quantile(times, 0.5),
                quantile(times, 0.999),
                quantile(times, 1.0)
            );
        }
    }
}

fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a `timespec` that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes of this process in memory.
fn resident() -> i64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: i64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("pages");
    pages * 4096
}
