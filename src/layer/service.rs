use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::{Deposits, ResponseFuture};
use crate::{
    handler::TopicRouter,
    inbox::Inbox,
    provider::Provider,
    receive::{Http, Receiver, RequestBody, ResponseBody, receive},
    store::IdempotencyStore,
};

/// A webhook endpoint, made by [`WebhookLayer`](super::WebhookLayer). `H` handles the events: a
/// [`TopicRouter`], an [`Http`] service, or [`Deposits`] into an inbox.
///
/// It is always ready and never fails: bodies of strangers must not hold an inner service's
/// permits, so that service is asked for readiness only once an event is claimed, and its error is
/// a handler's failure.
///
/// # Cancel safety
/// Dropping the future before the body is read leaves nothing behind. From the claim on, the
/// delivery goes its way in a task of its own; only the response is lost.
pub struct WebhookService<P, S, H> {
    receiver: Arc<Receiver<P, S>>,
    pub(super) handler: H,
}

impl<P, S, H> WebhookService<P, S, H> {
    pub(super) fn new(receiver: Arc<Receiver<P, S>>, handler: H) -> Self {
        Self { receiver, handler }
    }

    pub(super) fn receiver(&self) -> Arc<Receiver<P, S>> {
        Arc::clone(&self.receiver)
    }
}

impl<P, S, T, B> Service<Request<B>> for WebhookService<P, S, TopicRouter<P::Event, T>>
where
    P: Provider,
    S: IdempotencyStore,
    T: Clone + Send + Sync + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        ResponseFuture::new(receive(Arc::clone(&self.receiver), self.handler.clone(), request))
    }
}

impl<P, S, B> Service<Request<B>> for WebhookService<P, S, Deposits>
where
    P: Provider,
    S: Inbox,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        ResponseFuture::new(receive(Arc::clone(&self.receiver), self.handler.clone(), request))
    }
}

impl<P, S, I, R, B> Service<Request<B>> for WebhookService<P, S, Http<I>>
where
    P: Provider,
    S: IdempotencyStore,
    I: Service<Request<RequestBody>, Response = Response<R>, Error: Into<Box<dyn StdError + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    I::Future: Send,
    R: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        ResponseFuture::new(receive(Arc::clone(&self.receiver), self.handler.clone(), request))
    }
}

impl<P, S, H: Clone> Clone for WebhookService<P, S, H> {
    fn clone(&self) -> Self {
        Self {
            receiver: Arc::clone(&self.receiver),
            handler: self.handler.clone(),
        }
    }
}

impl<P: Provider, S, H: fmt::Debug> fmt::Debug for WebhookService<P, S, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookService")
            .field("provider", &self.receiver.provider.name())
            .field("handler", &self.handler)
            .finish_non_exhaustive()
    }
}
