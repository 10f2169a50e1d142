use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;

use super::WebhookLayer;
use crate::{
    clock::{Clock, SystemClock},
    delivery_log::{Captures, Recorder},
    error::{BuildError, Refusal},
    process,
    provider::Provider,
    receive::{Diagnosis, Directory, Receiver, RefusalHook, Settings},
    signature::{Explain, Scheme, Secrets},
    store::IdempotencyStore,
};

/// Settings for a [`WebhookLayer`]. What is not set has the default that its method names.
///
/// ```
/// # #[cfg(feature = "memory")] {
/// use std::time::Duration;
/// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
///
/// let layer = WebhookLayer::builder(
///     Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5")?,
///     MemoryStore::new(),
/// )
/// .namespace("payments")
/// .handler_timeout(Duration::from_secs(60))
/// .build()?;
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "call `build`"]
pub struct WebhookLayerBuilder<P, S> {
    pub(super) provider: P,
    store: S,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Settings,
    pub(super) explain: Option<(Secrets, u32)>,
    pub(super) explain_also: Vec<(String, Scheme, Secrets)>,
    refusal_hook: Option<RefusalHook>,
    pub(super) captures: Option<Captures>,
    pub(super) log_unauthenticated: u32,
}

impl<P: Provider, S: IdempotencyStore> WebhookLayerBuilder<P, S> {
    pub(super) fn new(provider: P, store: S) -> Self {
        let policy = provider.policy();
        let mut process = process::Settings::new(
            provider.name(),
            policy.retention(),
            policy.retry_window(),
            provider.ids_are_unique(),
        );
        // Half of a response that is due sooner: a layer with its defaults is valid for every
        // provider.
        process.store_timeout = process
            .store_timeout
            .min(response_timeout(policy.response_timeout()) / 2);
        let settings = Settings {
            response_timeout: response_timeout(policy.response_timeout()),
            body_limit: policy.body_limit(),
            body_timeout: Duration::from_secs(5),
            max_in_flight: 1024,
            max_in_flight_per_tenant: None,
            max_unauthenticated_bytes: 64 * 1024 * 1024,
            max_event_age: None,
            strict_identity: false,
            process,
        };
        Self {
            provider,
            store,
            clock: Arc::new(SystemClock),
            settings,
            explain: None,
            explain_also: Vec::new(),
            refusal_hook: None,
            captures: None,
            log_unauthenticated: Recorder::PER_MINUTE,
        }
    }

    /// The application's name for this stream of events; by default the provider's name.
    ///
    /// Within a namespace of a store, one id is one event: what one endpoint has handled is a
    /// duplicate for every other. So give a namespace of its own to each of
    ///
    /// - several *applications* that keep their records in one store;
    /// - several *tenants*, whose accounts at one provider have secrets of their own. Under one
    ///   namespace an event that is signed for tenant A, with an id of tenant B's, makes B's event
    ///   a duplicate: it gets 200 and B's handler never runs;
    /// - two *endpoints* of one account with different handlers. The provider sends an event to
    ///   both, and under one namespace only the first that claims it handles it.
    ///
    /// Share one namespace where it is one endpoint behind several routes or processes, and between
    /// endpoints that are signed with different secrets while one replaces another: an event that
    /// comes to both is handled once. In a rotation give both secrets to one layer, or have each
    /// layer share a secret with another.
    ///
    /// Tenants whose secrets are [looked up](crate::provider::tenant) need no layer of their own:
    /// there the tenant is part of each key.
    ///
    /// A warning at start names layers of this process that share a namespace and have no secret in
    /// common, and endpoints that share one and have different handlers for a topic. It knows
    /// stores by their [`identity`](IdempotencyStore::identity), handlers by their types, and HTTP
    /// services by the line that builds their layer.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
    ///
    /// let store = MemoryStore::new();
    /// for (tenant, secret) in [
    ///     ("acme", "8f742231b10e8888abcd99yyyzzz85a5"),
    ///     ("umbrella", "0f1d93a6c0b1444baa21d3e8f5a47c99"),
    /// ] {
    ///     let layer = WebhookLayer::builder(Dwolla::new(secret)?, store.clone())
    ///         .namespace(format!("dwolla-{tenant}"))
    ///         .build()?;
    /// }
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn namespace(mut self, namespace: impl Into<Arc<str>>) -> Self {
        self.settings.process.namespace = namespace.into();
        self
    }

