//! The Rust side of the tests with the providers' official SDKs: receives what an SDK signs, and
//! signs what an SDK verifies.
//!
//! `tests/interop/run` starts it. It listens on a free port of 127.0.0.1, prints its URL, and ends
//! when its standard input does. A 422 says in its body why a secret or an id is refused.
//!
//! - `POST /receivers/{name}` with `{"provider", "secret"}`: a receiver at `/webhooks/{name}`, or
//!   422.
//! - `POST /webhooks/{name}`: the receiver's.
//! - `GET /receivers/{name}`: what its handler got, in order: `[{"topic", "payload", "body"}]`.
//! - `POST /sign/{provider}` with `{"secret", "id", "time", "url", "body"}`: the headers, or 422.

use std::{
    collections::HashMap,
    error::Error,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse as _, Response},
    routing::{any, get, post},
};
use http::{Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use tower_webhook::{
    Delivery, HandlerError, MemoryStore, Provider, ResultExt as _, TopicRouter, WebhookLayer,
    github::{self, GitHub},
    linear::{self, Linear},
    paddle::{self, Paddle},
    provider::JsonEvent,
    shopify::{self, Shopify},
    signature::{Scheme, Secrets},
    slack::{self, Slack},
    square::{self, Square},
    standard_webhooks::{self, StandardWebhooks},
    stripe::{self, Stripe},
    svix::{self, Svix},
};

/// An error that the scripts print.
type Refused = (StatusCode, String);

#[derive(Clone)]
struct Peer {
    url: Arc<str>,
    receivers: Arc<Mutex<HashMap<String, Receiver>>>,
}

#[derive(Clone)]
struct Receiver {
    service: Router,
    handled: Arc<Mutex<Vec<Handled>>>,
}

/// What a handler got.
#[derive(Clone, Serialize)]
struct Handled {
    topic: String,
    payload: Value,
    body: String,
}

#[derive(Deserialize)]
struct NewReceiver {
    provider: String,
    secret: String,
}

#[derive(Deserialize)]
struct ToSign {
    secret: String,
    /// Signed by those that sign an id.
    #[serde(default)]
    id: String,
    /// In seconds since 1970; signed by those that sign a time beside the body. By default now.
    time: Option<u64>,
    /// Signed by Square.
    #[serde(default)]
    url: String,
    body: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let peer = Peer {
        url: url.as_str().into(),
        receivers: Arc::default(),
    };
    let app = Router::new()
        .route("/receivers/{name}", get(handled).post(new_receiver))
        .route("/webhooks/{name}", any(receive))
        .route("/sign/{provider}", post(sign))
        .with_state(peer);
    println!("{url}");
    let ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        ended = ended => { ended??; }
    }
    Ok(())
}

async fn new_receiver(
    State(peer): State<Peer>,
    Path(name): Path<String>,
    Json(NewReceiver { provider, secret }): Json<NewReceiver>,
) -> Result<(), Refused> {
    let url = format!("{}/webhooks/{name}", peer.url);
    let receiver = match provider.as_str() {
        "svix" => receiver(Svix::new(secret)),
        "standard-webhooks" => receiver(StandardWebhooks::new(secret)),
        "stripe" => receiver(Stripe::new(secret)),
        "github" => receiver(GitHub::new(secret)),
        "slack" => receiver(Slack::new(secret)),
        "shopify" => receiver(Shopify::new(secret)),
        "square" => receiver(Square::new(&url, secret)),
        "paddle" => receiver(Paddle::new(secret)),
        "linear" => receiver(Linear::new(secret)),
        other => Err(refused(format!("no provider {other}"))),
    }?;
    let mut receivers = peer.receivers.lock().unwrap_or_else(PoisonError::into_inner);
    receivers.insert(name, receiver);
    Ok(())
}

/// A receiver whose handler reads the payload and keeps the event.
fn receiver<P, E>(provider: Result<P, E>) -> Result<Receiver, Refused>
where
    P: Provider<Event = JsonEvent<P>>,
    E: Error,
{
    let handled = Arc::<Mutex<Vec<Handled>>>::default();
    let keep = Arc::clone(&handled);
    let topics = TopicRouter::new().fallback(move |delivery: Delivery<JsonEvent<P>>| {
        let keep = Arc::clone(&keep);
        async move {
            let event = delivery.event();
            let payload = event.payload().retry_after(Duration::from_secs(1))?;
            keep.lock().unwrap_or_else(PoisonError::into_inner).push(Handled {
                topic: event.topic().to_owned(),
                payload,
                body: String::from_utf8_lossy(delivery.body()).into_owned(),
            });
            Ok::<(), HandlerError>(())
        }
    });
    let layer = WebhookLayer::new(provider.map_err(refused)?, MemoryStore::new());
    Ok(Receiver {
        service: Router::new().fallback_service(layer.topics(topics)),
        handled,
    })
}

async fn receive(State(peer): State<Peer>, Path(name): Path<String>, request: Request<Body>) -> Response {
    match peer.receiver(&name) {
        Ok(receiver) => receiver.service.oneshot(request).await.into_response(),
        Err(refused) => refused.into_response(),
    }
}

async fn handled(State(peer): State<Peer>, Path(name): Path<String>) -> Result<Json<Vec<Handled>>, Refused> {
    let receiver = peer.receiver(&name)?;
    let handled = receiver.handled.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Json(handled.clone()))
}

async fn sign(
    Path(provider): Path<String>,
    Json(ToSign {
        secret,
        id,
        time,
        url,
        body,
    }): Json<ToSign>,
) -> Result<Json<HashMap<String, String>>, Refused> {
    let scheme = scheme(&provider, &url).ok_or_else(|| refused(format!("no provider {provider}")))?;
    let secrets = Secrets::new(secret).map_err(refused)?;
    let time = time.map_or_else(SystemTime::now, |seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    let headers = scheme.sign_at(&secrets, &id, time, body.as_bytes()).map_err(refused)?;
    let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        Ok((name.to_string(), value.to_str().map_err(refused)?.to_owned()))
    };
    headers.iter().map(text).collect::<Result<_, _>>().map(Json)
}

fn scheme(provider: &str, url: &str) -> Option<Scheme> {
    Some(match provider {
        "svix" => svix::scheme(),
        "standard-webhooks" => standard_webhooks::scheme(),
        "stripe" => stripe::scheme(),
        "github" => github::scheme(),
        "slack" => slack::scheme(),
        "shopify" => shopify::scheme(),
        "square" => square::scheme(url),
        "paddle" => paddle::scheme(),
        "linear" => linear::scheme(),
        _ => return None,
    })
}

impl Peer {
    fn receiver(&self, name: &str) -> Result<Receiver, Refused> {
        let receivers = self.receivers.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = receivers.get(name).cloned();
        receiver.ok_or_else(|| (StatusCode::NOT_FOUND, format!("no receiver {name}")))
    }
}

fn refused(error: impl ToString) -> Refused {
    (StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
}
