use std::{
    any::TypeId,
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Layer, Service};

use super::{Handler, HandlerError, Handlers, middleware::call};
use crate::{
    delivery::Delivery,
    event::{Event, TopicPattern},
};

/// The longest topic whose beginnings are looked up, in bytes. Providers' topics are names of a few
/// words.
const LONGEST_TOPIC: usize = 255;

type Erased<E, S> = Arc<dyn Fn(S, Delivery<E>) -> HandlerFuture + Send + Sync>;

/// Hands each event to the handler of its topic.
///
/// A topic is looked up as the provider writes it, then by its beginning up to each dot, the
/// longest first: a handler for `issues` gets `issues.opened` unless that has one of its own. A
/// topic without a handler goes to the [`fallback`](Self::fallback); without one it is acknowledged
/// and never claimed, so that a handler added later can still be fed by a redelivery.
///
/// ```
/// use tower_webhook::{
///     TopicRouter,
///     dwolla::{self, Topic},
/// };
///
/// async fn verified(event: dwolla::Event) {
///     println!("{:?} is verified", event.customer_href());
/// }
///
/// let topics = TopicRouter::new().on(Topic::CustomerVerified, verified).on(
///     [Topic::TransferCompleted, Topic::TransferFailed],
///     async |event: dwolla::Event| println!("{}", event.topic()),
/// );
///
/// assert_eq!(
///     topics.topics().collect::<Vec<_>>(),
///     ["customer_verified", "transfer_completed", "transfer_failed"]
/// );
/// ```
pub struct TopicRouter<E, S = ()> {
    state: S,
    routes: Arc<Routes<E, S>>,
}

struct Routes<E, S> {
    topics: HashMap<String, Erased<E, S>>,
    fallback: Option<Erased<E, S>>,
    registered: Arc<Registered>,
}

/// The registered handlers, without the event's type and the state's: to compare with another
/// router. A handler is told from others by its own type, since every function and every closure
/// has one.
#[derive(Clone, Default)]
pub(crate) struct Registered {
    topics: BTreeMap<String, TypeId>,
    fallback: Option<TypeId>,
}

impl Registered {
    fn handler(&self, topic: &str) -> Option<TypeId> {
        let own = beginnings(topic).find_map(|begin| self.topics.get(begin));
        own.or(self.fallback.as_ref()).copied()
    }

    /// A topic that both take, and hand to different handlers. `*` where only their fallbacks
    /// differ.
    pub(crate) fn disagrees_on<'a>(&'a self, other: &'a Self) -> Option<&'a str> {
        let mut topics = self.topics.keys().chain(other.topics.keys());
        let differ = |topic: &&String| {
            let handlers = (self.handler(topic), other.handler(topic));
            matches!(handlers, (Some(ours), Some(theirs)) if ours != theirs)
        };
        let fallbacks = || match (self.fallback, other.fallback) {
            (Some(ours), Some(theirs)) if ours != theirs => Some("*"),
            _ => None,
        };
        topics.find(differ).map(String::as_str).or_else(fallbacks)
    }

    /// A topic that it takes. `*` where it has a fallback alone.
    pub(crate) fn any_topic(&self) -> Option<&str> {
        let first = self.topics.keys().next().map(String::as_str);
        first.or(self.fallback.map(|_| "*"))
    }
}

/// The topic, then its beginning up to each dot, the longest first.
fn beginnings(topic: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(topic), |begin| {
        // Each beginning is hashed anew: a topic of nothing but dots would cost the square of its
        // length.
        let (begin, _) = begin.rsplit_once('.').filter(|_| topic.len() <= LONGEST_TOPIC)?;
        Some(begin)
    })
}

impl<E: Event> TopicRouter<E> {
    /// A router without state.
    #[must_use]
    pub fn new() -> Self {
        Self::with_state(())
    }
}

