//! The quick start of README.md, as it stands there; `.ci/smoke` compares the two and runs it.
//!
//! ```sh
//! WEBHOOK_SECRET_DWOLLA=for-this-machine-only cargo run --example quick_start
//! WEBHOOK_SECRET_DWOLLA=for-this-machine-only cargo run --example send
//! ```

use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
};

// Any error releases the event, and the provider retries.
async fn created(event: dwolla::Event) -> Result<(), std::io::Error> {
    println!("created: {}", event.customer_href().unwrap_or("no link"));
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init(); // why a request was refused is in the log, and nowhere else
    let secret = std::env::var("WEBHOOK_SECRET_DWOLLA").map_err(|_| "WEBHOOK_SECRET_DWOLLA is not set")?;
    let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
    let webhooks = WebhookLayer::new(Dwolla::new(secret)?, MemoryStore::new()).topics(topics);

    let app = axum::Router::new().route_service("/webhooks/dwolla", webhooks);
    axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, app).await?;
    Ok(())
}
