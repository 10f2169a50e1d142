#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod access;
mod actions;
mod assets;
mod endpoint;
mod error;
mod inspector;
mod live;
mod pages;
mod params;
mod reports;
mod text;

pub use access::Access;
pub use endpoint::{Endpoint, FailureLimit};
pub use error::BuildError;
pub use inspector::{Inspector, InspectorBuilder};
pub use reports::{Reports, RunReport, RunTally};
