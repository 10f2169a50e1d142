//! The service in bare hyper: HTTP/1 and HTTP/2 without TLS, no framework, no routes.
//!
//! ```sh
//! cargo run --example hyper
//! ```
//!
//! It prints the command that sends it an event. Settings, from the environment, as for `receiver`:
//! `LISTEN` and `WEBHOOK_SECRET`.

use std::{convert::Infallible, env, error::Error, io, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::Notify,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;
use tower_webhook::{MemoryStore, TopicRouter, WebhookLayer, dwolla, dwolla::Dwolla};

/// How long a connection may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);

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
        Ok(secret) => {
            eprintln!("with the same WEBHOOK_SECRET, send an event by\n");
            eprintln!("    cargo run --example send -- --url {url}\n");
            secret
        }
        Err(_) => {
            let secret = random_secret()?;
            eprintln!("WEBHOOK_SECRET is not set; with this random one, send an event by\n");
            eprintln!("    WEBHOOK_SECRET={secret} cargo run --example send -- --url {url}\n");
            secret
        }
    };
    let webhooks = WebhookLayer::new(Dwolla::new(secret)?, MemoryStore::new());
    let handle = webhooks.drain_handle();
    let service = webhooks.topics(TopicRouter::new().fallback(handled));

    let mut http = auto::Builder::new(TokioExecutor::new());
    // Without a timer hyper measures no time, and a timeout set here would do nothing.
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    // HTTP/2 has no such timeout: pings end the connections of clients that are gone.
    http.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let connections = GracefulShutdown::new();
    eprintln!("listening on {url}");
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    sleep(Duration::from_millis(100)).await; // out of file descriptors, most likely
                    continue;
                }
            },
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        };
        let called = Arc::new(Notify::new());
        let first = Arc::clone(&called);
        let service = service.clone().map_request(move |request| {
            called.notify_one();
            request
        });
        let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            // The builder waits for the bytes that tell HTTP/1 from HTTP/2, and HTTP/2 for the head
            // of a request, both without end. So whoever has sent no whole head by now is cut off;
            // after it, the timeouts above and the layer's own apply.
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = first.notified() => connection.await,
                () = sleep(HEAD) => Err("no request arrived".into()),
            };
            if let Err(error) = ended {
                tracing::debug!("a connection ended early: {error}");
            }
        });
    }
    drop(listener);
    // Longer than any response takes. A handler that outlasted its response may still run after
    // it.
    let _ = timeout(Duration::from_secs(10), connections.shutdown()).await;
    eprint!("{}", handle.drain(Duration::from_secs(20)).await);
    Ok(())
}

fn random_secret() -> Result<String, Box<dyn Error>> {
    let mut bytes = [0; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).map_err(|_| "no random numbers")?;
    Ok(hex::encode(bytes))
}
