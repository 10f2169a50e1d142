//! The inbox: deliveries that are stored first and handled later.

mod suite;
mod model;
pub(crate) mod inbox_endpoint;
mod deposits;
pub(crate) mod over_transports;
mod faults;
mod backlog;
mod at_rest;
mod worker;
mod retries;
mod crashes;
mod drain;
mod triggers;
mod settings;
