//! A receiver for the webhooks of every provider that the crate knows, and for those of one that it
//! describes itself, that works as it is:
//!
//! ```sh
//! cargo run --example receiver
//! ```
//!
//! Each provider has its path, `/webhooks/<provider>`. It prints the commands that send it events.
//! Settings, from the environment:
//!
//! - `LISTEN`: the address, by default `127.0.0.1:3000`
//! - `WEBHOOK_SECRET_<PROVIDER>` (upper case, `-` as `_`): the secret shared with one provider
//! - `WEBHOOK_SECRET`: the secret shared with all others, by default a random one
//! - `STORE`: where events are remembered, by default `memory:`; or `sqlite:<path>`,
//!   `postgres://…`, `redis://…`, `redis+cluster://…` or `redis+sentinel://…`
//! - `INBOX`: with `1`, events are stored, get 200 at once and are handled by a worker, with
//!   retries that outlive the process; for SQLite and Postgres
//! - `INSPECT`: where the page of what came is, a loopback address, by default `127.0.0.1:4001`;
//!   `0` for none. Refused requests are kept whole for the first hour, in memory, to be explained
//!   there
//! - `FAIL`: a topic; the first run of each of its events fails, to see what then happens
//! - `WEBHOOK_URL_SQUARE`: the address that Square posts to, which it signs; by default the one
//!   that is printed
//!
//! With `--features metrics` it shows what it counts at `GET /metrics`.

mod inspect;
mod store;

use std::{
    collections::HashSet,
    env,
    error::Error,
    io,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, routing::get};
use http::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tower_webhook::{
    Delivery, HandlerError, Provider, TopicRouter, WebhookLayer,
    custom::{Custom, CustomError, FieldPath},
    dwolla::Dwolla,
    event::Event,
    github::GitHub,
    inbox::{AnyInbox, WorkerHandle},
    linear::Linear,
    paddle::Paddle,
    process::DrainHandle,
    provider::DeliveryPolicy,
    shopify::Shopify,
    signature::{Algorithm, Encoding, Scheme},
    slack::Slack,
    square::Square,
    standard_webhooks::StandardWebhooks,
    store::{AnyStore, StoreAdmin},
    stripe::Stripe,
    svix::Svix,
    zoom::Zoom,
};

use self::inspect::Inspection;

/// A provider described by data: `X-Webhook-Signature: sha256=<hex of HMAC-SHA256 over the body>`,
/// and a body of `id`, `type`, `created_at` and `data`. Its `X-Webhook-Event`, which repeats the
/// type, and `X-Webhook-Id` (the webhook's, not the event's) are not signed.
fn example(secret: String) -> Result<Custom, CustomError> {
    let header = HeaderName::from_static("x-webhook-signature");
    let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="));
    // Six attempts: at once, then 1 min, 5 min, 30 min, 1 h and 6 h after the one before. It does
    // not document how long it waits for a response; 10 s is usual.
    let policy = DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(8 * 3600));
    Custom::builder("example", scheme)
        .secrets(secret)
        .id(FieldPath::body("id"))
        .topic(FieldPath::body("type"))
        .topic_repeated_in(HeaderName::from_static("x-webhook-event"))
        .time(FieldPath::body("created_at"))
        .payload(FieldPath::body("data"))
        .policy(policy)
        .build()
}

/// Where events are remembered: handled before their response, or stored and handled later.
#[derive(Clone)]
enum Store {
    Plain(AnyStore),
    Inbox(AnyInbox),
}

/// The layers, one for each provider, on their way into the app.
struct Providers {
    app: Router,
    /// One store for all: each provider's ids are in a namespace of their own.
    store: Store,
    /// The secret of providers that have none of their own.
    secret: String,
    inspection: Inspection,
    failing: Failing,
    handles: Vec<DrainHandle>,
    workers: Vec<WorkerHandle>,
    mounted: Vec<&'static str>,
}

impl Providers {
    /// Mounts a provider at `/webhooks/` and its name.
    fn mount<P, E>(
        mut self,
        name: &'static str,
        new: impl FnOnce(String) -> Result<P, E>,
    ) -> Result<Self, Box<dyn Error>>
    where
        P: Provider,
        E: Error + 'static,
    {
        // The name that the example `send` reads, too.
        let variable = format!("WEBHOOK_SECRET_{}", name.to_uppercase().replace('-', "_"));
        let own = env::var(&variable).ok();
        let is_own = own.is_some();
        let secret = own.unwrap_or_else(|| self.secret.clone());
        let provider = match new(secret.clone()) {
            Ok(provider) => provider,
            Err(error) if is_own => return Err(format!("{variable}: {error}").into()),
            // Not every provider's secret can be any text.
            Err(error) => {
                eprintln!("without {name}: WEBHOOK_SECRET: {error}; expected it, or {variable}");
                return Ok(self);
            }
        };
        // One handler for all topics. `.on("invoice.paid", …)` gives a topic one of its own. Return
        // an error, and the provider retries.
        let failing = self.failing.clone();
        let topics = TopicRouter::new().fallback(move |delivery: Delivery<P::Event>| {
            let failing = failing.clone();
            async move {
                let event = delivery.event();
                let id = event.id().map_or("-", |id| id.as_str());
                failing.check(event.topic(), id)?;
                println!("handled {name} {} {id}", event.topic());
                Ok::<(), HandlerError>(())
            }
        });
        self.inspection.add(&provider, &secret, &self.store);
        let (log, captures) = (self.inspection.log.clone(), self.inspection.captures.clone());
        let path = format!("/webhooks/{name}");
        self.mounted.push(name);
        match &self.store {
            Store::Plain(store) => {
                let layer = WebhookLayer::builder(provider, store.clone());
                let layer = layer.delivery_log(log).capture(&captures).build()?;
                self.handles.push(layer.drain_handle());
                self.app = self.app.route_service(&path, layer.topics(topics));
            }
            Store::Inbox(inbox) => {
                let layer = WebhookLayer::builder(provider, inbox.clone());
                let layer = layer.delivery_log(log).capture(&captures).build()?;
                self.handles.push(layer.drain_handle());
                self.app = self.app.route_service(&path, layer.inbox().only(&topics));
                self.workers.push(layer.worker(topics).concurrency(4).start());
            }
        }
        Ok(self)
    }
}

