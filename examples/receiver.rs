//! A receiver for Dwolla's webhooks that works as it is:
//!
//! ```sh
//! cargo run --example receiver
//! ```
//!
//! It prints the command that sends it an event. Settings, from the environment:
//!
//! - `LISTEN`: the address, by default `127.0.0.1:3000`
//! - `WEBHOOK_SECRET`: the secret of the webhook subscription, by default a random one

use std::{convert::Infallible, env, error::Error, io, time::Duration};

use axum::{Router, routing::get};
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
use tower_webhook::{MemoryStore, TopicRouter, WebhookLayer, dwolla, dwolla::Dwolla};

/// The whole of a handler: an event in, a line out. Return an error, and the sender retries.
async fn handled(event: dwolla::Event) -> Result<(), Infallible> {
    println!("handled dwolla {} {}", event.topic(), event.id());
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let listener = TcpListener::bind(env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned())).await?;
    let url = format!("http://{}/webhooks/dwolla", listener.local_addr()?);
    let secret = match env::var("WEBHOOK_SECRET") {
        Ok(secret) => secret,
        Err(_) => {
            let secret = random_secret()?;
            eprintln!("WEBHOOK_SECRET is not set; with this random one, send an event by\n");
            eprintln!("    WEBHOOK_SECRET={secret} cargo run --example send -- --url {url}\n");
            secret
        }
    };

    // One handler for all topics. `.on(Topic::CustomerVerified, …)` gives a topic one of its own.
    let topics = TopicRouter::new().fallback(handled);
    let webhooks = WebhookLayer::new(Dwolla::new(secret)?, MemoryStore::new());
    let handle = webhooks.handle();
    let app = Router::new()
        .route_service("/webhooks/dwolla", webhooks.topics(topics))
        .route("/healthz", get(async || "ok\n"));
    eprintln!("listening on {url}");

    serve(listener, app).await?;

    // No connection is open any more. Handlers that were too slow for their answer may still run.
    let report = handle.drain(Duration::from_secs(20)).await;
    eprint!("{report}");
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
