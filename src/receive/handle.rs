//! Step 5. The handler at work: its lease renewed, its time capped, its panics caught.

use std::{
    error::Error as StdError,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use http_body_util::Full;
use tokio::{
    task::unconstrained,
    time::{Instant, sleep_until},
};
use tower::Service;

use super::{
    Outcome, Receiver, ResponseBody,
    catch_panic::{Panicked, catch, discard},
    claim::Claimed,
    deadline_after, lease,
};
use crate::{
    delivery::{Delivery, LeaseHandle},
    error::{Refusal, RefusalKind},
    event::Event,
    handler::{HandlerError, HandlerFuture, TopicRouter},
    provider::Provider,
    store::{ClaimRequest, IdempotencyStore},
};

/// How long a provider is asked to wait after a handler was cancelled.
const HANDLER_RECOVERS: Duration = Duration::from_secs(5);

/// Who handles: topic handlers, or an HTTP service.
pub(crate) trait Handle<E>: Clone + Send + 'static {
    /// Whether it wants the request's headers besides the delivery's.
    const FORWARDS: bool;

    /// Whether it wants events of this topic.
    fn wants(&self, topic: &str) -> bool;

    /// What of its own registrations stands for this topic, if one does.
    fn registered(&self, topic: &str) -> Option<&str>;

    /// The handler at work.
    type Work: Future<Output = Verdict> + Unpin + Send;

    /// Handles a delivery.
    fn handle(self, parts: Box<Parts>, delivery: Delivery<E>) -> Self::Work;
}

/// How a handler ended.
pub(crate) enum Verdict {
    Handled(Option<Response<ResponseBody>>),
    Failed(HandlerError),
    /// The HTTP service answered 4xx or 5xx.
    Refused(Response<ResponseBody>),
    /// The HTTP service answered what no provider should see.
    Unusable(u16),
}

impl<E: Event, S: Clone + Send + Sync + 'static> Handle<E> for TopicRouter<E, S> {
    const FORWARDS: bool = false;

    fn wants(&self, topic: &str) -> bool {
        self.handles(topic)
    }

    fn registered(&self, topic: &str) -> Option<&str> {
        self.pattern(topic)
    }

    type Work = TopicWork;

    fn handle(mut self, _: Box<Parts>, delivery: Delivery<E>) -> TopicWork {
        TopicWork(self.call(delivery))
    }
}

/// A topic's handler at work.
pub(crate) struct TopicWork(HandlerFuture);

impl Future for TopicWork {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        Pin::new(&mut self.0).poll(cx).map(|result| match result {
            Ok(()) => Verdict::Handled(None),
            Err(error) => Verdict::Failed(error),
        })
    }
}

/// An HTTP service that gets each event once, as a request with its [`Delivery`](crate::Delivery) in the extensions.
#[derive(Clone, Debug)]
pub struct Http<I>(I);

impl<I> Http<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self(inner)
    }
}

impl<E, I, R> Handle<E> for Http<I>
where
    E: Event,
    I: Service<Request<Full<Bytes>>, Response = Response<R>, Error: Into<Box<dyn StdError + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    I::Future: Send,
    R: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    const FORWARDS: bool = true;

    fn wants(&self, _: &str) -> bool {
        true
    }

    fn registered(&self, _: &str) -> Option<&str> {
        None
    }

    type Work = Pin<Box<dyn Future<Output = Verdict> + Send>>;

    fn handle(self, mut parts: Box<Parts>, delivery: Delivery<E>) -> Self::Work {
        let Self(mut inner) = self;
        Box::pin(async move {
            if let Err(error) = poll_fn(|cx| inner.poll_ready(cx)).await {
                return Verdict::Failed(HandlerError::retry(error));
            }
            let body = Full::new(delivery.body().clone());
            parts.extensions.insert(delivery);
            match inner.call(Request::from_parts(*parts, body)).await {
                Err(error) => Verdict::Failed(HandlerError::retry(error)),
                Ok(response) => {
                    let status = response.status();
                    let response = response.map(ResponseBody::inner);
                    if status.is_success() {
                        Verdict::Handled(Some(response))
                    } else if status.is_client_error() || status.is_server_error() {
                        Verdict::Refused(response)
                    } else {
                        Verdict::Unusable(status.as_u16())
                    }
                }
            }
        })
    }
}

/// A handler's end, on its way to the store. Only this file makes one.
pub(super) struct Handled {
    pub(super) claim_request: ClaimRequest,
    pub(super) settlement: Settlement,
    pub(super) outcome: Outcome,
    pub(super) response: Option<Response<ResponseBody>>,
    /// Whether the claim was to be completed in a transaction of the handler's: then the record says how it ended.
    pub(super) in_transaction: bool,
}

/// What the store is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    Handled,
    Rejected,
    Release,
    /// Nothing: it knows.
    Known,
}

