use std::{sync::Arc, time::Duration};

/// What a layer goes by. The numbers and where they come from are at the methods of `WebhookLayerBuilder`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) namespace: Arc<str>,
    pub(crate) response_timeout: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) lease: Duration,
    pub(crate) renew_every: Duration,
    pub(crate) handler_timeout: Duration,
    pub(crate) body_limit: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) max_in_flight: usize,
    pub(crate) max_unauthenticated_bytes: usize,
    pub(crate) max_waiting: usize,
    pub(crate) retention: Duration,
    pub(crate) retry_window: Duration,
    pub(crate) max_event_age: Option<Duration>,
    /// Whether unsigned ids are left out of keys.
    pub(crate) strict_identity: bool,
}
