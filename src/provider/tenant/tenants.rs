use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::request::Parts;

use super::{BoxError, TenantOf, TenantSecrets, secrets::Source};
use crate::{event::Tenant, signature::Secrets};

/// How a layer finds the tenant of a request and its secrets, as a [`PerTenant`](super::PerTenant)
/// describes it. Cheap to clone.
///
/// A provider of your own that wraps another returns the other's from
/// [`Provider::tenants`](crate::provider::Provider::tenants).
#[derive(Clone)]
pub struct Tenants {
    tenant_of: TenantOf,
    source: Arc<dyn Source>,
    pub(crate) ttl: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) negative_ttl: Duration,
    pub(crate) lookup_timeout: Duration,
    /// How many lookups a second, and how many at once.
    pub(crate) lookup_rate: (u32, u32),
    pub(crate) most: usize,
}

impl Tenants {
    pub(super) fn new(tenant_of: TenantOf, source: impl TenantSecrets) -> Self {
        Self {
            tenant_of,
            source: Arc::new(source),
            ttl: Duration::from_secs(60),
            stale_if_error: Duration::from_secs(3600),
            negative_ttl: Duration::from_secs(30),
            lookup_timeout: Duration::from_secs(2),
            lookup_rate: (100, 100),
            most: 100_000,
        }
    }

    /// The tenant that the head of a request names.
    #[must_use]
    pub fn in_head(&self, parts: &Parts) -> Option<Tenant> {
        self.tenant_of.in_head(parts)
    }

    /// The tenant that a body names, where the description asks for the body.
    #[must_use]
    pub fn in_body(&self, body: &Bytes) -> Option<Tenant> {
        self.tenant_of.in_body(body)
    }

    /// Whether it is the body that names the tenant.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.tenant_of.reads_body()
    }

    /// How long a body may be that names the tenant.
    #[must_use]
    pub fn max_bytes(&self) -> Option<usize> {
        self.tenant_of.max_bytes()
    }

    /// Asks the source for this tenant's secrets, now: nothing is kept.
    ///
    /// # Errors
    /// The source did not respond.
    pub async fn look_up(&self, tenant: &Tenant) -> Result<Option<Secrets>, BoxError> {
        self.source.look_up(tenant).await
    }

    /// Which setting can never work.
    #[cfg(feature = "service")]
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.lookup_timeout.is_zero() {
            return Err("lookup_timeout is zero, so nothing could ever succeed; expected more".to_owned());
        }
        let (rate, burst) = self.lookup_rate;
        if rate == 0 || burst == 0 {
            return Err(format!(
                "lookup_rate is {rate} a second and {burst} at once, so no tenant could ever be found; expected more"
            ));
        }
        if self.most == 0 {
            return Err("max_tenants is 0, so each request would be a lookup; expected more".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants")
            .field("tenant_of", &self.tenant_of)
            .field("ttl", &self.ttl)
            .field("stale_if_error", &self.stale_if_error)
            .field("negative_ttl", &self.negative_ttl)
            .field("lookup_timeout", &self.lookup_timeout)
            .field("lookup_rate", &self.lookup_rate)
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}