/// A topic whose events fail at first.
#[derive(Clone, Default)]
struct Failing {
    topic: Option<String>,
    /// The ids of those that have failed. This is an example: it grows.
    seen: Arc<Mutex<HashSet<String>>>,
}

impl Failing {
    fn check(&self, topic: &str, id: &str) -> Result<(), HandlerError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if self.topic.as_deref() == Some(topic) && seen.insert(id.to_owned()) {
            return Err("FAIL has this topic: the first run of an event fails".into());
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("LISTEN={address}: {error}; expected a free address and port"))?;
    let webhooks = format!("http://{}/webhooks", listener.local_addr()?);
    let url = env::var("STORE").unwrap_or_else(|_| "memory:".to_owned());
    let opened = match env::var("INBOX").as_deref() {
        Err(_) | Ok("" | "0") => store::open(&url).await.map(Store::Plain),
        Ok("1") => store::open_inbox(&url).await.map(Store::Inbox),
        Ok(other) => return Err(format!("INBOX is {other:?}; expected 1, or 0, or nothing").into()),
    };
    let store = opened.map_err(|error| format!("STORE: {error}"))?;
    let (secret, its_setting) = match env::var("WEBHOOK_SECRET") {
        Ok(secret) => {
            eprintln!("with the same WEBHOOK_SECRET, send an event by\n");
            (secret, String::new())
        }
        Err(_) => {
            let secret = random_secret()?;
            eprintln!("WEBHOOK_SECRET is not set; with this random one, send an event by\n");
            let its_setting = format!("WEBHOOK_SECRET={secret} ");
            (secret, its_setting)
        }
    };
    for provider in ["dwolla", "stripe"] {
        let send = "cargo run --example send -- --provider";
        eprintln!("    {its_setting}{send} {provider} --url {webhooks}/{provider}\n");
    }
    let square_url = env::var("WEBHOOK_URL_SQUARE").unwrap_or_else(|_| format!("{webhooks}/square"));

    let every = Duration::from_secs(600);
    let purging = match store.clone() {
        Store::Plain(store) => tokio::spawn(store.purge_every(every)),
        Store::Inbox(inbox) => tokio::spawn(inbox.purge_every(every)),
    };
    let providers = Providers {
        app: Router::new().route("/healthz", get(async || "ok\n")),
        store,
        secret,
        inspection: Inspection::open().await?,
        failing: Failing {
            topic: env::var("FAIL").ok(),
            seen: Arc::default(),
        },
        handles: Vec::new(),
        workers: Vec::new(),
        mounted: Vec::new(),
    }
    .mount("dwolla", Dwolla::new)?
    .mount("example", example)?
    .mount("standard-webhooks", StandardWebhooks::new)?
    .mount("svix", Svix::new)?
    .mount("stripe", Stripe::new)?
    .mount("github", GitHub::new)?
    .mount("slack", Slack::new)?
    .mount("shopify", Shopify::new)?
    .mount("square", |secret| Square::new(&square_url, secret))?
    .mount("paddle", Paddle::new)?
    .mount("linear", Linear::new)?
    .mount("zoom", Zoom::new)?;
    let Providers {
        app,
        inspection,
        handles,
        workers,
        mounted,
        ..
    } = providers;
    #[cfg(feature = "metrics")]
    let app = app.route("/metrics", metrics()?);
    let inspecting = inspection.serve()?;
    eprintln!("listening on {webhooks}/dwolla");
    eprintln!("and so on for {}", mounted.join(", "));

    serve(listener, app).await?;

    // No connection is open any more. Handlers that outlasted their response may still run.
    let mut drains = JoinSet::new();
    for handle in handles {
        drains.spawn(async move { handle.drain(Duration::from_secs(20)).await });
    }
    for worker in workers {
        drains.spawn(async move { worker.drain(Duration::from_secs(20)).await });
    }
    for report in drains.join_all().await {
        eprint!("{report}");
    }
    purging.abort();
    if let Some(inspecting) = inspecting {
        inspecting.abort();
    }
    Ok(())
}

/// What the layers count, in Prometheus' format (with `--features metrics`).
#[cfg(feature = "metrics")]
fn metrics() -> Result<axum::routing::MethodRouter, Box<dyn Error>> {
    let prometheus = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
    Ok(get(async move || {
        prometheus.run_upkeep();
        prometheus.render()
    }))
}

/// Serves until SIGINT or SIGTERM. `axum::serve` sets no timer, so a client that sends its headers
/// a byte a minute would hold its connection for ever; here it has ten seconds.
async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(10));
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: others will close theirs.
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app.clone()));
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended early: {error}");
            }
        });
    }
    drop(listener);
    // Longer than any response takes.
    let _ = tokio::time::timeout(Duration::from_secs(10), connections.shutdown()).await;
    Ok(())
}

fn random_secret() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).map_err(|_| "no random numbers")?;
    Ok(hex::encode(bytes))
}
