//! The last step, and the only file that knows a status code: one table, one body for each kind.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;

use super::{RefusalHook, ResponseBody};
use crate::{
    error::{Refusal, RefusalKind},
    process::Outcome,
    provider::Handshake,
};

/// The response to one kind: its status, and a sentence for operators.
struct Row(StatusCode, &'static str);

fn table(refusal: &Refusal) -> Row {
    use RefusalKind as Kind;
    match refusal.kind() {
        Kind::Method => Row(StatusCode::METHOD_NOT_ALLOWED, "Webhooks are posted."),
        Kind::Encoding => Row(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must come without Content-Encoding: the signature is over the plain bytes.",
        ),
        Kind::TooLarge => Row(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than this endpoint takes.",
        ),
        Kind::TooSlow => Row(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
        Kind::BrokenBody => Row(StatusCode::BAD_REQUEST, "The body broke off before its end."),
        Kind::Overloaded => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many requests are in flight. Send it again later.",
        ),
        Kind::Draining => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "This instance is shutting down. Send it again later.",
        ),
        // One text for every cause: which check failed is what a forger would like to know.
        Kind::Signature => Row(
            StatusCode::UNAUTHORIZED,
            "The signature could not be verified. The receiver's log says why.",
        ),
        Kind::NotAnEvent => Row(StatusCode::BAD_REQUEST, "The body is authentic but not an event."),
        Kind::TooOld => Row(StatusCode::BAD_REQUEST, "The event is older than this endpoint takes."),
        Kind::Conflict => Row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event's id is recorded for another event. The receiver's log says more.",
        ),
        Kind::InFlight => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event is being handled by another instance. Send it again later.",
        ),
        Kind::TooManyWaiting => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event is being handled, and too many copies of it wait. Send it again later.",
        ),
        Kind::StillRunning => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event is being handled, longer than the response may take. Send it again later.",
        ),
        Kind::Store => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event could not be recorded. Send it again later.",
        ),
        Kind::Tenants => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The secrets could not be looked up. Send it again later.",
        ),
        Kind::Backlog => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many events wait to be handled. Send it again later.",
        ),
        Kind::HandlerFailed if refusal.retry_delay().is_some() => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event could not be handled yet. Send it again later.",
        ),
        Kind::HandlerFailed => Row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be handled. Send it again.",
        ),
        Kind::HandlerPanicked => Row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be handled. Send it again.",
        ),
        Kind::ProviderPanicked => Row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be read. Send it again.",
        ),
        Kind::HandlerTimeout => Row(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event took too long to handle. Send it again later.",
        ),
        Kind::InnerResponse => Row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service behind this endpoint gave a response that is not for providers. Send it again.",
        ),
        Kind::InnerRefused => Row(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be handled. Send it again.",
        ),
    }
}

impl Refusal {
    /// The status of the response.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use http::StatusCode;
    /// use http_body_util::Empty;
    /// use tower::ServiceExt as _;
    /// use tower_webhook::{MemoryStore, Refusal, TopicRouter, WebhookLayer, dwolla::Dwolla};
    ///
    /// let service = WebhookLayer::new(Dwolla::new("sshhhhhh").unwrap(), MemoryStore::new())
    ///     .topics(TopicRouter::new());
    /// let unsigned = http::Request::post("/")
    ///     .body(Empty::<bytes::Bytes>::new())
    ///     .unwrap();
    /// let response = service.oneshot(unsigned).await.unwrap();
    ///
    /// let refusal = response.extensions().get::<Refusal>().unwrap();
    /// assert_eq!(
    ///     (refusal.status(), response.status()),
    ///     (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    /// );
    /// # });
    /// # }
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        let inner = self.inner_status().and_then(|status| StatusCode::from_u16(status).ok());
        inner.unwrap_or_else(|| table(self).0)
    }
}

/// Parts of a response besides the outcome.
pub(super) enum ResponseKind {
    Usual,
    Handshake(Handshake),
    /// The response of the HTTP service behind the layer.
    Inner(Response<ResponseBody>),
}

/// Whether what an HTTP service has responded is the response to this outcome. Its handler may have
/// ended one way and its transaction another: a response that was made for a failure is none to a
/// success.
pub(super) fn is_response_to(outcome: &Outcome, response: &Response<ResponseBody>) -> bool {
    match outcome {
        Outcome::Handled => response.status().is_success(),
        Outcome::Refused(refusal) => refusal.inner_status() == Some(response.status().as_u16()),
        _ => false,
    }
}

