//! The command as a process, against receivers in this one.

mod broken_receivers;
mod checking;
mod described;
mod events;
mod own_receiver;
mod reconcile;
mod requests;
mod support;
mod tls;
