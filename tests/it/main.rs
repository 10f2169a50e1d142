//! All integration tests, in one binary.

#[cfg(all(feature = "memory", feature = "test-util"))]
mod store;
