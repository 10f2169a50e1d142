//! The tenant of a request and its secrets, which are kept here once they are looked up.
//!
//! Everything here is done for any client. So each thing that a name can take up is bounded: the
//! tenants that are kept, the names that are remembered as nobody's, the lookups for names that
//! were not seen before, and the requests that wait for one of them.

mod handle;
mod known;
mod look_up;
mod rate;
mod unknown;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicBool},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

pub use handle::TenantsHandle;
use known::{Entry, InFlight, KnownTenants};
use rate::Rate;
use unknown::Unknown;

use super::admission::Permit;
use crate::{
    error::{Refusal, RefusalKind},
    event::Tenant,
    metrics::Meter,
    process::{LATER, Observation, timeout::deadline_after},
    provider::tenant::Tenants,
    signature::{KeySet, Scheme, SecretError, Verification, Verifier},
};

/// When a source that has failed is asked for the same tenant again.
const PAUSE: Duration = Duration::from_secs(5);

/// The tenants of one layer.
pub(crate) struct Directory {
    pub(crate) tenants: Tenants,
    scheme: Scheme,
    /// Verifies the requests of unknown tenants, to do the same work.
    pub(super) decoy: Verifier,
    /// How many requests of one tenant may be in flight.
    share: usize,
    provider: String,
    namespace: Arc<str>,
    meter: Meter,
    known: RwLock<KnownTenants>,
    /// Locked before `known`, where both are.
    lookups: Mutex<Lookups>,
}

/// Used only by requests whose tenant is not cached.
struct Lookups {
    unknown: Unknown,
    pending: HashMap<Tenant, Pending>,
    rate: Rate,
    /// How many lookups there were.
    count: u64,
    /// When the operator was last told that the source fails.
    last_warned: Option<Instant>,
}

/// A lookup under way.
struct Pending {
    number: u64,
    responded: watch::Receiver<Option<LookedUp>>,
    seats: InFlight,
}

/// The result of a lookup.
#[derive(Clone)]
enum LookedUp {
    Known(KeySet),
    Unknown,
    Failed(Arc<str>),
}

/// The cache's entry for a name.
enum Cached {
    Fresh(KeySet),
    /// For a source that does not respond.
    Stale(KeySet),
    Nothing,
    Unknown,
    /// The source has just failed, and there are no secrets from before.
    Down,
}

/// The tenant that a request names, and its secrets if there is such a tenant.
pub(super) struct NamedTenant {
    pub(super) tenant: Option<Tenant>,
    pub(super) keys: Option<KeySet>,
}

impl NamedTenant {
    /// Verifies with the tenant's secrets, or with a decoy if there is no such tenant, so that the
    /// work is the same.
    pub(super) fn decides(self, verification: &mut Verification) -> Self {
        if let Some(tenant) = &self.tenant {
            verification.is_of_tenant(tenant.as_str());
        }
        if let Some(keys) = &self.keys {
            verification.decide_by(keys);
        }
        self
    }

    /// Why nobody's secrets decided.
    pub(super) fn unknown(&self) -> Refusal {
        let reason = match &self.tenant {
            Some(_) => "the request names a tenant that the source of secrets does not know",
            None => "the request names no tenant; expected its name where `TenantOf` looks for it",
        };
        Refusal::new(RefusalKind::Signature, reason).because("tenant")
    }
}

impl Directory {
    pub(crate) fn new(
        tenants: &Tenants,
        scheme: &Scheme,
        provider: &str,
        namespace: &Arc<str>,
        share: usize,
    ) -> Result<Self, SecretError> {
        Ok(Self {
            decoy: Verifier::decoy(scheme)?,
            scheme: scheme.clone(),
            share,
            provider: provider.to_owned(),
            namespace: Arc::clone(namespace),
            meter: Meter::new(provider, false),
            known: RwLock::new(KnownTenants::new(tenants.most)),
            lookups: Mutex::new(Lookups {
                unknown: Unknown::default(),
                pending: HashMap::new(),
                rate: Rate::new(tenants.lookup_rate),
                count: 0,
                last_warned: None,
            }),
            tenants: tenants.clone(),
        })
    }

    // Nothing panics while one of these is locked.

    fn known(&self) -> RwLockReadGuard<'_, KnownTenants> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, KnownTenants> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lookups(&self) -> MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The secrets of the tenant that a request names. It takes one of the tenant's places, and
    /// waits for a lookup until this time at the longest.
    pub(super) async fn whose(
        self: &Arc<Self>,
        tenant: Option<Tenant>,
        permit: &mut Permit,
        until: Instant,
        observation: &mut Observation,
    ) -> Result<NamedTenant, Refusal> {
        let keys = match &tenant {
            Some(tenant) => {
                observation.tenant = Some(tenant.clone());
                self.keys(tenant, permit, until).await?
            }
            None => None,
        };
        observation.belongs_to(tenant.as_ref().filter(|_| keys.is_some()));
        Ok(NamedTenant { tenant, keys })
    }

    /// For what comes without a deadline of its own.
    pub(super) fn deadline(&self) -> Instant {
        deadline_after(Instant::now(), self.tenants.lookup_timeout)
    }

