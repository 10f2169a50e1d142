//! Deadlines that cost nothing where nothing waits.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until},
};

/// What a future gives, or `None` at the deadline. The timer is made when the future waits for the first time: few do.
pub(super) fn timeout_at<F: Future>(
    deadline: Instant,
    mut future: Pin<&mut F>,
) -> impl Future<Output = Option<F::Output>> {
    let mut timer = None;
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        // Unconstrained: a future that uses up the task's budget must not keep the clock from being looked at.
        Poll::Pending => timer
            .get_or_insert_with(|| Box::pin(unconstrained(sleep_until(deadline))))
            .as_mut()
            .poll(cx)
            .map(|()| None),
    })
}
