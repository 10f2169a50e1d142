use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;

use crate::{
    clock::{Clock as _, SystemClock},
    delivery::{Claim, Delivery, LeaseHandle, Message},
    event::{Event, EventId, Fingerprint, Source},
    provider::Provider,
    signature::{Scheme, SecretError, Secrets, SignError, Verifier},
    store::{ClaimRequest, Claimed, IdempotencyStore, Key, StoreError, Token},
};

/// Beyond every provider's tolerance.
const LONG_AGO: Duration = Duration::from_secs(24 * 3600);

/// Requests as a provider would send them, and as it never would: point them at an app of yours.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use axum::{Router, body::Body};
/// use tower::ServiceExt as _;
/// use tower_webhook::{
///     MemoryStore, TopicRouter, WebhookLayer, stripe::{self, Stripe}, testing::SignedRequest,
/// };
///
/// let provider = || Stripe::new("whsec_8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let webhooks = WebhookLayer::new(provider(), MemoryStore::new()).topics(TopicRouter::new());
/// let app: Router = Router::new().route_service("/webhooks/stripe", webhooks);
///
/// let body = r#"{"id":"evt_1","type":"invoice.paid","created":1767225600,"data":{"object":{}}}"#;
/// let signed = SignedRequest::of(&provider(), body).uri("/webhooks/stripe");
/// let response = app.clone().oneshot(signed.build().map(Body::new)).await.unwrap();
/// assert_eq!(response.status(), 200);
///
/// // changed, signed long ago, unsigned, signed twice, …
/// for (forgery, request) in signed.forgeries() {
///     let response = app.clone().oneshot(request.map(Body::new)).await.unwrap();
///     assert_eq!(response.status(), 401, "{forgery}");
/// }
/// # });
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "`build` makes the request"]
pub struct SignedRequest {
    verifier: Verifier,
    id: Option<String>,
    time: Option<SystemTime>,
    uri: Uri,
    unsigned: HeaderMap,
    body: Bytes,
}

impl SignedRequest {
    /// A POST of this body, signed with this provider's first secret.
    ///
    /// A provider whose verifier is a [function](Verifier::from_fn) has nothing to sign with:
    /// building the request panics.
    pub fn of<P: Provider>(provider: &P, body: impl Into<Bytes>) -> Self {
        Self::by(provider.verifier().clone(), body.into())
    }

    /// A POST of this body, signed with a scheme and secrets, without a provider.
    ///
    /// # Errors
    /// The secrets are not of the form that the scheme asks for.
    pub fn new(scheme: &Scheme, secrets: &Secrets, body: impl Into<Bytes>) -> Result<Self, SecretError> {
        Ok(Self::by(Verifier::new(scheme, secrets)?, body.into()))
    }

    fn by(verifier: Verifier, body: Bytes) -> Self {
        Self {
            verifier,
            id: None,
            time: None,
            uri: Uri::from_static("/"),
            unsigned: HeaderMap::new(),
            body,
        }
    }

    /// Under this id, where the scheme signs one; by default a fresh one for each request that is
    /// built.
    ///
    /// # Panics
    /// The id cannot be signed: it is empty, longer than 255 bytes, not printable ASCII, or holds
    /// what ends an id in what is signed.
    #[track_caller]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        let id = id.into();
        let signed = self.verifier.sign_at(&id, SystemTime::UNIX_EPOCH, b"");
        #[expect(clippy::expect_used, reason = "a mistake in a test")]
        signed.expect("an id that can be signed");
        self.id = Some(id);
        self
    }

    /// Signed at this time, where the scheme signs one; by default now.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// Posted to this path.
    pub fn uri(mut self, uri: &'static str) -> Self {
        self.uri = Uri::from_static(uri);
        self
    }

    /// With a header that nobody signs, such as GitHub's name of the event. The signature's own
    /// headers are not replaced by it.
    ///
    /// # Panics
    /// Name or value cannot be a header's.
    #[track_caller]
    pub fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        #[expect(clippy::expect_used, reason = "a mistake in a test")]
        let (name, value) = (
            HeaderName::from_bytes(name.as_bytes()).expect("a header's name"),
            HeaderValue::from_str(value).expect("a header's value"),
        );
        self.unsigned.insert(name, value);
        self
    }

    /// As the provider sends it. Built twice under one [`id`](Self::id) they are two deliveries of
    /// one event; where the id is in the body they always are.
    #[must_use]
    pub fn build(&self) -> Request<Full<Bytes>> {
        self.request(self.signature(self.now(), &self.body), self.body.clone())
    }

    /// The body changed after it was signed.
    #[must_use]
    pub fn tampered(&self) -> Request<Full<Bytes>> {
        let body = [&self.body, b" ".as_slice()].concat();
        self.request(self.signature(self.now(), &self.body), body.into())
    }

    /// A signature of the right form, over something else.
    #[must_use]
    pub fn forged(&self) -> Request<Full<Bytes>> {
        let body = [&self.body, b" ".as_slice()].concat();
        self.request(self.signature(self.now(), &body), self.body.clone())
    }

    /// Signed a day ago; `None` where the scheme signs no time, so that nothing tells an old
    /// request.
    #[must_use]
    pub fn stale(&self) -> Option<Request<Full<Bytes>>> {
        let long_ago = self.now().checked_sub(LONG_AGO).unwrap_or(SystemTime::UNIX_EPOCH);
        let signed = || self.request(self.signature(long_ago, &self.body), self.body.clone());
        self.verifier.scheme()?.signs_timestamp().then(signed)
    }

    /// Without a signature.
    #[must_use]
    pub fn unsigned(&self) -> Request<Full<Bytes>> {
        self.request(HeaderMap::new(), self.body.clone())
    }

    /// With its signature header twice: the right one, and another. Twice the same value is one
    /// value, as gateways send it.
    #[must_use]
    pub fn doubled(&self) -> Request<Full<Bytes>> {
        let mut headers = self.signature(self.now(), &self.body);
        let other = self.signature(self.now(), &[&self.body, b" ".as_slice()].concat());
        for name in self.verifier.scheme().map_or(&[][..], Scheme::headers) {
            if let Some(value) = other.get(name).cloned() {
                headers.append(name, value);
            }
        }
        self.request(headers, self.body.clone())
    }

    /// Requests that a receiver must refuse with 401 and never handle, each with its name. The test
    /// itself must set a time in the body, as Linear's.
    #[must_use]
    pub fn forgeries(&self) -> Vec<(&'static str, Request<Full<Bytes>>)> {
        let mut forgeries = vec![
            ("the body changed after it was signed", self.tampered()),
            ("a signature over something else", self.forged()),
            ("no signature", self.unsigned()),
            ("two signatures", self.doubled()),
        ];
        forgeries.extend(self.stale().map(|request| ("signed a day ago", request)));
        forgeries
    }

    fn now(&self) -> SystemTime {
        self.time.unwrap_or_else(|| SystemClock.now())
    }

    fn signature(&self, time: SystemTime, body: &[u8]) -> HeaderMap {
        let signed = match &self.id {
            Some(id) => self.verifier.sign_at(id, time, body),
            None => self.verifier.sign_fresh(time, body),
        };
        #[expect(clippy::expect_used, reason = "`id` has made sure of it")]
        signed.expect("an id that can be signed")
    }

    fn request(&self, signature: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.unsigned.clone();
        request.headers_mut().extend(signature);
        request
    }
}

