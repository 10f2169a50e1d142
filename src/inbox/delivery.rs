use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::HeaderMap;

use super::headers;
use crate::{
    event::{Fingerprint, SelfIdentified, Tenant},
    store::Key,
};

/// A delivery as an inbox keeps it.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use tower_webhook::inbox::StoredDelivery;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-github-event", HeaderValue::from_static("push"));
/// let delivery = StoredDelivery::new("push", headers, &b"{}"[..]);
/// assert_eq!(delivery.headers_text(), b"x-github-event: push\n");
///
/// let read = StoredDelivery::from_text("push", None, b"x-github-event: push\n", &b"{}"[..]);
/// assert_eq!(read, delivery);
/// // neither body nor headers are shown
/// assert_eq!(
///     format!("{read:?}"),
///     "StoredDelivery { topic: \"push\", secret_index: None, bytes: 2, .. }"
/// );
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredDelivery {
    /// The event's topic; empty where it has none.
    pub topic: String,
    /// Which of the secrets signed the request; `None` where nothing was verified.
    pub secret_index: Option<usize>,
    /// The request's headers, without signatures and credentials.
    pub headers: HeaderMap,
    /// The body as the provider signed it.
    pub body: Bytes,
}

impl StoredDelivery {
    /// A delivery whose signature nobody has verified.
    #[must_use]
    pub fn new(topic: impl Into<String>, headers: HeaderMap, body: impl Into<Bytes>) -> Self {
        Self {
            topic: topic.into(),
            secret_index: None,
            headers,
            body: body.into(),
        }
    }

    /// Sets which secret it was signed with.
    #[must_use]
    pub fn with_secret_index(mut self, index: Option<usize>) -> Self {
        self.secret_index = index;
        self
    }

    /// The headers as a store keeps them: a line for each, `name: value`.
    #[must_use]
    pub fn headers_text(&self) -> Vec<u8> {
        headers::to_text(&self.headers)
    }

    /// A delivery from what a store kept. A line that is no header is left out.
    #[must_use]
    pub fn from_text(
        topic: impl Into<String>,
        secret_index: Option<usize>,
        headers_text: &[u8],
        body: impl Into<Bytes>,
    ) -> Self {
        Self::new(topic, headers::from_text(headers_text), body).with_secret_index(secret_index)
    }
}

/// Topic and size. The body and the headers stay out of logs.
impl fmt::Debug for StoredDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredDelivery")
            .field("topic", &self.topic)
            .field("secret_index", &self.secret_index)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A delivery to be stored, and the key of its event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deposit {
    /// Which event.
    pub key: Key,
    /// The facts that make it the same event.
    pub fingerprint: Fingerprint,
    /// The delivery.
    pub delivery: StoredDelivery,
}

impl Deposit {
    /// A deposit of this delivery, under this key.
    #[must_use]
    pub fn new(key: Key, fingerprint: Fingerprint, delivery: StoredDelivery) -> Self {
        Self {
            key,
            fingerprint,
            delivery,
        }
    }

    /// Makes it this tenant's, where the layer has [tenants](crate::provider::tenant): it gets the
    /// key that the tenant's deliveries have.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &Tenant) -> Self {
        self.key = Key::new(self.key.namespace(), tenant.id_of(self.key.id()));
        self
    }

    /// A deposit of an event that was fetched from the provider's API, under the key and the
    /// fingerprint of its delivery, so that a webhook of it is a copy. `body` is what
    /// [`Provider::event`](crate::provider::Provider::event) reads. `None` where the event has no
    /// id or no fingerprint, which [`SelfIdentified`] rules out.
    ///
    /// ```
    /// use tower_webhook::{dwolla, inbox::Deposit};
    ///
    /// let body =
    ///     br#"{"id":"bb6531a2","topic":"customer_created","created":"2019-02-04T14:58:45.144Z"}"#;
    /// let event = dwolla::Event::from_json(body)?;
    /// let deposit = Deposit::fetched("dwolla", &event, &body[..]).ok_or("no id")?;
    /// assert_eq!(deposit.delivery.topic, "customer_created");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fetched<E: SelfIdentified>(
        namespace: impl Into<Arc<str>>,
        event: &E,
        body: impl Into<Bytes>,
    ) -> Option<Self> {
        let key = Key::new(namespace, event.id()?.clone());
        let delivery = StoredDelivery::new(event.topic(), HeaderMap::new(), body);
        Some(Self::new(key, event.fingerprint()?, delivery))
    }
}
