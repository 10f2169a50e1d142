use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::Full;

use crate::{
    event::{Claim, Delivery, Event, Hold},
    signature::{Scheme, Secrets, SignError},
};

/// A POST with this body, signed as the sender signs.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower::ServiceExt as _;
/// use tower_webhook::{MemoryStore, TopicRouter, WebhookLayer, dwolla::{self, Dwolla}, signature::Secrets, testing};
///
/// let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let service = WebhookLayer::new(Dwolla::new(secrets.clone()).unwrap(), MemoryStore::new()).topics(TopicRouter::new());
///
/// let body = r#"{"id":"1","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
/// let request = testing::signed_request(&dwolla::scheme(), &secrets, body).unwrap();
/// assert!(service.oneshot(request).await.unwrap().status().is_success());
/// # });
/// # }
/// ```
///
/// # Errors
/// The secrets are not of the form that the scheme asks for.
pub fn signed_request(
    scheme: &Scheme,
    secrets: &Secrets,
    body: impl Into<Bytes>,
) -> Result<Request<Full<Bytes>>, SignError> {
    let body = body.into();
    let headers = scheme.sign(secrets, &body)?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A delivery of this event, as the first attempt, to call a handler with. Its body is what you give; it has no headers.
///
/// ```
/// use tower_webhook::{Delivery, HandlerError, dwolla, testing};
///
/// async fn settled(delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
///     assert_eq!(delivery.claim().attempts(), 1);
///     Ok(())
/// }
///
/// let body = r#"{"id":"1","topic":"transfer_completed","created":"2019-02-04T14:58:45.144Z"}"#;
/// let event = dwolla::Event::from_json(body.as_bytes())?;
/// let result = settled(testing::delivery(event, body));
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(result).unwrap();
/// # Ok::<(), tower_webhook::event::EventError>(())
/// ```
pub fn delivery<E: Event>(event: E, body: impl Into<Bytes>) -> Delivery<E> {
    struct Held;
    impl Hold for Held {
        fn is_lost(&self) -> bool {
            false
        }
    }
    Delivery::new(
        event,
        body.into(),
        HeaderMap::new(),
        Claim::new(1, 1, Arc::new(Held)),
        0,
    )
}
