#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "program")]
mod arguments;
mod chaos;
mod clock;
mod deliver;
mod dwolla;
mod error;
mod example;
mod fired;
mod github;
mod http;
mod keep;
mod object;
mod odd;
mod provider;
mod secret;
mod server;
mod settings;
mod shelf;
#[cfg(feature = "sqlite")]
mod state_file;
mod stripe;
mod time;
mod world;

#[cfg(feature = "program")]
pub use arguments::Arguments;
pub use chaos::Chaos;
pub use deliver::{Attempt, Failure};
pub use error::{Error, ErrorKind};
pub use provider::Provider;
pub use server::Sandbox;
pub use settings::Settings;
