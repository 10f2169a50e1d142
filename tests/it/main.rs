//! The whole crate from the outside: one binary, a file for each thing that is promised.

#![cfg(test)]

#[cfg(all(feature = "memory", feature = "test-util"))]
mod endpoint;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod body;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod wire;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod fixtures;

mod architecture;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod inbox;
#[cfg(all(feature = "memory", feature = "test-util"))]
use inbox::over_transports as inbox_over_transports;
mod msrv;
mod prose;
mod public_paths;
mod error_sources;
mod signature;
mod explain;
mod schemes;
mod dwolla;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod verification;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod request_limits;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod hang_up;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod parsing;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod dedup;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod conflict;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod waiting;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod handler_outcomes;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod inner_service;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod deadline;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod lease;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod store_failures;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod drain;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod processor;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod transports;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod hostile;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod concurrency;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod completion;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod faults;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod handlers;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod middleware;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod refusals;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod custom;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod providers;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod tenants;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod delivery_log;
#[cfg(all(feature = "memory", feature = "test-util", feature = "tracing"))]
mod logs;
#[cfg(all(feature = "memory", feature = "test-util", feature = "tracing"))]
mod shared_stores;
#[cfg(all(feature = "memory", feature = "test-util", feature = "tracing"))]
mod known_topics;
#[cfg(all(feature = "memory", feature = "test-util", feature = "metrics"))]
mod metrics;
#[cfg(all(feature = "memory", feature = "service"))]
mod settings;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod sockets;
#[cfg(all(feature = "memory", feature = "axum", feature = "test-util"))]
mod axum_app;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod store;
#[cfg(all(feature = "memory", feature = "test-util", feature = "tracing"))]
mod purging;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod redis;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod over_store;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod transactions;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod guide;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod clock_steps;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod outage;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod connect;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod postgres;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod sqlite;
#[cfg(all(feature = "memory", feature = "test-util"))]
mod processes;
mod fuzz_bodies;
mod fuzz;
