//! Effect and record in one transaction: a handler that books each event exactly once, whatever
//! happens half-way.
//!
//! ```sh
//! cargo run --example transaction
//! ```
//!
//! With Postgres it is the same, by `PostgresStore`, a `PgPool` and `pool.begin()`.

use std::error::Error;

use axum::{Router, body::Body, http::Request};
use sqlx::{SqlitePool, sqlite::SqliteConnectOptions};
use tower::ServiceExt;
use tower_webhook::{
    Delivery, HandlerError, TopicRouter, WebhookLayer,
    dwolla::{self, Dwolla, Topic},
    signature::Secrets,
};
use tower_webhook_sqlx::SqliteStore;

#[derive(Clone)]
struct Books {
    /// The application's own connections, to the file that the store is in.
    pool: SqlitePool,
    webhooks: SqliteStore,
}

async fn completed(books: Books, delivery: Delivery<dwolla::Event>) -> Result<(), HandlerError> {
    // SQLite lets one write at a time: say from the start that this is going to.
    let mut transaction = books.pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO transfers (event, topic) VALUES (?1, ?2)")
        .bind(delivery.event().id().as_str())
        .bind(delivery.event().topic().as_str())
        .execute(&mut *transaction)
        .await?;
    if delivery.claim().attempt() == 1 {
        // Rolls back. A process that is killed here leaves as little behind.
        return Err(HandlerError::retry("something went wrong after the effect"));
    }
    // Last, right before the commit: from here to there nobody else can write.
    books.webhooks.complete_in(delivery.claim(), &mut transaction).await?;
    transaction.commit().await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::temp_dir().join(format!("tower-webhook-example-{}.db", std::process::id()));
    let webhooks = SqliteStore::open(&file).await?;
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await?;
    sqlx::query("CREATE TABLE transfers (event TEXT, topic TEXT)")
        .execute(&pool)
        .await?;

    let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
    let books = Books {
        pool: pool.clone(),
        webhooks: webhooks.clone(),
    };
    let topics = TopicRouter::with_state(books).on(Topic::TransferCompleted, completed);
    let layer = WebhookLayer::new(Dwolla::new(secrets.clone())?, webhooks);
    let app = Router::new().route_service("/webhooks/dwolla", layer.topics(topics));

    // What Dwolla would send: a retry, since the first response was 500, and one more by mistake.
    let body = r#"{"id":"bb6531a2-5b13-4815-a83d-ed7a1fc70bd8","topic":"transfer_completed","created":"2019-02-04T14:58:45.144Z"}"#;
    for _ in 0..3 {
        let mut request = Request::post("/webhooks/dwolla").body(Body::from(body))?;
        request
            .headers_mut()
            .extend(dwolla::scheme().sign(&secrets, body.as_bytes())?);
        println!("responded {}", app.clone().oneshot(request).await?.status());
    }
    let booked = sqlx::query("SELECT event FROM transfers").fetch_all(&pool).await?;
    println!("booked {} time(s)", booked.len());

    pool.close().await;
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(end));
    }
    Ok(())
}
