//! The command as a process, against receivers in this one.

mod broken;
mod ours;
mod support;
