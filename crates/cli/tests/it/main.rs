//! The command as a process, against receivers in this one.

mod broken;
mod checking;
mod events;
mod ours;
mod requests;
mod support;
