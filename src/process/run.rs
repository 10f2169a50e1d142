//! The handler at work: its lease renewed, its time capped, its panics caught.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until},
};

use super::{
    Engine, LATER, Outcome,
    catch_panic::{Panicked, catch, discard},
    claim::Claimed,
    lease,
    timeout::deadline_after,
};
use crate::{
    delivery::{Delivery, LeaseHandle},
    error::{Refusal, RefusalKind},
    event::Event,
    handler::{HandlerError, HandlerFuture, TopicRouter},
    store::IdempotencyStore,
};

/// Handles one delivery.
pub(crate) trait Handle<E>: Send + 'static {
    /// The handler at work.
    type Running: Future<Output = HandlerResult> + Unpin + Send;

    /// Handles the delivery.
    fn handle(self, delivery: Delivery<E>) -> Self::Running;
}

/// How a handler ended.
pub(crate) enum HandlerResult {
    Handled,
    Failed(HandlerError),
    /// The handler has a refusal of its own to give, which is opaque here.
    Refused(Refusal),
}

impl<E: Event, S: Clone + Send + Sync + 'static> Handle<E> for TopicRouter<E, S> {
    type Running = TopicRun;

    fn handle(mut self, delivery: Delivery<E>) -> TopicRun {
        use tower::Service as _;
        TopicRun(self.call(delivery))
    }
}

/// A topic's handler at work.
pub(crate) struct TopicRun(HandlerFuture);

impl Future for TopicRun {
    type Output = HandlerResult;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HandlerResult> {
        Pin::new(&mut self.0).poll(cx).map(|result| match result {
            Ok(()) => HandlerResult::Handled,
            Err(error) => HandlerResult::Failed(error),
        })
    }
}

/// How a handler ended, on its way to the store. Only this file makes one.
pub(crate) struct Handled {
    pub(crate) lease: Arc<LeaseHandle>,
    pub(crate) settlement: Settlement,
    pub(crate) outcome: Outcome,
}

/// The outcome as the store is to record it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settlement {
    Handled,
    Rejected,
    Release,
    /// Nothing: it knows.
    Known,
}

impl<E: Event> Claimed<E> {
    /// Runs the handler. What holds the claim, and who is told how it ended, is up to the caller.
    pub(crate) async fn run<S, H>(self, engine: &Engine<S>, handler: H) -> Handled
    where
        S: IdempotencyStore,
        H: Handle<E>,
    {
        let Self { delivery, lease } = self;
        let end = supervise(engine, &lease, move || handler.handle(delivery)).await;
        let (settlement, outcome) = end.meaning();
        Handled {
            lease,
            settlement,
            outcome,
        }
    }
}

enum End {
    Finished(HandlerResult),
    Panicked(Panicked),
    TimedOut(Duration),
    Drained,
}

/// Runs the work until it ends, its time is up or a drain cancels it. The lease is renewed
/// meanwhile. When this returns, the work is dropped: nothing of it runs beside whatever the store
/// is told next.
async fn supervise<S: IdempotencyStore, W: Future<Output = HandlerResult> + Unpin>(
    engine: &Engine<S>,
    lease: &Arc<LeaseHandle>,
    work: impl FnOnce() -> W,
) -> End {
    if engine.singleflight.is_cancelled() {
        return End::Drained;
    }
    let mut work = match catch(work) {
        Ok(work) => work,
        Err(panicked) => return End::Panicked(panicked),
    };
    let began = Instant::now();
    // Made, and boxed, when the work waits for the first time: some never does.
    let mut watch = None;
    let end = poll_fn(|cx| {
        // The work first: a result is never thrown away for a timer that is due at the same moment.
        match catch(|| Pin::new(&mut work).poll(cx)) {
            Ok(Poll::Ready(result)) => return Poll::Ready(End::Finished(result)),
            Ok(Poll::Pending) => {}
            Err(panicked) => return Poll::Ready(End::Panicked(panicked)),
        }
        // Unconstrained: a handler that is always ready uses up the task's budget, and whatever
        // shares it would then never look at the clock.
        watch
            .get_or_insert_with(|| Box::pin(unconstrained(watch_over(engine, lease, began))))
            .as_mut()
            .poll(cx)
    })
    .await;
    match (discard(work), end) {
        // It had ended; what its remains do when dropped changes nothing.
        (_, End::Finished(result)) => End::Finished(result),
        // The first panic is the cause of the second.
        (_, End::Panicked(panicked)) => End::Panicked(panicked),
        (Ok(()), end) => end,
        (Err(panicked), _) => End::Panicked(panicked),
    }
}

/// Renews the lease until a drain ends the work, or its cap, which counts from when it began.
async fn watch_over<S: IdempotencyStore>(engine: &Engine<S>, lease: &Arc<LeaseHandle>, began: Instant) -> End {
    let cap = engine.settings.handler_timeout;
    let mut capped = pin!(sleep_until(deadline_after(began, cap)));
    let mut drained = pin!(engine.singleflight.cancelled());
    let mut renewing = pin!(lease::renew(lease, engine));
    poll_fn(|cx| {
        if drained.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Drained);
        }
        if capped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::TimedOut(cap));
        }
        let _ = renewing.as_mut().poll(cx);
        Poll::Pending
    })
    .await
}

impl End {
    fn meaning(self) -> (Settlement, Outcome) {
        let refusal = match self {
            Self::Finished(HandlerResult::Handled) => return (Settlement::Handled, Outcome::Handled),
            Self::Finished(HandlerResult::Failed(error)) if error.is_permanent() => {
                return (Settlement::Rejected, Outcome::Rejected(text_of(error)));
            }
            Self::Finished(HandlerResult::Failed(error)) => {
                let delay = error.retry_delay();
                let refusal = Refusal::new(RefusalKind::HandlerFailed, text_of(error));
                match delay {
                    Some(delay) => refusal.retry_after(delay),
                    None => refusal,
                }
            }
            Self::Finished(HandlerResult::Refused(refusal)) => refusal,
            Self::Panicked(panicked) => {
                let reason = format!("the handler panicked: {panicked}");
                Refusal::new(RefusalKind::HandlerPanicked, reason)
            }
            Self::TimedOut(cap) => {
                let reason = format!("the handler was cancelled after its cap of {}s", cap.as_secs_f64());
                Refusal::new(RefusalKind::HandlerTimeout, reason).retry_after(LATER)
            }
            Self::Drained => {
                let reason = "the handler was cancelled by a drain";
                Refusal::new(RefusalKind::Draining, reason).retry_after(LATER)
            }
        };
        (Settlement::Release, Outcome::Refused(refusal))
    }
}

/// Formats and drops a handler's error: both run the user's code.
fn text_of(error: HandlerError) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    // A `Display` that fails or panics keeps what it wrote so far.
    let written = catch(|| write!(text, "{error}"));
    let _ = discard(error);
    if !matches!(written, Ok(Ok(()))) {
        text.push_str(" (the error could not be displayed)");
    }
    text
}
