use std::{fmt, future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use super::LayerStore;
use crate::{
    event::{Event, EventId, SelfIdentified, Tenant},
    process::Outcome,
    provider::Provider,
    receive::{HandIn, HandedInItem, Receiver},
    store::{IdempotencyStore, Key},
};

/// Takes in events that no request has brought, made by
/// [`WebhookLayer::processor`](super::WebhookLayer::processor), or for an inbox by
/// [`WebhookService::processor`](super::WebhookService::processor). Cheap to clone.
///
/// A provider gives up at some time, and an endpoint may be away for longer. What was never
/// delivered can still be fetched from the provider's API, and goes the same way from here:
/// deduplicated by the same key, handled by the same handlers, under the same limits, metrics and
/// [drain](crate::process::DrainHandle). A webhook of the event that arrives later is a duplicate,
/// and one that arrives at the same moment waits for the same run.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use tower_webhook::{
///     MemoryStore, TopicRouter, WebhookLayer, dwolla::{self, Dwolla, Topic}, process::Outcome,
/// };
///
/// async fn created(event: dwolla::Event) {
///     println!("{:?} was created", event.customer_href());
/// }
///
/// let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
/// let provider = Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
/// let layer = WebhookLayer::new(provider, MemoryStore::new());
/// let service = layer.topics(topics.clone()); // for requests
/// let processor = layer.processor(topics); // for events
///
/// let fetched =
///     br#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
/// let event = dwolla::Event::from_json(fetched).unwrap();
/// assert_eq!(processor.process(event.clone()).await, Outcome::Handled);
/// assert_eq!(processor.process(event).await.as_str(), "duplicate");
/// # });
/// # }
/// ```
///
/// # Events whose key needs their request
/// GitHub, Shopify, Linear, Zoom and others name their events in headers, or not at all, so the key
/// is made of the request. Such an event alone cannot be handed in, and this does not compile:
///
/// ```compile_fail,E0599
/// use tower_webhook::{MemoryStore, TopicRouter, WebhookLayer, github::{self, GitHub}};
///
/// async fn again(event: github::Event) {
///     let provider = GitHub::new("a secret of the webhook").unwrap();
///     let layer = WebhookLayer::new(provider, MemoryStore::new());
///     layer.processor(TopicRouter::new()).process(event).await;
/// }
/// ```
///
/// Hand in the whole request instead, where the provider's API keeps it:
/// [`process_request`](Self::process_request).
///
/// # Tenants
/// Where the layer has [tenants](crate::provider::tenant), the tenant is part of the key. Hand its
/// events in through [`of`](Self::of); without it they are refused.
///
/// # Cancel safety
/// Each event runs in a task of its own. To drop a future of these methods cancels nothing, and
/// only its outcome is lost.
///
/// # Panics
/// The methods must be called inside of a Tokio runtime.
pub struct Processor<E> {
    inner: Arc<dyn ErasedProcessor<E>>,
    tenant: Option<Tenant>,
}

type Processing<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// A processor without the types of the provider, the store and the handlers' state.
trait ErasedProcessor<E>: Send + Sync {
    fn fetched(&self, event: E, body: Option<Bytes>, tenant: Option<Tenant>) -> Processing<'_>
    where
        E: SelfIdentified;

    fn recorded(&self, headers: HeaderMap, body: Bytes, tenant: Option<Tenant>) -> Processing<'_>;

    fn wants(&self, topic: &str) -> bool;

    fn has_tenants(&self) -> bool;

    fn provider(&self) -> &str;

    fn namespace(&self) -> &str;

    fn store(&self) -> LayerStore;
}

struct TypedProcessor<P: Provider, S, H> {
    receiver: Arc<Receiver<P, S>>,
    inner: H,
}

impl<P, S, H> TypedProcessor<P, S, H>
where
    P: Provider,
    S: IdempotencyStore,
    H: HandIn<P::Event, S>,
{
    fn hand_in(&self, given: HandedInItem<P::Event>) -> Processing<'_>
    where
        H: Sync,
    {
        Box::pin(self.receiver.hand_in(self.inner.clone(), given))
    }
}

impl<P, S, H> ErasedProcessor<P::Event> for TypedProcessor<P, S, H>
where
    P: Provider,
    S: IdempotencyStore,
    H: HandIn<P::Event, S> + Sync,
{
    fn fetched(&self, event: P::Event, body: Option<Bytes>, tenant: Option<Tenant>) -> Processing<'_>
    where
        P::Event: SelfIdentified,
    {
        let fetched = self.receiver.fetched(event, body, tenant);
        self.hand_in(HandedInItem::Event(fetched.map(Box::new)))
    }

    fn recorded(&self, headers: HeaderMap, body: Bytes, tenant: Option<Tenant>) -> Processing<'_> {
        self.hand_in(HandedInItem::Request { headers, body, tenant })
    }

    fn wants(&self, topic: &str) -> bool {
        self.inner.wants(topic)
    }

    fn has_tenants(&self) -> bool {
        self.receiver.provider.tenants().is_some()
    }

    fn provider(&self) -> &str {
        self.receiver.provider.name()
    }

    fn namespace(&self) -> &str {
        &self.receiver.settings.process.namespace
    }

    fn store(&self) -> LayerStore {
        LayerStore::new(Arc::clone(&self.receiver.engine))
    }
}