/// The status of [`respond`], for the log.
pub(super) fn status(outcome: &Outcome, response: Option<&Response<ResponseBody>>) -> u16 {
    let status = match (outcome, response) {
        (Outcome::Refused(refusal), _) => refusal.status(),
        (outcome, Some(response)) if is_response_to(outcome, response) => response.status(),
        _ => StatusCode::OK,
    };
    status.as_u16()
}

/// The response to a request whose event ended like this.
pub(super) fn respond(outcome: Outcome, kind: ResponseKind, hook: Option<&RefusalHook>) -> Response<ResponseBody> {
    let mut response = match (&outcome, kind) {
        (_, ResponseKind::Inner(response)) => response,
        (_, ResponseKind::Handshake(handshake)) => shake(&handshake),
        (Outcome::Refused(refusal), ResponseKind::Usual) => {
            let usual = refuse(refusal);
            let response = match hook {
                Some(hook) => hook.apply(refusal, usual),
                None => usual,
            };
            response.map(ResponseBody::full)
        }
        (_, ResponseKind::Usual) => Response::new(ResponseBody::empty()),
    };
    let extensions = response.extensions_mut();
    if let Outcome::Refused(refusal) = &outcome {
        extensions.insert(refusal.clone());
    }
    extensions.insert(outcome);
    response
}

fn shake(handshake: &Handshake) -> Response<ResponseBody> {
    let body = handshake.body().cloned();
    let mut response = Response::new(body.map_or_else(ResponseBody::empty, ResponseBody::full));
    // A type that no header can have is a mistake of the provider's author: the body counts.
    if let Some(Ok(content_type)) = handshake.content_type().map(HeaderValue::from_str) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    response
}

/// The response to HEAD: the same without its body. Most servers leave it out themselves; hyper's
/// HTTP/2 sends it, against the protocol.
pub(super) fn head_of(response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.map(|_| ResponseBody::empty())
}

fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let status = refusal.status();
    // Only an authentic body gets as far as `NotAnEvent`: its provider may know what is wrong with
    // it.
    let body = if refusal.kind() == RefusalKind::NotAnEvent {
        problem(status, refusal.kind().as_str(), refusal.reason())
    } else {
        usual_problem(refusal)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match refusal.kind() {
        RefusalKind::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        RefusalKind::Encoding => drop(headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
        // RFC 9110 asks for a challenge with each 401.
        RefusalKind::Signature => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Webhook-Signature"))),
        // A status of the inner service's, without its headers.
        RefusalKind::InnerRefused => return response,
        _ => {}
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        retry_after(headers, refusal.retry_delay().unwrap_or(Duration::from_secs(1)));
    }
    response
}

/// Whole seconds, rounded up, at least one: `Retry-After: 0` would mean at once.
fn retry_after(headers: &mut HeaderMap, delay: Duration) {
    let seconds = delay
        .as_secs()
        .saturating_add(u64::from(delay.subsec_nanos() > 0))
        .max(1);
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
}

/// An RFC 9457 problem. `about:blank` is the type, so the title is the status's own.
#[derive(Serialize)]
struct Problem<'a> {
    title: Option<&'a str>,
    status: u16,
    code: &'a str,
    detail: &'a str,
}

/// A kind's problem never changes: it is written once, when it is first needed.
fn usual_problem(refusal: &Refusal) -> Bytes {
    let write = || problem(refusal.status(), refusal.kind().as_str(), table(refusal).1);
    if refusal.kind() == RefusalKind::InnerRefused {
        return write(); // with the inner service's status
    }
    /// Two for each kind: whether it asks for a delay may change its response.
    static WRITTEN: [[OnceLock<Bytes>; 2]; RefusalKind::COUNT] =
        [const { [const { OnceLock::new() }; 2] }; RefusalKind::COUNT];
    let written = WRITTEN
        .get(refusal.kind() as usize)
        .and_then(|kind| kind.get(usize::from(refusal.retry_delay().is_some())));
    written.map_or_else(write, |written| written.get_or_init(write).clone())
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Bytes {
    let problem = Problem {
        title: status.canonical_reason(),
        status: status.as_u16(),
        code,
        detail,
    };
    // Texts and a number: there is nothing to fail.
    serde_json::to_vec(&problem).unwrap_or_default().into()
}

/// The response of an extractor that finds no delivery. The route checks no signature, so the log
/// alone says which types are missing.
#[cfg(feature = "axum")]
pub(crate) fn missing_layer() -> Response<ResponseBody> {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let text = "This route is not behind a WebhookLayer. The receiver's log says more.";
    let mut response = Response::new(ResponseBody::full(problem(status, "missing-layer", text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
