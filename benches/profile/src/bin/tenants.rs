//! Ten thousand tenants behind one layer, beside a layer without tenants:
//!
//! ```sh
//! cargo run --release --bin tenants
//! ```
//!
//! The source of secrets responds at once, so that what is measured is the layer.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use profile::{
    common::{self, USUAL},
    counting, forged, request, runtime, service,
};
use tokio::runtime::Runtime;
use tower::Service;
use tower_webhook::{
    MemoryStore, Provider as _, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla},
    event::Tenant,
    layer::ResponseBody,
    provider::tenant::{BoxError, TenantOf},
    signature::Secrets,
};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const TENANTS: u64 = 10_000;
const ROUNDS: u64 = 7;

/// A layer with tenants in a header, which signs with one secret for all of them.
fn tenants() -> impl Service<Request<Full<Bytes>>, Response = Response<ResponseBody>, Error = Infallible> + Clone {
    let secrets = async |_: Tenant| Ok::<_, BoxError>(Some(Secrets::new(common::SECRET)?));
    let of = TenantOf::header(http::HeaderName::from_static("x-tenant"));
    let provider = Dwolla::reader()
        .per_tenant(of, move |tenant| secrets(tenant))
        .expect("a scheme")
        .lookup_rate(10_000_000, 10_000_000)
        .ttl(Duration::from_secs(3600));
    let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, async |_: dwolla::Event| {});
    WebhookLayer::new(provider, MemoryStore::new()).topics(topics)
}

fn named(tenant: u64, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let name = HeaderValue::from_str(&format!("tenant-{tenant}")).expect("a name");
    request.headers_mut().insert("x-tenant", name);
    request
}

/// How long each request took, in order.
fn times<S>(runtime: &Runtime, service: &S, requests: Vec<Request<Full<Bytes>>>, status: u16) -> Vec<Duration>
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResponseBody>, Error = Infallible> + Clone,
{
    let mut service = service.clone();
    let mut times = Vec::with_capacity(requests.len());
    runtime.block_on(async {
        for request in requests {
            let began = Instant::now();
            let Ok(response) = service.call(request).await;
            times.push(began.elapsed());
            assert_eq!(response.status(), status);
        }
    });
    times.sort();
    times
}

fn at(times: &[Duration], per_mille: usize) -> f64 {
    times[(times.len() - 1) * per_mille / 1000].as_secs_f64() * 1e6
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

fn main() {
    let runtime = runtime();
    let batch = |first: u64| (0..TENANTS).map(move |n| (n, request(first + n, USUAL)));
    let plain = service(MemoryStore::new(), None);
    times(
        &runtime,
        &plain,
        batch(1 << 40).map(|(_, request)| request).collect(),
        200,
    );

    // Memory: forged requests store no event, so what is left is the tenants'.
    let idle = tenants();
    let make = || (0..TENANTS).map(|n| named(n, forged(n, USUAL))).collect::<Vec<_>>();
    let before = counting::live();
    times(&runtime, &idle, make(), 401);
    println!(
        "memory: {} bytes for each of {TENANTS} tenants",
        (counting::live() - before) / TENANTS as i64
    );
    drop(idle);

    let (mut plains, mut warms, mut colds, mut rates) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let first = round * 10 * TENANTS;
        let service = tenants();
        let cold: Vec<_> = batch(first).map(|(n, request)| named(n, request)).collect();
        let warm: Vec<_> = batch(first + TENANTS).map(|(n, request)| named(n, request)).collect();
        let alone: Vec<_> = batch(first + 2 * TENANTS).map(|(_, request)| request).collect();
        let cold = times(&runtime, &service, cold, 200);
        rates.push(TENANTS as f64 / cold.iter().sum::<Duration>().as_secs_f64());
        colds.push((at(&cold, 500), at(&cold, 990)));
        let warm = times(&runtime, &service, warm, 200);
        warms.push((at(&warm, 500), at(&warm, 990)));
        let alone = times(&runtime, &plain, alone, 200);
        plains.push((at(&alone, 500), at(&alone, 990)));
    }
    println!("lookups: {:.0} a second, each with its delivery", median(rates));
    println!(
        "{:14} {:>10} {:>10} {:>8} {:>8}",
        "accepted", "median µs", "p99 µs", "÷ plain", "÷ plain"
    );
    let of = |turns: &[(f64, f64)]| {
        (
            median(turns.iter().map(|turn| turn.0).collect()),
            median(turns.iter().map(|turn| turn.1).collect()),
        )
    };
    let plain = of(&plains);
    for (name, turns) in [("no tenants", &plains), ("warm", &warms), ("cold", &colds)] {
        let (middle, high) = of(turns);
        println!(
            "{name:14} {middle:>10.2} {high:>10.2} {:>8.2} {:>8.2}",
            middle / plain.0,
            high / plain.1
        );
    }
}
