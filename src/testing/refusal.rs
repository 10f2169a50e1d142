use std::{borrow::Cow, time::Duration};

use crate::error::{Refusal, RefusalKind};

/// A refusal, for a test of what an application does with one: its
/// [`on_refusal`](crate::layer::WebhookLayerBuilder::on_refusal), or a layer that reads the
/// extensions of a response.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderValue, Response};
/// use tower_webhook::{Refusal, RefusalKind, testing};
///
/// fn name_the_kind(refusal: &Refusal, response: &mut Response<Bytes>) {
///     let kind = HeaderValue::from_static(refusal.kind().as_str());
///     response.headers_mut().insert("x-refused", kind);
/// }
///
/// let refusal = testing::refusal(RefusalKind::Overloaded, "1024 requests are in flight", None);
/// let mut response = Response::default();
/// name_the_kind(&refusal, &mut response);
/// assert_eq!(response.headers()["x-refused"], "overloaded");
/// ```
#[must_use]
pub fn refusal(kind: RefusalKind, reason: impl Into<Cow<'static, str>>, retry_after: Option<Duration>) -> Refusal {
    let refusal = Refusal::new(kind, reason);
    match retry_after {
        Some(delay) => refusal.retry_after(delay),
        None => refusal,
    }
}
