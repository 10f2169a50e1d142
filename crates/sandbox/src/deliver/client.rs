//! One request to a receiver.

use std::{
    error::Error as _,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use http_body::{Body, Frame, SizeHint};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::{Exchange, Failure, Outgoing};
use crate::{Error, ErrorKind, chaos::HangUp};

/// How much of a response's body is read.
const BODY_LIMIT: usize = 64 * 1024;

/// How long chaos waits for a response before it hangs up.
const HANG_UP_AFTER: Duration = Duration::from_millis(5);

/// A receiver's response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Empty if the provider keeps none.
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    timeout: Duration,
}

impl Client {
    /// `timeout`: how long a receiver has for its response.
    pub(crate) fn new(timeout: Duration) -> Result<Self, Error> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::caused_by(
                ErrorKind::Client,
                "the HTTP client that delivers cannot be built",
                error,
            )
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.into()))?;
        // A container without root certificates can still deliver to `http://`.
        let tls = match tls.clone().with_platform_verifier() {
            Ok(tls) => tls.with_no_client_auth(),
            Err(_) => tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        };
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // A receiver is on this machine, or where its URL says.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .http1_title_case_headers()
            .build()
            .map_err(|error| failed(error.into()))?;
        Ok(Self { http, timeout })
    }

    /// Sends and waits for the response's headers; its body counts only if it is kept.
    pub(super) async fn exchange(
        &self,
        sent: Outgoing,
        sent_at: SystemTime,
        hang_up: Option<HangUp>,
        keeps_body: bool,
    ) -> Exchange {
        let began = Instant::now();
        let timeout = match hang_up {
            Some(HangUp::BeforeResponse) => HANG_UP_AFTER.min(self.timeout),
            _ => self.timeout,
        };
        let response = tokio::time::timeout(timeout, self.send(&sent, hang_up, keeps_body)).await;
        let outcome = match (response, hang_up) {
            (_, Some(_)) => Err(Failure::HungUp),
            (Ok(outcome), None) => outcome,
            (Err(_), None) => Err(Failure::Timeout),
        };
        Exchange {
            sent,
            sent_at,
            took: began.elapsed(),
            outcome,
        }
    }

    async fn send(&self, sent: &Outgoing, hang_up: Option<HangUp>, keeps_body: bool) -> Result<Response, Failure> {
        let mut request = self.http.request(Method::POST, &sent.url);
        for (name, value) in &sent.headers {
            // Topics and ids were checked when they came in.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                request = request.header(name, value);
            }
        }
        let request = match hang_up {
            Some(HangUp::WithinBody) => request.body(reqwest::Body::wrap(HalfABody::of(&sent.body))),
            _ => request.body(sent.body.clone()),
        };
        let mut response = request.send().await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let headers = response.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        let headers = headers.collect();
        let mut body = Vec::new();
        while keeps_body && body.len() < BODY_LIMIT {
            // What breaks off is kept as far as it came: the status counts.
            let Ok(Some(chunk)) = response.chunk().await else { break };
            body.extend(chunk.iter().take(BODY_LIMIT - body.len()));
        }
        Ok(Response {
            status,
            headers,
            body: body.into(),
        })
    }
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::Timeout;
    }
    if error.is_connect() {
        return Failure::Connect;
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    Failure::Broken(text)
}

/// A body that announces its length and breaks off half-way.
struct HalfABody {
    half: Option<Bytes>,
    length: u64,
}

impl HalfABody {
    fn of(body: &Bytes) -> Self {
        Self {
            half: Some(body.slice(..body.len() / 2)),
            length: body.len() as u64,
        }
    }
}

impl Body for HalfABody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(match self.half.take() {
            Some(half) => Ok(Frame::data(half)),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
