use std::{fmt, time::Duration};

use tower_webhook::{Provider, inbox::AnyInbox, provider::DeliveryPolicy, signature::Explain, store::AnyStore};

const DAY: Duration = Duration::from_secs(24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

/// One endpoint of the application, as its layer is configured.
///
/// ```
/// use tower_webhook::{inbox::AnyInbox, signature::{Explain, Secrets}, stripe::{self, Stripe}};
/// use tower_webhook::testing::MemoryInbox;
/// use tower_webhook_inspector::Endpoint;
///
/// let secrets = Secrets::several(["the new secret", "the old secret"])?;
/// let endpoint = Endpoint::of(&Stripe::new(secrets.clone())?)
///     .namespace("stripe-eu") // where the layer has one
///     .secrets(2)
///     .inbox(AnyInbox::new(MemoryInbox::new()))
///     .explain(Explain::new(&stripe::scheme(), &secrets));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Endpoint {
    provider: String,
    namespace: Option<String>,
    pub(crate) policy: Option<DeliveryPolicy>,
    pub(crate) secrets: Option<usize>,
    pub(crate) failure_limit: Option<FailureLimit>,
    pub(crate) store: Option<AnyStore>,
    pub(crate) inbox: Option<AnyInbox>,
    pub(crate) explain: Option<Explain>,
}

impl Endpoint {
    /// An endpoint of the provider with this name. Its namespace is the same, and its failure limit
    /// what the provider [documents](FailureLimit::documented).
    pub fn new(provider: impl Into<String>) -> Self {
        let provider = provider.into();
        Self {
            failure_limit: FailureLimit::documented(&provider),
            provider,
            namespace: None,
            policy: None,
            secrets: None,
            store: None,
            inbox: None,
            explain: None,
        }
    }

    /// An endpoint of this provider, with its delivery policy.
    pub fn of<P: Provider>(provider: &P) -> Self {
        Self {
            policy: Some(provider.policy()),
            ..Self::new(provider.name())
        }
    }

    /// The layer's namespace, where it is not the provider's name.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// How many secrets the layer has.
    pub fn secrets(mut self, count: usize) -> Self {
        self.secrets = Some(count);
        self
    }

    /// When the provider gives the endpoint up.
    pub fn failure_limit(mut self, limit: FailureLimit) -> Self {
        self.failure_limit = Some(limit);
        self
    }

    /// The layer's store: an event's record is shown, and can be forgotten.
    pub fn store(mut self, store: AnyStore) -> Self {
        self.store = Some(store);
        self
    }

    /// The layer's inbox: what is stored is shown, and can be replayed, buried and forgotten.
    pub fn inbox(mut self, inbox: AnyInbox) -> Self {
        self.store = Some(inbox.clone().into());
        self.inbox = Some(inbox);
        self
    }

    /// Explains the refused requests that were captured. Give it the secrets that the provider has.
    pub fn explain(mut self, explain: Explain) -> Self {
        self.explain = Some(explain);
        self
    }

    pub(crate) fn provider_name(&self) -> &str {
        &self.provider
    }

    pub(crate) fn namespace_name(&self) -> &str {
        self.namespace.as_deref().unwrap_or(&self.provider)
    }
}

/// Without what the stores hold.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("provider", &self.provider)
            .field("namespace", &self.namespace_name())
            .field("store", &self.store)
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}

/// After which failures a provider stops sending to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailureLimit {
    /// This many failures in a row.
    InARow(u32),
    /// This many failures in a row, and no success for this long.
    InARowWithoutSuccess(u32, Duration),
    /// Only failures for this long.
    WithoutSuccess(Duration),
    /// More than this percentage of deliveries, within this time.
    Percent(u8, Duration),
}

impl FailureLimit {
    /// The limit that a provider documents, by its name: Dwolla, Shopify, Slack, Square and Svix.
    /// The others say no number.
    ///
    /// ```
    /// use tower_webhook_inspector::FailureLimit;
    ///
    /// assert_eq!(FailureLimit::documented("shopify"), Some(FailureLimit::InARow(8)));
    /// assert_eq!(FailureLimit::documented("github"), None);
    /// ```
    #[must_use]
    pub fn documented(provider: &str) -> Option<Self> {
        // As the pages of the root's `provider` have it, with where it comes from.
        Some(match provider {
            "dwolla" => Self::InARowWithoutSuccess(400, DAY),
            "shopify" => Self::InARow(8),
            "slack" => Self::Percent(95, HOUR),
            "square" => Self::WithoutSuccess(21 * DAY),
            "svix" => Self::WithoutSuccess(5 * DAY),
            _ => return None,
        })
    }
}
