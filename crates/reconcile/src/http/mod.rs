//! One HTTP client for all APIs: to one host only, bounded, with retries.

mod base;
mod call;
mod client;
mod options;
mod response;
mod retry;
mod token;

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::{Either, select};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION, USER_AGENT},
};
use url::Url;

pub(crate) use base::Base;
pub(crate) use call::Call;
pub use options::{Options, Retries};
pub(crate) use response::{Response, unreadable};
pub use token::AccessToken;
pub(crate) use token::TokenSource;

use crate::{Error, ErrorKind, Timer, secret::Secret};
use response::{Refusal, read_body};
use retry::{Failed, RetryRule};

/// How many redirects within the host are followed. GitHub sends one for a renamed repository.
const MAX_REDIRECTS: usize = 3;

/// The differences between one API and another.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    pub(crate) accept: &'static str,
    pub(crate) version: Option<(HeaderName, HeaderValue)>,
    /// The response's header that holds the id of the request.
    pub(crate) request_id: &'static str,
    /// How long to wait after a 429 that names no time.
    pub(crate) rate_pause: Duration,
    pub(crate) read_error: fn(&[u8]) -> ErrorWords,
}

/// A provider's own words about an error.
#[derive(Default)]
pub(crate) struct ErrorWords {
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
}

/// The API of one provider, with the credentials for it.
pub(crate) struct Api {
    transport: Arc<Transport>,
    auth: Auth,
}

pub(crate) enum Auth {
    Fixed(Secret),
    Renewed(TokenSource),
}

impl Api {
    pub(crate) fn new(transport: Arc<Transport>, auth: Auth) -> Self {
        Self { transport, auth }
    }

    pub(crate) fn base(&self) -> &Base {
        &self.transport.base
    }

    pub(crate) fn max_pages(&self) -> usize {
        self.transport.max_pages
    }

    /// The host's time, by its last response.
    pub(crate) fn provider_time(&self) -> Option<SystemTime> {
        *self.transport.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request with the token; a token that the API does not know any more is replaced
    /// once.
    pub(crate) async fn send(&self, call: Call) -> Result<Response, Error> {
        let source = match &self.auth {
            Auth::Fixed(token) => return self.transport.send(&call, &Authorization::bearer(token)?).await,
            Auth::Renewed(source) => source,
        };
        let token = source.get().await?;
        match self
            .transport
            .send(&call, &Authorization::bearer(token.secret())?)
            .await
        {
            Err(error) if error.kind() == ErrorKind::Unauthorized => {
                source.refuse(&token).await;
                let token = source.get().await?;
                self.transport
                    .send(&call, &Authorization::bearer(token.secret())?)
                    .await
            }
            done => done,
        }
    }
}

/// The value of the header, and what of it an error must not repeat.
pub(crate) struct Authorization {
    value: HeaderValue,
    private: Secret,
}

impl Authorization {
    fn bearer(token: &Secret) -> Result<Self, Error> {
        Self::new(format!("Bearer {}", token.expose()), token)
    }

    pub(crate) fn basic(user: &str, password: &Secret) -> Result<Self, Error> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let text = STANDARD.encode(format!("{user}:{}", password.expose()));
        Self::new(format!("Basic {text}"), password)
    }

    fn new(text: String, private: &Secret) -> Result<Self, Error> {
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            Error::new(
                ErrorKind::Config,
                "the token holds a character that no header can; expected it as the provider gave it",
            )
        })?;
        value.set_sensitive(true);
        Ok(Self {
            value,
            private: private.clone(),
        })
    }
}

/// Sends requests to one host.
pub(crate) struct Transport {
    client: reqwest::Client,
    base: Base,
    profile: Profile,
    timeout: Duration,
    retries: Retries,
    max_response_bytes: usize,
    max_pages: usize,
    timer: Arc<dyn Timer>,
    /// The time that the last response told.
    told: Mutex<Option<SystemTime>>,
}

