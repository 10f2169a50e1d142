//! Builder methods for observability: delivery log, captures, explanations.

use std::sync::Arc;

use super::WebhookLayerBuilder;
use crate::{
    delivery_log::{Captures, DeliveryLog, Recorder},
    provider::Provider,
    signature::{Scheme, Secrets},
    store::IdempotencyStore,
};

impl<P: Provider, S: IdempotencyStore> WebhookLayerBuilder<P, S> {
    /// Records how each delivery ended in this log, and each run of the layer's workers; in none by
    /// default. See [`delivery_log`](crate::delivery_log).
    pub fn delivery_log(mut self, log: impl DeliveryLog) -> Self {
        self.settings.process.log = Some(Recorder::new(log, Recorder::PER_MINUTE, Arc::clone(&self.clock)));
        self
    }

    /// How many refusals of unauthenticated requests the delivery log gets in a minute; by default
    /// 60. Strangers can cause them at will: further ones are counted, and the next entry says how
    /// many they were.
    pub fn log_unauthenticated(mut self, per_minute: u32) -> Self {
        self.log_unauthenticated = per_minute;
        self
    }

    /// Keeps refused requests as they came, while this switch is on. See [`Captures`].
    pub fn capture(mut self, captures: &Captures) -> Self {
        self.captures = Some(captures.clone());
        self
    }

    /// Logs, at WARN, which of the usual mistakes explains a refused signature (see
    /// [`explain`](crate::signature::explain())), for at most this many refused requests a minute;
    /// off by default. Switch it on while an endpoint is set up or has begun to respond 401.
    ///
    /// Give it the secrets that the provider has: the layer keeps none. It does not hear of secrets
    /// that are rotated later. A request that was refused before its body was read is explained
    /// from its headers.
    ///
    /// ```
    /// # #[cfg(feature = "memory")] {
    /// use tower_webhook::{MemoryStore, WebhookLayer, dwolla::Dwolla, signature::Secrets};
    ///
    /// let secrets = Secrets::new("8f742231b10e8888abcd99yyyzzz85a5")?;
    /// let layer = WebhookLayer::builder(Dwolla::new(secrets.clone())?, MemoryStore::new())
    ///     .explain_refusals(secrets, 6)
    ///     .build()?;
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Security
    /// Strangers can cause refusals at will. The rate bounds what that costs: one explanation at a
    /// time, on a blocking thread, each up to 64 MiB of hashing, with one body and at most 4 MiB
    /// kept meanwhile. The response does not wait for it and does not change.
    pub fn explain_refusals(mut self, secrets: Secrets, per_minute: u32) -> Self {
        self.explain = Some((secrets, per_minute));
        self
    }

    /// Another endpoint of the application, whose requests may come here by mistake: tried by
    /// [`explain_refusals`](Self::explain_refusals), which calls it by this name. Up to eight are
    /// tried. Without `explain_refusals`, [`build`](Self::build) refuses it.
    pub fn explain_also(mut self, name: impl Into<String>, scheme: Scheme, secrets: Secrets) -> Self {
        self.explain_also.push((name.into(), scheme, secrets));
        self
    }
}
