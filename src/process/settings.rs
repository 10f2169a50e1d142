use std::{sync::Arc, time::Duration};

use crate::{delivery_log::Recorder, error::BuildError};

/// How events are processed. The defaults and their reasons are at the methods of
/// `WebhookLayerBuilder`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) namespace: Arc<str>,
    pub(crate) store_timeout: Duration,
    pub(crate) lease: Duration,
    pub(crate) renew_every: Duration,
    pub(crate) handler_timeout: Duration,
    pub(crate) max_waiting: usize,
    pub(crate) retention: Duration,
    pub(crate) retry_window: Duration,
    /// Whether the provider documents that an id names one event.
    pub(crate) ids_are_unique: bool,
    /// Whether metrics have a label for the tenant.
    pub(crate) counts_by_tenant: bool,
    /// The delivery log, if there is one.
    pub(crate) log: Option<Recorder>,
}

impl Settings {
    /// The defaults for events of a provider whose event ids are kept for `retention`, and that
    /// sends an event again within `retry_window`.
    pub(crate) fn new(namespace: &str, retention: Duration, retry_window: Duration, ids_are_unique: bool) -> Self {
        let handler_timeout = Duration::from_secs(5 * 60);
        let least_retention = retry_window
            .saturating_add(handler_timeout)
            .saturating_add(Duration::from_secs(1));
        Self {
            namespace: namespace.into(),
            store_timeout: Duration::from_secs(2),
            lease: Duration::from_secs(60),
            renew_every: Duration::from_secs(20),
            handler_timeout,
            max_waiting: 256,
            retention: retention.max(least_retention),
            retry_window,
            ids_are_unique,
            counts_by_tenant: false,
            log: None,
        }
    }

    /// Which of them contradict each other, or can never work.
    pub(crate) fn check(&self) -> Result<(), BuildError> {
        let refuse = |message: String| Err(BuildError::new(message));
        if self.namespace.is_empty() || self.namespace.len() > 255 || self.namespace.chars().any(char::is_control) {
            return refuse(
                "the namespace is empty, longer than 255 bytes or holds a control character; expected a short name"
                    .into(),
            );
        }
        for (name, value) in [
            ("store_timeout", self.store_timeout),
            ("the renewal interval", self.renew_every),
            ("handler_timeout", self.handler_timeout),
        ] {
            if value.is_zero() {
                return refuse(zero(name));
            }
        }
        if self.renew_every.saturating_add(self.store_timeout) >= self.lease {
            return refuse(format!(
                "the lease ({}s) is not longer than its renewal interval ({}s) plus store_timeout ({}s): it could be lost while it is \
                 renewed; expected a longer lease or an earlier renewal",
                self.lease.as_secs_f64(),
                self.renew_every.as_secs_f64(),
                self.store_timeout.as_secs_f64()
            ));
        }
        let least = self.retry_window.saturating_add(self.handler_timeout);
        if self.retention <= least {
            return refuse(format!(
                "the retention ({}s) is not longer than the provider's retry window ({}s) plus the handler cap ({}s): a late retry would \
                 run twice; expected more than {}s",
                self.retention.as_secs(),
                self.retry_window.as_secs(),
                self.handler_timeout.as_secs(),
                least.as_secs()
            ));
        }
        Ok(())
    }
}

/// The error text for a time of zero.
pub(crate) fn zero(name: &str) -> String {
    format!("{name} is zero, so nothing could ever succeed; expected more")
}
