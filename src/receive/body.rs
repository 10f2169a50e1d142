use std::{
    convert::Infallible,
    error::Error as StdError,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};

/// The body of a request to the HTTP service behind the layer: the bytes that the provider signed.
#[derive(Clone, Default)]
pub struct RequestBody(Full<Bytes>);

impl RequestBody {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Full::new(bytes))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

/// The body of a response: nothing, a problem, or what the HTTP service behind the layer has
/// responded.
pub struct ResponseBody(Kind);

enum Kind {
    Ours(Full<Bytes>),
    Inner(UnsyncBoxBody<Bytes, Box<dyn StdError + Send + Sync>>),
}

impl ResponseBody {
    pub(crate) fn empty() -> Self {
        Self(Kind::Ours(Full::default()))
    }

    pub(crate) fn full(bytes: Bytes) -> Self {
        Self(Kind::Ours(Full::new(bytes)))
    }

    pub(crate) fn inner<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
    {
        Self(Kind::Inner(body.map_err(Into::into).boxed_unsync()))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn StdError + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.0 {
            Kind::Ours(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Inner(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Ours(body) => body.is_end_stream(),
            Kind::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Ours(body) => body.size_hint(),
            Kind::Inner(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