    async fn keys(
        self: &Arc<Self>,
        tenant: &Tenant,
        permit: &mut Permit,
        until: Instant,
    ) -> Result<Option<KeySet>, Refusal> {
        let now = Instant::now();
        let stale = match self.at_hand(tenant, now, permit)? {
            Cached::Fresh(keys) => return Ok(Some(keys)),
            Cached::Stale(keys) => Some(keys),
            Cached::Unknown => return Ok(None),
            Cached::Nothing => None,
            Cached::Down => return Err(down("the source of secrets has just failed")),
        };
        // With secrets from before, half of the time is left for the body.
        let until = match stale {
            Some(_) => deadline_after(now, until.saturating_duration_since(now) / 2),
            None => until,
        };
        self.ask(tenant, stale, permit, now, until).await
    }

    fn at_hand(&self, tenant: &Tenant, now: Instant, permit: &mut Permit) -> Result<Cached, Refusal> {
        if let Some(entry) = self.known().get(tenant) {
            permit.sit(&entry.seats, self.share)?;
            return Ok(entry.at(now));
        }
        match self.lookups().unknown.has(tenant, now) {
            true => Ok(Cached::Unknown),
            false => Ok(Cached::Nothing),
        }
    }

    /// Waits for what the source says.
    async fn ask(
        self: &Arc<Self>,
        tenant: &Tenant,
        stale: Option<KeySet>,
        permit: &mut Permit,
        now: Instant,
        until: Instant,
    ) -> Result<Option<KeySet>, Refusal> {
        let mut responded = match self.join(tenant, permit, now)? {
            LookupResult::Waits(responded) => responded,
            LookupResult::Cached(keys) => return Ok(keys),
        };
        let response = match timeout_at(until, responded.wait_for(Option::is_some)).await {
            Ok(Ok(response)) => response.clone(),
            // Too slow; or the runtime ends.
            _ => None,
        };
        match response {
            Some(LookedUp::Known(keys)) => Ok(Some(keys)),
            Some(LookedUp::Unknown) => Ok(None),
            Some(LookedUp::Failed(_)) | None if stale.is_some() => Ok(stale),
            Some(LookedUp::Failed(reason)) => Err(down(reason.as_ref().to_owned())),
            None => Err(down("the source of secrets did not respond in time")),
        }
    }

    /// Joins the lookup of this tenant, or begins one.
    fn join(self: &Arc<Self>, tenant: &Tenant, permit: &mut Permit, now: Instant) -> Result<LookupResult, Refusal> {
        let mut rest = self.lookups();
        if let Some(pending) = rest.pending.get(tenant) {
            permit.sit(&pending.seats, self.share)?;
            return Ok(LookupResult::Waits(pending.responded.clone()));
        }
        // It may have been looked up since this request has looked.
        let mut seats = None;
        if let Some(entry) = self.known().get(tenant) {
            permit.sit(&entry.seats, self.share)?;
            match entry.at(now) {
                Cached::Fresh(keys) => return Ok(LookupResult::Cached(Some(keys))),
                Cached::Down => return Err(down("the source of secrets has just failed")),
                _ => seats = Some(Arc::clone(&entry.seats)),
            }
        }
        if rest.unknown.has(tenant, now) {
            return Ok(LookupResult::Cached(None));
        }
        if seats.is_none()
            && let Err(delay) = rest.rate.take(now)
        {
            self.meter.look_up("limited");
            return Err(Refusal::new(
                RefusalKind::Overloaded,
                "too many tenants were looked up that were not seen before; expected fewer: see `lookup_rate`",
            )
            .because("lookups")
            .retry_after(delay));
        }
        let seats = seats.unwrap_or_default();
        permit.sit(&seats, self.share)?;
        let (response, responded) = watch::channel(None);
        rest.count = rest.count.saturating_add(1);
        let number = rest.count;
        rest.pending.insert(
            tenant.clone(),
            Pending {
                number,
                responded: responded.clone(),
                seats,
            },
        );
        drop(rest);
        tokio::spawn(Arc::clone(self).look_up(tenant.clone(), number, response));
        Ok(LookupResult::Waits(responded))
    }

    /// How many tenants are kept.
    pub(crate) fn len(&self) -> usize {
        self.known().len()
    }
}

enum LookupResult {
    Waits(watch::Receiver<Option<LookedUp>>),
    Cached(Option<KeySet>),
}

impl Entry {
    fn new(keys: KeySet, tenants: &Tenants, seats: InFlight, now: Instant) -> Self {
        let fresh_until = deadline_after(now, tenants.ttl);
        Self {
            keys: Some(keys),
            fresh_until,
            stale_until: deadline_after(fresh_until, tenants.stale_if_error),
            next_look_up: now,
            seats,
            is_used: AtomicBool::new(false),
        }
    }

    fn at(&self, now: Instant) -> Cached {
        let rests = self.next_look_up > now;
        match &self.keys {
            Some(keys) if self.fresh_until > now => Cached::Fresh(keys.clone()),
            // The source has just failed: it is not asked with each request.
            Some(keys) if self.stale_until > now && rests => Cached::Fresh(keys.clone()),
            Some(keys) if self.stale_until > now => Cached::Stale(keys.clone()),
            _ if rests => Cached::Down,
            _ => Cached::Nothing,
        }
    }
}

fn down(reason: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(RefusalKind::Tenants, reason).retry_after(LATER)
}