impl<E: Event> Default for TopicRouter<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Event, S: Clone + Send + Sync + 'static> TopicRouter<E, S> {
    /// A router with a state, of which its handlers may take a clone as their first argument.
    #[must_use]
    pub fn with_state(state: S) -> Self {
        Self {
            state,
            routes: Arc::new(Routes {
                topics: HashMap::new(),
                fallback: None,
                registered: Arc::default(),
            }),
        }
    }

    /// Hands these topics to this handler.
    ///
    /// # Panics
    /// A topic has a handler already, or is empty: two handlers for one topic are a mistake in the
    /// program, found when it starts.
    #[must_use]
    #[track_caller]
    pub fn on<M>(mut self, topics: impl Into<TopicPattern>, handler: impl Handler<E, S, M>) -> Self {
        let identity = identity(&handler);
        let handler = erase(handler);
        let routes = Arc::make_mut(&mut self.routes);
        let registered = Arc::make_mut(&mut routes.registered);
        for topic in topics.into().topics() {
            #[expect(clippy::panic, reason = "a mistake in the program, at start-up, as in axum's router")]
            if topic.is_empty() {
                panic!("a handler cannot be registered for the empty topic; for all other topics there is `fallback`");
            }
            #[expect(clippy::panic, reason = "a mistake in the program, at start-up, as in axum's router")]
            if routes.topics.insert(topic.to_owned(), Arc::clone(&handler)).is_some() {
                panic!("the topic `{topic}` already has a handler; expected one handler for each topic");
            }
            registered.topics.insert(topic.to_owned(), identity);
        }
        self
    }

    /// Hands every other topic to this handler.
    ///
    /// # Panics
    /// There is a fallback already.
    #[must_use]
    #[track_caller]
    pub fn fallback<M>(mut self, handler: impl Handler<E, S, M>) -> Self {
        let routes = Arc::make_mut(&mut self.routes);
        Arc::make_mut(&mut routes.registered).fallback = Some(identity(&handler));
        #[expect(clippy::panic, reason = "a mistake in the program, at start-up, as in axum's router")]
        if routes.fallback.replace(erase(handler)).is_some() {
            panic!("the router already has a fallback; expected one");
        }
        self
    }

    /// Puts tower middleware around all handlers that are registered so far, the fallback included.
    /// Those that are registered later stay outside.
    ///
    /// The middleware is built once for all of them: a concurrency limit counts them together. Its
    /// clones run the deliveries, so what they share must survive a clone. An error of the
    /// middleware's own, a timeout say, means *retry*; what a handler's error says of the event
    /// stays, also where the middleware wraps it.
    ///
    /// The middleware's service must be `Sync`, because deliveries that run at the same time clone
    /// it from one router. So it cannot be a `BoxCloneService`; a `BoxCloneSyncService` can.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower::{limit::ConcurrencyLimitLayer, timeout::TimeoutLayer};
    /// use tower_webhook::{TopicRouter, dwolla::{self, Topic}};
    ///
    /// async fn verified(event: dwolla::Event) {}
    ///
    /// let topics = TopicRouter::new()
    ///     .on(Topic::CustomerVerified, verified)
    ///     .layer(TimeoutLayer::new(Duration::from_secs(10)))
    ///     .layer(ConcurrencyLimitLayer::new(4)); // outermost: waiting for a place has no timeout
    /// ```
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Handlers<E>>,
        L::Service: Service<Delivery<E>, Response = (), Error: Into<Box<dyn Error + Send + Sync>>, Future: Send>
            + Clone
            + Send
            + Sync
            + 'static,
    {
        let inner = self.clone();
        let inner = Handlers::new(move |delivery: Delivery<E>| {
            let HandlerFuture(running) = inner.clone().call(delivery);
            running
        });
        let middleware = layer.layer(inner);
        let handler: Erased<E, S> = Arc::new(move |_, delivery| HandlerFuture(call(&middleware, delivery)));
        let routes = Arc::make_mut(&mut self.routes);
        let registered = routes.topics.values_mut().chain(&mut routes.fallback);
        registered.for_each(|registered| *registered = Arc::clone(&handler));
        self
    }

    fn route(&self, topic: &str) -> Option<(&str, &Erased<E, S>)> {
        let (pattern, handler) = beginnings(topic).find_map(|begin| self.routes.topics.get_key_value(begin))?;
        Some((pattern, handler))
    }

    fn handler(&self, topic: &str) -> Option<&Erased<E, S>> {
        self.route(topic)
            .map(|(_, handler)| handler)
            .or(self.routes.fallback.as_ref())
    }

    /// The pattern that a handler of its own is registered for.
    pub(crate) fn pattern(&self, topic: &str) -> Option<&str> {
        self.route(topic).map(|(pattern, _)| pattern)
    }

    /// Whether a handler, or the fallback, takes this topic.
    #[must_use]
    pub fn handles(&self, topic: &str) -> bool {
        self.handler(topic).is_some()
    }
}

impl<E, S> TopicRouter<E, S> {
    /// The topics with a handler of their own, in alphabetical order.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        let mut topics: Vec<_> = self.routes.topics.keys().map(String::as_str).collect();
        topics.sort_unstable();
        topics.into_iter()
    }

    /// To compare with another router's. It is there as long as this router or a clone of it.
    pub(crate) fn registered(&self) -> &Arc<Registered> {
        &self.routes.registered
    }
}

fn erase<E: Event, S: Send + 'static, M>(handler: impl Handler<E, S, M>) -> Erased<E, S> {
    Arc::new(move |state, delivery| {
        let handler = handler.clone();
        HandlerFuture(Box::pin(async move { handler.call(state, delivery).await }))
    })
}

fn identity<H: 'static>(_: &H) -> TypeId {
    TypeId::of::<H>()
}

/// An event goes in; the handler's result comes out. An event that no handler takes is `Ok`.
impl<E: Event, S: Clone + Send + Sync + 'static> Service<Delivery<E>> for TopicRouter<E, S> {
    type Response = ();
    type Error = HandlerError;
    type Future = HandlerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HandlerError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, delivery: Delivery<E>) -> HandlerFuture {
        match self.handler(delivery.event().topic()) {
            Some(handler) => handler(self.state.clone(), delivery),
            None => HandlerFuture(Box::pin(std::future::ready(Ok(())))),
        }
    }
}

impl<E, S: Clone> Clone for TopicRouter<E, S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            routes: Arc::clone(&self.routes),
        }
    }
}

impl<E, S> Clone for Routes<E, S> {
    fn clone(&self) -> Self {
        Self {
            topics: self.topics.clone(),
            fallback: self.fallback.clone(),
            registered: Arc::clone(&self.registered),
        }
    }
}

impl<E, S> fmt::Debug for TopicRouter<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicRouter")
            .field("topics", &self.topics().collect::<Vec<_>>())
            .field("fallback", &self.routes.fallback.is_some())
            .finish_non_exhaustive()
    }
}

/// A handler at work.
#[must_use = "futures do nothing unless polled"]
pub struct HandlerFuture(Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>);

impl Future for HandlerFuture {
    type Output = Result<(), HandlerError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for HandlerFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerFuture").finish_non_exhaustive()
    }
}
