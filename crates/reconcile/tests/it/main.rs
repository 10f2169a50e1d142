//! The clients against servers on free ports of this machine. No test sleeps: the
//! [`support::TestTimer`] stands still, and records what the client would have waited.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod support;

mod dwolla;
mod end_to_end;
mod failures;
mod github;
mod hosts;
mod pages;
mod reconciler;
mod settings;
mod stripe;
mod tokens;
