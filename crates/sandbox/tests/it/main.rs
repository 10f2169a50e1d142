//! The sandbox from outside: over HTTP, with the clients that the reconciler uses and with
//! requests by hand, and receivers that are sent to. No test sleeps: the sandbox's time stands
//! still unless a test moves it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod support;

mod chaos;
mod contract;
mod control;
mod dwolla;
mod example;
mod github;
mod odd_forms;
#[cfg(feature = "program")]
mod program;
#[cfg(feature = "sqlite")]
mod state;
#[cfg(feature = "program")]
mod state_of_a_process;
mod stripe;