impl Transport {
    pub(crate) fn new(profile: Profile, base: &str, options: Options) -> Result<Self, Error> {
        let base = Base::parse(base, options.allow_plain_http)?;
        Ok(Self {
            client: client::build(options.http, &base)?,
            base,
            profile,
            timeout: options.timeout,
            retries: options.retries,
            max_response_bytes: options.max_response_bytes,
            max_pages: options.max_pages,
            timer: options.timer,
            told: Mutex::default(),
        })
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn timer(&self) -> Arc<dyn Timer> {
        Arc::clone(&self.timer)
    }

    /// Sends a request until it succeeds, fails for good, or has been tried often enough.
    pub(crate) async fn send(&self, call: &Call, authorization: &Authorization) -> Result<Response, Error> {
        let mut waits = self.retries.schedule();
        loop {
            let failed = match self.bounded(call, authorization).await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let may_repeat = match failed.again {
                RetryRule::Never => false,
                RetryRule::IfSafe => call.safe,
                RetryRule::Always => true,
            };
            let planned = waits.next().filter(|_| may_repeat);
            let wait = planned.and_then(|wait| self.retries.wait(&failed, wait, self.profile.rate_pause));
            let Some(wait) = wait else {
                return Err(failed.error);
            };
            tracing::warn!(
                target: "tower_webhook_reconcile",
                api = self.profile.name,
                error = %failed.error,
                wait_ms = wait.as_millis(),
                "an API call failed and is tried again",
            );
            self.timer.sleep(wait).await;
        }
    }

    async fn bounded(&self, call: &Call, authorization: &Authorization) -> Result<Response, Failed> {
        match select(
            pin!(self.attempt(call, authorization)),
            self.timer.timeout(self.timeout),
        )
        .await
        {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(Failed {
                error: Error::new(
                    ErrorKind::Timeout,
                    format!(
                        "{} did not respond in {:?}; expected a response",
                        self.profile.name, self.timeout
                    ),
                ),
                again: RetryRule::IfSafe,
            }),
        }
    }

    /// Sends once, and follows redirects within the host.
    async fn attempt(&self, call: &Call, authorization: &Authorization) -> Result<Response, Failed> {
        let mut url = call.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut response = self
                .request(call, &url, authorization)
                .send()
                .await
                .map_err(|error| self.unsent(error))?;
            let status = response.status();
            let headers = std::mem::take(response.headers_mut());
            if let Some(time) = date(&headers) {
                *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
            }
            if status.is_success() {
                let body = read_body(&mut response, self.max_response_bytes).await?;
                return Ok(Response { headers, body, url });
            }
            if let Some(location) = redirect(&call.method, status, &headers) {
                url = self.base.follow(&url, location).map_err(|error| Failed {
                    error,
                    again: RetryRule::Never,
                })?;
                continue;
            }
            // The status says enough where the body cannot be read.
            let body = read_body(&mut response, self.max_response_bytes)
                .await
                .unwrap_or_default();
            let private = [
                authorization.private.expose(),
                call.private.as_ref().map_or("", Secret::expose),
            ];
            let refusal = Refusal {
                profile: &self.profile,
                method: &call.method,
                url: &url,
                status,
                headers: &headers,
                body: &body,
                private: &private,
                has_key: call.idempotency_key.is_some(),
                now: self.timer.now(),
            };
            return Err(refusal.failed());
        }
        Err(Failed {
            error: Error::new(
                ErrorKind::Unreadable,
                format!(
                    "{} redirected more than {MAX_REDIRECTS} times; expected a response",
                    self.profile.name
                ),
            ),
            again: RetryRule::Never,
        })
    }

    fn request(&self, call: &Call, url: &Url, authorization: &Authorization) -> reqwest::RequestBuilder {
        let mut request = self
            .client
            .request(call.method.clone(), url.clone())
            .header(AUTHORIZATION, authorization.value.clone())
            .header(ACCEPT, call.accept.unwrap_or(self.profile.accept))
            .header(
                USER_AGENT,
                concat!("tower-webhook-reconcile/", env!("CARGO_PKG_VERSION")),
            );
        if let Some((name, value)) = &self.profile.version {
            request = request.header(name, value);
        }
        if let Some((name, value)) = &call.header {
            request = request.header(name, value);
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        match &call.content {
            Some((content_type, body)) => request.header(CONTENT_TYPE, content_type).body(body.clone()),
            None => request,
        }
    }

    fn unsent(&self, error: reqwest::Error) -> Failed {
        let name = self.profile.name;
        let (again, what) = if error.is_connect() {
            (
                RetryRule::Always,
                "cannot be connected to; expected its host to accept: check the base URL",
            )
        } else {
            (
                RetryRule::IfSafe,
                "ended the connection without a response; expected a response",
            )
        };
        Failed {
            error: Error::caused_by(ErrorKind::Connect, format!("{name} {what}"), error.without_url()),
            again,
        }
    }
}

/// When the response was made, by the host's clock.
fn date(headers: &HeaderMap) -> Option<SystemTime> {
    let text = headers.get(DATE)?.to_str().ok()?;
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().into())
}

/// The target of a redirect, if the request may go there with its method and body.
fn redirect<'a>(method: &Method, status: StatusCode, headers: &'a HeaderMap) -> Option<&'a str> {
    let may_follow = match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        // Clients disagree about the method of these, unless it is GET.
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => method == Method::GET,
        _ => false,
    };
    if !may_follow {
        return None;
    }
    headers.get(LOCATION)?.to_str().ok()
}

/// 128 random bits. The standard library seeds its hash maps from the operating system.
fn random_key() -> String {
    use std::{collections::hash_map::RandomState, hash::BuildHasher as _};
    let half = || RandomState::new().hash_one(SystemTime::now());
    format!("{:016x}{:016x}", half(), half())
}
