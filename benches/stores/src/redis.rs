//! `RedisStore` beside redis-benchmark, which calls the same script.

use tokio::runtime::Runtime;
use tower_webhook_redis::RedisStore;

use crate::{
    deliver::{self, Relay},
    machine::output,
    measure::{self, Engine, Length, Report},
    server::Server,
};

const LENGTH: Length = Length {
    in_flight: 20_000,
    alone: 2_000,
};
/// As `crates/redis/src/script.rs` composes it.
const CLAIM: &str = concat!(
    include_str!("../../../crates/redis/src/lua/record.lua"),
    include_str!("../../../crates/redis/src/lua/claim.lua")
);

pub fn measure(runtime: &Runtime, rounds: usize, appendfsync: &str) -> Report {
    let server = Server::redis(appendfsync);
    let url = |port: u16| format!("redis://127.0.0.1:{port}");
    let store = runtime
        .block_on(RedisStore::connect(&url(server.port)))
        .expect("a store");
    let port = server.port.to_string();
    let digest = output("redis-cli", &["-p", &port, "SCRIPT", "LOAD", CLAIM]);
    let engine = |name: &str, clients: &'static [&'static str]| Engine {
        name: format!("redis-benchmark {name}"),
        is_ceiling: true,
        run: {
            let (port, digest) = (port.clone(), digest.clone());
            Box::new(move |count| benchmark(&port, &digest, clients, count))
        },
    };
    let engines = vec![
        engine("-c 64", &["-c", "64"]),
        engine("-c 1 -P 64", &["-c", "1", "-P", "64"]),
    ];
    let name = format!("`RedisStore`, appendfsync {appendfsync}");
    let mut report = measure::measure(runtime, &name, store, rounds, LENGTH, engines);
    let relay = runtime.block_on(Relay::to(server.port));
    let store = runtime
        .block_on(RedisStore::connect(&url(relay.port)))
        .expect("a store");
    let round_trips = deliver::round_trips(runtime, store, &relay);
    report.round_trips = format!("{round_trips:.1}");
    report
}

fn benchmark(port: &str, digest: &str, clients: &[&str], count: u64) -> f64 {
    let count = count.to_string();
    let mut arguments = vec!["-p", port, "--csv", "-n", &count, "-r", "1000000000000"];
    arguments.extend(clients);
    arguments.extend(["EVALSHA", digest, "1"]);
    // As long as an id of a turn is.
    arguments.extend(["webhook:dwolla:6c57f372-e9a0-47d4-91f3-__rand_int__", "0"]);
    arguments.extend(["00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"]);
    arguments.extend(["60000", "3024000000"]);
    let answer = output("redis-benchmark", &arguments);
    // "test","rps",… and below it the values
    let speed = answer
        .lines()
        .last()
        .and_then(|line| line.rsplit("\",\"").nth(6)?.parse().ok());
    speed.unwrap_or_else(|| panic!("redis-benchmark: {answer}"))
}
