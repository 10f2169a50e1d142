use std::{fmt, sync::Arc};

use super::Directory;
use crate::event::Tenant;

/// A handle to the secrets that a layer has looked up for its tenants: made by
/// [`WebhookLayer::tenants_handle`](crate::WebhookLayer::tenants_handle). Cheap to clone.
#[derive(Clone)]
pub struct TenantsHandle(Arc<Directory>);

impl TenantsHandle {
    pub(crate) fn new(directory: Arc<Directory>) -> Self {
        Self(directory)
    }

    /// Forgets what the source has said of this tenant, whether it was its secrets or that there is
    /// no such tenant: the next request asks anew. Call it where secrets are rotated or revoked, so
    /// that nobody waits for the time to live. Secrets that were forgotten do not serve while the
    /// source is down either.
    ///
    /// It holds for the layers that share this handle's layer, not for other processes.
    pub fn forget(&self, tenant: &Tenant) {
        let mut lookups = self.0.lookups();
        // A lookup that began before responds to those that wait for it, and is not kept.
        lookups.pending.remove(tenant);
        lookups.unknown.remove(tenant);
        if let Some(entry) = self.0.known_mut().get_mut(tenant) {
            entry.keys = None;
            entry.next_look_up = entry.fresh_until.min(tokio::time::Instant::now());
        }
    }

    /// How many tenants are kept.
    #[must_use]
    pub fn known(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for TenantsHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantsHandle")
            .field("tenants", &self.0.tenants)
            .field("known", &self.known())
            .finish_non_exhaustive()
    }
}
