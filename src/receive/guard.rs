//! Panics of code that is not ours (handlers, stores) stay where they happen: what is underway still has to be settled.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;

use crate::store::StoreError;

/// It panicked. The panic hook has printed where; what it said is nobody else's business.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panicked;

/// Calls what may panic.
pub(super) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let _ = discard(payload);
        Panicked
    })
}

/// Drops what may panic when dropped. Tells whether it did.
pub(super) fn discard<T>(value: T) -> Result<(), Panicked> {
    catch_unwind(AssertUnwindSafe(|| drop(value))).map_err(|payload| {
        // A payload that panics in its turn when dropped: better to leak it.
        std::mem::forget(payload);
        Panicked
    })
}

/// One store operation, within its time. A store that panics may have applied it or not, as one that fails.
pub(super) async fn store_operation<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut operation = pin!(operation);
    let caught = poll_fn(|cx| match catch(|| operation.as_mut().poll(cx)) {
        Ok(Poll::Ready(answer)) => Poll::Ready(answer),
        Ok(Poll::Pending) => Poll::Pending,
        Err(Panicked) => Poll::Ready(Err(StoreError::unavailable("the store panicked"))),
    });
    match timeout(limit, caught).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreError::unavailable("it did not answer in time")),
    }
}
