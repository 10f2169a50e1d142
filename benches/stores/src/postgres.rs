//! `PostgresStore` beside pgbench, which runs the same statement.

use std::fs;

use tokio::runtime::Runtime;
use tower_webhook_sqlx::PostgresStore;

use crate::{
    deliver::{self, Relay},
    machine::output,
    measure::{self, Engine, Length, Report},
    server::{Server, folder, postgres_program},
};

const LENGTH: Length = Length {
    in_flight: 3_200,
    alone: 300,
};
const CLAIM: &str = include_str!("../../../crates/sqlx/src/postgres/claim.sql");
/// What stands for $1, $2 and so on. pgbench sends them as parameters, as the store does.
const VARIABLES: [&str; 7] = [
    "namespace",
    "id",
    "token",
    "fingerprint",
    "lease",
    "retention",
    "offset",
];

pub fn measure(runtime: &Runtime, rounds: usize) -> Vec<Report> {
    let server = Server::postgres();
    let folder = folder("pgbench");
    let script = folder.join("claim.sql");
    fs::write(&script, script_of(CLAIM)).expect("a file");
    let script = script.to_string_lossy().into_owned();
    let port = server.port.to_string();
    let url = |port: u16| format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");

    // The store's own number of connections first.
    let mut reports: Vec<_> = [8, 32]
        .map(|connections| {
            let store = PostgresStore::builder().max_connections(connections);
            let store = runtime.block_on(store.connect(&url(server.port))).expect("a store");
            let engine = |clients: u32| Engine {
                name: format!("pgbench -c {clients} -j 2 -M prepared"),
                is_ceiling: clients == connections,
                run: {
                    let (port, script) = (port.clone(), script.clone());
                    Box::new(move |count| pgbench(&port, &script, clients, count))
                },
            };
            let name = format!("`PostgresStore`, {connections} connections");
            let engines = vec![engine(connections)];
            measure::measure(runtime, &name, store, rounds, LENGTH, engines)
        })
        .into();
    // The same statement, planned each time.
    let pgbouncer = Server::pgbouncer(server.port);
    if let Some(pgbouncer) = &pgbouncer {
        let url = format!("{}&pgbouncer=true", url(pgbouncer.port));
        let store = runtime.block_on(PostgresStore::connect(&url)).expect("a store");
        let engine = Engine {
            name: "pgbench -c 8 -j 2 -M prepared, without PgBouncer".to_owned(),
            is_ceiling: true,
            run: {
                let (port, script) = (port.clone(), script.clone());
                Box::new(move |count| pgbench(&port, &script, 8, count))
            },
        };
        let name = "`PostgresStore` behind PgBouncer, 8 connections";
        reports.push(measure::measure(runtime, name, store, rounds, LENGTH, vec![engine]));
    }
    let relay = runtime.block_on(Relay::to(server.port));
    let store = runtime
        .block_on(PostgresStore::connect(&url(relay.port)))
        .expect("a store");
    let round_trips = deliver::round_trips(runtime, store, &relay);
    for report in &mut reports {
        report.round_trips = format!("{round_trips:.1}");
    }
    fs::remove_dir_all(&folder).expect("the folder");
    reports
}

fn script_of(statement: &str) -> String {
    let mut script: String = statement
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .filter(|line| !line.trim().is_empty())
        .flat_map(|line| [line, "\n"])
        .collect();
    for (which, variable) in VARIABLES.iter().enumerate() {
        script = script.replace(&format!("${}", which + 1), &format!(":{variable}"));
    }
    format!("\\set id random(1, 1000000000000000000)\n{};\n", script.trim_end())
}

fn pgbench(port: &str, script: &str, clients: u32, count: u64) -> f64 {
    let (each, clients) = ((count / u64::from(clients)).to_string(), clients.to_string());
    let mut arguments = vec!["-h", "127.0.0.1", "-p", port, "-U", "postgres", "-n", "-M", "prepared"];
    arguments.extend(["-c", &clients, "-j", "2", "-t", &each, "-f", script]);
    for value in [
        "namespace=dwolla",
        r"token=\x00112233445566778899aabbccddeeff",
        r"fingerprint=\xffeeddccbbaa99887766554433221100",
        "lease=60000",
        "retention=3024000000",
        "offset=0",
    ] {
        arguments.extend(["-D", value]);
    }
    arguments.push("postgres");
    let answer = output(&postgres_program("pgbench"), &arguments);
    let speed = answer
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    speed.unwrap_or_else(|| panic!("pgbench: {answer}"))
}
