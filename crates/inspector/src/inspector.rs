//! The page as a whole: what it is made of, and its routes.

use std::{collections::BTreeSet, fmt, future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use futures_util::{FutureExt as _, future::Shared as SharedFuture};
use tokio::sync::Semaphore;
use tower_webhook::{
    clock::{Clock, SystemClock},
    delivery_log::{Captures, DeliveryLogReader},
};

use crate::{
    Access, BuildError, Endpoint, Reports,
    access::{self, AccessState},
    actions,
    actions::Results,
    assets, live,
    live::Live,
    pages,
};

/// The largest form: a selection of a page's events, by their ids.
const FORM: usize = 128 * 1024;

/// A page for the operator of webhooks. See the [crate](crate).
#[derive(Debug)]
pub struct Inspector(());

/// The page: what it shows, and to whom.
#[must_use]
pub struct InspectorBuilder {
    access: Access,
    title: String,
    log: Option<Arc<dyn DeliveryLogReader>>,
    endpoints: Vec<Endpoint>,
    captures: Option<Captures>,
    reports: Option<Reports>,
    shutdown: Option<Shutdown>,
    clock: Arc<dyn Clock>,
}

pub(crate) type Shutdown = SharedFuture<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// The state that all requests share.
pub(crate) struct Shared {
    pub(crate) access: AccessState,
    pub(crate) title: String,
    pub(crate) log: Option<Arc<dyn DeliveryLogReader>>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) captures: Option<Captures>,
    pub(crate) reports: Option<Reports>,
    pub(crate) shutdown: Option<Shutdown>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) live: Live,
    pub(crate) results: Results,
    /// One explanation at a time: each may hash 64 MiB.
    pub(crate) explaining: Semaphore,
}

impl Inspector {
    /// Begins with who may see the page.
    ///
    /// ```
    /// use tower_webhook::{delivery_log::MemoryLog, dwolla::Dwolla};
    /// use tower_webhook_inspector::{Access, Endpoint, Inspector};
    ///
    /// let log = MemoryLog::new(10_000); // a clone of the layer's
    /// let page = Inspector::builder(Access::loopback_only())
    ///     .log(log)
    ///     .endpoint(Endpoint::of(&Dwolla::new("8f742231b10e8888abcd99yyyzzz85a5")?))
    ///     .build()?;
    /// let app: axum::Router = axum::Router::new().nest("/inspector", page);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(access: Access) -> InspectorBuilder {
        InspectorBuilder {
            access,
            title: "Webhooks".to_owned(),
            log: None,
            endpoints: Vec::new(),
            captures: None,
            reports: None,
            shutdown: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl InspectorBuilder {
    /// The deliveries: the log that the layers have.
    pub fn log(mut self, log: impl DeliveryLogReader) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// One of the application's endpoints: a provider, a namespace, its store or inbox.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.endpoints.push(endpoint);
        self
    }

    /// The refused requests that the layers capture. The page switches it on for ten minutes at a
    /// time, and off.
    pub fn captures(mut self, captures: &Captures) -> Self {
        self.captures = Some(captures.clone());
        self
    }

    /// The reconciler's reports.
    pub fn reports(mut self, reports: &Reports) -> Self {
        self.reports = Some(reports.clone());
        self
    }

    /// The title of the page: the application's name, by default "Webhooks".
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Ends the live updates when this is over. Without it a graceful shutdown waits for them: each
    /// lasts up to 30 seconds, and the browser then asks again.
    ///
    /// ```
    /// use tower_webhook_inspector::{Access, Inspector};
    ///
    /// let page = Inspector::builder(Access::loopback_only())
    ///     .shutdown(async { drop(tokio::signal::ctrl_c().await) })
    ///     .build()?;
    /// # Ok::<(), tower_webhook_inspector::BuildError>(())
    /// ```
    pub fn shutdown(mut self, shutdown: impl Future<Output = ()> + Send + 'static) -> Self {
        let shutdown: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(shutdown);
        self.shutdown = Some(shutdown.shared());
        self
    }

    /// The clock for sessions and ages, by default the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The page, to be nested into the application's router, or served alone.
    ///
    /// # Errors
    /// The token is too short, two endpoints have one namespace, or the system has no random
    /// numbers.
    pub fn build(self) -> Result<Router, BuildError> {
        let mut namespaces = BTreeSet::new();
        for endpoint in &self.endpoints {
            if !namespaces.insert(endpoint.namespace_name()) {
                return Err(BuildError::same_namespace(endpoint.namespace_name()));
            }
        }
        let shared = Arc::new(Shared {
            access: AccessState::new(self.access)?,
            title: self.title,
            log: self.log,
            endpoints: self.endpoints,
            captures: self.captures,
            reports: self.reports,
            shutdown: self.shutdown,
            clock: self.clock,
            live: Live::default(),
            results: Results::default(),
            explaining: Semaphore::new(1),
        });
        // All in one folder: each page leads to the others by their names alone, wherever the
        // application has mounted them and whatever a proxy has made of the path.
        let router = Router::new()
            .route("/", get(pages::root))
            .route("/deliveries", get(pages::deliveries::page))
            .route("/delivery", get(pages::delivery::page))
            .route("/event", get(pages::event::page))
            .route("/body", get(pages::event::body))
            .route("/inbox", get(pages::inbox::page))
            .route("/endpoints", get(pages::endpoints::page))
            .route("/refused", get(pages::refused::page))
            .route("/request", get(pages::refused::request))
            .route("/request-body", get(pages::refused::body))
            .route("/reports", get(pages::reports::page))
            .route("/report", get(pages::reports::report))
            .route("/confirm", get(pages::confirm::page))
            .route("/do", post(actions::perform))
            .route("/result", get(pages::result::page))
            .route("/login", get(pages::login::page).post(pages::login::login))
            .route("/logout", post(pages::login::logout))
            .route("/live", get(live::live))
            .route("/style.css", get(assets::style))
            .route("/live.js", get(assets::script))
            .fallback(pages::fallback)
            .layer(DefaultBodyLimit::max(FORM))
            .layer(middleware::from_fn_with_state(Arc::clone(&shared), access::check))
            .with_state(shared);
        Ok(router)
    }
}

impl Shared {
    /// The endpoint with this namespace.
    pub(crate) fn endpoint(&self, namespace: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|endpoint| endpoint.namespace_name() == namespace)
    }
}

impl fmt::Debug for InspectorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectorBuilder")
            .field("access", &self.access)
            .field("log", &self.log)
            .field("endpoints", &self.endpoints)
            .field("captures", &self.captures)
            .field("reports", &self.reports)
            .finish_non_exhaustive()
    }
}
