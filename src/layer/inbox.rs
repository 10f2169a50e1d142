use std::{fmt, sync::Arc};

use http::{HeaderName, request::Parts};

use super::{Processor, WebhookLayer, WebhookService};
use crate::{
    error::{Refusal, RefusalKind},
    event::{Event, Source},
    handler::TopicRouter,
    inbox::{
        Deposit, Inbox, StoredDelivery, Worker,
        deposits::{self, BacklogWatch},
    },
    process::{Caller, Engine, Observation, Outcome, Started, Work},
    provider::Provider,
    receive::{Call, HandIn, Inner},
};

/// The default of `backlog_limit`.
const BACKLOG_LIMIT: u64 = 1_000_000;

/// The inner side of an endpoint that stores its deliveries: made by [`WebhookLayer::inbox`].
#[derive(Clone)]
pub struct Deposits {
    /// The topics that are stored; all, if `None`.
    only: Option<Arc<dyn Topics>>,
    redact: Option<Arc<Redact>>,
    watch: Arc<BacklogWatch>,
    /// Headers that hold signatures.
    signatures: Arc<[HeaderName]>,
}

type Redact = dyn Fn(&mut StoredDelivery) + Send + Sync;

/// A topic router without its types.
trait Topics: Send + Sync {
    fn handles(&self, topic: &str) -> bool;

    fn pattern(&self, topic: &str) -> Option<&str>;
}

impl<E: Event, T: Clone + Send + Sync + 'static> Topics for TopicRouter<E, T> {
    fn handles(&self, topic: &str) -> bool {
        Self::handles(self, topic)
    }

    fn pattern(&self, topic: &str) -> Option<&str> {
        Self::pattern(self, topic)
    }
}

impl<P: Provider, S: Inbox> WebhookLayer<P, S> {
    /// A service that stores each delivery and responds 200 when the store has it, in milliseconds
    /// and whatever the handlers do later. A [`worker`](Self::worker) handles them.
    ///
    /// It exists where the store is an [`Inbox`]: a database that outlives the process. All topics
    /// are stored, since the process that receives need not know who handles what; with
    /// [`only`](WebhookService::only), those of a router. The backlog is counted every 10 s, in a
    /// task that ends with the layer's services.
    ///
    /// The [module page](crate::inbox) says when to choose it, and what it responds.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// # use tower_webhook::testing::MemoryInbox;
    /// use std::time::Duration;
    /// use tower_webhook::{TopicRouter, WebhookLayer, dwolla::{self, Dwolla, Topic}};
    ///
    /// async fn verified(event: dwolla::Event) {
    ///     println!("{:?} is verified", event.customer_href());
    /// }
    ///
    /// # let store = MemoryInbox::new();
    /// let topics = TopicRouter::new().on(Topic::CustomerVerified, verified);
    /// let provider = Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
    /// let layer = WebhookLayer::new(provider, store);
    ///
    /// let app: axum::Router =
    ///     axum::Router::new().route_service("/webhooks/dwolla", layer.inbox().only(&topics));
    /// let worker = layer.worker(topics).start();
    ///
    /// // serve `app`; when it has stopped:
    /// eprint!("{}", worker.drain(Duration::from_secs(30)).await);
    /// # });
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn inbox(&self) -> WebhookService<P, S, Deposits> {
        let scheme = self.receiver.provider.verifier().scheme();
        let deposits = Deposits {
            only: None,
            redact: None,
            watch: BacklogWatch::new(BACKLOG_LIMIT),
            signatures: scheme.map(|scheme| scheme.headers().into()).unwrap_or_default(),
        };
        deposits.watch.watch(&self.receiver.engine);
        WebhookService::new(Arc::clone(&self.receiver), deposits)
    }

    /// A worker that handles what [`inbox`](Self::inbox) has stored, with this layer's provider,
    /// store, namespace, lease and timeouts.
    ///
    /// It warns of topics as [`topics`](Self::topics) does.
    #[track_caller]
    pub fn worker<T>(&self, topics: TopicRouter<P::Event, T>) -> Worker<P, S, T>
    where
        T: Clone + Send + Sync + 'static,
    {
        self.doubt(topics.topics());
        self.receiver.sharing.topics(topics.registered());
        Worker::from_layer(
            Arc::clone(&self.receiver.provider),
            Arc::clone(&self.receiver.engine.store),
            topics,
            self.receiver.settings.process.clone(),
            Arc::clone(&self.receiver.clock),
        )
    }
}

