use std::{fmt, sync::Arc};

use tower::Layer;

use super::{Processor, WebhookLayerBuilder, WebhookService};
use crate::{
    handler::TopicRouter,
    process::DrainHandle,
    provider::Provider,
    receive::{Http, Receiver, TenantsHandle},
    signature::SecretsHandle,
    store::IdempotencyStore,
    trace::Brief,
};

/// Receives one provider's webhooks: verifies, parses, deduplicates, and hands events to topic
/// handlers ([`topics`](Self::topics)) or to an HTTP service ([`Layer::layer`]). The [module
/// page](crate::layer) has the order of decisions and where to put it.
///
/// Clones, and the services made from them, share one set of limits, one store and one
/// [`drain_handle`](Self::drain_handle). Layers that are built over one store share what it
/// remembers, unless each has a [`namespace`](WebhookLayerBuilder::namespace) of its own.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use tower_webhook::{
///     MemoryStore, TopicRouter, WebhookLayer,
///     dwolla::{self, Dwolla, Topic},
/// };
///
/// async fn verified(event: dwolla::Event) {
///     println!("{:?} is verified", event.customer_href());
/// }
///
/// let webhooks = WebhookLayer::new(
///     Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5")?,
///     MemoryStore::new(),
/// )
/// .topics(TopicRouter::new().on(Topic::CustomerVerified, verified));
///
/// let app: axum::Router = axum::Router::new().route_service("/webhooks/dwolla", webhooks);
/// # }
/// # Ok::<(), tower_webhook::signature::SecretError>(())
/// ```
pub struct WebhookLayer<P, S> {
    pub(super) receiver: Arc<Receiver<P, S>>,
}

impl<P: Provider, S: IdempotencyStore> WebhookLayer<P, S> {
    /// A layer with the defaults that the provider's policy gives.
    ///
    /// # Panics
    /// The defaults contradict each other: the policy of a provider of your own is one that they do
    /// not fit, retries that end within a minute for example. It is found at start, as axum's
    /// router finds its routes, so that the usual case needs no `?`. The text is that of
    /// [`build`](WebhookLayerBuilder::build)'s error, and names what to set with
    /// [`builder`](Self::builder).
    #[must_use]
    #[track_caller]
    pub fn new(provider: P, store: S) -> Self {
        match WebhookLayerBuilder::new(provider, store).build() {
            Ok(layer) => layer,
            #[expect(clippy::panic, reason = "a mistake in the program, at start-up, as in axum's router")]
            Err(error) => panic!("{error}"),
        }
    }

    /// A layer with settings of your own.
    pub fn builder(provider: P, store: S) -> WebhookLayerBuilder<P, S> {
        WebhookLayerBuilder::new(provider, store)
    }

    pub(super) fn from_receiver(receiver: Receiver<P, S>) -> Self {
        // Providers set no minimum, so a short secret is taken; but it can be guessed.
        if let Some(shortest) = receiver.provider.verifier().shortest_secret()
            && shortest < 16
        {
            crate::trace::warn(format_args!(
                "a secret of {} has {shortest} bytes; expected at least 16: have the provider use a longer one",
                Brief(receiver.provider.name())
            ));
        }
        Self {
            receiver: Arc::new(receiver),
        }
    }

    /// A service that hands each event to the handler of its topic. Give it a route of its own.
    ///
    /// Warns of topics that the provider is [known](Provider::known_topics) not to have, and where
    /// another endpoint over the same store and [`namespace`](WebhookLayerBuilder::namespace) has
    /// other handlers.
    #[must_use]
    #[track_caller]
    pub fn topics<T>(&self, topics: TopicRouter<P::Event, T>) -> WebhookService<P, S, TopicRouter<P::Event, T>> {
        self.doubt(topics.topics());
        self.receiver.sharing.topics(topics.registered());
        WebhookService::new(Arc::clone(&self.receiver), topics)
    }

    /// Takes in events that no request has brought, fetched from the provider's API for example,
    /// and hands them to these handlers. Give it the router that the service has.
    ///
    /// It warns as [`topics`](Self::topics) does.
    #[must_use]
    #[track_caller]
    pub fn processor<T>(&self, topics: TopicRouter<P::Event, T>) -> Processor<P::Event>
    where
        T: Clone + Send + Sync + 'static,
    {
        self.doubt(topics.topics());
        self.receiver.sharing.topics(topics.registered());
        Processor::new(Arc::clone(&self.receiver), topics)
    }

    /// A handler for a topic that nobody sends never runs, and nothing else would tell.
    pub(super) fn doubt<'t>(&self, topics: impl Iterator<Item = &'t str>) {
        let provider = &self.receiver.provider;
        let known = provider.known_topics();
        for topic in topics {
            if let Some(doubt) = known.doubt(topic) {
                crate::trace::warn(format_args!(
                    "a handler is registered for `{}`, which {} may never send: {doubt}",
                    Brief(topic),
                    Brief(provider.name())
                ));
            }
        }
    }

    /// To rotate the provider's secrets while deliveries come in.
    #[must_use]
    pub fn secrets_handle(&self) -> SecretsHandle {
        self.receiver.provider.verifier().secrets_handle()
    }

    /// To forget what was looked up of a tenant, where the provider has
    /// [tenants](crate::provider::tenant); `None` where it has none.
    #[must_use]
    pub fn tenants_handle(&self) -> Option<TenantsHandle> {
        let tenants = self.receiver.tenants.as_ref()?;
        Some(TenantsHandle::new(Arc::clone(tenants)))
    }

    /// To drain the layer when the process ends.
    #[must_use]
    pub fn drain_handle(&self) -> DrainHandle {
        self.receiver.engine.drain_handle()
    }
}

/// The HTTP service gets the request with its whole body, and the [`Delivery`](crate::Delivery) in
/// its extensions.
///
/// Its 2xx finishes the event, its 4xx and 5xx are forwarded and the event is released; a 3xx is
/// turned into 500, since providers may never retry after a redirect. If two services are behind
/// clones of one layer, the first to claim an event gets it, and the other never does: give each a
/// layer with a [`namespace`](WebhookLayerBuilder::namespace) of its own. The event counts as
/// handled when the response's headers are there: a body that fails later is no failure.
impl<P, S, I> Layer<I> for WebhookLayer<P, S> {
    type Service = WebhookService<P, S, Http<I>>;

    fn layer(&self, inner: I) -> Self::Service {
        self.receiver.sharing.http();
        WebhookService::new(Arc::clone(&self.receiver), Http::new(inner))
    }
}

/// By hand: neither the provider nor the store need be `Clone`.
impl<P, S> Clone for WebhookLayer<P, S> {
    fn clone(&self) -> Self {
        Self {
            receiver: Arc::clone(&self.receiver),
        }
    }
}

impl<P: Provider, S> fmt::Debug for WebhookLayer<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookLayer")
            .field("provider", &self.receiver.provider.name())
            .field("settings", &self.receiver.settings)
            .field("store", &self.receiver.sharing.store())
            .finish_non_exhaustive()
    }
}
