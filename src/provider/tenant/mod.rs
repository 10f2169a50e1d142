//! Many tenants behind one endpoint, each with secrets of its own, which are looked up as requests
//! come: in a database, say.
//!
//! [`per_tenant`](crate::Provider::per_tenant) makes such a provider of a reader of any other. It
//! takes two things:
//!
//! - [`TenantOf`]: which tenant a request names, read from its head: a header, a segment of the
//!   path, or what a function of yours finds. For a provider that says it in the body alone, a
//!   field of the body.
//! - [`TenantSecrets`]: the secrets of a tenant, or that there is no such tenant: an async function
//!   of yours.
//!
//! A provider that signs the address it posts to signs one for each tenant, if the address names
//! it: [`Square::reader_at`](crate::square::Square::reader_at) and
//! [`Scheme::signed_content`](crate::signature::Scheme::signed_content) take `{tenant}`.
//!
//! ```
//! # #[cfg(all(feature = "service", feature = "memory"))] {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! use http::Request;
//! use http_body_util::Full;
//! use tower::ServiceExt as _;
//! use tower_webhook::{
//!     Delivery, MemoryStore, TopicRouter, WebhookLayer,
//!     event::Tenant,
//!     provider::{Provider as _, tenant::{BoxError, TenantOf}},
//!     signature::Secrets,
//!     stripe::{self, Stripe},
//! };
//!
//! // a query, in real life
//! async fn secrets(tenant: Tenant) -> Result<Option<Secrets>, BoxError> {
//!     match tenant.as_str() {
//!         "acme" => Ok(Some(Secrets::new("whsec_8f742231b10e8888abcd99yyyzzz85a5")?)),
//!         _ => Ok(None),
//!     }
//! }
//!
//! async fn paid(tenant: Tenant, event: stripe::Event) {
//!     println!("{tenant}: {}", event.topic());
//! }
//!
//! // /webhooks/stripe/{tenant}
//! let provider = Stripe::reader().per_tenant(TenantOf::last_path_segment(), secrets).unwrap();
//! let layer = WebhookLayer::builder(provider, MemoryStore::new())
//!     .namespace("stripe of tenants")
//!     .build()
//!     .unwrap();
//! let service = layer.topics(TopicRouter::new().on(stripe::topic::INVOICE_PAID, paid));
//!
//! let body = r#"{"id":"evt_1","type":"invoice.paid","created":1767225600}"#;
//! let acme = Secrets::new("whsec_8f742231b10e8888abcd99yyyzzz85a5").unwrap();
//! for (path, status) in [("/webhooks/stripe/acme", 200), ("/webhooks/stripe/umbrella", 401)] {
//!     let mut request = Request::post(path).body(Full::<bytes::Bytes>::from(body)).unwrap();
//!     request.headers_mut().extend(stripe::scheme().sign(&acme, body.as_bytes()).unwrap());
//!     assert_eq!(service.clone().oneshot(request).await.unwrap().status(), status);
//! }
//! # });
//! # }
//! ```
//!
//! # What a layer does with it
//! - The tenant is part of each event's key: `{tenant}/{id}` in the layer's namespace. An event of
//!   one tenant is never a duplicate, a conflict or a follower of another's. Give the layer a
//!   namespace that no layer without tenants has.
//! - A handler takes a [`Tenant`], or asks [`Delivery::tenant`](crate::Delivery::tenant).
//! - An operator's verbs take the key that the log shows as `id`, or make it:
//!   [`Tenant::id_of`].
//! - What was looked up is kept, keyed, for as long as [`ttl`](PerTenant::ttl) says. A rotation is
//!   seen by then, or at once after [`forget`](crate::layer::TenantsHandle::forget). While the
//!   source fails, secrets that are older serve, for as long as
//!   [`stale_if_error`](PerTenant::stale_if_error) says; without any, the provider gets 503.
//! - Concurrent requests of a tenant ask once. A client that hangs up cancels no lookup.
//! - An unknown tenant gets the 401 of a wrong signature, after the same work. That there is none
//!   is remembered, too.
//! - Strangers can name tenants at will. Lookups for names that were not seen before have a rate
//!   ([`lookup_rate`](PerTenant::lookup_rate)); beyond it they get 503. Those of known tenants do
//!   not count.
//! - One tenant takes up a share of the layer's requests in flight, and no more
//!   ([`max_in_flight_per_tenant`](crate::layer::WebhookLayerBuilder::max_in_flight_per_tenant)).
//!
//! # Security
//! The source is asked before anything of the request is verified, with a name that a stranger may
//! have chosen: bind it, never paste it into a statement. Names are no secrets: a tenant that takes
//! up its share gets 503, an unknown one 401.

mod per_tenant;
mod secrets;
mod tenant_of;
mod tenants;

pub use per_tenant::{PerTenant, PerTenantError};
pub use secrets::{BoxError, TenantSecrets};
pub use tenant_of::TenantOf;
pub use tenants::Tenants;

use crate::event::Tenant;
