//! Step 7. The only file that knows a status code: one table, one body for each kind.

use std::{sync::OnceLock, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ACCEPT_ENCODING, ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;

use super::{Outcome, ResponseBody};
use crate::error::{Refusal, RefusalKind};

/// The answer of one kind: its status, and a sentence for operators.
struct Answer(StatusCode, &'static str);

fn answer(rejection: &Refusal) -> Answer {
    use RefusalKind as Kind;
    match rejection.kind() {
        Kind::Method => Answer(StatusCode::METHOD_NOT_ALLOWED, "Webhooks are posted."),
        Kind::Encoding => Answer(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "The body must come without Content-Encoding: the signature is over the plain bytes.",
        ),
        Kind::TooLarge => Answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is larger than this endpoint takes.",
        ),
        Kind::TooSlow => Answer(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time."),
        Kind::BrokenBody => Answer(StatusCode::BAD_REQUEST, "The body broke off before its end."),
        Kind::Overloaded => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many requests are in flight. Send it again later.",
        ),
        Kind::Draining => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "This instance is shutting down. Send it again later.",
        ),
        // One text for every cause: which check failed is what a forger would like to know.
        Kind::Signature => Answer(
            StatusCode::UNAUTHORIZED,
            "The signature could not be verified. The receiver's log says why.",
        ),
        Kind::NotAnEvent => Answer(StatusCode::BAD_REQUEST, "The body is authentic but not an event."),
        Kind::TooOld => Answer(StatusCode::BAD_REQUEST, "The event is older than this endpoint takes."),
        Kind::Conflict => Answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event's id is recorded for another event. The receiver's log says more.",
        ),
        Kind::InFlight => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event is being handled by another instance. Send it again later.",
        ),
        Kind::Waiting => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event is being handled, and too many copies of it wait. Send it again later.",
        ),
        Kind::StillRunning => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event is being handled, longer than the answer may take. Send it again later.",
        ),
        Kind::Store => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event could not be recorded. Send it again later.",
        ),
        Kind::HandlerFailed if rejection.retry_delay().is_some() => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event could not be handled yet. Send it again later.",
        ),
        Kind::HandlerFailed => Answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be handled. Send it again.",
        ),
        Kind::HandlerPanicked => Answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be handled. Send it again.",
        ),
        Kind::HandlerTimeout => Answer(
            StatusCode::SERVICE_UNAVAILABLE,
            "The event took too long to handle. Send it again later.",
        ),
        Kind::InnerResponse => Answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The service behind this endpoint answered in a way that is not for providers. Send it again.",
        ),
        Kind::InnerRefused => Answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The event could not be handled. Send it again.",
        ),
    }
}

/// The status of [`respond`], for the log.
pub(super) fn status(outcome: &Outcome, response: Option<&Response<ResponseBody>>) -> u16 {
    match (outcome, response) {
        (Outcome::Handled | Outcome::InnerRefused(_), Some(response)) => response.status().as_u16(),
        (Outcome::InnerRefused(status), None) => *status,
        (Outcome::Refused(rejection), _) => answer(rejection).0.as_u16(),
        (Outcome::Handled, None)
        | (
            Outcome::Duplicate(_)
            | Outcome::OtherFacts
            | Outcome::Rejected(_)
            | Outcome::Unhandled
            | Outcome::Handshake(_),
            _,
        ) => StatusCode::OK.as_u16(),
    }
}

/// The answer to a delivery.
pub(super) fn respond(outcome: Outcome, response: Option<Response<ResponseBody>>) -> Response<ResponseBody> {
    match outcome {
        Outcome::Handled => response.unwrap_or_else(|| Response::new(ResponseBody::empty())),
        Outcome::Duplicate(_) | Outcome::OtherFacts | Outcome::Rejected(_) | Outcome::Unhandled => {
            Response::new(ResponseBody::empty())
        }
        Outcome::Handshake(handshake) => {
            let mut response = Response::new(
                handshake
                    .body()
                    .cloned()
                    .map_or_else(ResponseBody::empty, ResponseBody::full),
            );
            if let Some(content_type) = handshake.content_type() {
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            response
        }
        Outcome::InnerRefused(status) => match response {
            Some(response) => response,
            // A delivery that waited for the refused one: the same status, without its body.
            None => {
                let rejection = Refusal::new(
                    RefusalKind::InnerRefused,
                    format!("the HTTP service answered {status} to another delivery of the event"),
                );
                let mut response = refuse(rejection, None);
                if let Ok(status) = StatusCode::from_u16(status) {
                    *response.status_mut() = status;
                }
                response
            }
        },
        Outcome::Refused(rejection) => {
            // Only an authentic body gets this far: its provider may know what is wrong with it.
            let detail = (rejection.kind() == RefusalKind::NotAnEvent).then(|| rejection.reason().to_owned());
            refuse(rejection, detail)
        }
    }
}

/// The answer to HEAD: the same without its body. Most servers leave it out themselves; hyper's HTTP/2 sends it, against the protocol.
pub(super) fn head_of(response: Response<ResponseBody>) -> Response<ResponseBody> {
    response.map(|_| ResponseBody::empty())
}

fn refuse(rejection: Refusal, detail: Option<String>) -> Response<ResponseBody> {
    let answer = answer(&rejection);
    let Answer(status, _) = answer;
    let body = match detail {
        Some(detail) => problem(status, rejection.kind().as_str(), &detail),
        None => usual_problem(&rejection, answer),
    };
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    match rejection.kind() {
        RefusalKind::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        RefusalKind::Encoding => drop(headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"))),
        // RFC 9110 asks for a challenge with each 401.
        RefusalKind::Signature => drop(headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Webhook-Signature"))),
        _ => {}
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        retry_after(headers, rejection.retry_delay().unwrap_or(Duration::from_secs(1)));
    }
    response.extensions_mut().insert(rejection);
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
fn usual_problem(rejection: &Refusal, Answer(status, text): Answer) -> Bytes {
    /// Two for each kind: whether it asks for a delay may change its answer.
    static WRITTEN: [[OnceLock<Bytes>; 2]; RefusalKind::COUNT] =
        [const { [const { OnceLock::new() }; 2] }; RefusalKind::COUNT];
    let write = || problem(status, rejection.kind().as_str(), text);
    let written = WRITTEN
        .get(rejection.kind() as usize)
        .and_then(|kind| kind.get(usize::from(rejection.retry_delay().is_some())));
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

/// What an extractor answers that finds no delivery. The route checks no signature, so the log alone says which types are missing.
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
