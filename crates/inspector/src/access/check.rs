//! The checks that every request goes through, and the headers of every response.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, RETRY_AFTER, SET_COOKIE,
        WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
    request::Parts,
};

use super::{AccessState, Allowed, Session, loopback, origin};
use crate::{inspector::Shared, pages};

/// Nothing but this page's own style, script, forms and events.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every response. A referrer goes to this page alone; with none at all, browsers leave
/// `Origin` out of its own forms, too.
const HEADERS: [(HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum Denied {
    /// This is not for them.
    Forbidden(&'static str),
    /// They have not shown the token.
    Unauthenticated,
    /// Too many wrong tokens, for so long.
    TooManyAttempts(Duration),
}

/// Lets a request in with its session, or refuses it.
pub(crate) async fn check(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path();
    let page = path.strip_prefix('/').unwrap_or(path).to_owned();
    let mut response = match admitted(&shared, &parts, &page) {
        Ok(session) => {
            let cookie = session
                .is_new()
                .then(|| session.cookie(&parts.headers, &shared.access.key, !loopback::is_local(&parts)));
            parts.extensions.insert(session);
            let mut response = next.run(Request::from_parts(parts, body)).await;
            let is_page = is_html(&response);
            if let Some(cookie) = cookie
                && is_page
                && !response.headers().contains_key(SET_COOKIE)
                && let Ok(cookie) = HeaderValue::from_str(&cookie)
            {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            response
        }
        Err(denied) => refuse(&shared, &parts, &page, &denied),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_html(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|content_type| content_type.as_bytes().starts_with(b"text/html"))
}

/// The request's session, if it may go on.
fn admitted(shared: &Shared, parts: &Parts, page: &str) -> Result<Session, Denied> {
    let access = &shared.access;
    let now = shared.clock.now();
    let new = || Session::new(false, now).ok_or(Denied::Forbidden("there are no random numbers"));
    let known = Session::of(&parts.headers, &access.key, now);
    let session = match &access.kind {
        Allowed::Loopback => {
            loopback::check(parts).map_err(Denied::Forbidden)?;
            known.map_or_else(new, Ok)?
        }
        Allowed::Application(is_allowed) => {
            if !is_allowed(parts) {
                return Err(Denied::Forbidden("the application does not let this request in"));
            }
            known.map_or_else(new, Ok)?
        }
        Allowed::Token(_) => match bearer(&parts.headers) {
            Some(token) => {
                if !access.is_token(token, address(parts), now)? {
                    return Err(Denied::Unauthenticated);
                }
                Session::bearer()
            }
            None => {
                // What is open holds nothing of the application's.
                let is_open = matches!(page, "" | "login" | "style.css" | "live.js");
                match known {
                    Some(session) if session.is_operator() || is_open => session,
                    None if is_open => new()?,
                    _ => return Err(Denied::Unauthenticated),
                }
            }
        },
    };
    let only_reads = matches!(parts.method, Method::GET | Method::HEAD);
    if !only_reads && !origin::is_own(parts) {
        return Err(Denied::Forbidden("another site has sent this form"));
    }
    Ok(session)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The peer of a request, if the server has said it.
pub(crate) fn address(parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(peer)| peer.ip())
}

fn refuse(shared: &Shared, parts: &Parts, page: &str, denied: &Denied) -> Response {
    // Strangers can cause it at will.
    tracing::debug!(page, ?denied, "a request for the inspector was refused");
    match denied {
        // The page says what was asked for, so that the form leads there.
        Denied::Unauthenticated if parts.method == Method::GET && pages::is_page(page) => {
            pages::login::unauthenticated(shared, parts, page)
        }
        _ => denied.response(),
    }
}

impl Denied {
    pub(crate) fn response(&self) -> Response {
        match self {
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, format!("refused: {why}\n")).into_response(),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
                "refused: expected the token, by the page `login` or as `Authorization: Bearer`\n",
            )
                .into_response(),
            Self::TooManyAttempts(wait) => (
                StatusCode::TOO_MANY_REQUESTS,
                [(RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)))],
                format!(
                    "refused: too many wrong tokens; try again in {} s\n",
                    wait.as_secs().saturating_add(1)
                ),
            )
                .into_response(),
        }
    }
}

impl AccessState {
    /// A visitor's session beside a refusal, for the form that is shown with it.
    pub(crate) fn visitor(&self, parts: &Parts, now: std::time::SystemTime) -> Option<(Session, Option<String>)> {
        if let Some(session) = Session::of(&parts.headers, &self.key, now) {
            return Some((session, None));
        }
        let session = Session::new(false, now)?;
        let cookie = session.cookie(&parts.headers, &self.key, !loopback::is_local(parts));
        Some((session, Some(cookie)))
    }
}
