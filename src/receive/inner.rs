//! The inner side of an endpoint: topic handlers, an HTTP service, or an inbox.

use std::{
    error::Error as StdError,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
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
    process::{Engine, Handle, HandlerResult, Observation, Started, Work},
    store::IdempotencyStore,
};

/// The inner side of an endpoint.
pub(crate) trait Inner<E, S>: Clone + Send + 'static {
    /// Whether it wants events of this topic.
    fn wants(&self, topic: &str) -> bool;

    /// The registered pattern that matches this topic, if any.
    fn registered(&self, topic: &str) -> Option<&str>;

    /// Takes in the work that this request brings.
    fn start(
        self,
        engine: &Arc<Engine<S>>,
        work: Work<E>,
        parts: Box<Parts>,
        call: &Call,
        observation: &Observation,
    ) -> Started;
}

/// An inner side that takes events without a request, too.
pub(crate) trait HandIn<E, S>: Inner<E, S> {
    /// Takes in an event that was handed in.
    fn hand_in(self, engine: &Arc<Engine<S>>, work: Work<E>, observation: &Observation) -> Started;
}

impl<E, S, T> HandIn<E, S> for TopicRouter<E, T>
where
    E: Event,
    S: IdempotencyStore,
    T: Clone + Send + Sync + 'static,
{
    fn hand_in(self, engine: &Arc<Engine<S>>, work: Work<E>, observation: &Observation) -> Started {
        engine.start(work, self, &(), observation)
    }
}

impl<E, S, T> Inner<E, S> for TopicRouter<E, T>
where
    E: Event,
    S: IdempotencyStore,
    T: Clone + Send + Sync + 'static,
{
    fn wants(&self, topic: &str) -> bool {
        self.handles(topic)
    }

    fn registered(&self, topic: &str) -> Option<&str> {
        self.pattern(topic)
    }

    fn start(
        self,
        engine: &Arc<Engine<S>>,
        work: Work<E>,
        _: Box<Parts>,
        call: &Call,
        observation: &Observation,
    ) -> Started {
        engine.start(work, self, call, observation)
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

impl<E, S, I, R> Inner<E, S> for Http<I>
where
    E: Event,
    S: IdempotencyStore,
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

    fn start(
        self,
        engine: &Arc<Engine<S>>,
        work: Work<E>,
        parts: Box<Parts>,
        call: &Call,
        observation: &Observation,
    ) -> Started {
        let handler = HttpHandler {
            inner: self.0,
            parts,
            call: call.clone(),
        };
        engine.start(work, handler, call, observation)
    }
}

/// An HTTP service with the request that it is to get.
struct HttpHandler<I> {
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
    type Running = Pin<Box<dyn Future<Output = HandlerResult> + Send>>;

    fn handle(self, delivery: Delivery<E>) -> Self::Running {
        let Self {
            mut inner,
            mut parts,
            call,
        } = self;
        Box::pin(async move {
            if let Err(error) = poll_fn(|cx| inner.poll_ready(cx)).await {
                return HandlerResult::Failed(HandlerError::retry(error));
            }
            parts.headers = delivery.headers().clone();
            let body = RequestBody::new(delivery.body().clone());
            parts.extensions.insert(delivery);
            let response = match inner.call(Request::from_parts(*parts, body)).await {
                Err(error) => return HandlerResult::Failed(HandlerError::retry(error)),
                Ok(response) => response,
            };
            let status = response.status();
            let result = if status.is_success() {
                HandlerResult::Handled
            } else if status.is_client_error() || status.is_server_error() {
                HandlerResult::Refused(Refusal::inner(status.as_u16()))
            } else {
                return HandlerResult::Refused(Refusal::new(
                    RefusalKind::InnerResponse,
                    format!(
                        "the HTTP service responded {}; expected 2xx, 4xx or 5xx: a provider may never retry after any other",
                        status.as_u16()
                    ),
                ));
            };
            call.respond(response.map(ResponseBody::inner));
            result
        })
    }
}
