//! A provider as a trait of one's own, where places in the request are not enough: this one's
//! events have no id, but a repository and the number of a build, which make one together.
//!
//! `cargo run --example custom_provider` delivers an event, a copy of it, and a forgery.

use std::{error::Error, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request};
use http_body_util::Full;
use tower::ServiceExt;
use tower_webhook::{
    MemoryStore, TopicRouter, WebhookLayer,
    event::{Event, EventError, EventErrorKind, EventId, from_json},
    provider::{DeliveryPolicy, Provider},
    signature::{Algorithm, Encoding, Scheme, Secrets, Verifier},
};

#[derive(serde::Deserialize)]
struct Body {
    repository: String,
    number: u64,
    status: String,
}

#[derive(Clone)]
struct Build {
    id: EventId,
    status: String,
}

impl Event for Build {
    fn id(&self) -> Option<&EventId> {
        Some(&self.id)
    }
    fn topic(&self) -> &str {
        &self.status
    }
}

struct BuildServer(Verifier);

impl Provider for BuildServer {
    type Event = Build;

    fn name(&self) -> &str {
        "build-server"
    }
    fn verifier(&self) -> &Verifier {
        &self.0
    }
    fn event(&self, _: &HeaderMap, body: &Bytes) -> Result<Build, EventError> {
        let Body {
            repository,
            number,
            status,
        } = from_json(body)?;
        let id = EventId::new(&format!("{repository}#{number}"))
            .map_err(|error| EventError::new(EventErrorKind::Field, error.to_string()))?;
        Ok(Build { id, status })
    }
    fn policy(&self) -> DeliveryPolicy {
        DeliveryPolicy::new(Duration::from_secs(10), Duration::from_secs(24 * 3600))
    }
}

async fn passed(build: Build) {
    println!("{} {}", build.id, build.status);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let header = HeaderName::from_static("x-build-signature");
    let (scheme, secrets) = (
        Scheme::new(header, Algorithm::HmacSha256, Encoding::Hex),
        Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?,
    );
    let provider = BuildServer(Verifier::new(&scheme, &secrets)?);
    let service = WebhookLayer::new(provider, MemoryStore::new()).topics(TopicRouter::new().on("passed", passed));

    let body = r#"{"repository":"acme/site","number":7,"status":"passed"}"#;
    let headers = scheme.sign(&secrets, body.as_bytes())?;
    for sent in [body, body, &body.replace('7', "8")] {
        let mut request = Request::post("/").body(Full::<Bytes>::from(sent.to_owned()))?;
        request.headers_mut().extend(headers.clone());
        println!("responded {}", service.clone().oneshot(request).await?.status());
    }
    Ok(())
}
