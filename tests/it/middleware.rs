//! Tower middleware around topic handlers.

use std::{
    error::Error,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::Full;
use tokio::time::sleep;
use tower::{
    Layer, Service, ServiceExt as _, layer::layer_fn, limit::ConcurrencyLimitLayer, timeout::TimeoutLayer,
    util::MapErrLayer,
};
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Outcome, RefusalKind, TopicRouter, WebhookLayer, dwolla::Dwolla,
    handler::Handlers,
};

use crate::endpoint::{Event, SECRET, event_of, signature};

/// How the delivery of an event of this topic ends.
async fn outcome(topics: TopicRouter<Event>, id: &str, topic: &str) -> Outcome {
    let service = WebhookLayer::new(Dwolla::new(SECRET).unwrap(), MemoryStore::new()).topics(topics);
    let body = event_of(id, topic);
    let mut request = http::Request::post("/")
        .body(Full::<bytes::Bytes>::from(body.clone()))
        .unwrap();
    *request.headers_mut() = signature(body.as_bytes());
    let response = service.oneshot(request).await.unwrap();
    response.extensions().get::<Outcome>().cloned().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_timeout_ends_the_handler_and_the_event_is_retried() {
    let topics = TopicRouter::new()
        .on("slow", async |_: Event| sleep(Duration::from_secs(5)).await)
        .on("fast", async |_: Event| sleep(Duration::from_secs(3)).await)
        .layer(TimeoutLayer::new(Duration::from_secs(4)));
    let slow = outcome(topics.clone(), "1", "slow").await;
    assert_eq!(slow.to_string(), "handler-failed: request timed out");
    assert_eq!(slow.refusal().unwrap().kind(), RefusalKind::HandlerFailed);
    assert_eq!(outcome(topics, "2", "fast").await, Outcome::Handled);
}

#[tokio::test(start_paused = true)]
async fn a_limit_counts_all_handlers_together() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handler = {
        let most = Arc::clone(&most);
        move |_: Event| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                running.fetch_sub(1, Ordering::SeqCst);
            }
        }
    };
    let topics = TopicRouter::new()
        .on("a", handler.clone())
        .on("b", handler.clone())
        .fallback(handler)
        .layer(ConcurrencyLimitLayer::new(2));
    let deliveries = ["a", "b", "c", "a", "b", "c"].into_iter().enumerate();
    let deliveries: Vec<_> = deliveries
        .map(|(id, topic)| {
            let topics = topics.clone();
            tokio::spawn(async move { outcome(topics, &id.to_string(), topic).await })
        })
        .collect();
    for delivery in deliveries {
        assert_eq!(delivery.await.unwrap(), Outcome::Handled);
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
}

/// Counts what goes through it.
fn counting(count: Arc<AtomicUsize>) -> impl Layer<Handlers<Event>, Service: CountingService> {
    layer_fn(move |inner: Handlers<Event>| {
        let count = Arc::clone(&count);
        inner.map_request(move |delivery: Delivery<Event>| {
            count.fetch_add(1, Ordering::SeqCst);
            delivery
        })
    })
}

trait CountingService:
    Service<Delivery<Event>, Response = (), Error = Box<dyn Error + Send + Sync>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<T> CountingService for T where
    T: Service<Delivery<Event>, Response = (), Error = Box<dyn Error + Send + Sync>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

#[tokio::test(start_paused = true)]
async fn what_is_registered_later_stays_outside_and_layers_nest() {
    let (inner, outer) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let topics = TopicRouter::new()
        .on("a", async |_: Event| {})
        .layer(counting(Arc::clone(&inner)))
        .on("b", async |_: Event| {})
        .layer(counting(Arc::clone(&outer)))
        .on("c", async |_: Event| {});
    for topic in ["a", "b", "c", "d"] {
        let _ = outcome(topics.clone(), "1", topic).await;
    }
    let counts = (inner.load(Ordering::SeqCst), outer.load(Ordering::SeqCst));
    assert_eq!(counts, (1, 2));
    assert_eq!(outcome(topics, "1", "d").await, Outcome::Unhandled);
}

/// An error with another as its cause, as middleware makes it.
#[derive(Debug)]
struct Wrapped(Box<dyn Error + Send + Sync>);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("behind the middleware")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_handlers_error_says_of_the_event_survives_the_middleware() {
    let topics = TopicRouter::new()
        .on("never", async |_: Event| {
            Err(HandlerError::permanent("no such account"))
        })
        .on("later", async |_: Event| {
            Err(HandlerError::retry_after(
                Duration::from_secs(30),
                "the ledger is being moved",
            ))
        });
    let plain = topics.clone().layer(TimeoutLayer::new(Duration::from_secs(4)));
    let wrapped = topics.layer(MapErrLayer::new(Wrapped));
    assert_eq!(
        outcome(plain.clone(), "1", "never").await,
        Outcome::Rejected("no such account".into())
    );
    assert_eq!(
        outcome(wrapped.clone(), "1", "never").await,
        Outcome::Rejected("behind the middleware: no such account".into())
    );
    for topics in [plain, wrapped] {
        let later = outcome(topics, "1", "later").await;
        assert_eq!(later.refusal().unwrap().retry_delay(), Some(Duration::from_secs(30)));
    }
}

#[test]
fn a_boxed_error_is_the_same_error_again() {
    fn again(error: HandlerError) -> HandlerError {
        let failed: Result<(), Box<dyn Error + Send + Sync>> = Err(error.into_boxed());
        fn passes_on(failed: Result<(), Box<dyn Error + Send + Sync>>) -> Result<(), HandlerError> {
            Ok(failed?)
        }
        passes_on(failed).unwrap_err()
    }
    let io = std::io::Error::other(Wrapped("the cause".into()));
    let error = again(HandlerError::retry_after(Duration::from_secs(7), io));
    assert_eq!(error.retry_delay(), Some(Duration::from_secs(7)));
    assert_eq!(error.to_string(), "behind the middleware: the cause");
    assert!(error.get_ref().is::<std::io::Error>());
    assert!(again(HandlerError::permanent("never")).is_permanent());
    assert!(!again(HandlerError::retry("again")).is_permanent());
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_middleware_is_a_panic_of_the_handler() {
    let topics = TopicRouter::new()
        .on("a", async |_: Event| {})
        .layer(layer_fn(|inner: Handlers<Event>| {
            inner.map_request(|delivery: Delivery<Event>| {
                assert_ne!(delivery.event().topic().as_str(), "a", "refused by the middleware");
                delivery
            })
        }));
    let outcome = outcome(topics, "1", "a").await;
    assert_eq!(outcome.refusal().unwrap().kind(), RefusalKind::HandlerPanicked);
}
