#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod error;
mod headers;
mod http;
mod lenient;
mod pages;
mod secret;
mod time;
mod timer;
pub mod dwolla;
pub mod github;
pub mod reconciler;
pub mod stripe;

pub use error::{Error, ErrorKind};
pub use headers::RecordedHeaders;
pub use http::{AccessToken, Options, Retries};
pub use lenient::OtherFields;
pub use pages::Pages;
pub use reconciler::Reconciler;
pub use time::Time;
pub use timer::{Timer, TokioTimer};
