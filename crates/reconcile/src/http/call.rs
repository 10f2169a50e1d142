//! A call to a provider's API.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use super::random_key;
use crate::secret::Secret;

/// One request, which may be sent several times.
pub(crate) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) content: Option<(HeaderValue, Bytes)>,
    /// Another media type than the API's own.
    pub(super) accept: Option<&'static str>,
    pub(super) header: Option<(HeaderName, HeaderValue)>,
    pub(super) idempotency_key: Option<HeaderValue>,
    /// A second time changes nothing.
    pub(super) safe: bool,
    /// A text that no error may repeat.
    pub(super) private: Option<Secret>,
}

impl Call {
    pub(crate) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            content: None,
            accept: None,
            header: None,
            idempotency_key: None,
            safe: true,
            private: None,
        }
    }

    /// A second `DELETE` finds nothing, which the caller hears of as `NotFound`.
    pub(crate) fn delete(url: Url) -> Self {
        Self {
            method: Method::DELETE,
            ..Self::get(url)
        }
    }

    /// A request that is carried out as often as it is sent.
    pub(crate) fn post(url: Url) -> Self {
        Self {
            method: Method::POST,
            safe: false,
            ..Self::get(url)
        }
    }

    pub(crate) fn content(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.content = Some((HeaderValue::from_static(content_type), body.into()));
        self
    }

    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = Some(media_type);
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Named by a key, so that the provider carries it out once.
    pub(crate) fn once(mut self) -> Self {
        self.idempotency_key = HeaderValue::from_str(&random_key()).ok();
        self.safe = self.idempotency_key.is_some();
        self
    }

    /// Carried out twice, it leaves what once would leave.
    pub(crate) fn repeatable(mut self) -> Self {
        self.safe = true;
        self
    }

    pub(crate) fn private(mut self, secret: Secret) -> Self {
        self.private = Some(secret);
        self
    }
}
