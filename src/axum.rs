//! [`Delivery`] as an axum extractor.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! use axum::{Router, response::IntoResponse, routing::post};
//! use tower_webhook::{
//!     Delivery, MemoryStore, WebhookLayer,
//!     dwolla::{self, Dwolla},
//! };
//!
//! async fn receive(delivery: Delivery<dwolla::Event>) -> impl IntoResponse {
//!     println!("{}", delivery.event().topic());
//! }
//!
//! let webhooks = WebhookLayer::new(
//!     Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5")?,
//!     MemoryStore::new(),
//! );
//! let app: Router =
//!     Router::new().route("/webhooks/dwolla", post(receive).layer(webhooks));
//! # }
//! # Ok::<(), tower_webhook::signature::SecretError>(())
//! ```
//!
//! Where the feature `axum` is off, axum only says of such a function that it is not a `Handler`.

use std::{any::type_name, fmt, marker::PhantomData};

use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{delivery::Delivery, event::Event, receive::missing_layer};

impl<E: Event, S: Sync> FromRequestParts<S> for Delivery<E> {
    type Rejection = MissingDelivery<E>;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(MissingDelivery(PhantomData))
    }
}

/// There is no delivery of this event type in the request: no `WebhookLayer` of that provider is
/// around the route. Responds 500.
pub struct MissingDelivery<E>(PhantomData<fn() -> E>);

impl<E> fmt::Display for MissingDelivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no Delivery<{event}> in the request: this route is not behind a WebhookLayer whose provider's events are {event}; \
             expected `post(handler).layer(webhook_layer)`",
            event = type_name::<E>()
        )
    }
}

impl<E> fmt::Debug for MissingDelivery<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MissingDelivery")
    }
}

impl<E> std::error::Error for MissingDelivery<E> {}

impl<E> IntoResponse for MissingDelivery<E> {
    fn into_response(self) -> Response {
        crate::trace::error(format_args!("{self}"));
        missing_layer().into_response()
    }
}
