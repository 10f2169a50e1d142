//! An endpoint without HTTP, for the programs beside this file.

#[path = "../../common/mod.rs"]
pub mod common;
pub mod counting;

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower::Service;
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    delivery_log::MemoryLog,
    dwolla::{self, Dwolla},
    layer::ResponseBody,
};

/// The layer as the README has it, before a handler that does nothing; with a delivery log, if one
/// is given.
pub fn service(
    store: MemoryStore,
    log: Option<MemoryLog>,
) -> impl Service<Request<Full<Bytes>>, Response = Response<ResponseBody>, Error = Infallible> + Clone {
    let provider = Dwolla::new(common::SECRET).expect("a secret");
    let topics = TopicRouter::new().on(dwolla::Topic::CustomerCreated, async |_: dwolla::Event| {});
    let builder = WebhookLayer::builder(provider, store);
    let builder = match log {
        Some(log) => builder.delivery_log(log),
        None => builder,
    };
    builder.build().expect("a layer").topics(topics)
}

/// The `n`th event, signed.
pub fn request(n: u64, size: usize) -> Request<Full<Bytes>> {
    let body = common::event(&common::id(n), size);
    let mut request = Request::post("/webhooks/dwolla")
        .body(Full::from(body.clone()))
        .expect("a request");
    *request.headers_mut() = common::signature(&body);
    let headers = request.headers_mut();
    // As many as an HTTP client sends.
    headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    request
}

/// The same with another signature.
pub fn forged(n: u64, size: usize) -> Request<Full<Bytes>> {
    let mut request = request(n, size);
    let forged = HeaderValue::from_static("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    request.headers_mut().insert("x-request-signature-sha-256", forged);
    request
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Sends the requests one after the other; every answer must have this status.
pub fn send<S, B>(runtime: &Runtime, service: &S, requests: Vec<Request<Full<Bytes>>>, status: u16)
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible> + Clone,
{
    let mut service = service.clone();
    runtime.block_on(async {
        for request in requests {
            let Ok(response) = service.call(request).await;
            assert_eq!(response.status(), status);
        }
    });
}
