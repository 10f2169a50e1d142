//! What the tests of deliveries share: handlers, a slow body, and what a record is expected to be.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::Semaphore, time::sleep};
use tower_webhook::{
    Delivery, HandlerError,
    store::{ClaimRequest, Completion, State, Token},
};

use crate::endpoint::{Event, event, key};

pub(crate) type Work = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;

/// What is to run out.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// What is not.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) async fn succeed(_: Delivery<Event>) -> Result<(), HandlerError> {
    Ok(())
}

/// A handler that says when it has started, and ends when it is told to.
pub(crate) struct Held {
    started: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

impl Held {
    pub(crate) fn new() -> Self {
        Self {
            started: Arc::new(Semaphore::new(0)),
            may_end: Arc::new(Semaphore::new(0)),
        }
    }

    pub(crate) fn handler(&self) -> impl Fn(Delivery<Event>) -> Work + Clone + Send + Sync + 'static {
        let (started, may_end) = (Arc::clone(&self.started), Arc::clone(&self.may_end));
        move |_| {
            started.add_permits(1);
            let may_end = Arc::clone(&may_end);
            Box::pin(async move {
                may_end.acquire().await.unwrap().forget();
                Ok(())
            })
        }
    }

    /// Waits for the start of so many more runs.
    pub(crate) async fn started(&self, runs: u32) {
        self.started.acquire_many(runs).await.unwrap().forget();
    }

    /// Lets so many runs end.
    pub(crate) fn end(&self, runs: usize) {
        self.may_end.add_permits(runs);
    }
}

#[track_caller]
pub(crate) fn assert_state(record: Option<tower_webhook::store::Record>, expected: &str) {
    let state = match record.map(|record| record.state) {
        None => "absent".to_owned(),
        Some(State::Claimed { attempts, .. }) => format!("claimed, {attempts}"),
        Some(State::Free { attempts, .. }) => format!("free, {attempts}"),
        Some(State::Done {
            completion: Completion::Handled,
            ..
        }) => "handled".to_owned(),
        Some(State::Done {
            completion: Completion::Rejected,
            ..
        }) => "rejected".to_owned(),
        other => panic!("an unknown state: {other:?}"),
    };
    assert_eq!(state, expected);
}

pub(crate) fn claim_request_of_another_process(id: &str) -> ClaimRequest {
    // What the layer makes of `event(id)`: the fingerprint is Dwolla's.
    let event = tower_webhook::event::from_json::<Event>(event(id).as_bytes()).unwrap();
    ClaimRequest::new(
        key(id),
        Token::random(),
        tower_webhook::event::Event::fingerprint(&event).unwrap(),
    )
    .with_lease(Duration::from_secs(60))
    .with_retention(Duration::from_secs(35 * 24 * 3600))
    .with_retry_window(Duration::from_secs(72 * 3600))
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A handler that works this long, then succeeds.
pub(crate) fn work(time: Duration) -> impl Fn(Delivery<Event>) -> Work + Clone + Send + Sync + 'static {
    move |_| {
        Box::pin(async move {
            sleep(time).await;
            Ok(())
        })
    }
}

/// A body whose one frame comes late.
pub(crate) struct Late(
    pub(crate) Duration,
    pub(crate) Option<Bytes>,
    pub(crate) Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
);

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        let delay = self.0;
        let sleeping = self.2.get_or_insert_with(|| Box::pin(sleep(delay)));
        std::task::ready!(std::future::Future::poll(sleeping.as_mut(), cx));
        std::task::Poll::Ready(self.1.take().map(|bytes| Ok(http_body::Frame::data(bytes))))
    }
}
