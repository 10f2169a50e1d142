//! The offset that tests add to the server's clock.

#[cfg(feature = "test-util")]
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
#[cfg(feature = "test-util")]
use std::time::Duration;

/// Nothing, and nothing can be added: without the feature `test-util` there is no clock but the
/// server's.
#[cfg(not(feature = "test-util"))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offset(());

#[cfg(not(feature = "test-util"))]
impl Offset {
    pub(crate) fn millis(self) -> u64 {
        0
    }
}

/// Shared by the clones of a store.
#[cfg(feature = "test-util")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Offset(Arc<AtomicU64>);

#[cfg(feature = "test-util")]
impl Offset {
    pub(crate) fn millis(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn add(&self, by: Duration) {
        self.0.fetch_add(super::script::millis(by), Ordering::SeqCst);
    }
}
