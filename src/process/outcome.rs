use std::fmt;

use crate::{
    error::Refusal,
    store::{Completion, Stage},
};

/// How an event ended, for the request or the call that handed it in, and for the log and the
/// metrics of a worker.
///
/// It is in the extensions of every response of a [`WebhookService`](crate::layer::WebhookService).
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use http_body_util::Full;
/// use tower::ServiceExt as _;
/// use tower_webhook::{
///     MemoryStore, TopicRouter, WebhookLayer, dwolla::{self, Dwolla}, process::Outcome,
///     signature::Secrets,
/// };
///
/// async fn created(_: dwolla::Event) {}
///
/// let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, created);
/// let service = WebhookLayer::new(Dwolla::new(secrets.clone()).unwrap(), MemoryStore::new())
///     .topics(topics);
///
/// let body =
///     r#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
/// let mut request = http::Request::post("/").body(Full::<bytes::Bytes>::from(body)).unwrap();
/// request.headers_mut().extend(dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap());
///
/// let response = service.oneshot(request).await.unwrap();
/// assert_eq!(response.extensions().get::<Outcome>(), Some(&Outcome::Handled));
/// # });
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "an event that was refused is not finished: hand it in again"]
pub enum Outcome {
    /// The handler has succeeded.
    Handled,
    /// The event was finished before, or by a copy that was handled at the same time.
    Duplicate(Completion),
    /// The event was finished before, under an id that its provider documents as unique, and this
    /// copy has another topic or time.
    OtherFacts,
    /// The delivery is stored, and a worker handles it later.
    Stored,
    /// The event was stored before, and is in this stage now.
    StoredBefore(Stage),
    /// A worker gave the delivery up, for this reason; it waits for an operator. Only in the log
    /// and the metrics: no response and no call has it.
    Dead(String),
    /// No handler takes the topic. Nothing is recorded.
    Unhandled,
    /// There was no event: the provider verified the endpoint, and the layer has responded to that.
    Handshake,
    /// The handler failed with a permanent error, whose text this is. The event is finished.
    Rejected(String),
    /// The event is not finished. The refusal says why, and whether a later attempt may succeed.
    Refused(Refusal),
}

impl Outcome {
    /// A name for programs, as in logs and metrics. For a refusal, the name of its kind.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Duplicate(_) | Self::OtherFacts | Self::StoredBefore(_) => "duplicate",
            Self::Stored => "stored",
            Self::Dead(_) => "dead",
            Self::Unhandled => "unhandled",
            Self::Handshake => "handshake",
            Self::Rejected(_) => "rejected",
            Self::Refused(refusal) => refusal.kind().as_str(),
        }
    }

    /// Why the event is not finished, if it is not.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// The name, and the reason where there is one.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self {
            Self::Rejected(reason) | Self::Dead(reason) => write!(f, ": {reason}"),
            Self::Refused(refusal) => write!(f, ": {refusal}"),
            _ => Ok(()),
        }
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