/// A POST with this body, signed as the provider signs. [`SignedRequest`] makes more of it.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower::ServiceExt as _;
/// use tower_webhook::{
///     MemoryStore, TopicRouter, WebhookLayer, dwolla::{self, Dwolla}, signature::Secrets, testing,
/// };
///
/// let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let service = WebhookLayer::new(Dwolla::new(secrets.clone()).unwrap(), MemoryStore::new())
///     .topics(TopicRouter::new());
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
    Ok(SignedRequest::new(scheme, secrets, body)?.build())
}

/// A delivery of this event, as the first attempt, to call a handler with. Its body is what you
/// give; it has no headers. No store knows of it: a handler that calls `complete_in` needs a
/// [`claimed_delivery`].
///
/// ```
/// use tower_webhook::{Delivery, HandlerError, dwolla, testing};
///
/// async fn settled(delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
///     assert_eq!(delivery.claim().attempt(), 1);
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
    let body = body.into();
    let request = claim_request("no store", &event, &body);
    let claim = Claim::new(1, 1, Arc::new(LeaseHandle::endless(request)));
    Delivery::new(event, message(body), claim)
}

/// As of a request that was signed with the first secret.
fn message(body: Bytes) -> Message {
    Message {
        source: Source::Delivered,
        body,
        headers: HeaderMap::new(),
        secret_index: Some(0),
        tenant: None,
    }
}

/// As [`delivery`], and claimed in this store under this namespace, as the layer does it: for a
/// handler that completes the event in a transaction of its own, by `complete_in`. The claim holds
/// for a minute, and nobody renews it.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower_webhook::{
///     dwolla, event::EventId, store::{IdempotencyStore, Key, MemoryStore, State}, testing,
/// };
///
/// // or SqliteStore, PostgresStore: the database of the handler's transaction
/// let store = MemoryStore::new();
/// let body = r#"{"id":"1","topic":"transfer_completed","created":"2019-02-04T14:58:45.144Z"}"#;
/// let event = dwolla::Event::from_json(body.as_bytes())?;
/// let delivery = testing::claimed_delivery(&store, "dwolla", event, body).await?;
/// assert_eq!(delivery.claim().attempt(), 1);
///
/// let record = store.get(&Key::new("dwolla", EventId::new("1")?)).await?;
/// assert!(matches!(record.unwrap().state, State::Claimed { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # }
/// ```
///
/// # Errors
/// The store did not respond, or it did not grant the claim because the event is done or claimed
/// already.
pub async fn claimed_delivery<E: Event, S: IdempotencyStore>(
    store: &S,
    namespace: &str,
    event: E,
    body: impl Into<Bytes>,
) -> Result<Delivery<E>, StoreError> {
    let body = body.into();
    let claim_request = claim_request(namespace, &event, &body);
    match store.claim(&claim_request).await? {
        Claimed::Acquired { generation, attempts } => {
            let claim = Claim::new(generation, attempts, Arc::new(LeaseHandle::endless(claim_request)));
            Ok(Delivery::new(event, message(body), claim))
        }
        refused => Err(StoreError::not_held(format!(
            "{} is {refused:?}; expected an event that nobody has claimed: use another id, or a store of its own for each test",
            claim_request.key
        ))),
    }
}

/// The claim request that a layer would make for this event.
fn claim_request<E: Event>(namespace: &str, event: &E, body: &Bytes) -> ClaimRequest {
    const MINUTE: Duration = Duration::from_secs(60);
    let id = event.id().cloned();
    ClaimRequest::new(
        Key::new(namespace, id.unwrap_or_else(|| EventId::digest_of(body))),
        Token::random(),
        event.fingerprint().unwrap_or_else(|| Fingerprint::of([body])),
    )
    .with_lease(MINUTE)
    .with_retention(LONG_AGO)
    .with_retry_window(LONG_AGO)
}