impl<E: Event> Claimed<E> {
    pub(super) async fn handle<P, S, H>(self, receiver: &Receiver<P, S>, handler: H) -> Handled
    where
        P: Provider,
        S: IdempotencyStore,
        H: Handle<E>,
    {
        let Self {
            parts,
            delivery,
            claim_request,
            lease,
        } = self;
        let end = supervise(receiver, &lease, move || handler.handle(parts, delivery)).await;
        Handled {
            in_transaction: lease.is_completion_handed_over(),
            ..Handled::from_end(claim_request, end)
        }
    }
}

enum End {
    Verdict(Verdict),
    Panicked(Panicked),
    TimedOut(Duration),
    Drained,
}

/// Runs the work until it ends, the cap strikes or a drain cancels it. The lease is renewed meanwhile. When this returns, the work
/// is dropped: nothing of it runs beside whatever the store is told next.
async fn supervise<P: Provider, S: IdempotencyStore, W: Future<Output = Verdict> + Unpin>(
    receiver: &Receiver<P, S>,
    lease: &Arc<LeaseHandle>,
    work: impl FnOnce() -> W,
) -> End {
    if receiver.flights.is_cancelled() {
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
            Ok(Poll::Ready(verdict)) => return Poll::Ready(End::Verdict(verdict)),
            Ok(Poll::Pending) => {}
            Err(panicked) => return Poll::Ready(End::Panicked(panicked)),
        }
        // Unconstrained: a handler that is always ready uses up the task's budget, and whatever shares it would then never look at
        // the clock.
        watch
            .get_or_insert_with(|| Box::pin(unconstrained(watch_over(receiver, lease, began))))
            .as_mut()
            .poll(cx)
    })
    .await;
    match (discard(work), end) {
        // It had ended; what its remains do when dropped changes nothing.
        (_, End::Verdict(verdict)) => End::Verdict(verdict),
        // The first panic is the cause of the second.
        (_, End::Panicked(panicked)) => End::Panicked(panicked),
        (Ok(()), end) => end,
        (Err(panicked), _) => End::Panicked(panicked),
    }
}

/// Renews the lease until a drain or the cap, counted from when the work began, ends the work.
async fn watch_over<P: Provider, S: IdempotencyStore>(
    receiver: &Receiver<P, S>,
    lease: &Arc<LeaseHandle>,
    began: Instant,
) -> End {
    let cap = receiver.settings.handler_timeout;
    let mut capped = pin!(sleep_until(deadline_after(began, cap)));
    let mut drained = pin!(receiver.flights.cancelled());
    let mut renewing = pin!(lease::renew(lease, receiver));
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

/// What a handler's error says, and its end: both run the user's code.
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

impl Handled {
    fn from_end(claim_request: ClaimRequest, end: End) -> Self {
        let release = |kind, reason: String| (Settlement::Release, Outcome::Refused(Refusal::new(kind, reason)), None);
        let (settlement, outcome, response) = match end {
            End::Verdict(Verdict::Handled(response)) => (Settlement::Handled, Outcome::Handled, response),
            End::Verdict(Verdict::Failed(error)) if error.is_permanent() => {
                (Settlement::Rejected, Outcome::Rejected(text_of(error)), None)
            }
            End::Verdict(Verdict::Failed(error)) => {
                let delay = error.retry_delay();
                let mut rejection = Refusal::new(RefusalKind::HandlerFailed, text_of(error));
                if let Some(delay) = delay {
                    rejection = rejection.retry_after(delay);
                }
                (Settlement::Release, Outcome::Refused(rejection), None)
            }
            End::Verdict(Verdict::Refused(response)) => (
                Settlement::Release,
                Outcome::InnerRefused(response.status().as_u16()),
                Some(response),
            ),
            End::Verdict(Verdict::Unusable(status)) => release(
                RefusalKind::InnerResponse,
                format!(
                    "the HTTP service answered {status}; expected 2xx, 4xx or 5xx: a provider may never retry after any other"
                ),
            ),
            End::Panicked(panicked) => release(
                RefusalKind::HandlerPanicked,
                format!("the handler panicked: {panicked}"),
            ),
            End::TimedOut(cap) => (
                Settlement::Release,
                Outcome::Refused(
                    Refusal::new(
                        RefusalKind::HandlerTimeout,
                        format!("the handler was cancelled after its cap of {}s", cap.as_secs_f64()),
                    )
                    .retry_after(HANDLER_RECOVERS),
                ),
                None,
            ),
            End::Drained => (
                Settlement::Release,
                Outcome::Refused(
                    Refusal::new(RefusalKind::Draining, "the handler was cancelled by a drain")
                        .retry_after(HANDLER_RECOVERS),
                ),
                None,
            ),
        };
        Self {
            claim_request,
            settlement,
            outcome,
            response,
            in_transaction: false,
        }
    }
}
