use std::{error::Error, future::Future, pin::Pin};

use crate::{event::Tenant, signature::Secrets};

/// Whatever a source fails with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// A source of tenants' secrets: an async function, or a type of yours.
///
/// ```
/// use std::collections::HashMap;
/// use tower_webhook::{
///     event::Tenant,
///     provider::tenant::{BoxError, TenantSecrets},
///     signature::Secrets,
/// };
///
/// struct InMemory(HashMap<String, Secrets>);
///
/// impl TenantSecrets for InMemory {
///     async fn secrets(&self, tenant: &Tenant) -> Result<Option<Secrets>, BoxError> {
///         Ok(self.0.get(tenant.as_str()).cloned())
///     }
/// }
/// ```
pub trait TenantSecrets: Send + Sync + 'static {
    /// The secrets of this tenant, the current one first; `None` if there is no such tenant.
    ///
    /// # Errors
    /// The source did not respond. That there is no such tenant is no error.
    fn secrets(&self, tenant: &Tenant) -> impl Future<Output = Result<Option<Secrets>, BoxError>> + Send;
}

impl<F, Fut, E> TenantSecrets for F
where
    F: Fn(Tenant) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Option<Secrets>, E>> + Send,
    E: Into<BoxError>,
{
    async fn secrets(&self, tenant: &Tenant) -> Result<Option<Secrets>, BoxError> {
        self(tenant.clone()).await.map_err(Into::into)
    }
}

pub(super) type Looking<'a> = Pin<Box<dyn Future<Output = Result<Option<Secrets>, BoxError>> + Send + 'a>>;

/// A source without its type.
pub(super) trait Source: Send + Sync {
    fn look_up<'a>(&'a self, tenant: &'a Tenant) -> Looking<'a>;
}

impl<T: TenantSecrets> Source for T {
    fn look_up<'a>(&'a self, tenant: &'a Tenant) -> Looking<'a> {
        Box::pin(self.secrets(tenant))
    }
}
