//! The clients against servers on free ports of this machine. No test sleeps: a [`support::TestTimer`]
//! stands still, and records what the client would have waited.

mod support;

mod dwolla;
mod failures;
mod github;
mod hosts;
mod pages;
mod settings;
mod stripe;
mod tokens;
