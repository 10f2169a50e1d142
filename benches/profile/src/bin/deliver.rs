//! Deliveries and nothing else, for callgrind:
//!
//! ```sh
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='deliver::measured*' \
//!     target/release/deliver accepted 1000
//! ```
//!
//! The first argument is `accepted`, `duplicate`, `forged`, each with `-logged` behind it for a
//! layer with a delivery log, or `verify` for the signature alone; the second, how many.

use std::{convert::Infallible, env, hint::black_box};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use profile::{
    common::{SECRET, USUAL, event, id},
    forged, request, runtime, send, service,
};
use tokio::runtime::Runtime;
use tower::Service;
use tower_webhook::{
    MemoryStore, delivery_log::MemoryLog, dwolla::Dwolla, layer::ResponseBody, provider::Provider as _,
    signature::Verifier,
};

fn main() {
    let mut arguments = env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "accepted".to_owned());
    let count: u64 = arguments.next().map_or(1000, |count| count.parse().expect("a number"));
    let runtime = runtime();
    let log = kind.ends_with("-logged").then(|| MemoryLog::new(10_000));
    let service = service(MemoryStore::new(), log);
    // What happens once only, happens here.
    send(&runtime, &service, (0..100).map(|n| request(n, USUAL)).collect(), 200);
    if kind == "verify" {
        return verify(count);
    }
    let (requests, status): (Vec<_>, u16) = match kind.trim_end_matches("-logged") {
        "accepted" => ((1000..1000 + count).map(|n| request(n, USUAL)).collect(), 200),
        "duplicate" => ((0..count).map(|_| request(1, USUAL)).collect(), 200),
        "forged" => ((0..count).map(|_| forged(1, USUAL)).collect(), 401),
        _ => panic!("accepted, duplicate, forged or verify; not {kind}"),
    };
    measured(&runtime, &service, requests, status);
}

#[inline(never)]
fn measured<S>(runtime: &Runtime, service: &S, requests: Vec<Request<Full<Bytes>>>, status: u16)
where
    S: Service<Request<Full<Bytes>>, Response = Response<ResponseBody>, Error = Infallible> + Clone,
{
    send(runtime, service, requests, status);
}

fn verify(count: u64) {
    let request = request(1, USUAL);
    let provider = Dwolla::new(SECRET).expect("a secret");
    let body = event(&id(1), USUAL);
    measured_verify(provider.verifier(), request.headers(), &body, count);
}

#[inline(never)]
fn measured_verify(verifier: &Verifier, headers: &HeaderMap, body: &[u8], count: u64) {
    for _ in 0..count {
        let verified = verifier.verify(black_box(headers), black_box(body));
        let _ = black_box(verified).expect("authentic");
    }
}
