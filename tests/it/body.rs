//! Bodies that do what a test tells them.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body from a script; how often it was polled is counted.
pub(crate) struct Script {
    frames: VecDeque<Step>,
    pause: Option<Pin<Box<Sleep>>>,
    pub(crate) polls: Arc<AtomicUsize>,
    pub(crate) hint: SizeHint,
}

#[derive(Clone)]
pub(crate) enum Step {
    Data(Bytes),
    Pause(Duration),
    Trailers,
    Error,
    /// The rest is this frame, without end.
    Forever(Bytes),
    /// There is a rest, but it does not come.
    Stall,
}

impl Script {
    pub(crate) fn new(frames: impl IntoIterator<Item = Step>) -> Self {
        Self {
            frames: frames.into_iter().collect(),
            pause: None,
            polls: Arc::default(),
            hint: SizeHint::default(),
        }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.polls.fetch_add(1, Ordering::SeqCst);
        loop {
            if let Some(pause) = &mut self.pause {
                std::task::ready!(std::future::Future::poll(pause.as_mut(), cx));
                self.pause = None;
            }
            return Poll::Ready(match self.frames.pop_front() {
                None => None,
                Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
                Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
                Some(Step::Error) => Some(Err(std::io::Error::other("reset by peer"))),
                Some(Step::Forever(data)) => {
                    self.frames.push_front(Step::Forever(data.clone()));
                    Some(Ok(Frame::data(data)))
                }
                Some(Step::Stall) => {
                    self.frames.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Pause(time)) => {
                    self.pause = Some(Box::pin(sleep(time)));
                    continue;
                }
            });
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

pub(crate) fn one_by_one(body: &str) -> impl Iterator<Item = Step> {
    body.bytes().map(|byte| Step::Data(Bytes::copy_from_slice(&[byte])))
}
