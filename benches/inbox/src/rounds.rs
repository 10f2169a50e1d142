//! Rounds of turns: in each round every contender has a turn, so that whatever else the machine
//! does meets all alike.

use std::{future::Future, pin::Pin, time::Instant};

use crate::common::quantile;

pub type Running<'a> = Pin<Box<dyn Future<Output = Turn> + 'a>>;

/// What a turn came to.
pub struct Turn {
    pub per_second: f64,
    /// Milliseconds of each operation; none where single operations were not watched.
    pub latencies: Vec<f64>,
}

impl Turn {
    pub fn of(count: usize, started: Instant) -> Self {
        Self {
            per_second: count as f64 / started.elapsed().as_secs_f64(),
            latencies: Vec::new(),
        }
    }
}

pub struct Contender<'a> {
    pub name: String,
    run: Box<dyn FnMut() -> Running<'a> + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new<F>(name: impl Into<String>, mut run: impl FnMut() -> F + 'a) -> Self
    where
        F: Future<Output = Turn> + 'a,
    {
        Self {
            name: name.into(),
            run: Box::new(move || Box::pin(run())),
        }
    }
}

/// Compares with the first contender, and prints a line for each. The first round warms up.
pub async fn compare(title: &str, rounds: usize, mut contenders: Vec<Contender<'_>>) {
    let mut speeds = vec![Vec::new(); contenders.len()];
    let mut latencies = vec![Vec::new(); contenders.len()];
    for round in 0..=rounds {
        for turn in 0..contenders.len() {
            // Each round begins with another one.
            let which = (round + turn) % contenders.len();
            let turn = (contenders[which].run)().await;
            if round > 0 {
                speeds[which].push(turn.per_second);
                latencies[which].extend(turn.latencies);
            }
        }
    }
    println!("\n{title}\n");
    println!("| | a second | ÷ first (middle half) | ms: p50, p99 |\n| --- | ---: | ---: | ---: |");
    for (which, contender) in contenders.iter().enumerate() {
        let ratios: Vec<f64> = speeds[which]
            .iter()
            .zip(&speeds[0])
            .map(|(speed, first)| speed / first)
            .collect();
        println!(
            "| {} | {} | **{:.2}** ({:.2} to {:.2}) | {} |",
            contender.name,
            thousands(quantile(&speeds[which], 0.5)),
            quantile(&ratios, 0.5),
            quantile(&ratios, 0.25),
            quantile(&ratios, 0.75),
            milliseconds(&latencies[which]),
        );
    }
}

/// A table without ratios: how long something took.
pub fn latencies(title: &str, rows: &[(String, Vec<f64>)]) {
    println!("\n{title}\n");
    println!("| | ms: p50, p99, longest | of |\n| --- | ---: | ---: |");
    for (name, times) in rows {
        let longest = if times.is_empty() { 0.0 } else { quantile(times, 1.0) };
        println!("| {name} | {}, {longest:.2} | {} |", milliseconds(times), times.len());
    }
}

fn milliseconds(times: &[f64]) -> String {
    if times.is_empty() {
        return String::new();
    }
    format!("{:.2}, {:.2}", quantile(times, 0.5), quantile(times, 0.99))
}

fn thousands(number: f64) -> String {
    let number = number.round() as u64;
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{thousands},{:03}", number % 1000),
    }
}
