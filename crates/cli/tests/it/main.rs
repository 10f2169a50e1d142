//! The command as a process, against receivers in this one.

mod broken;
mod checking;
mod described;
mod events;
mod ours;
mod reconcile;
mod requests;
mod support;
mod tls;
