//! Rounds of turns: the store's, its engine's, and what is looked at beside.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use tokio::runtime::Runtime;
use tower_webhook::store::{ClaimRequest, Claimed, Completion, Effect, IdempotencyStore};

use crate::common::{claim_request, quantile};

/// As many as a receiver has under load.
const IN_FLIGHT: usize = 64;

/// The engine's own program, or a bare loop: runs so many claims, and says how many there were in a
/// second.
pub struct Engine<'a> {
    pub name: String,
    /// Whether it is part of the ceiling, which is the fastest of a round's.
    pub is_ceiling: bool,
    pub run: Box<dyn FnMut(u64) -> f64 + 'a>,
}

/// How many operations a turn has.
#[derive(Clone, Copy)]
pub struct Length {
    pub in_flight: u64,
    pub alone: u64,
}

#[derive(Clone, Copy)]
enum Operation {
    Claim,
    Complete,
}

#[derive(Default)]
pub struct Report {
    pub name: String,
    pub round_trips: String,
    claims: Vec<f64>,
    completions: Vec<f64>,
    /// Claims of a round divided by the ceiling's.
    ratios: Vec<f64>,
    ceilings: Vec<f64>,
    engines: Vec<(String, Vec<f64>)>,
    /// Microseconds: claim and complete in flight, then alone.
    latencies: [Vec<f64>; 4],
}

/// Measures; the store's ids and those of the engines have to differ.
pub fn measure<S: IdempotencyStore>(
    runtime: &Runtime,
    name: &str,
    store: S,
    rounds: usize,
    length: Length,
    mut engines: Vec<Engine<'_>>,
) -> Report {
    let store = Arc::new(store);
    let mut report = Report {
        name: name.to_owned(),
        engines: engines.iter().map(|engine| (engine.name.clone(), Vec::new())).collect(),
        ..Report::default()
    };
    let turns = engines.len() + 1;
    // The first one warms up and is not counted.
    for round in 0..=rounds {
        let mut speeds = vec![0.0; turns];
        for turn in 0..turns {
            // Each round begins with another one.
            let which = (round + turn) % turns;
            speeds[which] = match which.checked_sub(1).and_then(|which| engines.get_mut(which)) {
                Some(engine) => (engine.run)(length.in_flight),
                None => {
                    let speeds = report.turn(runtime, &store, IN_FLIGHT, length.in_flight, round > 0);
                    report.turn(runtime, &store, 1, length.alone, round > 0);
                    if round > 0 {
                        report.completions.push(speeds[1]);
                    }
                    speeds[0]
                }
            };
        }
        if round > 0 {
            report.add(&speeds, &engines);
        }
    }
    report
}

impl Report {
    fn add(&mut self, speeds: &[f64], engines: &[Engine<'_>]) {
        let [claims, of_engines @ ..] = speeds else { return };
        let mut ceiling: f64 = 0.0;
        for ((engine, speed), (_, speeds)) in engines.iter().zip(of_engines).zip(&mut self.engines) {
            speeds.push(*speed);
            if engine.is_ceiling {
                ceiling = ceiling.max(*speed);
            }
        }
        self.claims.push(*claims);
        self.ceilings.push(ceiling);
        self.ratios.push(claims / ceiling);
    }

    /// Claims new ids, then completes them; both a second.
    fn turn<S: IdempotencyStore>(
        &mut self,
        runtime: &Runtime,
        store: &Arc<S>,
        tasks: usize,
        count: u64,
        is_counted: bool,
    ) -> [f64; 2] {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let from = NEXT.fetch_add(count, Relaxed);
        let claim_requests: Arc<Vec<ClaimRequest>> = Arc::new((from..from + count).map(claim_request).collect());
        let first = if tasks == 1 { 2 } else { 0 };
        let mut speeds = [0.0; 2];
        for (which, operation) in [Operation::Claim, Operation::Complete].into_iter().enumerate() {
            let started = Instant::now();
            let latencies = runtime.block_on(in_flight(store, &claim_requests, tasks, operation));
            speeds[which] = count as f64 / started.elapsed().as_secs_f64();
            if is_counted {
                self.latencies[first + which].extend(latencies);
            }
        }
        speeds
    }

    /// As BENCHMARKS.md has them.
    pub fn print(reports: &[Self], rounds: usize) {
        println!("Medians of {rounds} rounds; {IN_FLIGHT} in flight:\n");
        println!("| | claims/s | ceiling | ratio (middle half) | completions/s | round trips a delivery |");
        println!("| --- | ---: | ---: | ---: | ---: | --- |");
        for report in reports {
            let median = |values: &[f64]| thousands(quantile(values, 0.5));
            let ratio = |part| quantile(&report.ratios, part);
            println!(
                "| {} | {} | {} | **{:.2}** ({:.2} to {:.2}) | {} | {} |",
                report.name,
                median(&report.claims),
                median(&report.ceilings),
                ratio(0.5),
                ratio(0.25),
                ratio(0.75),
                median(&report.completions),
                report.round_trips,
            );
        }
        println!("\nMilliseconds, median and 99 %:\n");
        println!("| | claim, {IN_FLIGHT} in flight | complete | claim, alone | complete |");
        println!("| --- | ---: | ---: | ---: | ---: |");
        for report in reports {
            let [claim, complete, claim_alone, complete_alone] = report.latencies.each_ref().map(|latencies| {
                let at = |part| quantile(latencies, part) / 1000.0;
                format!("{:.2}, {:.2}", at(0.5), at(0.99))
            });
            println!(
                "| {} | {claim} | {complete} | {claim_alone} | {complete_alone} |",
                report.name
            );
        }
        println!("\nThe engines by themselves, claims/s:\n");
        println!("| | |\n| --- | ---: |");
        for report in reports {
            for (name, speeds) in &report.engines {
                println!("| {}: {name} | {} |", report.name, thousands(quantile(speeds, 0.5)));
            }
        }
    }
}

/// Each task does its part of the claim requests, one after the other; microseconds of each.
async fn in_flight<S: IdempotencyStore>(
    store: &Arc<S>,
    claim_requests: &Arc<Vec<ClaimRequest>>,
    tasks: usize,
    operation: Operation,
) -> Vec<f64> {
    let tasks: Vec<_> = (0..tasks)
        .map(|first| {
            let (store, claim_requests) = (Arc::clone(store), Arc::clone(claim_requests));
            tokio::spawn(async move {
                let mut latencies = Vec::with_capacity(claim_requests.len() / tasks + 1);
                for claim_request in claim_requests.iter().skip(first).step_by(tasks) {
                    let started = Instant::now();
                    let is_done = match operation {
                        Operation::Claim => {
                            matches!(
                                store.claim(claim_request).await,
                                Ok(Claimed::Acquired { attempts: 1, .. })
                            )
                        }
                        Operation::Complete => {
                            matches!(
                                store.complete(claim_request, Completion::Handled).await,
                                Ok(Effect::Applied)
                            )
                        }
                    };
                    latencies.push(started.elapsed().as_secs_f64() * 1e6);
                    assert!(is_done, "of {claim_request:?}");
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::with_capacity(claim_requests.len());
    for task in tasks {
        latencies.extend(task.await.expect("a task's end"));
    }
    latencies
}

fn thousands(number: f64) -> String {
    let number = number.round() as u64;
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{thousands},{:03}", number % 1000),
    }
}
