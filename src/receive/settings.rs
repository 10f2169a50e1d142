use std::time::Duration;

use crate::process;

/// How requests are received. The defaults and their reasons are at the methods of
/// `WebhookLayerBuilder`.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) response_timeout: Duration,
    pub(crate) body_limit: usize,
    pub(crate) body_timeout: Duration,
    pub(crate) max_in_flight: usize,
    /// How many one tenant may occupy; half of all, if `None`.
    pub(crate) max_in_flight_per_tenant: Option<usize>,
    pub(crate) max_unauthenticated_bytes: usize,
    pub(crate) max_event_age: Option<Duration>,
    /// Whether unsigned ids are left out of keys.
    pub(crate) strict_identity: bool,
    /// The settings for the events that requests bring.
    pub(crate) process: process::Settings,
}