impl<P: Provider, S: Inbox> WebhookService<P, S, Deposits> {
    /// Stores what this router handles, and acknowledges the rest without keeping it, as
    /// [`WebhookLayer::topics`] does. Give it the worker's router.
    #[must_use]
    pub fn only<T>(mut self, topics: &TopicRouter<P::Event, T>) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        self.handler.only = Some(Arc::new(topics.clone()));
        self
    }

    /// How many deliveries may be unfinished; by default 1,000,000. Above it, new ones are refused
    /// with 503, and copies of stored ones still get 200. They are counted every 10 s, so a burst
    /// can exceed it. It holds for all clones of this service.
    #[must_use]
    pub fn backlog_limit(self, deliveries: u64) -> Self {
        self.handler.watch.set_limit(deliveries);
        self
    }

    /// Stores events that no request has brought, fetched from the provider's API for example, as
    /// this service stores deliveries. Hand them in with their bytes, since a worker reads those:
    /// [`Processor::process_raw`] or [`Processor::process_request`]. What has no body is refused.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    /// # runtime.block_on(async {
    /// # use tower_webhook::testing::MemoryInbox;
    /// use tower_webhook::{WebhookLayer, dwolla::{self, Dwolla}, process::Outcome};
    ///
    /// # let store = MemoryInbox::new();
    /// let provider = Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5").unwrap();
    /// let processor = WebhookLayer::new(provider, store).inbox().processor();
    ///
    /// let fetched =
    ///     br#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
    /// let event = dwolla::Event::from_json(fetched).unwrap();
    /// assert_eq!(processor.process_raw(event, &fetched[..]).await, Outcome::Stored);
    /// # });
    /// # }
    /// ```
    #[must_use]
    pub fn processor(&self) -> Processor<P::Event> {
        Processor::new(self.receiver(), self.handler.clone())
    }

    /// Changes what is stored of a delivery, before it is. Cookies and `authorization` are never
    /// stored, and neither are headers of the provider's scheme, or whose name has `signature` or
    /// `hmac` in it; a verifier of yours that reads another header has it removed here. The event
    /// must still be readable from what is left, since the worker reads it again; its key stays
    /// that of the request.
    ///
    /// A function that panics refuses the delivery with 503.
    ///
    /// ```
    /// # #[cfg(feature = "test-util")] {
    /// # use tower_webhook::{WebhookLayer, dwolla::Dwolla, testing::MemoryInbox};
    /// # let store = MemoryInbox::new();
    /// let service = WebhookLayer::new(Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5")?, store)
    ///     .inbox()
    ///     .redact(|delivery| {
    ///         delivery.headers.remove("x-forwarded-for");
    ///     });
    /// # }
    /// # Ok::<(), tower_webhook::signature::SecretError>(())
    /// ```
    #[must_use]
    pub fn redact(mut self, redact: impl Fn(&mut StoredDelivery) + Send + Sync + 'static) -> Self {
        self.handler.redact = Some(Arc::new(redact));
        self
    }
}

impl<E: Event, S: Inbox> Inner<E, S> for Deposits {
    fn wants(&self, topic: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.handles(topic))
    }

    fn registered(&self, topic: &str) -> Option<&str> {
        self.only.as_ref()?.pattern(topic)
    }

    fn start(
        self,
        engine: &Arc<Engine<S>>,
        work: Work<E>,
        _: Box<Parts>,
        call: &Call,
        observation: &Observation,
    ) -> Started {
        self.begin(engine, work, call.clone(), observation)
    }
}

impl<E: Event, S: Inbox> HandIn<E, S> for Deposits {
    fn hand_in(self, engine: &Arc<Engine<S>>, work: Work<E>, observation: &Observation) -> Started {
        self.begin(engine, work, (), observation)
    }
}

impl Deposits {
    fn begin<E, S, C>(self, engine: &Arc<Engine<S>>, work: Work<E>, caller: C, observation: &Observation) -> Started
    where
        E: Event,
        S: Inbox,
        C: Caller,
    {
        self.watch.watch(engine);
        let engine = Arc::clone(engine);
        let observed = observation.clone();
        Arc::clone(&engine).begin(work, observation, |work, leader| async move {
            let outcome = self.store(&engine, work).await;
            engine.meter.deposit(outcome.as_str());
            let status = caller.status(&outcome);
            engine.report_of(&observed, &outcome, leader.key(), leader.topic(), status);
            leader.end(outcome);
        })
    }

    async fn store<E: Event, S: Inbox>(&self, engine: &Engine<S>, work: Work<E>) -> Outcome {
        let Work {
            event,
            key,
            fingerprint,
            message,
        } = work;
        if message.body.is_empty() && message.source == Source::Fetched {
            let reason = "the event has no body, and a worker reads it again; expected the bytes that it was read \
                          from: hand it in with `process_raw`";
            return Refusal::new(RefusalKind::NotAnEvent, reason).into();
        }
        let headers = deposits::without_secrets(message.headers, &self.signatures);
        let delivery =
            StoredDelivery::new(event.topic(), headers, message.body).with_secret_index(message.secret_index);
        drop(event);
        match deposits::redacted(delivery, self.redact.as_deref()) {
            Ok(delivery) => deposits::deposit(engine, &Deposit::new(key, fingerprint, delivery), &self.watch).await,
            Err(refusal) => refusal.into(),
        }
    }
}

impl fmt::Debug for Deposits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deposits")
            .field("is_redacted", &self.redact.is_some())
            .finish_non_exhaustive()
    }
}