    /// When the provider gets its response at the latest, counted from the request's arrival; by
    /// default 2 s less than the provider waits, or half of that wait where it is shorter than 4 s.
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.settings.response_timeout = limit;
        self
    }

    /// How long one store operation may take; by default 2 s, or half of the default
    /// [`response_timeout`](Self::response_timeout) where that is less.
    pub fn store_timeout(mut self, limit: Duration) -> Self {
        self.settings.process.store_timeout = limit;
        self
    }

    /// How long a claim holds without a renewal, and so how long an event rests after its process
    /// died; by default 60 s, renewed every 20 s while the handler runs.
    pub fn lease(mut self, lease: Duration, renew_every: Duration) -> Self {
        self.settings.process.lease = lease;
        self.settings.process.renew_every = renew_every;
        self
    }

    /// The handler cap: a handler that runs longer is cancelled and its event released; by default
    /// 5 min.
    pub fn handler_timeout(mut self, cap: Duration) -> Self {
        self.settings.process.handler_timeout = cap;
        self
    }

    /// The largest body, in bytes; the default is the provider's (Dwolla: 256 KiB).
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.settings.body_limit = bytes;
        self
    }

    /// How long the whole body may take to arrive; by default 5 s, and never longer than
    /// `response_timeout`.
    pub fn body_timeout(mut self, limit: Duration) -> Self {
        self.settings.body_timeout = limit;
        self
    }

    /// How many requests may be in flight at once; by default 1,024. A request is in flight until
    /// its response is ready or the client disconnects.
    ///
    /// It bounds what strangers can take up, not how many handlers run: one that outlasts its
    /// response goes on, and only the provider's pace bounds how many there are. Use a semaphore in
    /// the handler where a downstream needs one.
    pub fn max_in_flight(mut self, requests: usize) -> Self {
        self.settings.max_in_flight = requests;
        self
    }

    /// How many in-flight requests one [tenant](crate::provider::tenant) may occupy; by default
    /// half of [`max_in_flight`](Self::max_in_flight). Further ones get 503, so that a tenant whose
    /// endpoint is flooded, or whose handlers are slow, leaves room for the others.
    pub fn max_in_flight_per_tenant(mut self, requests: usize) -> Self {
        self.settings.max_in_flight_per_tenant = Some(requests);
        self
    }

    /// Gives the metrics of deliveries and attempts a label `tenant`; off by default. Each tenant
    /// is then a time series of its own, for each topic and outcome: make sure your metrics backend
    /// can handle the cardinality. A name that the source of secrets does not know is no label.
    pub fn count_by_tenant(mut self) -> Self {
        self.settings.process.counts_by_tenant = true;
        self
    }

    /// How many bytes of bodies may be held whose signature is not verified yet, all requests
    /// together; by default 64 MiB.
    pub fn max_unauthenticated_bytes(mut self, bytes: usize) -> Self {
        self.settings.max_unauthenticated_bytes = bytes;
        self
    }

    /// How many deliveries may wait for another of the same event; by default 256. Further ones
    /// get 503.
    pub fn max_waiting(mut self, deliveries: usize) -> Self {
        self.settings.process.max_waiting = deliveries;
        self
    }

    /// How long a finished event is remembered; the default is the provider's (Dwolla: 35 days).
    pub fn retention(mut self, retention: Duration) -> Self {
        self.settings.process.retention = retention;
        self
    }

    /// Refuses events that are older than this with 400; off by default. It bounds the replay of
    /// captured requests where the provider signs no time, and must exceed what the provider
    /// legally sends again.
    pub fn max_event_age(mut self, age: Duration) -> Self {
        self.settings.max_event_age = Some(age);
        self
    }

    /// Deduplicates by what is signed alone; by default an unsigned id that the provider documents
    /// completes the key ([`Identity`](crate::event::Identity)). Where the signature covers the id,
    /// it changes nothing; it matters for GitHub, Shopify, Linear and `custom` providers whose id
    /// is in an unsigned header, and changes their keys: what was handled before runs again if
    /// resent.
    ///
    /// Without it, someone who captured a request can send its body again under a new id, and it
    /// runs again. With it, a replay runs nothing, but the second of two events with equal bodies
    /// is lost: it gets 200 and is not handled, or 500 each time if a header gives it another topic
    /// and the first is handled. While the first has only failed, the second takes its place under
    /// its own topic.
    pub fn strict_identity(mut self) -> Self {
        self.settings.strict_identity = true;
        self
    }

    /// Changes the responses of refusals: adds a header, or replaces the body, which is an RFC 9457
    /// problem by default. The function gets the response as it would go out. Its status stays,
    /// since it tells the provider whether to send the event again. The responses of an HTTP
    /// service behind the layer stay as they are. A function that panics changes nothing.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// use http::{HeaderValue, header::CONTENT_TYPE};
    /// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla};
    ///
    /// let layer = WebhookLayer::builder(
    ///     Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5")?,
    ///     MemoryStore::new(),
    /// )
    /// .on_refusal(|refusal, response| {
    ///     *response.body_mut() = refusal.kind().as_str().into();
    ///     let headers = response.headers_mut();
    ///     headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    ///     headers.insert("x-region", HeaderValue::from_static("eu-west-1"));
    /// })
    /// .build()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// `testing::refusal` (feature `test-util`) makes a refusal for a test of such a function.
    ///
    /// # Security
    /// The [`reason`](crate::Refusal::reason) of a refusal is for operators: it says which check of
    /// a signature failed, and what a handler's error said. Keep it out of the response.
    pub fn on_refusal(mut self, change: impl Fn(&Refusal, &mut Response<Bytes>) + Send + Sync + 'static) -> Self {
        self.refusal_hook = Some(RefusalHook::new(change));
        self
    }

    /// The clock for the age of events; by default the system's. Leases go by the store's own.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The layer.
    ///
    /// # Errors
    /// Two settings contradict each other, or one can never work; the error names them and says
    /// what to change.
    #[track_caller]
    pub fn build(mut self) -> Result<WebhookLayer<P, S>, BuildError> {
        self.check()?;
        let directory = self.directory()?;
        let log = self.settings.process.log.take();
        self.settings.process.log = log.map(|log| {
            log.with_clock(Arc::clone(&self.clock))
                .with_rate(self.log_unauthenticated)
        });
        let diagnosis = self.explain.and_then(|(secrets, per_minute)| {
            let explain = Explain::new(self.provider.verifier().scheme()?, &secrets);
            let explain = self
                .explain_also
                .iter()
                .fold(explain, |explain, (name, scheme, secrets)| {
                    explain.also(name, scheme, secrets)
                });
            Some(Diagnosis::new(explain, per_minute))
        });
        let mut receiver = Receiver::new(self.provider, self.store, self.settings, self.clock);
        receiver.diagnosis = diagnosis;
        receiver.tenants = directory.map(Arc::new);
        receiver.refusal_hook = self.refusal_hook;
        receiver.captures = self.captures;
        Ok(WebhookLayer::from_receiver(receiver))
    }
}

impl<P: Provider, S> WebhookLayerBuilder<P, S> {
    /// The tenants that are looked up, where the provider has tenants.
    fn directory(&self) -> Result<Option<Directory>, BuildError> {
        let Some(tenants) = self.provider.tenants() else {
            return Ok(None);
        };
        let Some(scheme) = self.provider.verifier().scheme() else {
            return Err(BuildError::new(
                "the provider has tenants, and its verifier is a function; expected one with a scheme, which can be keyed with each \
                 tenant's secrets",
            ));
        };
        let share = self
            .settings
            .max_in_flight_per_tenant
            .unwrap_or(self.settings.max_in_flight.div_ceil(2));
        let name = self.provider.name();
        Directory::new(tenants, scheme, name, &self.settings.process.namespace, share)
            .map(Some)
            .map_err(BuildError::no_key)
    }
}

/// Two seconds for the way there and back; half of a limit too short for that.
fn response_timeout(limit: Duration) -> Duration {
    limit.saturating_sub(Duration::from_secs(2)).max(limit / 2)
}

impl<P: Provider, S> fmt::Debug for WebhookLayerBuilder<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookLayerBuilder")
            .field("provider", &self.provider.name())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
