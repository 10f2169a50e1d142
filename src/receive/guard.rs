//! Panics of code that is not ours (handlers, stores) stay where they happen: what is underway still has to be settled.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use tokio::time::Instant;

use super::{Receiver, later, within::within};
use crate::{metrics::Timer, store::StoreError};

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

/// One store operation, within its time and timed. A store that panics may have applied it or not, as one that fails.
pub(super) async fn store_operation<T, P, S>(
    receiver: &Receiver<P, S>,
    name: &'static str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let timer = Timer::start();
    let deadline = later(Instant::now(), receiver.settings.store_timeout);
    let mut operation = pin!(operation);
    let caught = pin!(poll_fn(|cx| match catch(|| operation.as_mut().poll(cx)) {
        Ok(Poll::Ready(answer)) => Poll::Ready(answer),
        Ok(Poll::Pending) => Poll::Pending,
        Err(Panicked) => Poll::Ready(Err(StoreError::unavailable("the store panicked"))),
    }));
    let answer = within(deadline, caught).await;
    let answer = answer.unwrap_or_else(|| Err(StoreError::unavailable("it did not answer in time")));
    receiver.meter.store(name, answer.is_ok(), timer);
    answer
}
