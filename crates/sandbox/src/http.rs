//! Requests to the APIs, read once, and the responses' common parts.

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    response::Response,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE},
};
use serde::{Deserialize, Serialize};

use crate::object::Object;

/// GitHub's payloads have up to 25 MiB.
const BODY_LIMIT: usize = 32 * 1024 * 1024;

/// A request with its path in segments and its body in memory.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Incoming {
    /// `Err`: the body broke off, or is larger than any API takes.
    pub(crate) async fn read(request: Request) -> Result<Self, axum::Error> {
        let (parts, body) = request.into_parts();
        let segments = parts.uri.path().split('/').filter(|segment| !segment.is_empty());
        Ok(Self {
            method: parts.method,
            path: segments.map(percent_decoded).collect(),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            headers: parts.headers,
            body: to_bytes(body, BODY_LIMIT).await?,
        })
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.credentials("bearer")
    }

    /// The user and password of `Authorization: Basic`.
    pub(crate) fn basic(&self) -> Option<(String, String)> {
        let bytes = BASE64_STANDARD.decode(self.credentials("basic")?).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    pub(crate) fn credentials(&self, scheme: &str) -> Option<&str> {
        let (name, value) = self.header(&AUTHORIZATION)?.trim().split_once(' ')?;
        let value = value.trim();
        (name.eq_ignore_ascii_case(scheme) && !value.is_empty()).then_some(value)
    }

    /// Whether `Accept` names a media type; `*/*` does not name one.
    pub(crate) fn accepts(&self, media_type: &str) -> bool {
        let ranges = self.headers.get_all(ACCEPT);
        ranges
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|range| essence(range).eq_ignore_ascii_case(media_type))
    }

    /// The body's media type, without parameters.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.header(&CONTENT_TYPE).map(essence)
    }

    /// The fields of a JSON object.
    pub(crate) fn object<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.body).map(|Object(fields)| fields)
    }

    /// The fields of a form.
    pub(crate) fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    let pairs = form_urlencoded::parse(text);
    pairs
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

pub(crate) fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str())
}

/// A segment of a path, in which `+` is a plus sign, other than in a form.
fn percent_decoded(segment: &str) -> String {
    let segment = segment.replace('+', "%2B");
    let name = form_urlencoded::parse(segment.as_bytes()).next();
    name.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

pub(crate) fn json(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap_or_default();
    with_body(status, media_type, body.into())
}

pub(crate) fn with_body(status: StatusCode, media_type: &'static str, body: Bytes) -> Response {
    let mut response = empty(status);
    *response.body_mut() = Body::from(body);
    with_header(response, CONTENT_TYPE, media_type)
}

pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// A value that no header can hold is left out.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

pub(crate) fn with_allow(response: Response, methods: &[Method]) -> Response {
    let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
    with_header(response, ALLOW, &methods.join(", "))
}

/// Whether deliveries can be sent to this URL.
pub(crate) fn is_endpoint(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// Whether a text can be a header's value, as topics and ids are: printable ASCII, not too long.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
