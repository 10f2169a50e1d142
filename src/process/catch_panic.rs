//! Panics of code that is not ours (handlers, stores) stay where they happen: what is underway
//! still has to be settled.

use std::{
    any::Any,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use super::{Engine, timeout::timeout_after};
use crate::{
    metrics::Timer,
    store::{IdempotencyStore, StoreError},
};

/// A caught panic's message, escaped and truncated to [`MOST`](Self::MOST) characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panicked(String);

impl Panicked {
    /// The text of an assertion that fails, with both of its sides, mostly fits.
    const MOST: usize = 300;

    /// `panic!` makes a `&str` or a `String`; what else a payload may be has no text.
    fn of(payload: &(dyn Any + Send)) -> Self {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
            (Some(text), _) => text,
            (None, Some(text)) => text.as_str(),
            (None, None) => return Self("it says nothing that is text".to_owned()),
        };
        let mut message: String = text.chars().take(Self::MOST).flat_map(char::escape_debug).collect();
        if text.chars().nth(Self::MOST).is_some() {
            message.push('…');
        }
        Self(message)
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Calls what may panic.
pub(crate) fn catch<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| {
        let panicked = Panicked::of(&*payload);
        let _ = discard(payload);
        panicked
    })
}

/// Awaits what may panic. It is pinned before: an `async fn` would keep it twice, as its argument
/// and where it is pinned, and a store's operation is large.
pub(crate) fn catch_polled<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Result<F::Output, Panicked>> {
    poll_fn(move |cx| match catch(|| future.as_mut().poll(cx)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
}

/// Drops what may panic when dropped. Tells whether it did.
pub(super) fn discard<T>(value: T) -> Result<(), Panicked> {
    catch_unwind(AssertUnwindSafe(|| drop(value))).map_err(|payload| {
        let panicked = Panicked::of(&*payload);
        // A payload that panics in its turn when dropped: better to leak it.
        std::mem::forget(payload);
        panicked
    })
}

/// One store operation, within its time and timed. A store that panics may have applied it or not,
/// as one that fails.
pub(super) async fn store_operation<T, S: IdempotencyStore>(
    engine: &Engine<S>,
    name: &'static str,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let timer = Timer::start();
    let limit = engine.settings.store_timeout;
    let operation = pin!(operation);
    let result = match timeout_after(limit, pin!(catch_polled(operation))).await {
        Some(Ok(result)) => result,
        Some(Err(panicked)) => Err(StoreError::unavailable(format!("the store panicked: {panicked}"))),
        None => Err(late(&*engine.store, limit)),
    };
    engine.meter.store(name, result.is_ok(), timer);
    result
}

/// A store that tries again and again to reach its server knows better than its caller, who has
/// only waited, what is wrong.
fn late(store: &impl IdempotencyStore, limit: Duration) -> StoreError {
    let known = catch(|| store.last_failure()).ok().flatten();
    StoreError::unavailable(match known {
        Some(known) => format!("it did not respond within {limit:?}, and before that: {known}"),
        None => format!("it did not respond within {limit:?}"),
    })
}
