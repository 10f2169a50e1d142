//! A webhook endpoint under test: requests in, answers out, everything inside counted.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tower::{Layer, Service, util::BoxCloneSyncService};
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Refusal, RefusalKind, TopicRouter, WebhookLayer,
    clock::Clock,
    dwolla::{self, Dwolla},
    event::{EventError, EventId},
    layer::{RequestBody, ResponseBody, WebhookLayerBuilder},
    process::{DrainHandle, Outcome},
    provider::{DeliveryPolicy, Provider},
    signature::{Secrets, Verifier},
    store::{IdempotencyStore, Key, Record},
    testing::{FaultyStore, Operation},
};

use crate::wire::{Calls, Via, Wire};

pub(crate) const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

pub(crate) type Event = dwolla::Event;
pub(crate) type Builder = WebhookLayerBuilder<Counted, FaultyStore<MemoryStore>>;

/// The time that tokio's paused clock tells, so that leases, deadlines and handlers share one time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestClock(Instant);

impl TestClock {
    pub(crate) const START: Duration = Duration::from_secs(1_549_292_325); // 2019-02-04T14:58:45Z

    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Self::START + self.0.elapsed()
    }
}

/// Dwolla, with the calls of its parser counted.
pub(crate) struct Counted {
    dwolla: Dwolla,
    parsed: Arc<AtomicUsize>,
}

impl Provider for Counted {
    type Event = Event;

    fn name(&self) -> &str {
        self.dwolla.name()
    }
    fn verifier(&self) -> &Verifier {
        self.dwolla.verifier()
    }
    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<Event, EventError> {
        self.parsed.fetch_add(1, Ordering::SeqCst);
        self.dwolla.event(headers, body)
    }
    fn policy(&self) -> DeliveryPolicy {
        self.dwolla.policy()
    }
}

/// What stands behind an endpoint, whatever the transport.
pub(crate) type BoxService = BoxCloneSyncService<Request<TestBody>, Response<ResponseBody>, Infallible>;

#[derive(Clone)]
pub(crate) struct Endpoint {
    wire: Wire,
    calls: Calls,
    pub(crate) handle: DrainHandle,
    pub(crate) store: FaultyStore<MemoryStore>,
    runs: Arc<AtomicUsize>,
    parsed: Arc<AtomicUsize>,
}

/// The body of a request under test.
pub(crate) type TestBody = http_body_util::combinators::UnsyncBoxBody<Bytes, BodyError>;

/// Whatever a body fails with.
#[derive(Debug)]
pub(crate) struct BodyError(pub(crate) Box<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body failed")
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl Endpoint {
    /// An endpoint whose topic handler does this; its runs are counted.
    pub(crate) fn new<F, Fut>(handler: F) -> Self
    where
        F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        Self::with(handler, |builder| builder)
    }

    /// The same with settings.
    pub(crate) fn with<F, Fut>(handler: F, settings: impl FnOnce(Builder) -> Builder) -> Self
    where
        F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        let runs = Arc::new(AtomicUsize::new(0));
        let counting = {
            let runs = Arc::clone(&runs);
            move |delivery| {
                runs.fetch_add(1, Ordering::SeqCst);
                handler(delivery)
            }
        };
        let router = TopicRouter::new().on("customer_created", counting);
        Self::build(settings, runs, |layer| BoxCloneSyncService::new(layer.topics(router)))
    }

    /// The same with a memory store of this kind.
    pub(crate) fn with_store<F, Fut>(store: tower_webhook::store::MemoryStoreBuilder, handler: F) -> Self
    where
        F: Fn(Delivery<Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<(), HandlerError>> + Send,
    {
        let router = TopicRouter::new().on("customer_created", handler);
        Self::build_on(
            store,
            |builder| builder,
            Arc::default(),
            |layer| BoxCloneSyncService::new(layer.topics(router)),
        )
    }

    /// An endpoint in front of an HTTP service that does this.
    pub(crate) fn http<F, Fut>(handler: F) -> Self
    where
        F: Fn(Request<RequestBody>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<Response<Full<Bytes>>, std::io::Error>> + Send + 'static,
    {
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let inner = tower::service_fn(move |request| {
            counted.fetch_add(1, Ordering::SeqCst);
            handler(request)
        });
        Self::build(
            |builder| builder,
            runs,
            |layer| BoxCloneSyncService::new(layer.layer(inner)),
        )
    }

    /// An endpoint in front of this HTTP service.
    pub(crate) fn in_front_of<I>(inner: I) -> Self
    where
        I: Service<Request<RequestBody>, Response = Response<Full<Bytes>>, Error = std::io::Error, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        Self::build(
            |builder| builder,
            Arc::default(),
            |layer| BoxCloneSyncService::new(layer.layer(inner)),
        )
    }

    fn build(
        settings: impl FnOnce(Builder) -> Builder,
        runs: Arc<AtomicUsize>,
        service: impl FnOnce(WebhookLayer<Counted, FaultyStore<MemoryStore>>) -> BoxService,
    ) -> Self {
        // Room for what a test needs: a million ids' empty tables would take longer to make than
        // most tests.
        Self::build_on(MemoryStore::builder().capacity(10_000), settings, runs, service)
    }

    fn build_on(
        store: tower_webhook::store::MemoryStoreBuilder,
        settings: impl FnOnce(Builder) -> Builder,
        runs: Arc<AtomicUsize>,
        service: impl FnOnce(WebhookLayer<Counted, FaultyStore<MemoryStore>>) -> BoxService,
    ) -> Self {
        let clock = TestClock::start();
        let store = FaultyStore::new(store.clock(clock).build());
        let parsed = Arc::new(AtomicUsize::new(0));
        let provider = Counted {
            dwolla: Dwolla::new(SECRET).unwrap(),
            parsed: Arc::clone(&parsed),
        };
        let builder = WebhookLayer::builder(provider, store.clone()).clock(clock);
        let layer = settings(builder).build().unwrap();
        let handle = layer.drain_handle();
        let calls = Calls::default();
        Self {
            wire: Wire::Direct(calls.watch(service(layer))),
            calls,
            handle,
            store,
            runs,
            parsed,
        }
    }

    /// The same endpoint, served this way: the service is called by what serves it, and requests
    /// are sent to that.
    pub(crate) async fn over(self, via: Via) -> Self {
        let wire = self.wire.over(via).await;
        Self { wire, ..self }
    }

    /// The same endpoint for another provider: over a socket, a connection that nobody else uses.
    pub(crate) async fn by_another_connection(&self) -> Self {
        let wire = self.wire.anew().await;
        Self { wire, ..self.clone() }
    }

    /// Where the service is served.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        match &self.wire {
            Wire::Direct(_) => panic!("it is not served"),
            Wire::Http1(address) | Wire::Http2(address, ..) => *address,
        }
    }

    /// How many calls of the service have ended.
    pub(crate) fn calls_ended(&self) -> usize {
        self.calls.have_ended()
    }

    /// Waits until so many calls of the service have begun.
    pub(crate) async fn begun(&self, calls: usize) {
        self.calls.begun(calls).await;
    }

    /// Waits until so many calls of the service have ended, by an answer or because the server gave
    /// them up.
    pub(crate) async fn ended(&self, calls: usize) {
        self.calls.ended(calls).await;
    }

    /// Sends a request and takes the answer apart.
    pub(crate) async fn send(&self, request: Request<TestBody>) -> Answer {
        self.wire.send(request).await
    }

    /// Sends the event with this id.
    pub(crate) async fn deliver(&self, id: &str) -> Answer {
        self.send(signed(event(id))).await
    }

    /// Sends the event with this id from a task of its own.
    pub(crate) fn spawn(&self, id: &str) -> tokio::task::JoinHandle<Answer> {
        let (endpoint, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move { endpoint.deliver(&id).await })
    }

    /// How often the handler was called.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Ordering::SeqCst)
    }

    /// How often the parser was called.
    pub(crate) fn parsed(&self) -> usize {
        self.parsed.load(Ordering::SeqCst)
    }

    /// How often the store was called.
    pub(crate) fn store_calls(&self) -> usize {
        [
            Operation::Claim,
            Operation::Renew,
            Operation::Complete,
            Operation::Release,
        ]
        .into_iter()
        .map(|operation| self.store.calls(operation))
        .sum()
    }

    /// What the store has recorded of this event.
    pub(crate) async fn record(&self, id: &str) -> Option<Record> {
        self.store.get(&key(id)).await.unwrap()
    }

    /// Neither the parser nor the store nor the handler was reached.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(
            (self.parsed(), self.store_calls(), self.runs()),
            (0, 0, 0),
            "(parsed, store calls, handler runs)"
        );
    }
}

