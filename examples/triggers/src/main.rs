//! graphile_worker triggers an inbox. The glue is in `lib.rs`.
//!
//! ```sh
//! DATABASE_URL=postgres://… cargo run
//! ```

use std::{error::Error, sync::Arc, time::Duration};

use http::Request;
use sqlx::PgPool;
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
    signature::Secrets,
};
use tower_webhook_sqlx::PostgresStore;
use triggers::{InboxWithJobs, options};

/// Fails the first time, to show that the second attempt is a job, too.
async fn completed(handled: mpsc::Sender<()>, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
    let (event, attempt) = (delivery.event().id().as_str(), delivery.claim().attempt());
    if attempt == 1 {
        println!("attempt 1 of {event} fails; again in a second");
        return Err(HandlerError::retry_after(Duration::from_secs(1), "the bank is closed"));
    }
    println!("attempt {attempt} of {event} succeeds");
    handled.send(()).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "DATABASE_URL is not set; expected postgres://…")?;
    let pool = PgPool::connect(&url).await?;
    let inbox = InboxWithJobs::new(PostgresStore::with_pool(pool.clone()).await?, pool.clone()).await?;

    let (handled, mut all_handled) = mpsc::channel(1);
    let topics = TopicRouter::with_state(handled).on(Topic::TransferCompleted, completed);
    let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
    let layer = WebhookLayer::new(Dwolla::new(secrets.clone())?, inbox);
    let endpoint = layer.inbox().only(&topics);
    let worker = Arc::new(layer.worker(topics).triggered(Duration::from_secs(60)).start());
    let graphile = Arc::new(options(Arc::clone(&worker)).pg_pool(pool.clone()).init().await?);
    let jobs = tokio::spawn({
        let graphile = Arc::clone(&graphile);
        async move { graphile.run().await }
    });

    // What Dwolla would send, twice.
    let id = std::time::UNIX_EPOCH.elapsed()?.as_micros();
    let body = format!(r#"{{"id":"{id}","topic":"transfer_completed","created":"2019-02-04T14:58:45.144Z"}}"#);
    for _ in 0..2 {
        let mut request = Request::post("/webhooks/dwolla").body(body.clone())?;
        request
            .headers_mut()
            .extend(dwolla::scheme().sign(&secrets, body.as_bytes())?);
        println!("responded {}", endpoint.clone().oneshot(request).await?.status());
    }
    all_handled.recv().await;

    graphile.request_shutdown();
    jobs.await??;
    let report = worker.drain(Duration::from_secs(30)).await;
    println!("put back for another worker: {}", report.remaining().len());
    Ok(())
}
