//! Metrics (feature `metrics`): what is counted and timed, through the facade `metrics`. Install a
//! recorder of your choice before the layer is built, which describes its metrics to it then;
//! without one, nothing is kept.
//!
//! - `webhook_deliveries_total`, a counter by `provider`, `topic`, `outcome`, `reason`, `source`:
//!   deliveries by how they ended.
//! - `webhook_late_responses_total`, a counter by `provider`: deliveries that got 503 because
//!   their handler still ran; they are counted above once they end.
//! - `webhook_verified_total`, a counter by `provider`, `secret`: authentic requests, by the secret
//!   that signed them, counted from 0 in the order given.
//! - `webhook_event_age_seconds`, a histogram by `provider`, `topic`: the age of events at arrival,
//!   by the provider's clock and the layer's.
//! - `webhook_handler_seconds`, a histogram by `provider`, `topic`, `outcome`: how long handlers
//!   ran.
//! - `webhook_store_seconds`, a histogram by `provider`, `operation`, `result`: how long the store
//!   took; the result is `ok` or `error`.
//! - `webhook_requests_in_flight`, a gauge by `provider`: requests between arrival and response.
//! - `webhook_handlers_running`, a gauge by `provider`: handlers at work, those included whose
//!   response was sent already.
//!
//! An [inbox](crate::inbox) and its workers have:
//!
//! - `webhook_deposits_total`, a counter by `provider`, `outcome`: authentic deliveries that were
//!   to be stored. The outcome is `stored`, `duplicate`, or why it was refused.
//! - `webhook_backlog`, a gauge by `provider`, `namespace`, `stage`: stored deliveries that are
//!   `due`, `scheduled` (these two are `Stage::Waiting`), `running` or `dead`, sampled, and counted
//!   up to the limit of the backlog.
//! - `webhook_oldest_due_seconds`, a gauge by `provider`, `namespace`: for how long the oldest has
//!   been due, with nobody to take it.
//! - `webhook_wait_seconds`, a histogram by `provider`, `topic`: from when a delivery was stored to
//!   its first run.
//! - `webhook_attempts_total`, a counter by `provider`, `topic`, `outcome`: runs of workers, by how
//!   they ended.
//! - `webhook_buried_total`, a counter by `provider`, `reason`: deliveries that a worker gave up,
//!   because of their `attempts` or their `crashes`, or because their key names no `tenant`.
//!
//! A layer with [tenants](crate::provider::tenant) has:
//!
//! - `webhook_tenant_lookups_total`, a counter by `provider`, `result`: lookups of a tenant's
//!   secrets. The result is `found`, `unknown` (no such tenant), `failed`, or `limited` for those
//!   that were not made, because strangers had named too many.
//!
//! With [`count_by_tenant`](crate::layer::WebhookLayerBuilder::count_by_tenant)
//! `webhook_deliveries_total` and `webhook_attempts_total` have a label `tenant` besides.
//!
//! Labels are bounded, whatever a provider or a stranger sends: `topic` is the pattern that a
//! handler is registered for, or `other`; it is empty where no event was read. `outcome` is
//! `handled`, `duplicate`, `unhandled`, `rejected`, `handshake` or a
//! [`RefusalKind`](crate::RefusalKind)'s name, and with an inbox also `stored` or `dead`. `reason`
//! is finer where a kind has several causes (a signature that is `missing`, `repeated`, `mismatch`,
//! …) and otherwise empty. `source` is the name of a [`Source`](crate::event::Source): `delivered`
//! for what a request brought.

#[cfg(feature = "metrics")]
pub(crate) use on::{Meter, Timer, Topic};

#[cfg(not(feature = "metrics"))]
pub(crate) use off::{Meter, Timer, Topic};

#[cfg(feature = "metrics")]
mod on {
    use std::time::Duration;

    use metrics::{
        SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
    };
    use tokio::time::Instant;

    use crate::{
        event::{Source, Tenant},
        inbox::Backlog,
    };

    /// The metrics of one layer.
    pub(crate) struct Meter {
        provider: SharedString,
        by_tenant: bool,
    }

    /// A topic as a label.
    #[derive(Clone)]
    pub(crate) struct Topic(SharedString);

    impl Topic {
        pub(crate) const NONE: Self = Self(SharedString::const_str(""));

