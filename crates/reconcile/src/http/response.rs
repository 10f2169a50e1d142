//! Responses: a bounded body, or an error that says what the provider said.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::{
    Profile,
    retry::{Failed, RetryRule, retry_after},
};
use crate::{Error, ErrorKind, lenient};

/// How much of a provider's text goes into an error.
const MAX_SAID: usize = 300;

/// A response of 2xx.
pub(crate) struct Response {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The URL that it came from, after redirects: relative links start here.
    pub(crate) url: Url,
}

impl Response {
    /// Reads the body as the API documents it.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        lenient::from_slice(&self.body).map_err(|error| unreadable(&self.url, &error))
    }

    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Says where the JSON went wrong. serde's message would quote the body.
pub(crate) fn unreadable(url: &Url, error: &serde_json::Error) -> Error {
    Error::new(
        ErrorKind::Unreadable,
        format!(
            "the response from {} is not what the API documents ({:?} error at line {} column {}); \
             expected its JSON: check the base URL",
            url.path(),
            error.classify(),
            error.line(),
            error.column(),
        ),
    )
}

/// Reads a body of up to `limit` bytes.
pub(super) async fn read_body(response: &mut reqwest::Response, limit: usize) -> Result<Bytes, Failed> {
    let too_large = || Failed {
        error: Error::new(
            ErrorKind::Body,
            format!("the response's body is larger than {limit} bytes; expected a smaller page: lower its limit"),
        ),
        again: RetryRule::Never,
    };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len().saturating_add(chunk.len()) > limit => return Err(too_large()),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body.freeze()),
            Err(error) => {
                return Err(Failed {
                    error: Error::caused_by(
                        ErrorKind::Body,
                        "the response's body broke off; expected all of it",
                        error.without_url(),
                    ),
                    again: RetryRule::IfSafe,
                });
            }
        }
    }
}

/// A response that is not 2xx, on its way to an error.
pub(super) struct Refusal<'a> {
    pub(super) profile: &'a Profile,
    pub(super) method: &'a Method,
    pub(super) url: &'a Url,
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    /// Texts that the error must not repeat.
    pub(super) private: &'a [&'a str],
    /// The request has an idempotency key.
    pub(super) has_key: bool,
    pub(super) now: SystemTime,
}

impl Refusal<'_> {
    pub(super) fn failed(&self) -> Failed {
        let Self {
            profile,
            status,
            headers,
            ..
        } = *self;
        let said = (profile.read_error)(self.body);
        let retry_after = retry_after(headers, self.now);
        let kind = kind_of(status, retry_after);
        let again = match kind {
            _ if headers.get("stripe-should-retry").is_some_and(|value| value == "false") => RetryRule::Never,
            ErrorKind::RateLimited => RetryRule::Always,
            ErrorKind::Server if status != StatusCode::NOT_IMPLEMENTED => RetryRule::IfSafe,
            // An earlier attempt under the same key is still being carried out.
            _ if status == StatusCode::CONFLICT && self.has_key => RetryRule::IfSafe,
            _ if status == StatusCode::REQUEST_TIMEOUT => RetryRule::IfSafe,
            _ => RetryRule::Never,
        };
        let code = said.code.map(|code| self.quotable(&code));
        let request_id = headers
            .get(profile.request_id)
            .and_then(|id| id.to_str().ok())
            .map(|id| self.quotable(id));
        let message = self.message(kind, code.as_deref(), said.message.as_deref(), retry_after);
        Failed {
            error: Error::of_response(kind, message, status, code, request_id, retry_after),
            again,
        }
    }

    fn message(
        &self,
        kind: ErrorKind,
        code: Option<&str>,
        said: Option<&str>,
        retry_after: Option<Duration>,
    ) -> String {
        let Self {
            profile,
            method,
            url,
            status,
            ..
        } = self;
        let mut message = format!("{} responded {status} to {method} {}", profile.name, url.path());
        if let Some(code) = code {
            message.push_str(&format!(" (code {code})"));
        }
        if let Some(said) = said {
            message.push_str(&format!(": {:?}", self.quotable(said)));
        }
        message.push_str("; expected a success");
        match kind {
            ErrorKind::Unauthorized => {
                message.push_str(": check the credentials, and that the base URL is of the environment they belong to")
            }
            ErrorKind::Forbidden => message.push_str(": check what the credentials may do"),
            ErrorKind::NotFound => message.push_str(": check the id, and that the credentials show it"),
            ErrorKind::RateLimited => match retry_after {
                Some(wait) => message.push_str(&format!(": try again in {}s", wait.as_secs())),
                None => message.push_str(": try again later"),
            },
            _ => {}
        }
        message
    }

    /// A provider's text for an error: short, on one line, without what is private.
    fn quotable(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for private in self.private.iter().filter(|private| !private.is_empty()) {
            text = text.replace(*private, "[..]");
        }
        let is_long = text.chars().nth(MAX_SAID).is_some();
        let mut short: String = text.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect();
        if is_long {
            short.push('…');
        }
        short
    }
}

fn kind_of(status: StatusCode, retry_after: Option<Duration>) -> ErrorKind {
    match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        // GitHub's limits are a 403 that says when to come back.
        StatusCode::FORBIDDEN if retry_after.is_some() => ErrorKind::RateLimited,
        StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        _ if status.is_server_error() => ErrorKind::Server,
        _ if status.is_client_error() => ErrorKind::Refused,
        _ => ErrorKind::Unreadable,
    }
}
