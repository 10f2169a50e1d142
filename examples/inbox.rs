//! README.md's inbox, as it stands there: deliveries are stored, and a worker handles them.
//!
//! ```sh
//! WEBHOOK_SECRET_DWOLLA=sshhhhhh cargo run --example inbox
//! ```

use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tower_webhook::{
    TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
    store::StoreAdmin as _,
};
use tower_webhook_sqlx::SqliteStore;

async fn created(event: dwolla::Event) -> Result<(), std::io::Error> {
    println!("created: {}", event.customer_href().unwrap_or("no link"));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    // A worker that is killed counts as a crash; after three in a row a delivery is given up.
    let mut deployed = signal(SignalKind::terminate())?;
    let secret = std::env::var("WEBHOOK_SECRET_DWOLLA").map_err(|_| "WEBHOOK_SECRET_DWOLLA is not set")?;
    let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
    let store = SqliteStore::open("webhooks.db").await?;
    tokio::spawn(store.clone().purge_every(Duration::from_secs(600))); // what is old enough goes
    let layer = WebhookLayer::new(Dwolla::new(secret)?, store);
    let worker = layer.worker(topics.clone()).start();

    let app = axum::Router::new().route_service("/webhooks/dwolla", layer.inbox().only(&topics));
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app)
        .with_graceful_shutdown(async move {
            tokio::select! { _ = tokio::signal::ctrl_c() => {}, _ = deployed.recv() => {} }
        })
        .await?;
    eprint!("{}", layer.drain_handle().drain(Duration::from_secs(10)).await);
    // What could not be finished is put back, for the next process.
    eprint!("{}", worker.drain(Duration::from_secs(30)).await);
    Ok(())
}
