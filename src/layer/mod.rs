//! The layer: [`WebhookLayer`] makes a [`WebhookService`] out of a provider, a store, and your
//! handlers, which run before the response. Over a store that is an [inbox](crate::inbox), the
//! service can store deliveries instead, and a [`Worker`](crate::inbox::Worker) runs the handlers.
//!
//! # Order of checks
//! For each request, in this order; the first step that fails decides the response:
//!
//! 1. Draining? 503. Not POST: 405. A `Content-Encoding`: 415. No signature header, or not exactly
//!    one of exactly the scheme's form: 401. A declared length over the limit: 413. No
//!    capacity: 503. *No byte of the body was read so far.*
//!
//!    Where the provider has [tenants](crate::provider::tenant), the tenant's secrets are looked up
//!    now, or if the body names it, after it was read. Unknown: as a wrong signature. The source is
//!    down: 503. The tenant has its share of the requests in flight, or too many tenants were
//!    looked up that were not seen before: 503.
//! 2. The body is read under its limit (413) and one deadline (408), the MAC computed as it
//!    arrives. A wrong one, or a signed time that is too far from now: 401.
//! 3. Authentic, but not an event, or one older than `max_event_age`: 400. A provider's
//!    [handshake](crate::provider::Handshake): 200, with what it asks for. A topic without a
//!    handler: 200, and nothing is recorded.
//! 4. The store is asked for a claim. Done before: 200. Held elsewhere: 503 with `Retry-After`.
//!    Done, but with other facts (topic, time or body) under this id: 500, or 200 where the
//!    provider documents its ids as unique. Store down: 503. Running in this process: this request
//!    waits for that run and gives the same kind of response.
//! 5. The handler runs in a task of its own. Success: recorded as done, 200. Failure or panic:
//!    released, 500, or 503 if it asks for a delay. Rejected for good: recorded, 200.
//! 6. If the response deadline passes while the handler is running: 503 with `Retry-After`; the
//!    handler goes on, and the provider's retry finds it done.
//!
//! An endpoint that stores ([`inbox`](WebhookLayer::inbox)) replaces steps 4 to 6 by one operation
//! of the store, and runs no handler; a topic is ignored only where [`only`](WebhookService::only)
//! says so. [Its responses](crate::inbox#what-the-provider-gets).
//!
//! Every response carries the [`Outcome`](crate::process::Outcome) in its extensions. A response
//! that is no success carries an RFC 9457 `application/problem+json` body, and a
//! [`Refusal`](crate::Refusal) in its extensions.
//!
//! A refusal waits for nothing. What a client is still sending over HTTP/1 is read and thrown away
//! behind the response, so that the client sees the response and not a reset: up to 8 MiB (or the
//! body limit, if that is larger), for 5 s, 64 bodies at once. Beyond that the connection is
//! closed.
//!
//! # Logs
//! With the feature `tracing`, target `tower_webhook`: one event when a delivery has ended. It
//! carries all that is known, so that at `RUST_LOG=warn` one line says why a request was refused:
//!
//! - `provider`, `namespace`: whose event.
//! - `tenant`: whose it is, or claims to be, where the layer has tenants.
//! - `source`: how it came: a [`Source`](crate::event::Source), `delivered` for a request, `stored`
//!   for a run of a worker.
//! - `id`, `topic`: which event, as soon as the request is authentic and was read; escaped, cut at
//!   80 characters.
//! - `attempt`: which run of the event, where a handler ran.
//! - `outcome`: `handled`, `stored`, `duplicate`, `unhandled`, `handshake`, `rejected`, `dead` (a
//!   worker gave it up), or a [`RefusalKind`](crate::RefusalKind::as_str).
//! - `reason`: why, in a sentence: what the handler's error or panic said, what the store's driver
//!   said.
//! - `signature`: of a 401: `missing`, `repeated`, `empty`, `malformed`, `sha1`, `mismatch`,
//!   `timestamp`, or `tenant` where there is no such tenant.
//! - `status`: what the provider gets; absent if it has hung up, or where no request brought the
//!   event.
//! - `duration_ms`: from the request's arrival to this event.
//! - `method`, `path`, `content_type`, `content_length`, `body_length`: of a request that became no
//!   event: its head, and the bytes of its body that were read. The path is without its query; all
//!   are escaped and cut.
//!
//! It is an INFO for `handled`, `stored`, `duplicate`, `handshake` and `unhandled`; a WARN for
//! `rejected`, for a duplicate that is dead or has other facts, and for whatever a provider or a
//! stranger did wrong; an ERROR for what an operator should see to: `conflict`, `store`, `tenants`,
//! `backlog`, `handler-failed`, `handler-panicked`, `handler-timeout`, `inner-response`,
//! `provider-panicked`, `dead`.
//! A delivery whose response is sent before its handler ends has a WARN `still-running` besides.
//!
//! What the handler logs is in the span `webhook` (INFO), which carries `provider`, `namespace`,
//! `source`, `topic`, `id` and `attempt`, and at its end `outcome` and `reason`. No secret, tag or
//! body is in any of it.
//!
//! If a signature is refused and nobody sees why,
//! [`explain_refusals`](WebhookLayerBuilder::explain_refusals) logs which of the usual mistakes it
//! is.
//!
//! # Where to put it
//! - On the webhook route alone: `route_service`, or `post(handler).layer(…)`. `Router::layer`
//!   would cover `/healthz` too, and respond 405 there.
//! - Innermost. The signature is over the bytes that were sent: a decompression layer outside of
//!   this one breaks every signature, and so does anything else that rewrites bodies.
//! - With a header-read timeout set on the server: a request whose headers never end has not
//!   reached any layer yet.
//! - axum's `DefaultBodyLimit` does not apply here; the layer's own limit does.
//!
//! # Tenants, and several endpoints
//! A layer shares what its store remembers with every layer over the same store and
//! [`namespace`](WebhookLayerBuilder::namespace): what one has handled is a duplicate for the
//! others. Clones of a layer, and its services, are one endpoint. For an endpoint with other
//! handlers, build a layer with a namespace of its own. When two layers of one
//! process share what they should not, a warning at start says which two they are and what to set;
//! between processes nobody can tell.
//!
//! Tenants whose secrets are in a database share one layer: [`crate::provider::tenant`]. There the
//! tenant is part of each key. For a few tenants that are known at start, a layer with a namespace
//! for each does as well.
//!
//! # Example
//! ```
//! # #[cfg(feature = "memory")] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use bytes::Bytes;
//! use http::{Request, StatusCode};
//! use http_body_util::Full;
//! use tower::ServiceExt as _;
//! use tower_webhook::{
//!     MemoryStore, TopicRouter, WebhookLayer, dwolla::{self, Dwolla, Topic}, signature::Secrets,
//! };
//!
//! async fn created(event: dwolla::Event) {
//!     assert_eq!(event.topic(), &Topic::CustomerCreated);
//! }
//!
//! let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
//! let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
//! let service = WebhookLayer::new(Dwolla::new(secrets.clone()).unwrap(), MemoryStore::new())
//!     .topics(topics);
//!
//! let body =
//!     r#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
//! let mut request = Request::post("/webhooks/dwolla").body(Full::<Bytes>::from(body)).unwrap();
//! request.headers_mut().extend(dwolla::scheme().sign(&secrets, body.as_bytes()).unwrap());
//!
//! let accepted = service.clone().oneshot(request.clone()).await.unwrap();
//! assert_eq!(accepted.status(), StatusCode::OK);
//!
//! let tampered = request.map(|_| Full::<Bytes>::from(body.replace("created", "deactivated")));
//! let refused = service.oneshot(tampered).await.unwrap();
//! assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
//! # });
//! # }
//! ```

#[expect(
    clippy::module_inception,
    reason = "the layer's folder has a file for each role, and one of them is the layer"
)]
mod layer;
mod builder;
mod observe;
mod check;
mod service;
mod processor;
mod layer_store;
mod inbox;
mod future;

pub use builder::WebhookLayerBuilder;
pub use future::ResponseFuture;
pub use inbox::Deposits;
pub use layer::WebhookLayer;
pub use layer_store::LayerStore;
pub use processor::Processor;
pub use service::WebhookService;

pub use crate::receive::{Http, RequestBody, ResponseBody, TenantsHandle};
