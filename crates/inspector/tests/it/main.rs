//! The page by HTTP, and in a browser.

#![cfg(test)] // for clippy

mod access;
mod deliveries;
mod endpoints;
mod forms;
mod hostile;
mod inbox;
mod live;
mod mounted;
mod refused;
mod reports;
mod support;
mod browser;
