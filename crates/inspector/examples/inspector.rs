//! The page at work, with deliveries of its own: most are fine, five are broken, and one event was
//! given up.
//!
//! ```sh
//! cargo run -p tower-webhook-inspector --example inspector
//! ```
//!
//! `LISTEN` sets another address than `127.0.0.1:4001`. With `TOKEN` the page asks for that token
//! in place of letting in whoever is on this machine.

use std::{
    collections::HashSet,
    env,
    error::Error,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{Router, body::Body};
use http::{HeaderMap, HeaderName, Request};
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use tower_webhook::{
    Provider as _, TopicRouter, WebhookLayer,
    delivery_log::{Captures, MemoryLog},
    inbox::{AnyInbox, Retries},
    signature::{Explain, Secrets},
    stripe::{self, Stripe},
    testing::MemoryInbox,
};
use tower_webhook_inspector::{Access, Endpoint, Inspector, Reports, RunReport};

const SECRET: &str = "whsec_8f742231b10e8888abcd99yyyzzz85a5";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let secrets = Secrets::new(SECRET)?;
    let (log, captures, reports) = (MemoryLog::new(10_000), Captures::new(), Reports::new());
    captures.start(Duration::from_secs(3600));
    // For an application: `SqliteStore` or `PostgresStore`, which outlive the process.
    let inbox = AnyInbox::new(MemoryInbox::new());

    let provider = Stripe::new(secrets.clone())?;
    let endpoint = Endpoint::of(&provider)
        .secrets(1)
        .inbox(inbox.clone())
        .explain(Explain::new(provider.verifier().scheme().ok_or("no scheme")?, &secrets));
    let layer = WebhookLayer::builder(provider, inbox)
        .delivery_log(log.clone())
        .capture(&captures)
        .build()?;

    // The first run of each failed payment fails: whatever it needs is down.
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let failed = move |event: stripe::Event| {
        let seen = Arc::clone(&seen);
        async move {
            let id = event.id().map(|id| id.as_str().to_owned());
            let is_first = seen.lock().is_ok_and(|mut seen| seen.insert(id));
            if is_first {
                Err("the mail server does not respond")
            } else {
                Ok(())
            }
        }
    };
    let topics = TopicRouter::new()
        .on("invoice.payment_failed", failed)
        .fallback(async |event: stripe::Event| println!("handled {}", event.topic()));
    // One attempt, so that there is something to replay.
    let worker = layer
        .worker(topics)
        .retries(Retries::new([]).max_attempts(1).allow_shorter_than_provider())
        .start();
    let webhooks = Router::new().route_service("/webhooks/stripe", layer.inbox());

    deliver(&webhooks, &secrets).await?;
    let now = SystemTime::now();
    let window = (now - Duration::from_secs(3600), now);
    let report = RunReport::new("stripe", window, "complete").tally("known", 9, []);
    reports.push(report.tally("handled", 1, ["evt_missed · invoice.paid".to_owned()]));

    let access = match env::var("TOKEN") {
        Ok(token) => Access::token(token),
        Err(_) => Access::loopback_only(),
    };
    let page = Inspector::builder(access)
        .title("An example")
        .log(log)
        .captures(&captures)
        .reports(&reports)
        .endpoint(endpoint)
        .shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .build()?;

    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:4001".to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("LISTEN={address}: {error}; expected a free address and port"))?;
    let here = format!("http://{}/inspector", listener.local_addr()?);
    println!("all deliveries:                        {here}");
    println!("five requests that were refused:       {here}/refused");
    println!("an event that was given up, to replay: {here}/inbox?stage=dead");
    let app = webhooks.nest("/inspector", page);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) })
        .await?;
    print!("{}", worker.drain(Duration::from_secs(10)).await);
    Ok(())
}

fn event(id: &str, topic: &str) -> String {
    format!(
        r#"{{"id":"{id}","object":"event","type":"{topic}","created":1767225600,"data":{{"object":{{"id":"in_1","total":1250}}}}}}"#
    )
}

/// What a provider sends, and what becomes of it on its way.
async fn deliver(webhooks: &Router, secrets: &Secrets) -> Result<(), Box<dyn Error>> {
    let scheme = stripe::scheme();
    let topics = ["invoice.paid", "customer.created", "payment_intent.succeeded"];
    for (number, topic) in topics.iter().cycle().take(9).enumerate() {
        let body = event(&format!("evt_{number}"), topic);
        post(webhooks, scheme.sign(secrets, body.as_bytes())?, body).await?;
    }
    let again = event("evt_0", "invoice.paid");
    post(webhooks, scheme.sign(secrets, again.as_bytes())?, again).await?;
    let failing = event("evt_failing", "invoice.payment_failed");
    post(webhooks, scheme.sign(secrets, failing.as_bytes())?, failing).await?;

    let body = event("evt_broken", "invoice.paid");
    // 1. A proxy parses the body and prints it again.
    let printed = body.replace("\":", "\": ").replace(",\"", ", \"");
    post(webhooks, scheme.sign(secrets, body.as_bytes())?, printed).await?;
    // 2. The secret was set with the newline of the file it was read from.
    let newline = Secrets::raw_key(format!("{SECRET}\n"))?;
    post(webhooks, scheme.sign(&newline, body.as_bytes())?, body.clone()).await?;
    // 3. A queue in between sends it an hour later.
    let earlier = SystemTime::now() - Duration::from_secs(3600);
    post(
        webhooks,
        scheme.sign_at(secrets, "", earlier, body.as_bytes())?,
        body.clone(),
    )
    .await?;
    // 4. A gateway renames the signature's header.
    let mut headers = scheme.sign(secrets, body.as_bytes())?;
    if let Some(tag) = headers.remove("stripe-signature") {
        headers.insert(HeaderName::from_static("x-forwarded-signature"), tag);
    }
    post(webhooks, headers, body.clone()).await?;
    // 5. It is signed with a secret of another endpoint.
    let other = Secrets::new("whsec_of_another_endpoint_altogether")?;
    post(webhooks, scheme.sign(&other, body.as_bytes())?, body).await
}

async fn post(webhooks: &Router, headers: HeaderMap, body: String) -> Result<(), Box<dyn Error>> {
    let mut request = Request::post("/webhooks/stripe")
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    request.headers_mut().extend(headers);
    let response = webhooks.clone().oneshot(request).await?;
    println!("responded {}", response.status());
    Ok(())
}
