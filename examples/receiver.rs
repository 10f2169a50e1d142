//! A receiver for Dwolla's webhooks, and for those of a sender that it describes itself, that works as it is:
//!
//! ```sh
//! cargo run --example receiver
//! ```
//!
//! It prints the commands that send it an event. Settings, from the environment:
//!
//! - `LISTEN`: the address, by default `127.0.0.1:3000`
//! - `WEBHOOK_SECRET`: the secret shared with both senders, by default a random one

use std::{convert::Infallible, env, error::Error, io, time::Duration};

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
};
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    custom::{self, Custom, CustomError, Place},
    dwolla::{self, Dwolla},
    provider::DeliveryTerms,
    signature::{Algorithm, Encoding, Scheme},
};

/// The whole of a handler: an event in, a line out. Return an error, and the sender retries.
async fn handled(event: dwolla::Event) -> Result<(), Infallible> {
    println!("handled dwolla {} {}", event.topic(), event.id());
    Ok(())
}

async fn handled_example(event: custom::Event) -> Result<(), &'static str> {
    let id = event.id().ok_or("the id is in the body, so each event has one")?;
    println!("handled example {} {id}", event.topic());
    Ok(())
}

/// A sender described by data: `X-Webhook-Signature: sha256=<hex of HMAC-SHA256 over the body>`, and a body of `id`, `type`,
/// `created_at` and `data`. Its `X-Webhook-Event` and `X-Webhook-Id` (the webhook's, not the event's) are not signed.
fn example(secret: String) -> Result<Custom, CustomError> {
    let header = HeaderName::from_static("x-webhook-signature");
    let scheme = Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex).prefix(HeaderValue::from_static("sha256="));
    // Six attempts: at once, then 1 min, 5 min, 30 min, 1 h and 6 h after the one before. How long it waits for an answer it does
    // not say; 10 s is usual.
    let terms = DeliveryTerms::new(Duration::from_secs(10), Duration::from_secs(8 * 3600));
    Custom::builder("example", scheme)
        .secrets(secret)
        .id(Place::body("id"))
        .topic(Place::body("type"))
        .time(Place::body("created_at"))
        .payload(Place::body("data"))
        .terms(terms)
        .build()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned())).await?;
    let webhooks = format!("http://{}/webhooks", listener.local_addr()?);
    let secret = match env::var("WEBHOOK_SECRET") {
        Ok(secret) => secret,
        Err(_) => {
            let secret = random_secret()?;
            eprintln!("WEBHOOK_SECRET is not set; with this random one, send an event by\n");
            for sender in ["dwolla", "example"] {
                let send = "cargo run --example send -- --sender";
                eprintln!("    WEBHOOK_SECRET={secret} {send} {sender} --url {webhooks}/{sender}\n");
            }
            secret
        }
    };

    // One handler for all topics. `.on(Topic::CustomerVerified, …)` gives a topic one of its own.
    let topics = TopicRouter::new().fallback(handled);
    let example_topics = TopicRouter::new().fallback(handled_example);
    // One store for both: each sender's ids are in a namespace of their own.
    let store = MemoryStore::new();
    let dwolla = WebhookLayer::new(Dwolla::new(secret.clone())?, store.clone());
    let example = WebhookLayer::new(example(secret)?, store);
    let handles = [dwolla.handle(), example.handle()];
    let app = Router::new()
        .route_service("/webhooks/dwolla", dwolla.topics(topics))
        .route_service("/webhooks/example", example.topics(example_topics))
        .route("/healthz", get(async || "ok\n"));
    eprintln!("listening on {webhooks}/dwolla");
    eprintln!("and on {webhooks}/example");

    serve(listener, app).await?;

    // No connection is open any more. Handlers that were too slow for their answer may still run.
    let [dwolla, example] = handles;
    let most = Duration::from_secs(20);
    let (dwolla, example) = tokio::join!(dwolla.drain(most), example.drain(most));
    eprint!("{dwolla}{example}");
    Ok(())
}

/// Serves until SIGINT or SIGTERM. `axum::serve` sets no timer, so a client that sends its headers a byte a minute would hold its
/// connection for ever; here it has ten seconds.
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
    // Longer than an answer takes at most.
    let _ = tokio::time::timeout(Duration::from_secs(10), connections.shutdown()).await;
    Ok(())
}

fn random_secret() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).map_err(|_| "no random numbers")?;
    Ok(hex::encode(bytes))
}
