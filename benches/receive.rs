//! The service called directly, without HTTP: what a delivery costs, and what a refusal costs.
//!
//! ```sh
//! cargo bench --bench receive
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench that cannot measure should end"
)]

mod common;

use std::{
    cell::Cell,
    convert::Infallible,
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use common::{USUAL, event, id, ready};
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt as _, service_fn, util::BoxCloneSyncService};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::EventId,
    layer::ResponseBody,
    store::{IdempotencyStore as _, Key},
};

/// Requests that are timed together.
const BATCH: u64 = 256;
const SIGNATURE: &str = "x-request-signature-sha-256";

type Webhooks = BoxCloneSyncService<Request<Full<Bytes>>, Response<ResponseBody>, Infallible>;

struct Bench<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    runtime: Runtime,
    store: MemoryStore,
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion);
    criterion.final_summary();
}

fn measure(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = MemoryStore::new();
    let layer = layer(&store);
    let handled = boxed(layer.topics(TopicRouter::new().fallback(async |_: dwolla::Event| {})));
    let failed = boxed(
        layer.topics(
            TopicRouter::new()
                .fallback(async |_: dwolla::Event| -> Result<(), io::Error> { Err(io::ErrorKind::TimedOut.into()) }),
        ),
    );
    let unhandled = boxed(layer.topics(TopicRouter::new()));
    let draining = WebhookLayer::new(Dwolla::new(common::SECRET).unwrap(), store.clone());
    let handle = draining.drain_handle();
    drop(runtime.block_on(handle.drain(Duration::ZERO)));
    let draining = boxed(draining.topics(TopicRouter::new().fallback(async |_: dwolla::Event| {})));

    let mut bench = Bench {
        group: criterion.benchmark_group("receive"),
        runtime,
        store,
    };
    bench.bare();
    bench.fresh("accepted", USUAL, 200, &handled);
    bench.fresh("accepted_64_kib", 64 * 1024, 200, &handled);
    bench.fresh("handler_failed", USUAL, 500, &failed);

    let body = event(&id(0), USUAL);
    let fine = request(&body);
    bench.same("duplicate", 200, &handled, &fine);
    bench.same("unhandled", 200, &unhandled, &fine);
    bench.same("refused/draining", 503, &draining, &fine);

    let with = |change: &dyn Fn(&mut Request<Full<Bytes>>)| {
        let mut request = fine.clone();
        change(&mut request);
        request
    };
    let other_topic = String::from_utf8(body.clone())
        .unwrap()
        .replace("customer_created", "customer_verified");
    for (name, status, request) in [
        (
            "method",
            405,
            with(&|request| *request.method_mut() = http::Method::GET),
        ),
        (
            "encoding",
            415,
            with(&|request| set(request, header::CONTENT_ENCODING.as_str(), "gzip")),
        ),
        (
            "too_large",
            413,
            with(&|request| set(request, header::CONTENT_LENGTH.as_str(), "1000000")),
        ),
        ("no_signature", 401, with(&|request| request.headers_mut().clear())),
        ("malformed", 401, with(&|request| set(request, SIGNATURE, "not hex"))),
        (
            "forged",
            401,
            with(&|request| set(request, SIGNATURE, &"0123456789abcdef".repeat(4))),
        ),
        ("not_an_event", 400, self::request(b"{}")),
        ("conflict", 500, self::request(other_topic.as_bytes())),
    ] {
        bench.same(&format!("refused/{name}"), status, &handled, &request);
    }
    bench.group.finish();
}

fn layer(store: &MemoryStore) -> WebhookLayer<Dwolla, MemoryStore> {
    WebhookLayer::new(Dwolla::new(common::SECRET).unwrap(), store.clone())
}

/// The layer's future is boxed once more in here; so is that of the route it is compared with.
fn boxed<S>(service: S) -> Webhooks
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResponseBody>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    BoxCloneSyncService::new(service)
}

fn request(body: &[u8]) -> Request<Full<Bytes>> {
    let mut request = Request::post("/webhooks/dwolla")
        .body(Full::from(body.to_vec()))
        .unwrap();
    *request.headers_mut() = common::signature(body);
    request
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    request
}

fn set(request: &mut Request<Full<Bytes>>, header: &'static str, value: &str) {
    request.headers_mut().insert(header, value.parse().unwrap());
}

impl Bench<'_> {
    /// A service that only reads the body.
    fn bare(&mut self) {
        let bare = service_fn(async |request: Request<Full<Bytes>>| {
            black_box(request.into_body().collect().await.unwrap().to_bytes());
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let bare = bare.map_future(|future| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> { Box::pin(future) });
        let fine = request(&event(&id(0), USUAL));
        let runtime = &self.runtime;
        self.group.bench_function("bare", |bencher| {
            bencher.iter_custom(|times| {
                in_batches(times, |batch| {
                    let requests: Vec<_> = (0..batch).map(|_| fine.clone()).collect();
                    run(runtime, &mut bare.clone(), requests).0
                })
            })
        });
    }

    /// A new event each time. The store forgets it when it is measured, so that it stays small.
    fn fresh(&mut self, name: &str, size: usize, status: u16, service: &Webhooks) {
        let next = Cell::new(1);
        let (runtime, store) = (&self.runtime, &self.store);
        self.group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                in_batches(times, |batch| {
                    let ids: Vec<_> = (next.get()..next.get() + batch).map(id).collect();
                    next.set(next.get() + batch);
                    let requests = ids.iter().map(|id| request(&event(id, size))).collect();
                    let (took, last) = run(runtime, &mut service.clone(), requests);
                    assert_eq!(last.status(), status);
                    for id in ids {
                        let key = Key::new("dwolla", EventId::new(&id).unwrap());
                        let _ = ready(store.forget(&key)).unwrap();
                    }
                    took
                })
            })
        });
    }

    /// The same request each time.
    fn same(&mut self, name: &str, status: u16, service: &Webhooks, request: &Request<Full<Bytes>>) {
        let runtime = &self.runtime;
        self.group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                in_batches(times, |batch| {
                    let requests: Vec<_> = (0..batch).map(|_| request.clone()).collect();
                    let (took, last) = run(runtime, &mut service.clone(), requests);
                    assert_eq!(last.status(), status);
                    took
                })
            })
        });
    }
}

fn run<S, R>(runtime: &Runtime, service: &mut S, requests: Vec<Request<Full<Bytes>>>) -> (Duration, Response<R>)
where
    S: Service<Request<Full<Bytes>>, Response = Response<R>, Error = Infallible>,
{
    runtime.block_on(async {
        let mut last = None;
        let started = Instant::now();
        for request in requests {
            last = Some(service.call(request).await.unwrap());
        }
        (started.elapsed(), last.unwrap())
    })
}

fn in_batches(times: u64, mut batch: impl FnMut(u64) -> Duration) -> Duration {
    let mut left = times;
    let mut took = Duration::ZERO;
    while left > 0 {
        let now = left.min(BATCH);
        took += batch(now);
        left -= now;
    }
    took
}
