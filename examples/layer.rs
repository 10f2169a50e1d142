//! An axum handler behind the layer: the event arrives by extractor.
//!
//! ```sh
//! cargo run --example layer --features axum
//! ```

use std::error::Error;

use axum::{Router, body::Body, http::Request, http::StatusCode, routing::post};
use tower::ServiceExt;
use tower_webhook::{
    Delivery, MemoryStore, WebhookLayer,
    dwolla::{self, Dwolla},
    signature::Secrets,
};

/// Runs once for each event. 2xx finishes the event; any 4xx or 5xx releases it, and the provider
/// retries.
async fn receive(delivery: Delivery<dwolla::Event>) -> StatusCode {
    println!(
        "{} {}, attempt {}",
        delivery.event().topic(),
        delivery.event().id(),
        delivery.claim().attempt()
    );
    StatusCode::ACCEPTED
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
    let webhooks = WebhookLayer::new(Dwolla::new(secrets.clone())?, MemoryStore::new());
    // On this one route: `Router::layer` would put it before `/healthz` too.
    let app = Router::new().route("/webhooks/dwolla", post(receive).layer(webhooks));

    // What Dwolla would send, three times; then the same with a body that was changed on the way.
    let body = r#"{"id":"bb6531a2-5b13-4815-a83d-ed7a1fc70bd8","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
    let tampered = body.replace("created", "verified");
    for sent in [body, body, body, &tampered] {
        let mut request = Request::post("/webhooks/dwolla").body(Body::from(sent.to_owned()))?;
        request
            .headers_mut()
            .extend(dwolla::scheme().sign(&secrets, body.as_bytes())?);
        let response = app.clone().oneshot(request).await?;
        println!("responded {}", response.status());
    }
    Ok(())
}
