use std::{sync::Arc, time::Duration};

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
}
