//! What is behind an endpoint: topic handlers, or an HTTP service.

use std::{
    error::Error as StdError,
    future::{Future, poll_fn},
    pin::Pin,
};

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use tower::Service;

use super::{Call, RequestBody, ResponseBody};
use crate::{
    delivery::Delivery,
    error::{Refusal, RefusalKind},
    event::Event,
    handler::{HandlerError, TopicRouter},
    process::{Handle, Verdict},
};

/// What is behind an endpoint.
pub(crate) trait Inner<E>: Clone + Send + 'static {
    /// Whether it wants events of this topic.
    fn wants(&self, topic: &str) -> bool;

    /// What of its own registrations stands for this topic, if one does.
    fn registered(&self, topic: &str) -> Option<&str>;

    /// What handles one delivery.
    type Handler: Handle<E>;

    /// What handles the delivery that this request brings.
    fn handler(self, parts: Box<Parts>, call: &Call) -> Self::Handler;
}

impl<E: Event, S: Clone + Send + Sync + 'static> Inner<E> for TopicRouter<E, S> {
    fn wants(&self, topic: &str) -> bool {
        self.handles(topic)
    }

    fn registered(&self, topic: &str) -> Option<&str> {
        self.pattern(topic)
    }

    type Handler = Self;

    fn handler(self, _: Box<Parts>, _: &Call) -> Self {
        self
    }
}

/// An HTTP service that gets each event once, as a request with its [`Delivery`](crate::Delivery)
/// in the extensions.
#[derive(Clone, Debug)]
pub struct Http<I>(I);

impl<I> Http<I> {
    pub(crate) fn new(inner: I) -> Self {
        Self(inner)
    }
}

impl<E, I, R> Inner<E> for Http<I>
where
    E: Event,
    I: Service<Request<RequestBody>, Response = Response<R>, Error: Into<Box<dyn StdError + Send + Sync>>>
        + Clone
        + Send
        + 'static,
    I::Future: Send,
    R: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    fn wants(&self, _: &str) -> bool {
        true
    }

    fn registered(&self, _: &str) -> Option<&str> {
        None
    }

    type Handler = HttpHandler<I>;

    fn handler(self, parts: Box<Parts>, call: &Call) -> HttpHandler<I> {
        HttpHandler {
            inner: self.0,
            parts,
            call: call.clone(),
        }
    }
}

/// An HTTP service with the request that it is to get.
pub(crate) struct HttpHandler<I> {
    inner: I,
    parts: Box<Parts>,
    call: Call,
}

impl<E, I, R> Handle<E> for HttpHandler<I>
where
    E: Event,
    I: Service<Request<RequestBody>, Response = Response<R>, Error: Into<Box<dyn StdError + Send + Sync>>>
        + Send
        + 'static,
    I::Future: Send,
    R: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    type Running = Pin<Box<dyn Future<Output = Verdict> + Send>>;

    fn handle(self, delivery: Delivery<E>) -> Self::Running {
        let Self {
            mut inner,
            mut parts,
            call,
        } = self;
        Box::pin(async move {
            if let Err(error) = poll_fn(|cx| inner.poll_ready(cx)).await {
                return Verdict::Failed(HandlerError::retry(error));
            }
            parts.headers = delivery.headers().clone();
            let body = RequestBody::new(delivery.body().clone());
            parts.extensions.insert(delivery);
            let response = match inner.call(Request::from_parts(*parts, body)).await {
                Err(error) => return Verdict::Failed(HandlerError::retry(error)),
                Ok(response) => response,
            };
            let status = response.status();
            let verdict = if status.is_success() {
                Verdict::Handled
            } else if status.is_client_error() || status.is_server_error() {
                Verdict::Refused(Refusal::inner(status.as_u16()))
            } else {
                return Verdict::Refused(Refusal::new(
                    RefusalKind::InnerResponse,
                    format!(
                        "the HTTP service answered {}; expected 2xx, 4xx or 5xx: a provider may never retry after any other",
                        status.as_u16()
                    ),
                ));
            };
            call.respond(response.map(ResponseBody::inner));
            verdict
        })
    }
}
