//! A backlog of a million.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::time::sleep;
use tower_webhook::{
    inbox::{Action, InboxAdmin, Settlement, TakeRequest},
    store::{Completion, Token},
};

use crate::{figures::Engine, load::BODY, rounds};

const MILLION: i64 = 1_000_000;
const DAY: i64 = 24 * 3600 * 1000;
const DONE: usize = 100_000;

impl<S: InboxAdmin + Clone> Engine<'_, S> {
    pub async fn million(&self) {
        let times = 40 * self.rounds;
        let mut rows = Vec::new();
        rows.push(("`take(32)`, 1,000 due".to_owned(), {
            self.bare.load("few", 32 * times as i64 + 1000, -5_000, BODY).await;
            self.takes("few", times, 32, Duration::from_millis(5)).await
        }));
        rows.push((
            "idle poll, nothing stored".to_owned(),
            self.takes("nothing", times, 0, Duration::from_millis(5)).await,
        ));
        self.bare.load("due", MILLION, -5_000, BODY).await;
        self.bare.load("later", MILLION, DAY, 2).await;
        self.bare.tidy().await;
        // What was written is on its way to the disk yet.
        sleep(Duration::from_secs(5)).await;
        rows.push((
            "`take(32)`, a million due".to_owned(),
            self.takes("due", times, 32, Duration::from_millis(5)).await,
        ));
        rows.push((
            "idle poll, a million in the future".to_owned(),
            self.takes("later", times, 0, Duration::from_millis(5)).await,
        ));
        if let Some(open) = self.bare.hold_open().await {
            self.bare.load("busy", DONE as i64, -5_000, BODY).await;
            self.finish("busy", DONE).await;
            self.finish("due", DONE).await;
            // Longer than a floor holds.
            let pause = Duration::from_millis(25_000 / times as u64);
            rows.push((
                "`take(32)` of the million, 200,000 done under an open transaction".to_owned(),
                self.takes("due", times, 32, pause).await,
            ));
            rows.push((
                "idle poll, 100,000 done under an open transaction".to_owned(),
                self.takes("busy", times, 0, pause).await,
            ));
            // A deposit is due when it is stored, and not seconds before.
            self.bare.load("busy", 32 * times as i64, 1_000, BODY).await;
            rows.push((
                "`take(32)`, 100,000 done and few due under an open transaction".to_owned(),
                self.takes("busy", times, 32, pause).await,
            ));
            drop(open);
        }
        rounds::latencies("a million", &rows);
        self.memory().await;
    }

    /// What a worker that has a backlog of a million to do has resident.
    async fn memory(&self) {
        let before = resident("VmRSS:");
        fs::write("/proc/self/clear_refs", "5").expect("a peak that begins now");
        let turn = self.work_off("due", DONE).await;
        println!(
            "\nresident: {before:.1} MiB before a worker did {DONE} of the million, {:.1} MiB at most meanwhile, {:.1} MiB after; {:.0} a second\n",
            resident("VmHWM:"),
            resident("VmRSS:"),
            turn.per_second,
        );
    }

    async fn takes(&self, namespace: &str, times: usize, expected: usize, pause: Duration) -> Vec<f64> {
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let request = TakeRequest::new(namespace, Token::random(), 32);
            let started = Instant::now();
            let deliveries = self.store.take(&request).await.expect("a take");
            taken.push(started.elapsed().as_secs_f64() * 1e3);
            assert_eq!(deliveries.len(), expected, "of {namespace}");
            sleep(pause).await;
        }
        taken
    }

    /// Takes and settles so many.
    async fn finish(&self, namespace: &str, count: usize) {
        let mut done = 0;
        while done < count {
            let request = TakeRequest::new(namespace, Token::random(), 256.min(count - done));
            let taken = self.store.take(&request).await.expect("a take");
            done += taken.len();
            let settlements: Vec<_> = taken
                .into_iter()
                .map(|taken| Settlement::new(taken.claim_request, Action::Complete(Completion::Handled)))
                .collect();
            assert!(!settlements.is_empty(), "{done} of {count} were due");
            self.store.settle(&settlements).await.expect("an end");
        }
    }
}

/// In MiB.
fn resident(which: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with(which)).expect("a line");
    let kib = line.split_whitespace().nth(1).expect("a number");
    kib.parse::<f64>().expect("a number") / 1024.0
}
