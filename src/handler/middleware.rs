//! Tower middleware around handlers.

use std::{
    error::Error,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::Service;

use super::HandlerError;
use crate::delivery::Delivery;

type Running<O> = Pin<Box<dyn Future<Output = Result<(), O>> + Send>>;

/// The handlers of a [`TopicRouter`](super::TopicRouter) as a service, for the middleware of
/// [`TopicRouter::layer`](super::TopicRouter::layer).
///
/// Its error is boxed, as tower's own middleware wants it. It is made by
/// [`HandlerError::into_boxed`], so what it says of the event survives the middleware.
pub struct Handlers<E>(Arc<dyn Fn(Delivery<E>) -> Running<HandlerError> + Send + Sync>);

impl<E> Handlers<E> {
    pub(super) fn new(call: impl Fn(Delivery<E>) -> Running<HandlerError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }
}

impl<E> Service<Delivery<E>> for Handlers<E> {
    type Response = ();
    type Error = Box<dyn Error + Send + Sync>;
    type Future = HandlersFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, delivery: Delivery<E>) -> HandlersFuture {
        HandlersFuture((self.0)(delivery))
    }
}

impl<E> Clone for Handlers<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for Handlers<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}

/// The future of [`Handlers`].
#[must_use = "futures do nothing unless polled"]
pub struct HandlersFuture(Running<HandlerError>);

impl Future for HandlersFuture {
    type Output = Result<(), Box<dyn Error + Send + Sync>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map_err(HandlerError::into_boxed)
    }
}

impl fmt::Debug for HandlersFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlersFuture").finish_non_exhaustive()
    }
}

/// Calls a clone of the middleware once it is ready.
pub(super) fn call<E, M>(middleware: &M, delivery: Delivery<E>) -> Running<HandlerError>
where
    E: Send + Sync + 'static,
    M: Service<Delivery<E>, Response = (), Error: Into<Box<dyn Error + Send + Sync>>, Future: Send>
        + Clone
        + Send
        + 'static,
{
    let mut middleware = middleware.clone();
    Box::pin(async move {
        poll_fn(|cx| middleware.poll_ready(cx)).await?;
        middleware.call(delivery).await?;
        Ok(())
    })
}