impl<E: Event> Processor<E> {
    pub(super) fn new<P, S, H>(receiver: Arc<Receiver<P, S>>, inner: H) -> Self
    where
        P: Provider<Event = E>,
        S: IdempotencyStore,
        H: HandIn<E, S> + Sync,
    {
        Self {
            inner: Arc::new(TypedProcessor { receiver, inner }),
            tenant: None,
        }
    }

    /// A processor for events of this tenant.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// use tower_webhook::{
    ///     MemoryStore, TopicRouter, WebhookLayer,
    ///     event::Tenant,
    ///     process::Outcome,
    ///     provider::{Provider as _, tenant::{BoxError, TenantOf}},
    ///     signature::Secrets,
    ///     stripe::{self, Stripe},
    /// };
    ///
    /// async fn paid(tenant: Tenant, event: stripe::Event) {}
    ///
    /// # async fn secrets(_: Tenant) -> Result<Option<Secrets>, BoxError> { Ok(None) }
    /// let provider = Stripe::reader().per_tenant(TenantOf::last_path_segment(), secrets).unwrap();
    /// let layer = WebhookLayer::new(provider, MemoryStore::new());
    /// let processor = layer.processor(TopicRouter::new().on("invoice.paid", paid));
    ///
    /// let fetched = br#"{"id":"evt_1","type":"invoice.paid","created":1767225600}"#;
    /// let event = stripe::Event::from_json(fetched).unwrap();
    /// let acme = processor.of(&Tenant::new("acme").unwrap());
    /// assert_eq!(acme.process(event.clone()).await, Outcome::Handled);
    /// // whose?
    /// assert_eq!(processor.process(event).await.as_str(), "not-an-event");
    /// # });
    /// # }
    /// ```
    #[must_use]
    pub fn of(&self, tenant: &Tenant) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            tenant: Some(tenant.clone()),
        }
    }

    /// The tenant whose events it takes, if it was made by [`of`](Self::of).
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// Whether the layer has [tenants](crate::provider::tenant), so that events must be handed in
    /// through [`of`](Self::of).
    #[must_use]
    pub fn has_tenants(&self) -> bool {
        self.inner.has_tenants()
    }

    /// The key under which the layer's store keeps the event with this id: of the tenant that this
    /// processor is [of](Self::of), if it is of one.
    #[must_use]
    pub fn key(&self, id: &EventId) -> Key {
        let id = self
            .tenant
            .as_ref()
            .map_or_else(|| id.clone(), |tenant| tenant.id_of(id));
        Key::new(self.namespace(), id)
    }

    /// Whether an event of this topic would be handled, or stored where this is an inbox's. Any
    /// other ends as [`Outcome::Unhandled`], so there is no need to fetch it.
    #[must_use]
    pub fn wants(&self, topic: &str) -> bool {
        self.inner.wants(topic)
    }

    /// The provider's name.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.inner.provider()
    }

    /// The layer's [namespace](super::WebhookLayerBuilder::namespace) in its store.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.inner.namespace()
    }

    /// The layer's store: to look an event up before it is fetched, and for claims of your own.
    #[must_use]
    pub fn store(&self) -> LayerStore {
        self.inner.store()
    }

    /// Processes a request that the provider has recorded: its headers and its body, as they were
    /// delivered or were to be. GitHub's API keeps them, for example.
    ///
    /// The signature is verified as of any request, but the signed time may be as old as it is, and
    /// `max_event_age` does not apply. A signature that is
    /// [a function of yours](crate::signature::Verifier::from_fn) gets the time of now, and decides
    /// itself.
    ///
    /// If the layer has tenants, the secrets are looked up for the tenant that the headers or the
    /// body name. A recorded request has no path: for a tenant that the path names, use
    /// [`of`](Self::of).
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// use http::HeaderValue;
    /// use tower_webhook::{
    ///     MemoryStore, TopicRouter, WebhookLayer, github::{self, GitHub}, process::Outcome,
    ///     signature::Secrets,
    /// };
    ///
    /// async fn pushed(event: github::Event) {}
    ///
    /// let secrets = Secrets::new("a secret of the webhook").unwrap();
    /// let layer = WebhookLayer::new(GitHub::new(secrets.clone()).unwrap(), MemoryStore::new());
    /// let processor = layer.processor(TopicRouter::new().on("push", pushed));
    ///
    /// // as the API gives them
    /// let body = r#"{"ref":"refs/heads/main"}"#;
    /// let mut headers = github::scheme().sign(&secrets, body.as_bytes()).unwrap();
    /// headers.insert("x-github-event", HeaderValue::from_static("push"));
    /// let delivery = HeaderValue::from_static("72d3162e-cc78-11e3-81ab-4c9367dc0958");
    /// headers.insert("x-github-delivery", delivery);
    ///
    /// assert_eq!(processor.process_request(headers.clone(), body).await, Outcome::Handled);
    /// assert_eq!(processor.process_request(headers, "{}").await.as_str(), "signature");
    /// # });
    /// # }
    /// ```
    ///
    /// # Security
    /// A signature holds for ever here. Hand in what the provider's API returns, and never what
    /// strangers send.
    pub async fn process_request(&self, headers: HeaderMap, body: impl Into<Bytes>) -> Outcome {
        let body = body.into();
        self.inner.recorded(headers, body, self.tenant.clone()).await
    }
}

