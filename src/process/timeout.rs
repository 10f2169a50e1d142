//! Deadlines that cost nothing where nothing waits.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until},
};

/// The future's output, or `None` at the deadline. The timer is made when the future waits for the
/// first time, because most never wait.
pub(crate) fn timeout_at<F: Future>(deadline: Instant, future: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    timeout_by(move || deadline, future)
}

/// [`timeout_at`], this long after the future waits for the first time: if it never does, the clock
/// is not read.
pub(crate) fn timeout_after<F: Future>(
    limit: Duration,
    future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    timeout_by(move || deadline_after(Instant::now(), limit), future)
}

fn timeout_by<F: Future>(
    deadline: impl Fn() -> Instant,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    let mut timer = None;
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        // Unconstrained: a future that uses up the task's budget must not keep the clock from being
        // looked at.
        Poll::Pending => timer
            .get_or_insert_with(|| Box::pin(unconstrained(sleep_until(deadline()))))
            .as_mut()
            .poll(cx)
            .map(|()| None),
    })
}

/// This time, later by this duration. Durations come from settings: one that no clock can hold
/// counts as a day.
pub(crate) fn deadline_after(time: Instant, by: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    time.checked_add(by)
        .unwrap_or_else(|| time.checked_add(DAY).unwrap_or(time))
}
