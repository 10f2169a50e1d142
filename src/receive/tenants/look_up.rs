//! One lookup, in a task of its own: a client that disconnects cancels nothing.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{Directory, Entry, LookedUp, PAUSE};
use crate::{
    event::Tenant,
    process::{catch_polled, timeout::deadline_after},
    signature::KeySet,
    trace,
};

/// How often the operator is told that the source fails.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// Below so many bytes a secret can be guessed.
const SHORT_SECRET: usize = 16;

impl Directory {
    pub(super) async fn look_up(
        self: Arc<Self>,
        tenant: Tenant,
        number: u64,
        response: watch::Sender<Option<LookedUp>>,
    ) {
        // The secrets are as old as the question.
        let asked = Instant::now();
        let found = self.ask_source(&tenant).await;
        self.meter.look_up(match found {
            LookedUp::Known(_) => "found",
            LookedUp::Unknown => "unknown",
            LookedUp::Failed(_) => "failed",
        });
        self.keep(tenant, number, asked, &found);
        let _ = response.send(Some(found)); // who asked may have gone
    }

    async fn ask_source(&self, tenant: &Tenant) -> LookedUp {
        let asked = pin!(self.tenants.look_up(tenant));
        let failed = |reason: String| LookedUp::Failed(reason.into());
        match timeout(self.tenants.lookup_timeout, catch_polled(asked)).await {
            Ok(Ok(Ok(Some(secrets)))) => match KeySet::new(&self.scheme, &secrets) {
                Ok(keys) => {
                    self.warn_of_short_secret(tenant, &keys);
                    LookedUp::Known(keys)
                }
                Err(error) => failed(format!("the tenant's secrets do not fit the scheme: {error}")),
            },
            Ok(Ok(Ok(None))) => LookedUp::Unknown,
            Ok(Ok(Err(error))) => failed(format!("the source of secrets failed: {error}")),
            Ok(Err(panicked)) => failed(format!("the source of secrets panicked: {panicked}")),
            Err(_) => failed(format!(
                "the source of secrets did not respond within {} s",
                self.tenants.lookup_timeout.as_secs_f64()
            )),
        }
    }

    /// As the layer does of a provider's secrets at its start.
    fn warn_of_short_secret(&self, tenant: &Tenant, keys: &KeySet) {
        let shortest = keys.shortest_secret();
        if shortest < SHORT_SECRET {
            trace::warn(format_args!(
                "a secret of the tenant {tenant} has {shortest} bytes; expected at least {SHORT_SECRET}: have the provider \
                 use a longer one"
            ));
        }
    }

    fn keep(&self, tenant: Tenant, number: u64, asked: Instant, found: &LookedUp) {
        let now = Instant::now();
        let mut rest = self.lookups();
        // Otherwise it was forgotten while it was looked up, and what was said is from before.
        let is_ours = rest
            .pending
            .get(&tenant)
            .is_some_and(|pending| pending.number == number);
        let Some(pending) = is_ours.then(|| rest.pending.remove(&tenant)).flatten() else {
            return;
        };
        match found {
            LookedUp::Known(keys) => {
                rest.unknown.remove(&tenant);
                let entry = Entry::new(keys.clone(), &self.tenants, pending.seats, asked);
                self.known_mut().insert(tenant, entry);
            }
            LookedUp::Unknown => {
                self.known_mut().remove(&tenant);
                let until = deadline_after(now, self.tenants.negative_ttl);
                rest.unknown.insert(tenant, now, until);
            }
            LookedUp::Failed(reason) => {
                let mut known = self.known_mut();
                let serves = known.get_mut(&tenant).is_some_and(|entry| {
                    entry.next_look_up = deadline_after(now, PAUSE);
                    entry.keys.is_some() && entry.stale_until > now
                });
                drop(known);
                let tells = rest
                    .last_warned
                    .is_none_or(|last_warned| now.saturating_duration_since(last_warned) >= WARN_EVERY);
                if tells {
                    rest.last_warned = Some(now);
                    drop(rest);
                    self.warn(&tenant, reason, serves);
                }
            }
        }
    }

    fn warn(&self, tenant: &Tenant, reason: &str, serves: bool) {
        let meanwhile = if serves {
            "those from before serve meanwhile"
        } else {
            "its deliveries get 503"
        };
        trace::error_at(
            &self.provider,
            &self.namespace,
            format_args!("the secrets of the tenant `{tenant}` could not be looked up, and {meanwhile}: {reason}"),
        );
    }
}