impl<E: SelfIdentified> Processor<E> {
    /// Processes an event, and says how it ended, however long that takes. The response timeout
    /// belongs to requests; the handler's own cap holds.
    ///
    /// The event's [`Delivery`](crate::Delivery) has no headers and an empty body. An outcome of
    /// [`Outcome::Refused`] means that the event is not finished: hand it in again later.
    ///
    /// # Security
    /// Nothing verifies the event. Hand in what the provider's API returns.
    pub async fn process(&self, event: E) -> Outcome {
        self.inner.fetched(event, None, self.tenant.clone()).await
    }

    /// [`process`](Self::process) with the bytes that the event was read from, for handlers that
    /// read [`Delivery::body`](crate::Delivery::body). Nobody has signed these bytes.
    pub async fn process_raw(&self, event: E, body: impl Into<Bytes>) -> Outcome {
        let body = body.into();
        self.inner.fetched(event, Some(body), self.tenant.clone()).await
    }
}

impl<E> Clone for Processor<E> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            tenant: self.tenant.clone(),
        }
    }
}

impl<E> fmt::Debug for Processor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Processor");
        shown.field("provider", &self.inner.provider());
        if let Some(tenant) = &self.tenant {
            shown.field("tenant", tenant);
        }
        shown.finish_non_exhaustive()
    }
}
