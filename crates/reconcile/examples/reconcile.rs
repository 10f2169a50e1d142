//! A receiver that finds out what it missed: Dwolla sends nothing later that fell into a pause.
//! Dwolla's side is the sandbox, in this process.
//!
//! ```sh
//! cargo run -p tower-webhook-reconcile --example reconcile
//! ```

use std::{error::Error, time::Duration};

use tokio::sync::{mpsc, oneshot};
use tower_webhook::{
    Delivery, MemoryStore, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
};
use tower_webhook_reconcile::{Reconciler, dwolla::DwollaApi};
use tower_webhook_sandbox::{Provider, Sandbox};

async fn created(delivery: Delivery<dwolla::Event>) {
    println!("{} was {}", delivery.event().topic(), delivery.source());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secret = "for-this-machine-only";
    let topics = TopicRouter::new().on(Topic::CustomerCreated, created);
    let layer = WebhookLayer::new(Dwolla::new(secret)?, MemoryStore::new());
    let app = axum::Router::new().route_service("/webhooks/dwolla", layer.topics(topics.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/webhooks/dwolla", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });

    // In production: `DwollaApi::new(dwolla::PRODUCTION, …)`, and the id of your subscription.
    let sandbox = Sandbox::start().await?;
    let api = DwollaApi::new(&sandbox.url(Provider::Dwolla), "any id", "any secret")?;
    let subscription = api.create_subscription(&url, secret).await?;

    // Looks for what is missing now, every hour, and when it is told to.
    let (tx, mut reports) = mpsc::unbounded_channel();
    let reconciler = Reconciler::new(api.webhooks(&subscription), layer.processor(topics))
        .every(Duration::from_secs(3600))
        .on_report(move |report| drop(tx.send(report.clone())));
    let trigger = reconciler.trigger();
    let (stop, stopped) = oneshot::channel::<()>();
    let reconciling = tokio::spawn(reconciler.run(async { drop(stopped.await) }));
    reports.recv().await;

    sandbox.fire(Provider::Dwolla, r#"{"topic": "customer_created"}"#)?;
    sandbox.idle().await;
    api.pause(&subscription).await?;
    sandbox.fire(Provider::Dwolla, r#"{"topic": "customer_created"}"#)?;
    sandbox.idle().await;
    api.unpause(&subscription).await?;
    trigger.run_now();
    if let Some(report) = reports.recv().await {
        println!(
            "{} seen, {} handled now",
            report.seen(),
            report.count(tower_webhook_reconcile::reconciler::Ending::Handled)
        );
    }

    // At a shutdown: what has begun is finished, and the lease released.
    drop(stop);
    reconciling.await?;
    eprint!("{}", layer.drain_handle().drain(Duration::from_secs(30)).await);
    Ok(())
}
