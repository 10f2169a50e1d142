//! The stores outside the process, each beside its engine's own benchmark of the same statement:
//!
//! ```sh
//! cargo run --release                 # all of them, 11 rounds
//! cargo run --release -- postgres 21  # those whose name has this part; rounds
//! ```
//!
//! It starts servers of its own, with their data in the folder for temporary files, and ends them.
//! It needs redis-server, redis-cli and redis-benchmark; initdb, postgres and pgbench.

#[path = "../../common/mod.rs"]
mod common;
mod deliver;
mod machine;
mod measure;
mod postgres;
mod redis;
mod server;
mod sqlite;

use std::{env, path::PathBuf};

use self::measure::Report;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let only = arguments.first().map_or("", String::as_str);
    let rounds = arguments
        .get(1)
        .map_or(11, |rounds| rounds.parse().expect("a number of rounds"));
    let versions = [
        machine::output("redis-server", &["--version"]),
        machine::output(&server::postgres_program("postgres"), &["--version"]),
    ];
    println!("{}\n", machine::facts(&versions));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut reports = Vec::new();
    for setting in ["everysec", "always"] {
        if format!("redis {setting}").contains(only) {
            reports.push(redis::measure(&runtime, rounds, setting));
        }
    }
    if "postgres".contains(only) {
        reports.extend(postgres::measure(&runtime, rounds));
    }
    if "sqlite".contains(only) {
        reports.push(sqlite::measure(&runtime, rounds));
    }
    Report::print(&reports, rounds);
}

/// Where files are.
fn place() -> PathBuf {
    env::temp_dir()
}