        /// The pattern that a handler is registered for.
        pub(crate) fn of<'a>(registered: impl FnOnce() -> Option<&'a str>) -> Self {
            Self(registered().map_or(SharedString::const_str("other"), |pattern| {
                SharedString::from_owned(pattern.to_owned())
            }))
        }
    }

    /// Tells the recorder what each metric is. Again for each layer: a recorder may be installed
    /// between two.
    fn describe() {
        describe_counter!("webhook_deliveries_total", Unit::Count, "Deliveries by how they ended.");
        describe_counter!(
            "webhook_late_responses_total",
            Unit::Count,
            "Deliveries that got 503 because their handler still ran."
        );
        describe_counter!(
            "webhook_verified_total",
            Unit::Count,
            "Authentic requests, by the secret that signed them."
        );
        describe_histogram!(
            "webhook_event_age_seconds",
            Unit::Seconds,
            "The age of events at arrival, by the provider's clock and the layer's."
        );
        describe_histogram!("webhook_handler_seconds", Unit::Seconds, "How long handlers ran.");
        describe_histogram!(
            "webhook_store_seconds",
            Unit::Seconds,
            "How long an operation of the store took."
        );
        describe_counter!(
            "webhook_deposits_total",
            Unit::Count,
            "Authentic deliveries that were to be stored."
        );
        describe_gauge!(
            "webhook_backlog",
            Unit::Count,
            "Stored deliveries that are not finished."
        );
        describe_gauge!(
            "webhook_oldest_due_seconds",
            Unit::Seconds,
            "For how long the oldest stored delivery has been due."
        );
        describe_histogram!(
            "webhook_wait_seconds",
            Unit::Seconds,
            "From when a delivery was stored to its first run."
        );
        describe_counter!(
            "webhook_attempts_total",
            Unit::Count,
            "Runs of workers, by how they ended."
        );
        describe_counter!("webhook_buried_total", Unit::Count, "Deliveries that a worker gave up.");
        describe_counter!(
            "webhook_tenant_lookups_total",
            Unit::Count,
            "Lookups of a tenant's secrets."
        );
        describe_gauge!(
            "webhook_requests_in_flight",
            Unit::Count,
            "Requests between arrival and response."
        );
        describe_gauge!(
            "webhook_handlers_running",
            Unit::Count,
            "Handlers at work, also those whose response was sent already."
        );
    }

    impl Meter {
        pub(crate) fn new(provider: &str, by_tenant: bool) -> Self {
            describe();
            Self {
                provider: SharedString::from_owned(provider.to_owned()),
                by_tenant,
            }
        }

        fn provider(&self) -> SharedString {
            self.provider.clone()
        }

        /// The label of a tenant, where it is switched on.
        fn tenant(&self, tenant: Option<&Tenant>) -> Option<SharedString> {
            let tenant = tenant.filter(|_| self.by_tenant)?;
            Some(SharedString::from_owned(tenant.as_str().to_owned()))
        }

        pub(crate) fn delivery(
            &self,
            topic: &Topic,
            source: Source,
            outcome: &'static str,
            reason: &'static str,
            tenant: Option<&Tenant>,
        ) {
            match self.tenant(tenant) {
                None => {
                    counter!("webhook_deliveries_total", "provider" => self.provider(), "topic" => topic.0.clone(), "outcome" => outcome, "reason" => reason, "source" => source.as_str())
                }
                Some(tenant) => {
                    counter!("webhook_deliveries_total", "provider" => self.provider(), "topic" => topic.0.clone(), "outcome" => outcome, "reason" => reason, "source" => source.as_str(), "tenant" => tenant)
                }
            }
            .increment(1);
        }

        pub(crate) fn look_up(&self, result: &'static str) {
            counter!("webhook_tenant_lookups_total", "provider" => self.provider(), "result" => result).increment(1);
        }

        pub(crate) fn late_response(&self) {
            counter!("webhook_late_responses_total", "provider" => self.provider()).increment(1);
        }

        pub(crate) fn verified(&self, secret: usize) {
            counter!("webhook_verified_total", "provider" => self.provider(), "secret" => secret.to_string())
                .increment(1);
        }

        pub(crate) fn event_age(&self, topic: &Topic, age: impl FnOnce() -> Option<Duration>) {
            if let Some(age) = age() {
                histogram!("webhook_event_age_seconds", "provider" => self.provider(), "topic" => topic.0.clone())
                    .record(age);
            }
        }

        pub(crate) fn handler(&self, topic: &Topic, outcome: &'static str, timer: Timer) {
            histogram!("webhook_handler_seconds", "provider" => self.provider(), "topic" => topic.0.clone(), "outcome" => outcome)
                .record(timer.0.elapsed());
        }

        pub(crate) fn store(&self, operation: &'static str, is_ok: bool, timer: Timer) {
            let result = if is_ok { "ok" } else { "error" };
            histogram!("webhook_store_seconds", "provider" => self.provider(), "operation" => operation, "result" => result)
                .record(timer.0.elapsed());
        }

        pub(crate) fn deposit(&self, outcome: &'static str) {
            counter!("webhook_deposits_total", "provider" => self.provider(), "outcome" => outcome).increment(1);
        }

        pub(crate) fn backlog(&self, namespace: &str, backlog: &Backlog) {
            for (stage, count) in [
                ("due", backlog.due),
                ("scheduled", backlog.scheduled),
                ("running", backlog.running),
                ("dead", backlog.dead),
            ] {
                gauge!("webhook_backlog", "provider" => self.provider(), "namespace" => namespace.to_owned(), "stage" => stage)
                    .set(count as f64); // exact up to 2^53
            }
            let oldest = backlog.oldest_due.unwrap_or_default();
            gauge!("webhook_oldest_due_seconds", "provider" => self.provider(), "namespace" => namespace.to_owned())
                .set(oldest);
        }

        pub(crate) fn wait(&self, topic: &Topic, wait: impl FnOnce() -> Option<Duration>) {
            if let Some(wait) = wait() {
                histogram!("webhook_wait_seconds", "provider" => self.provider(), "topic" => topic.0.clone())
                    .record(wait);
            }
        }

        pub(crate) fn attempt(&self, topic: &Topic, outcome: &'static str, tenant: Option<&Tenant>) {
            match self.tenant(tenant) {
                None => {
                    counter!("webhook_attempts_total", "provider" => self.provider(), "topic" => topic.0.clone(), "outcome" => outcome)
                }
                Some(tenant) => {
                    counter!("webhook_attempts_total", "provider" => self.provider(), "topic" => topic.0.clone(), "outcome" => outcome, "tenant" => tenant)
                }
            }
            .increment(1);
        }

        pub(crate) fn buried(&self, reason: &'static str) {
            counter!("webhook_buried_total", "provider" => self.provider(), "reason" => reason).increment(1);
        }

        pub(crate) fn in_flight(&self) -> Gauge {
            Gauge::raise(gauge!("webhook_requests_in_flight", "provider" => self.provider()))
        }

        pub(crate) fn running(&self) -> Gauge {
            Gauge::raise(gauge!("webhook_handlers_running", "provider" => self.provider()))
        }
    }

    /// One more, until it is dropped.
    pub(crate) struct Gauge(metrics::Gauge);

    impl Gauge {
        fn raise(gauge: metrics::Gauge) -> Self {
            gauge.increment(1);
            Self(gauge)
        }
    }

    impl Drop for Gauge {
        fn drop(&mut self) {
            self.0.decrement(1);
        }
    }

    pub(crate) struct Timer(Instant);

    impl Timer {
        pub(crate) fn start() -> Self {
            Self(Instant::now())
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod off {
    use std::time::Duration;

    use crate::{
        event::{Source, Tenant},
        inbox::Backlog,
    };

    pub(crate) struct Meter;

    #[derive(Clone)]
    pub(crate) struct Topic;

    impl Topic {
        pub(crate) const NONE: Self = Self;

        // What is not asked for is not computed.
        pub(crate) fn of<'a>(_: impl FnOnce() -> Option<&'a str>) -> Self {
            Self
        }
    }

    impl Meter {
        pub(crate) fn new(_: &str, _: bool) -> Self {
            Self
        }

        pub(crate) fn delivery(&self, _: &Topic, _: Source, _: &'static str, _: &'static str, _: Option<&Tenant>) {}

        pub(crate) fn look_up(&self, _: &'static str) {}

        pub(crate) fn late_response(&self) {}

        pub(crate) fn verified(&self, _: usize) {}

        pub(crate) fn event_age(&self, _: &Topic, _: impl FnOnce() -> Option<Duration>) {}

        pub(crate) fn handler(&self, _: &Topic, _: &'static str, _: Timer) {}

        pub(crate) fn store(&self, _: &'static str, _: bool, _: Timer) {}

        pub(crate) fn deposit(&self, _: &'static str) {}

        pub(crate) fn backlog(&self, _: &str, _: &Backlog) {}

        pub(crate) fn wait(&self, _: &Topic, _: impl FnOnce() -> Option<Duration>) {}

        pub(crate) fn attempt(&self, _: &Topic, _: &'static str, _: Option<&Tenant>) {}

        pub(crate) fn buried(&self, _: &'static str) {}

        pub(crate) fn in_flight(&self) -> Gauge {
            Gauge
        }

        pub(crate) fn running(&self) -> Gauge {
            Gauge
        }
    }

    pub(crate) struct Gauge;

    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn start() -> Self {
            Self
        }
    }
}
