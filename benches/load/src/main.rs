//! The receiver under load, beside a bare axum route. Loopback only; every run is bounded in time
//! and count.
//!
//! ```sh
//! cargo run --release -- compare       # throughput and processor time a request; rounds: 201
//! cargo run --release -- soak 600      # mixed load for so many seconds
//! cargo run --release -- slow 30 1000  # normal load for 3 x 30 s, slow clients in the second
//! ```
//!
//! The server is a process of its own, so that its processor time is its own.

#[path = "../../common/mod.rs"]
mod common;
mod client;
mod compare;
mod server;
mod slow;
mod soak;

use std::{env, fmt::Debug, str::FromStr};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let text = |position: usize| arguments.get(position).map(String::as_str);
    allow_many_files();
    match text(0) {
        Some("serve") => server::serve(
            text(1).expect("what to serve").parse().expect("a kind"),
            number(text(2), 1),
        ),
        Some("compare") => compare::run(number(text(1), 201), text(2).unwrap_or("")),
        Some("soak") => soak::run(number(text(1), 600)),
        Some("slow") => slow::run(number(text(1), 30), number(text(2), 1000)),
        _ => eprintln!("compare [rounds] [part of a name], soak [seconds] or slow [seconds] [senders]"),
    }
}

fn number<T: FromStr<Err: Debug>>(text: Option<&str>, default: T) -> T {
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// A thousand connections need more than the usual 1,024 files.
fn allow_many_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointers are to an `rlimit` that lives through the calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}
