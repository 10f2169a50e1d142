//! One function for each promise; [`store_suite!`](crate::store_suite) makes tests of them.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "these are the bodies of tests"
)]

mod claims;
mod conflicts;
mod holders;
mod completions;
mod lifetimes;
mod operators;
mod keys;
mod at_once;

pub use at_once::*;
pub use claims::*;
pub use completions::*;
pub use conflicts::*;
pub use holders::*;
pub use keys::*;
pub use lifetimes::*;
pub use operators::*;
