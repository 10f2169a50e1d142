//! The reconciler, over sources in this process, over servers, and over the sandbox.

mod support;

mod endings;
mod lease;
mod providers;
mod reports;
mod schedule;
mod tenants;
mod log_and_metrics;
mod windows;
