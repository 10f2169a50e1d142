//! A receiver that fails at first, and the provider's retries, in a second instead of an hour.
//!
//! ```sh
//! cargo run -p tower-webhook-sandbox --example retries
//! ```

use std::{error::Error, time::Duration};

use tower_webhook::{
    Delivery, HandlerError, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
};
use tower_webhook_reconcile::dwolla::DwollaApi;
use tower_webhook_sandbox::{Provider, Settings};

async fn created(delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
    match delivery.claim().attempt() {
        3.. => Ok(()),
        _ => Err(HandlerError::retry("the database is away")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = "for-this-machine-only";
    let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
    let webhooks = WebhookLayer::new(Dwolla::new(secret)?, MemoryStore::new()).topics(topics);
    let app = axum::Router::new().route_service("/webhooks/dwolla", webhooks);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/webhooks/dwolla", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    // Its time stands still, except where it is moved.
    let sandbox = Settings::new().speed(0.0).start().await?;
    let api = DwollaApi::new(&sandbox.url(Provider::Dwolla), "any id", "any secret")?;
    api.create_subscription(&url, secret).await?;

    sandbox.fire(Provider::Dwolla, r#"{"topic": "customer_created"}"#)?;
    // Dwolla retries 15 minutes, 1, 3, 6, 12, 24, 48 and 72 hours after the event.
    sandbox.advance(Duration::from_secs(72 * 3600)).await;

    let Some(first) = sandbox.attempts().first().map(|attempt| attempt.sent_at) else {
        return Err("nothing was sent".into());
    };
    for attempt in sandbox.attempts() {
        let after = attempt.sent_at.duration_since(first)?;
        println!("{} min: {}", after.as_secs() / 60, attempt.status.unwrap_or_default());
    }
    Ok(())
}
