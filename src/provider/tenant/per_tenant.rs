use std::{
    borrow::Cow,
    fmt,
    future::ready,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::HeaderMap;

use super::{BoxError, Tenant, TenantOf, TenantSecrets, Tenants};
use crate::{
    event::EventError,
    provider::{DeliveryPolicy, Handshake, KnownTopics, Provider},
    signature::{Secrets, SignatureError, Verified, Verifier},
};

/// A provider whose tenants have secrets of their own: made by [`Provider::per_tenant`]. The
/// [module](super) says what a layer does with it.
///
/// ```
/// use std::time::Duration;
/// use tower_webhook::{
///     event::Tenant,
///     provider::{Provider as _, tenant::{BoxError, TenantOf}},
///     signature::Secrets,
///     stripe::Stripe,
/// };
///
/// async fn secrets(tenant: Tenant) -> Result<Option<Secrets>, BoxError> {
/// #   drop(tenant);
///     Ok(None) // a query
/// }
///
/// let provider = Stripe::reader()
///     .with_tolerance(Duration::from_secs(60))
///     .per_tenant(TenantOf::path_segment(2), secrets)?
///     .ttl(Duration::from_secs(10))
///     .lookup_rate(500, 1000);
/// # Ok::<(), tower_webhook::provider::tenant::PerTenantError>(())
/// ```
#[derive(Clone)]
pub struct PerTenant<P> {
    provider: P,
    /// Refuses everything: which secrets decide, the layer knows.
    verifier: Verifier,
    tenants: Tenants,
}

impl<P: Provider> PerTenant<P> {
    pub(in crate::provider) fn new(
        provider: P,
        tenant_of: TenantOf,
        source: impl TenantSecrets,
    ) -> Result<Self, PerTenantError> {
        let Some(scheme) = provider.verifier().scheme() else {
            return Err(PerTenantError::new(
                "the provider's verifier is a function; expected one with a scheme, which can be keyed with each tenant's \
                 secrets: have the function find the tenant's keys itself",
            ));
        };
        tenant_of.check().map_err(PerTenantError::new)?;
        Ok(Self {
            verifier: Verifier::refusing(scheme),
            tenants: Tenants::new(tenant_of, source),
            provider,
        })
    }

    /// The same for a process that only handles what another has verified and stored: a worker. It
    /// finds the tenant in the delivery's key, has no source, and refuses every request.
    ///
    /// # Errors
    /// As [`Provider::per_tenant`].
    pub fn reader(provider: P) -> Result<Self, PerTenantError> {
        let nobody = |_: Tenant| ready(Ok::<Option<Secrets>, BoxError>(None));
        Self::new(provider, TenantOf::from_parts(|_| None), nobody)
    }

    fn with(mut self, set: impl FnOnce(&mut Tenants)) -> Self {
        set(&mut self.tenants);
        self
    }

    /// How long secrets serve before they are looked up anew; by default 60 s. A rotation is seen
    /// by then, so let the old secret stay valid for longer.
    #[must_use]
    pub fn ttl(self, time: Duration) -> Self {
        self.with(|tenants| tenants.ttl = time)
    }

    /// For how long after that they serve while the source fails or does not respond; by default
    /// 1 h. It is then asked again each 5 s.
    #[must_use]
    pub fn stale_if_error(self, time: Duration) -> Self {
        self.with(|tenants| tenants.stale_if_error = time)
    }

    /// For how long it is remembered that there is no such tenant; by default 30 s. A tenant that
    /// is created meanwhile gets 401 until then, unless it is
    /// [forgotten](crate::layer::TenantsHandle::forget). Up to 10,000 names are remembered.
    #[must_use]
    pub fn negative_ttl(self, time: Duration) -> Self {
        self.with(|tenants| tenants.negative_ttl = time)
    }

    /// How long a lookup may take; by default 2 s.
    #[must_use]
    pub fn lookup_timeout(self, limit: Duration) -> Self {
        self.with(|tenants| tenants.lookup_timeout = limit)
    }

    /// How many names that were not seen before may be looked up in a second, and how many at once
    /// after a pause; by default 100 and 100. Requests beyond it get 503. It bounds what strangers
    /// can have the source do, and so how fast a process that has just started comes to know its
    /// tenants.
    #[must_use]
    pub fn lookup_rate(self, per_second: u32, burst: u32) -> Self {
        self.with(|tenants| tenants.lookup_rate = (per_second, burst))
    }

    /// How many tenants' secrets are cached; by default 100,000. Beyond that, roughly the least
    /// recently used are evicted.
    #[must_use]
    pub fn max_tenants(self, tenants: usize) -> Self {
        self.with(|known| known.most = tenants)
    }
}

impl<P: Provider> Provider for PerTenant<P> {
    type Event = P::Event;

    fn name(&self) -> &str {
        self.provider.name()
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    fn event(&self, headers: &HeaderMap, body: &Bytes) -> Result<P::Event, EventError> {
        self.provider.event(headers, body)
    }

    fn check_time(&self, event: &P::Event, now: SystemTime) -> Result<(), SignatureError> {
        self.provider.check_time(event, now)
    }

    fn handshake(&self, event: &P::Event, verified: Verified) -> Result<Option<Handshake>, EventError> {
        self.provider.handshake(event, verified)
    }

    fn handshake_with(
        &self,
        event: &P::Event,
        verified: Verified,
        verifier: &Verifier,
    ) -> Result<Option<Handshake>, EventError> {
        self.provider.handshake_with(event, verified, verifier)
    }

    fn ids_are_unique(&self) -> bool {
        self.provider.ids_are_unique()
    }

    fn signature_window(&self) -> Option<Duration> {
        self.provider.signature_window()
    }

    fn policy(&self) -> DeliveryPolicy {
        self.provider.policy()
    }

    fn known_topics(&self) -> KnownTopics {
        self.provider.known_topics()
    }

    fn tenants(&self) -> Option<&Tenants> {
        Some(&self.tenants)
    }
}

impl<P: Provider> fmt::Debug for PerTenant<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerTenant")
            .field("provider", &self.provider.name())
            .field("tenants", &self.tenants)
            .finish_non_exhaustive()
    }
}

/// Why a provider cannot have tenants. The text says what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerTenantError(Cow<'static, str>);

impl PerTenantError {
    fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for PerTenantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PerTenantError {}
