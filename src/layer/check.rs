//! Which settings contradict each other, or can never work.

use std::time::Duration;

use super::WebhookLayerBuilder;
use crate::{error::BuildError, process, provider::Provider, store::IdempotencyStore};

/// By how much two clocks may differ: TLS fails first between clocks that differ by more.
const CLOCKS_DIFFER: Duration = Duration::from_secs(24 * 3600);

impl<P: Provider, S: IdempotencyStore> WebhookLayerBuilder<P, S> {
    pub(super) fn check(&self) -> Result<(), BuildError> {
        let settings = &self.settings;
        let processing = &settings.process;
        let policy = self.provider.policy();
        let refuse = |message: String| Err(BuildError::new(message));
        processing.check()?;
        for (name, value) in [
            ("response_timeout", settings.response_timeout),
            ("body_timeout", settings.body_timeout),
        ] {
            if value.is_zero() {
                return refuse(process::zero(name));
            }
        }
        for (name, value) in [
            ("body_limit", settings.body_limit),
            ("max_in_flight", settings.max_in_flight),
            ("max_unauthenticated_bytes", settings.max_unauthenticated_bytes),
        ] {
            if value == 0 {
                return refuse(format!(
                    "{name} is 0, so every delivery would be refused; expected more"
                ));
            }
        }
        if let Some(tenants) = self.provider.tenants() {
            tenants.check().map_err(BuildError::new)?;
            if self.explain.is_some() {
                return refuse(
                    "explain_refusals is set, and the provider has tenants, whose secrets it does not have; expected one of them".into(),
                );
            }
        } else if settings.max_in_flight_per_tenant.is_some() || processing.counts_by_tenant {
            return refuse(
                "max_in_flight_per_tenant or count_by_tenant is set, and the provider has no tenants; expected one made with `per_tenant`"
                    .into(),
            );
        }
        if settings.max_in_flight_per_tenant == Some(0) {
            return refuse("max_in_flight_per_tenant is 0, so every delivery would be refused; expected more".into());
        }
        if matches!(self.explain, Some((_, 0))) {
            return refuse(
                "explain_refusals may explain 0 refusals a minute, so it would explain none; expected more".into(),
            );
        }
        if self.explain.is_some() && self.provider.verifier().scheme().is_none() {
            return refuse(format!(
                "explain_refusals is set, and {} verifies with a function of its own, so nothing could be explained; expected a \
                 provider with a scheme: leave explain_refusals out",
                self.provider.name()
            ));
        }
        if self.explain.is_none() && !self.explain_also.is_empty() {
            return refuse(
                "explain_also is set without explain_refusals, so it would explain nothing; expected both".into(),
            );
        }
        if settings.max_unauthenticated_bytes < settings.body_limit {
            return refuse(format!(
                "max_unauthenticated_bytes ({}) is less than body_limit ({}): the largest body could never arrive; expected at least as much",
                settings.max_unauthenticated_bytes, settings.body_limit
            ));
        }
        if settings.response_timeout > policy.response_timeout() {
            return refuse(format!(
                "response_timeout ({}s) is longer than {} waits for a response ({}s): it would retry what was handled; expected less",
                settings.response_timeout.as_secs_f64(),
                self.provider.name(),
                policy.response_timeout().as_secs_f64()
            ));
        }
        if processing.store_timeout >= settings.response_timeout {
            return refuse(format!(
                "store_timeout ({}s) is not shorter than response_timeout ({}s): a store that hangs would use up the whole time to respond; expected less",
                processing.store_timeout.as_secs_f64(),
                settings.response_timeout.as_secs_f64()
            ));
        }
        if !policy.retry_window().is_zero() && processing.lease >= policy.retry_window() {
            return refuse(format!(
                "the lease ({}s) is not shorter than {} retries ({}s): an event whose process died would rest until nobody sends it any \
                 more; expected less",
                processing.lease.as_secs(),
                self.provider.name(),
                policy.retry_window().as_secs()
            ));
        }
        // A signature made by a clock that is ahead is valid for longer than the window after it
        // came.
        let valid = |window: Duration| window.saturating_add(window.min(CLOCKS_DIFFER));
        if let Some(valid) = self.provider.signature_window().map(valid)
            && processing.retention < valid
        {
            return refuse(format!(
                "the retention ({}s) is shorter than the time for which a signature of {} can be valid, by a clock that is ahead ({}s): a \
                 captured request would run again; expected at least as much",
                processing.retention.as_secs(),
                self.provider.name(),
                valid.as_secs()
            ));
        }
        match settings.max_event_age {
            Some(age) if age <= policy.redelivery_window() => refuse(format!(
                "max_event_age ({}s) is not longer than the time after which {} may still send an event ({}s): a legal redelivery would \
                 be refused; expected more",
                age.as_secs(),
                self.provider.name(),
                policy.redelivery_window().as_secs()
            )),
            _ => Ok(()),
        }
    }
}