/// An answer, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) rejection: Option<Refusal>,
    /// How the event ended. It does not cross a socket either.
    pub(crate) outcome: Option<Outcome>,
}

impl Answer {
    pub(crate) async fn of<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Data = Bytes, Error: std::fmt::Debug>,
    {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            rejection: parts.extensions.get::<Refusal>().cloned(),
            outcome: parts.extensions.get::<Outcome>().cloned(),
        }
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        Some(self.headers.get("retry-after")?.to_str().unwrap().parse().unwrap())
    }

    /// 200 without a body.
    #[track_caller]
    pub(crate) fn assert_acknowledged(&self) {
        assert_eq!((self.status.as_u16(), self.body.as_str()), (200, ""));
    }

    /// This status and kind, as a problem.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, kind: RefusalKind) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["code"], kind.as_str(), "{self:?}");
        // For layers further out; it does not cross a socket.
        if let Some(rejection) = &self.rejection {
            assert_eq!(rejection.kind(), kind, "{self:?}");
            assert_eq!(rejection.status(), self.status, "{self:?}");
            assert_eq!(self.outcome, Some(Outcome::Refused(rejection.clone())));
        }
    }
}

pub(crate) fn key(id: &str) -> Key {
    Key::new("dwolla", EventId::new(id).unwrap())
}

/// A customer_created event with this id.
pub(crate) fn event(id: &str) -> String {
    event_of(id, "customer_created")
}

/// An event with this id and topic.
pub(crate) fn event_of(id: &str, topic: &str) -> String {
    serde_json::json!({
        "id": id,
        "resourceId": "6c57f372-e9a0-47d4-91f3-ab2b3aae56f0",
        "topic": topic,
        "created": "2019-02-04T14:58:45.144Z",
    })
    .to_string()
}

pub(crate) fn secrets() -> Secrets {
    Secrets::new(SECRET).unwrap()
}

pub(crate) fn signature(body: &[u8]) -> HeaderMap {
    dwolla::scheme().sign(&secrets(), body).unwrap()
}

/// A signed request with this body.
pub(crate) fn signed(body: impl AsRef<[u8]>) -> Request<TestBody> {
    let body = body.as_ref();
    with_body(signature(body), Full::from(body.to_vec()))
}

/// A POST with these headers and this body.
pub(crate) fn with_body<B>(headers: HeaderMap, body: B) -> Request<TestBody>
where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut request = Request::post("/webhooks/dwolla")
        .body(body.map_err(|error| BodyError(error.into())).boxed_unsync())
        .unwrap();
    *request.headers_mut() = headers;
    request
}
